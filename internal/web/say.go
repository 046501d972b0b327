package web

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"strings"
	"time"

	"ramai/internal/eventlog"
	"ramai/wire"
)

// anonymous is the one sender of all who name no session: derived from what is none.
var anonymous = wire.SenderIDOf("")

// say answers POST /api/v1/rooms/ROOM/messages.
func (w *web) say(out http.ResponseWriter, r *http.Request) {
	form, ok := w.formOf(r.Header)
	if !ok {
		w.refuse(out, http.StatusUnsupportedMediaType, &wire.CodedError{
			Code:   wire.BadRequest,
			Reason: `say a text as Content-Type text/plain, or {"text": "..."} as application/json, and not compressed`,
		})
		return
	}
	if wait := w.work(r, form.most); wait > 0 {
		w.fail(out, tooFast(wait))
		return
	}
	e, err := w.event(out, r, form)
	if err == nil {
		err = w.pay(r, &e)
	}
	if err != nil {
		w.fail(out, err)
		return
	}
	w.Env.Clients.Heard(addrOf(r), e.Room, e.Text)
	o, err := w.decide(e)
	switch {
	case err != nil:
		w.fail(out, err)
	case o.Status == eventlog.Refused:
		refuse(out, statusOf(o.Err.Code), o.Err)
	case o.Status == eventlog.Repeat:
		answer(out, http.StatusOK, wire.PostResponse{HistoryID: w.Env.Store.HistoryID(), Epoch: w.Env.Store.Epoch().Name, N: o.N, At: o.At})
	default:
		answer(out, http.StatusCreated, wire.PostResponse{HistoryID: w.Env.Store.HistoryID(), Epoch: w.Env.Store.Epoch().Name, N: o.N, At: o.At})
	}
}

// work takes the work of reading a request from the rates, also of one that turns out to say nothing. No more than most bytes
// of it are read.
func (w *web) work(r *http.Request, most int) time.Duration {
	length := int64(most)
	if r.ContentLength >= 0 {
		length = min(length, r.ContentLength)
	}
	var by [wire.SenderIDLen]byte
	copy(by[:], sender(r))
	return w.Env.Rates.Work(w.Env.Now(), by, addrOf(r).Addr(), 1+int(length>>10))
}

// event makes an event of a request, or says what is wrong with it.
func (w *web) event(out http.ResponseWriter, r *http.Request, form form) (eventlog.Command, *wire.CodedError) {
	e := eventlog.Command{Kind: eventlog.Say, SenderID: anonymous, Room: r.PathValue("room")}
	if by := sender(r); by != "" {
		e.SenderID = by
	}
	if err := w.identify(r, &e); err != nil {
		return e, err
	}
	body, err := receive(out, r, form.most)
	if err == nil {
		e.Text, err = form.text(body)
	}
	if err == nil {
		err = wire.CheckText(e.Text, w.Env.Limits.Text)
	}
	return e, err
}

// identify gives e its id: the client's, or one that is drawn.
func (w *web) identify(r *http.Request, e *eventlog.Command) *wire.CodedError {
	keys := r.Header.Values("Idempotency-Key")
	if len(keys) == 0 {
		id, err := wire.NewSession(w.Env.Random)
		if err != nil {
			return &wire.CodedError{Code: wire.Internal, Reason: "no randomness is to be had"}
		}
		e.ID, e.Once = id, true
		return nil
	}
	e.ID = keys[0]
	if k := len(e.ID); k > 2 && e.ID[0] == '"' && e.ID[k-1] == '"' { // as a structured field writes it
		e.ID = e.ID[1 : k-1]
	}
	if err := wire.CheckID(e.ID); err != nil || len(keys) > 1 {
		return &wire.CodedError{Code: wire.BadRequest, Reason: "Idempotency-Key is one id, 1 to 64 of A-Z, a-z, 0-9, _ and -; a UUID will do"}
	}
	return nil
}

// form is how a body says a text.
type form struct {
	most int // bytes of it
	text func(body []byte) (string, *wire.CodedError)
}

// formOf tells the form of a request's body. False: it has none of the known.
func (w *web) formOf(header http.Header) (form, bool) {
	if coding := header.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		return form{}, false // RFC 9110, section 8.4: 415
	}
	kind := header.Get("Content-Type")
	if kind == "" {
		return form{2*w.Env.Limits.Text + lineSpare, line}, true
	}
	kind, params, err := mime.ParseMediaType(kind)
	if charset := params["charset"]; err != nil || charset != "" && !strings.EqualFold(charset, "utf-8") && !strings.EqualFold(charset, "us-ascii") {
		return form{}, false
	}
	switch kind {
	case "text/plain":
		return form{2*w.Env.Limits.Text + lineSpare, line}, true
	case "application/json":
		return form{w.Env.Limits.Frame, object}, true
	}
	return form{}, false
}

// lineSpare is what a body of text/plain may have besides its text: a byte order mark, and CRLF at its end. Each newline
// within may have come as CRLF.
const lineSpare = len(wire.BOM) + len("\r\n")

// line is a text as it is. The line break at its end, which echo and editors put there, is not said.
func line(body []byte) (string, *wire.CodedError) {
	return strings.TrimSuffix(wire.NormalizeText(string(body)), "\n"), nil
}

// object is a text in a JSON object.
func object(body []byte) (string, *wire.CodedError) {
	var said struct {
		Text *string `json:"text"`
	}
	const want = `the body must be one JSON object with a "text" that is a string`
	if err := wire.ParseJSON(body, &said); err != nil {
		return "", &wire.CodedError{Code: err.Code, Reason: want + ": " + err.Reason}
	}
	if said.Text == nil {
		return "", &wire.CodedError{Code: wire.BadRequest, Reason: want}
	}
	return wire.NormalizeText(*said.Text), nil
}

// receive reads a body of at most so many bytes.
func receive(out http.ResponseWriter, r *http.Request, most int) ([]byte, *wire.CodedError) {
	tooLong := &wire.CodedError{Code: wire.TooLong, Reason: fmt.Sprintf("the body has more than %d bytes, the most that can be said at once", most)}
	if r.ContentLength > int64(most) {
		return nil, tooLong
	}
	body, err := io.ReadAll(http.MaxBytesReader(out, r.Body, int64(most)))
	var over *http.MaxBytesError
	switch {
	case errors.As(err, &over):
		return nil, tooLong
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, &wire.CodedError{Code: wire.BadRequest, Reason: fmt.Sprintf("the body did not come within %v", bodyTakes)}
	case err != nil:
		return nil, &wire.CodedError{Code: wire.BadRequest, Reason: "the body broke off"}
	}
	http.NewResponseController(out).SetReadDeadline(time.Time{}) // every request has one, see New
	return body, nil
}

// pay takes e from the rates, and if it makes a room, that too. The anonymous sender is everybody: there, only the
// address counts.
func (w *web) pay(r *http.Request, e *eventlog.Command) *wire.CodedError {
	addr := addrOf(r).Addr()
	wait := w.Env.Rates.Take(w.Env.Now(), sender(r), addr, 1)
	if wait == 0 && w.Env.Store.Bounds(e.Room).Empty() {
		wait = w.Env.Rates.TakeRoom(w.Env.Now(), addr, e.Room)
	}
	if wait > 0 {
		return tooFast(wait)
	}
	return nil
}
