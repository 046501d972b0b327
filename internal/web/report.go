package web

import (
	"net/http"

	"ramai/internal/chat"
	"ramai/internal/eventlog"
	"ramai/wire"
)

// postReport answers POST /api/v1/rooms/ROOM/reports, which reports a message to the moderators of the room. They read the reports in the
// messages of ~ROOM, and delete what is settled there.
func (w *web) postReport(out http.ResponseWriter, r *http.Request) {
	frame, ok := w.readRequest(out, r, wire.Report{}.Type(), &chat.Message{Room: r.PathValue("room")})
	if !ok {
		return
	}
	ask, _ := frame.(wire.Report)
	o, err := w.await(func(reply chat.Reply) error { return w.Chat.Report(actorOf(r), &ask, reply) })
	switch {
	case err != nil:
		w.fail(out, chat.Refusal(err))
	case o.Status == eventlog.Refused:
		refuse(out, statusOf(o.Err.Code), o.Err)
	case o.Status == eventlog.Repeat:
		answer(out, http.StatusOK, wire.ReportResponse{Of: ask.Of})
	default:
		answer(out, http.StatusCreated, wire.ReportResponse{Of: ask.Of})
	}
}
