package web

import (
	"net/http"

	"ramai/internal/chat"
	"ramai/internal/room"
	"ramai/wire"
)

// moderate answers POST /api/v1/rooms/ROOM/moderate, which erases messages, says what that would erase, or undoes it or what a
// moderator did, or decides about a held message.
func (w *web) moderate(out http.ResponseWriter, r *http.Request) {
	frame, ok := w.readRequest(out, r, wire.Moderate{}.Type(), &chat.Message{Room: r.PathValue("room")})
	if !ok {
		return
	}
	ask, _ := frame.(wire.Moderate)
	a := actorOf(r)
	switch {
	case ask.Approve != nil || ask.Reject != nil:
		w.answerPost(out, http.StatusOK, func(reply chat.Reply) error { return w.Chat.Judge(a, &ask, reply) })
	case ask.Undo > 0:
		w.answerPost(out, http.StatusOK, func(reply chat.Reply) error { return w.Chat.Undo(a, &ask, reply) })
	case ask.UndoBy != nil:
		switch undone, refused, _ := later(func(done func(wire.Undone, error)) error { return w.Chat.UndoBy(a, &ask, done) }); {
		case refused != nil:
			w.fail(out, refused)
		default:
			answer(out, http.StatusOK, undone.Listed())
		}
	case ask.Dry:
		w.preview(out, a, &ask)
	default:
		found, refused := w.selected(a, &ask, false)
		if refused != nil {
			w.fail(out, refused)
			return
		}
		w.answerPost(out, http.StatusOK, func(reply chat.Reply) error { return w.Chat.Erase(a, &ask, &found, reply) })
	}
}

// preview answers with what an erasure would erase.
func (w *web) preview(out http.ResponseWriter, a *chat.Actor, ask *wire.Moderate) {
	var preview wire.Preview
	refused := w.handOver(out, a, func(again bool) ([]room.Range, *wire.CodedError) {
		found, refused := w.selected(a, ask, again)
		if refused != nil {
			return nil, refused
		}
		if preview = found.Preview(ask); preview.Sample == nil {
			preview.Sample = []wire.Message{}
		}
		return rangeOf(ask.Room, preview.Sample), nil
	}, func() { answer(out, http.StatusOK, preview) })
	if refused != nil {
		w.fail(out, refused)
	}
}

// selected returns what a selection finds. One that is looked for again is not counted.
func (w *web) selected(a *chat.Actor, ask *wire.Moderate, again bool) (chat.Selected, *wire.CodedError) {
	found, refused, _ := later(func(done func(chat.Selected, error)) error {
		if again {
			w.Chat.SelectAgain(a, ask, done)
			return nil
		}
		return w.Chat.Select(a, ask, done)
	})
	return found, refused
}
