package web

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"ramai/internal/chat"
	"ramai/wire"
)

// rooms answers GET /api/v1/rooms?after=&limit=.
func (w *web) rooms(out http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	after := q.Get("after")
	var err *wire.CodedError
	if after != "" {
		err = wire.CheckRoom(after)
	}
	limit := 0
	if err == nil {
		limit, err = parseLimit(q, wire.MaxRooms)
	}
	if err != nil {
		w.fail(out, err)
		return
	}
	page, refused := w.Chat.Rooms(actorOf(r), after, limit)
	if refused != nil {
		w.fail(out, chat.Refusal(refused))
		return
	}
	answer(out, http.StatusOK, page)
}

// people answers GET /api/v1/rooms/ROOM/people?prefix=&limit=.
func (w *web) people(out http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	ask := wire.Who{Room: r.PathValue("room"), Prefix: q.Get("prefix")}
	err := wire.CheckPrefix(ask.Prefix)
	if err == nil {
		ask.Limit, err = parseLimit(q, wire.MaxWho)
	}
	if err != nil {
		w.fail(out, err)
		return
	}
	who, refused := w.Chat.Who(actorOf(r), ask)
	if refused != nil {
		w.fail(out, chat.Refusal(refused))
		return
	}
	answer(out, http.StatusOK, wire.PeopleResponse{Count: who.Count, Matching: who.Matching, Names: who.Names})
}

// state answers GET /api/v1/rooms/ROOM/state?prefix=&after=&limit=.
func (w *web) state(out http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	ask := wire.StateRequest{Room: r.PathValue("room"), Prefix: q.Get("prefix"), After: q.Get("after")}
	var err *wire.CodedError
	for _, name := range []string{"prefix", "after"} {
		if key := q.Get(name); err == nil && len(key) > wire.MaxSettingKey {
			err = &wire.CodedError{Code: wire.BadRequest, Reason: fmt.Sprintf("invalid %s %q (want at most %d bytes)", name, truncate(key), wire.MaxSettingKey)}
		}
	}
	if err == nil {
		ask.Limit, err = parseLimit(q, wire.MaxSettings)
	}
	if err != nil {
		w.fail(out, err)
		return
	}
	page, refused := w.Chat.Settings(actorOf(r), ask)
	if refused != nil {
		w.fail(out, chat.Refusal(refused))
		return
	}
	if page.Settings == nil {
		page.Settings = []wire.Setting{}
	}
	answer(out, http.StatusOK, wire.StateResponse{N: page.N, Settings: page.Settings, More: page.More})
}

// parseLimit parses the parameter limit, from 1 to highest. It returns 0 if there is none.
func parseLimit(q url.Values, highest int) (int, *wire.CodedError) {
	s := q.Get("limit")
	if s == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > highest {
		return 0, &wire.CodedError{Code: wire.BadRequest, Reason: fmt.Sprintf("invalid limit %q (want a number from 1 to %d)", truncate(s), highest)}
	}
	return n, nil
}
