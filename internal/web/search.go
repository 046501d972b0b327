package web

import (
	"context"
	"net/http"

	"ramai/internal/chat"
	"ramai/internal/room"
	"ramai/internal/store/search"
	"ramai/wire"
)

// search answers GET /api/v1/search?q=&room=&before=&limit=.
func (w *web) search(out http.ResponseWriter, r *http.Request) {
	values := r.URL.Query()
	q := search.Query{Words: values.Get("q"), Room: values.Get("room"), Before: values.Get("before")}
	var found *wire.SearchResponse
	var err *wire.CodedError
	if q.Limit, err = parseLimit(values, wire.MaxHits); err == nil {
		a := actorOf(r)
		err = w.handOver(out, a, func(again bool) (_ []room.Range, err *wire.CodedError) {
			if found, err = w.find(r.Context(), a, q, again); err != nil {
				return nil, err
			}
			return rangesOf(found.Hits), nil
		}, func() { answer(out, http.StatusOK, found) })
	}
	if err != nil {
		w.fail(out, err)
	}
}

// find searches. A search that is repeated is not counted.
func (w *web) find(ctx context.Context, a *chat.Actor, q search.Query, again bool) (*wire.SearchResponse, *wire.CodedError) {
	search := w.Chat.Search
	if again {
		search = w.Chat.SearchAgain
	}
	found, err := search(ctx, a, q)
	if err != nil {
		return nil, chat.Refusal(err)
	}
	return found, nil
}

// rangesOf returns the records of hits.
func rangesOf(hits []wire.Hit) []room.Range {
	ranges := make([]room.Range, len(hits))
	for i, h := range hits {
		ranges[i] = room.Range{Room: h.Room, From: h.N, To: h.N}
	}
	return ranges
}
