package web

import (
	"net/http"

	"ramai/internal/chat"
	"ramai/wire"
)

// patchMessage answers PATCH /api/v1/rooms/ROOM/messages/N, which edits a message.
func (w *web) patchMessage(out http.ResponseWriter, r *http.Request) {
	format, ok := w.bodyFormatOf(r.Header)
	if !ok {
		w.refuse(out, http.StatusUnsupportedMediaType, unsupportedBody)
		return
	}
	m, ok := w.readBody(out, r, format)
	switch {
	case !ok:
	case m.Re != 0 || m.As != "":
		w.fail(out, &wire.CodedError{Code: wire.BadRequest, Reason: "an edit changes the text only; leave out re, as and options"})
	default:
		w.change(out, r, m, &m.Text)
	}
}

// deleteMessage answers DELETE /api/v1/rooms/ROOM/messages/N.
func (w *web) deleteMessage(out http.ResponseWriter, r *http.Request) {
	if m, ok := w.readWithoutBody(out, r); ok {
		w.change(out, r, m, nil)
	}
}

// change replaces the text of a message, or deletes it. m has the room and the id.
func (w *web) change(out http.ResponseWriter, r *http.Request, m *chat.Message, text *string) {
	of, refused := messageNumber(r)
	if refused != nil {
		w.fail(out, refused)
		return
	}
	c := &chat.Change{Room: m.Room, ID: m.ID, Of: of, Text: text}
	w.answerPost(out, http.StatusOK, func(reply chat.Reply) error { return w.Chat.Change(actorOf(r), c, reply) })
}

// deleteHeld answers DELETE /api/v1/rooms/ROOM/held/ID, which withdraws a message of the sender that waits for a moderator.
func (w *web) deleteHeld(out http.ResponseWriter, r *http.Request) {
	m, ok := w.readWithoutBody(out, r)
	if !ok {
		return
	}
	held := r.PathValue("id")
	if bad := wire.CheckID(held); bad != nil {
		w.fail(out, &wire.CodedError{Code: bad.Code, Reason: "the path must end with the id of the message: " + bad.Reason})
		return
	}
	w.answerPost(out, http.StatusOK, func(reply chat.Reply) error { return w.Chat.Withdraw(actorOf(r), m.Room, m.ID, held, reply) })
}
