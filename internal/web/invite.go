package web

import (
	"encoding/json"
	"mime"
	"net/http"
	"time"

	"ramai/internal/chat"
	"ramai/wire"
)

// maxRedeem is the limit of a body with an invite, a password, or what an invite is to be, in bytes.
const maxRedeem = 4 << 10

// secretTimeout is how long a request with a secret may take: a whole class may wait for its passwords to be hashed, one after the
// other. It is shorter than writeTimeout.
const secretTimeout = 25 * time.Second

// invite answers POST /api/v1/rooms/ROOM/invites, which makes an invite.
func (w *web) invite(out http.ResponseWriter, r *http.Request) {
	m := &chat.Message{Room: r.PathValue("room")}
	frame, ok := w.readRequest(out, r, wire.Invite{}.Type(), m)
	if !ok {
		return
	}
	ask, _ := frame.(wire.Invite)
	answerLater(w, out, http.StatusCreated, func(done func(wire.Invited, error)) error { return w.Chat.Invite(actorOf(r), ask, done) })
}

// redeem answers POST /api/v1/rooms/ROOM/redeem, which redeems an invite or a password.
func (w *web) redeem(out http.ResponseWriter, r *http.Request) {
	frame, ok := w.readRequest(out, r, wire.Redeem{}.Type(), &chat.Message{Room: r.PathValue("room")})
	if !ok {
		return
	}
	ask, _ := frame.(wire.Redeem)
	answerLater(w, out, http.StatusOK, func(done func(wire.OwnRole, error)) error { return w.Chat.Redeem(actorOf(r), ask, done) })
}

// readRequest reads a body with the fields of a request of ramai.v1, besides its type, its room and its id. If it returns false,
// the request is answered.
func (w *web) readRequest(out http.ResponseWriter, r *http.Request, kind string, m *chat.Message) (wire.Frame, bool) {
	if coding := r.Header.Get("Content-Encoding"); coding != "" && coding != "identity" || !isJSON(r.Header) {
		w.refuse(out, http.StatusUnsupportedMediaType, &wire.CodedError{Code: wire.BadRequest, Reason: "send one JSON object as Content-Type application/json, and not compressed"})
		return nil, false
	}
	if wait := w.chargeWork(r, maxRedeem); wait > 0 {
		w.fail(out, tooFast(wait))
		return nil, false
	}
	frame, refused := w.parseRequest(out, r, kind, m)
	if refused != nil {
		w.fail(out, refused)
		return nil, false
	}
	return frame, true
}

func isJSON(header http.Header) bool {
	kind, _, err := mime.ParseMediaType(header.Get("Content-Type"))
	return err == nil && kind == "application/json"
}

func (w *web) parseRequest(out http.ResponseWriter, r *http.Request, kind string, m *chat.Message) (wire.Frame, *wire.CodedError) {
	if refused := w.setID(r, m); refused != nil {
		return nil, refused
	}
	body, refused := readBody(out, r, maxRedeem)
	if refused != nil {
		return nil, refused
	}
	var given map[string]json.RawMessage
	if refused := wire.ParseJSON(body, &given); refused != nil || given == nil {
		return nil, &wire.CodedError{Code: wire.BadRequest, Reason: "the body must be one JSON object"}
	}
	if id, has := given["id"]; has {
		var own string
		if refused := wire.ParseJSON(id, &own); refused != nil {
			return nil, &wire.CodedError{Code: wire.BadRequest, Reason: "the field \"id\": " + refused.Reason}
		}
		if refused := setBodyID(&own, m); refused != nil {
			return nil, refused
		}
	}
	for name, value := range map[string]string{"type": kind, "room": m.Room, "id": m.ID} {
		given[name], _ = json.Marshal(value) // a string is always valid
	}
	whole, err := json.Marshal(given)
	if err != nil {
		return nil, &wire.CodedError{Code: wire.BadRequest, Reason: "the body must be one JSON object"}
	}
	request, refused := wire.ParseRequest(whole)
	return request.Frame, refused
}

// hashPassword hashes the password in a setting.
func (w *web) hashPassword(r *http.Request, s *chat.Setting) *wire.CodedError {
	_, refused, _ := later(func(done func(struct{}, error)) error {
		return w.Chat.HashPassword(actorOf(r), s, func(err error) { done(struct{}{}, err) })
	})
	return refused
}

// later calls begin, and returns what it passes to done, or the error of either. begun: begin returned no error.
func later[T any](begin func(done func(T, error)) error) (value T, refused *wire.CodedError, begun bool) {
	type result struct {
		value T
		err   error
	}
	results := make(chan result, 1)
	if err := begin(func(value T, err error) { results <- result{value, err} }); err != nil {
		return value, chat.Refusal(err), false
	}
	timeout := time.NewTimer(secretTimeout)
	defer timeout.Stop()
	select {
	case got := <-results:
		return got.value, chat.Refusal(got.err), true
	case <-timeout.C:
		return value, chat.ErrUnknown, true
	}
}

// answerLater calls begin, and answers with what it passes to done, or with the error of either.
func answerLater[T any](w *web, out http.ResponseWriter, status int, begin func(done func(T, error)) error) {
	switch value, refused, begun := later(begin); {
	case !begun:
		w.fail(out, refused)
	case refused != nil: // the log has counted it
		refuse(out, statusOf(refused.Code), refused)
	default:
		answer(out, status, value)
	}
}
