package web

import (
	"net/http"

	"ramai/internal/chat"
	"ramai/internal/store/search"
	"ramai/wire"
)

// search answers GET /api/v1/search?q=&room=&before=&limit=.
func (w *web) search(out http.ResponseWriter, r *http.Request) {
	found, err := w.searchIndex(r)
	if err != nil {
		w.fail(out, err)
		return
	}
	answer(out, http.StatusOK, found)
}

func (w *web) searchIndex(r *http.Request) (*wire.SearchResponse, *wire.CodedError) {
	values := r.URL.Query()
	q := search.Query{Words: values.Get("q"), Room: values.Get("room"), Before: values.Get("before")}
	var bad *wire.CodedError
	if q.Limit, bad = parseLimit(values, wire.MaxHits); bad != nil {
		return nil, bad
	}
	found, err := w.Chat.Search(r.Context(), actorOf(r), q)
	if err != nil {
		return nil, chat.Refusal(err)
	}
	return found, nil
}
