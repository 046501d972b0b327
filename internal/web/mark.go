package web

import (
	"fmt"
	"net/http"
	"strconv"

	"ramai/internal/chat"
	"ramai/internal/eventlog"
	"ramai/wire"
)

// putMark answers PUT /api/v1/rooms/ROOM/messages/N/marks/KEY.
func (w *web) putMark(out http.ResponseWriter, r *http.Request) { w.mark(out, r, true) }

// deleteMark answers DELETE /api/v1/rooms/ROOM/messages/N/marks/KEY.
func (w *web) deleteMark(out http.ResponseWriter, r *http.Request) { w.mark(out, r, false) }

// mark adds a mark of the sender of a request, or takes it away.
func (w *web) mark(out http.ResponseWriter, r *http.Request, on bool) {
	if wait := w.chargeWork(r, 0); wait > 0 {
		w.fail(out, tooFast(wait))
		return
	}
	of, refused := messageNumber(r)
	if refused != nil {
		w.fail(out, refused)
		return
	}
	m := &chat.Mark{Room: r.PathValue("room"), Of: of, Key: r.PathValue("key"), On: on}
	o, err := w.await(func(reply chat.Reply) error { return w.Chat.Mark(actorOf(r), m, reply) })
	switch {
	case err != nil:
		w.fail(out, chat.Refusal(err))
	case o.Status == eventlog.Refused:
		refuse(out, statusOf(o.Err.Code), o.Err)
	default:
		answer(out, http.StatusOK, wire.MarkResponse{Of: of, Key: m.Key, On: on})
	}
}

// messageNumber returns the number of a message in the path of a request.
func messageNumber(r *http.Request) (uint64, *wire.CodedError) {
	n, err := strconv.ParseUint(r.PathValue("n"), 10, 64)
	if err != nil || n == 0 {
		return 0, &wire.CodedError{Code: wire.BadRequest, Reason: fmt.Sprintf("invalid number %.40q of a message in the path (want a whole number from 1)", r.PathValue("n"))}
	}
	return n, nil
}
