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

// postMessage answers POST /api/v1/rooms/ROOM/messages.
func (w *web) postMessage(out http.ResponseWriter, r *http.Request) {
	form, ok := w.bodyFormatOf(r.Header)
	if !ok {
		w.refuse(out, http.StatusUnsupportedMediaType, &wire.CodedError{
			Code:   wire.BadRequest,
			Reason: `say a text as Content-Type text/plain, or {"text": "..."} as application/json, and not compressed`,
		})
		return
	}
	if wait := w.chargeWork(r, form.limit); wait > 0 {
		w.fail(out, tooFast(wait))
		return
	}
	e, err := w.command(out, r, form)
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

// chargeWork takes the chargeWork of reading a request from the rates, also of one that turns out to say nothing. No more than most bytes
// of it are read.
func (w *web) chargeWork(r *http.Request, most int) time.Duration {
	length := int64(most)
	if r.ContentLength >= 0 {
		length = min(length, r.ContentLength)
	}
	var by [wire.SenderIDLen]byte
	copy(by[:], sender(r))
	return w.Env.Rates.Work(w.Env.Now(), by, addrOf(r).Addr(), 1+int(length>>10))
}

// command makes an command of a request, or says what is wrong with it.
func (w *web) command(out http.ResponseWriter, r *http.Request, form bodyFormat) (eventlog.Command, *wire.CodedError) {
	e := eventlog.Command{Kind: eventlog.Say, SenderID: anonymous, Room: r.PathValue("room")}
	if by := sender(r); by != "" {
		e.SenderID = by
	}
	if err := w.setID(r, &e); err != nil {
		return e, err
	}
	body, err := readBody(out, r, form.limit)
	if err == nil {
		e.Text, err = form.text(body)
	}
	if err == nil {
		err = wire.CheckText(e.Text, w.Env.Limits.Text)
	}
	return e, err
}

// setID gives e its id: the client's, or one that is drawn.
func (w *web) setID(r *http.Request, e *eventlog.Command) *wire.CodedError {
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

// bodyFormat is how a body says a text.
type bodyFormat struct {
	limit int // bytes of it
	text  func(body []byte) (string, *wire.CodedError)
}

// bodyFormatOf tells the form of a request's body. False: it has none of the known.
func (w *web) bodyFormatOf(header http.Header) (bodyFormat, bool) {
	if coding := header.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		return bodyFormat{}, false // RFC 9110, section 8.4: 415
	}
	kind := header.Get("Content-Type")
	if kind == "" {
		return bodyFormat{2*w.Env.Limits.Text + textOverhead, plainText}, true
	}
	kind, params, err := mime.ParseMediaType(kind)
	if charset := params["charset"]; err != nil || charset != "" && !strings.EqualFold(charset, "utf-8") && !strings.EqualFold(charset, "us-ascii") {
		return bodyFormat{}, false
	}
	switch kind {
	case "text/plain":
		return bodyFormat{2*w.Env.Limits.Text + textOverhead, plainText}, true
	case "application/json":
		return bodyFormat{w.Env.Limits.Frame, jsonText}, true
	}
	return bodyFormat{}, false
}

// textOverhead is what a body of text/plain may have besides its text: a byte order mark, and CRLF at its end. Each newline
// within may have come as CRLF.
const textOverhead = len(wire.BOM) + len("\r\n")

// plainText is a text as it is. The plainText break at its end, which echo and editors put there, is not said.
func plainText(body []byte) (string, *wire.CodedError) {
	return strings.TrimSuffix(wire.NormalizeText(string(body)), "\n"), nil
}

// jsonText is a text in a JSON jsonText.
func jsonText(body []byte) (string, *wire.CodedError) {
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

// readBody reads a body of at most so many bytes.
func readBody(out http.ResponseWriter, r *http.Request, most int) ([]byte, *wire.CodedError) {
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
		return nil, &wire.CodedError{Code: wire.BadRequest, Reason: fmt.Sprintf("the body did not come within %v", bodyTimeout)}
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
