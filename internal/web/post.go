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

	"ramai/internal/chat"
	"ramai/internal/eventlog"
	"ramai/wire"
)

// postMessage answers POST /api/v1/rooms/ROOM/messages.
func (w *web) postMessage(out http.ResponseWriter, r *http.Request) {
	format, ok := w.bodyFormatOf(r.Header)
	if !ok {
		w.refuse(out, http.StatusUnsupportedMediaType, unsupportedBody)
		return
	}
	m, ok := w.readBody(out, r, format)
	if !ok {
		return
	}
	w.answerPost(out, http.StatusCreated, func(reply chat.Reply) error { return w.Chat.Say(actorOf(r), m, reply) })
}

// readBody charges a request with a body, and reads the body. If it returns false, the request is answered.
func (w *web) readBody(out http.ResponseWriter, r *http.Request, format bodyFormat) (*chat.Message, bool) {
	if wait := w.chargeWork(r, format.limit); wait > 0 {
		w.fail(out, tooFast(wait))
		return nil, false
	}
	m, refused := w.message(out, r, format)
	if refused != nil {
		w.fail(out, refused)
		return nil, false
	}
	return m, true
}

// readWithoutBody charges a request that has no body, and returns its room and its id. If it returns false, the request is
// answered.
func (w *web) readWithoutBody(out http.ResponseWriter, r *http.Request) (*chat.Message, bool) {
	if wait := w.chargeWork(r, 0); wait > 0 {
		w.fail(out, tooFast(wait))
		return nil, false
	}
	m := &chat.Message{Room: r.PathValue("room")}
	if err := w.setID(r, m); err != nil {
		w.fail(out, err)
		return nil, false
	}
	return m, true
}

// answerPost submits a message, a change or a setting, and answers with its number. saved is the status if it is stored now.
func (w *web) answerPost(out http.ResponseWriter, saved int, submit func(chat.Reply) error) {
	o, err := w.await(submit)
	switch {
	case err != nil:
		w.fail(out, chat.Refusal(err))
	case o.Status == eventlog.Refused || o.Status == eventlog.OnHold:
		refuse(out, statusOf(o.Err.Code), o.Err)
	default:
		status, at := saved, w.Chat.Position(o.N)
		if o.Status == eventlog.Repeat {
			status = http.StatusOK
		}
		answer(out, status, wire.PostResponse{HistoryID: at.HistoryID, Epoch: at.Epoch, N: o.N, At: o.At})
	}
}

var unsupportedBody = &wire.CodedError{
	Code: wire.BadRequest, Reason: `send the text as Content-Type text/plain, or {"text": "..."} as application/json, and not compressed`,
}

// actorOf describes the sender of an API request.
func actorOf(r *http.Request) *chat.Actor {
	return &chat.Actor{SenderID: sender(r), Addr: addrOf(r), Protocol: chat.HTTP}
}

// chargeWork charges the work of reading a request of at most limit bytes, even if the request turns out to be invalid.
// If the rates do not allow it, it returns how long to wait.
func (w *web) chargeWork(r *http.Request, limit int) time.Duration {
	length := int64(limit)
	if r.ContentLength >= 0 {
		length = min(length, r.ContentLength)
	}
	var by [wire.SenderIDLen]byte
	copy(by[:], sender(r))
	return w.Chat.Work(by, addrOf(r).Addr(), 1+int(length>>10))
}

// message parses the message of a request.
func (w *web) message(out http.ResponseWriter, r *http.Request, format bodyFormat) (*chat.Message, *wire.CodedError) {
	m := &chat.Message{Room: r.PathValue("room")}
	if err := w.setID(r, m); err != nil {
		return nil, err
	}
	body, err := readBody(out, r, format.limit)
	if err == nil {
		err = format.parse(body, m)
	}
	return m, err
}

// setID sets the id of m: the client's, or a new one.
func (w *web) setID(r *http.Request, m *chat.Message) *wire.CodedError {
	keys := r.Header.Values("Idempotency-Key")
	if id := r.URL.Query().Get("id"); id != "" && r.Method != http.MethodPost {
		keys = append(keys, id)
	}
	if len(keys) == 0 {
		id, err := w.Chat.NewID()
		m.ID, m.Once = id, true
		return chat.Refusal(err)
	}
	m.ID = keys[0]
	if k := len(m.ID); k > 2 && m.ID[0] == '"' && m.ID[k-1] == '"' { // a structured field (RFC 9651)
		m.ID = m.ID[1 : k-1]
	}
	if err := wire.CheckID(m.ID); err != nil || len(keys) > 1 {
		return &wire.CodedError{Code: wire.BadRequest, Reason: "Idempotency-Key must be one id of 1 to 64 characters of A-Z, a-z, 0-9, _ and -, such as a UUID"}
	}
	return nil
}

// bodyFormat is the format of a body with a text.
type bodyFormat struct {
	limit int // in bytes
	parse func(body []byte, m *chat.Message) *wire.CodedError
}

// bodyFormatOf returns the format of a request's body; false: the format is not supported.
func (w *web) bodyFormatOf(header http.Header) (bodyFormat, bool) {
	if coding := header.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		return bodyFormat{}, false // RFC 9110, section 8.4: 415
	}
	kind := header.Get("Content-Type")
	if kind == "" {
		return bodyFormat{2*w.Chat.Limits().Text + textOverhead, plainText}, true
	}
	kind, params, err := mime.ParseMediaType(kind)
	if charset := params["charset"]; err != nil || charset != "" && !strings.EqualFold(charset, "utf-8") && !strings.EqualFold(charset, "us-ascii") {
		return bodyFormat{}, false
	}
	switch kind {
	case "text/plain":
		return bodyFormat{2*w.Chat.Limits().Text + textOverhead, plainText}, true
	case "application/json":
		return bodyFormat{w.Chat.Limits().Frame, jsonText}, true
	}
	return bodyFormat{}, false
}

// textOverhead is what a body of text/plain may have besides its text: a byte order mark, and CRLF at its end. Each
// newline within the text may be CRLF.
const textOverhead = len(wire.BOM) + len("\r\n")

// plainText sets a text, without the line break that echo and editors add at its end.
func plainText(body []byte, m *chat.Message) *wire.CodedError {
	m.Text = strings.TrimSuffix(wire.NormalizeText(string(body)), "\n")
	return nil
}

// jsonText sets the fields of a JSON object.
func jsonText(body []byte, m *chat.Message) *wire.CodedError {
	var said struct {
		Text *string `json:"text"`
		Re   *uint64 `json:"re"`
		ID   *string `json:"id"`
		As   *string `json:"as"`

		Options []string `json:"options"`
	}
	const want = `the body must be one JSON object with a "text" that is a string`
	if err := wire.ParseJSON(body, &said); err != nil {
		return &wire.CodedError{Code: err.Code, Reason: want + ": " + err.Reason}
	}
	if said.Text == nil {
		return &wire.CodedError{Code: wire.BadRequest, Reason: want}
	}
	if said.Re != nil {
		if m.Re = *said.Re; m.Re == 0 {
			return &wire.CodedError{Code: wire.BadRequest, Reason: "re must be the number of a message, from 1"}
		}
	}
	if err := setBodyID(said.ID, m); err != nil {
		return err
	}
	if said.As != nil {
		m.As = *said.As
	}
	for _, option := range said.Options {
		m.Options = append(m.Options, wire.NormalizeText(option))
	}
	m.Text = wire.NormalizeText(*said.Text)
	return wire.CheckAs(m.As, m.Options)
}

// setBodyID sets the id of m to the one in a body, if there is one.
func setBodyID(id *string, m *chat.Message) *wire.CodedError {
	if id == nil {
		return nil
	}
	if err := wire.CheckID(*id); err != nil {
		return &wire.CodedError{Code: err.Code, Reason: "the field \"id\": " + err.Reason}
	}
	m.ID, m.Once = *id, false
	return nil
}

// readBody reads a body of at most most bytes.
func readBody(out http.ResponseWriter, r *http.Request, most int) ([]byte, *wire.CodedError) {
	tooLong := &wire.CodedError{Code: wire.TooLong, Reason: fmt.Sprintf("the body has more than %d bytes, the limit of one message", most)}
	if r.ContentLength > int64(most) {
		return nil, tooLong
	}
	body, err := io.ReadAll(http.MaxBytesReader(out, r.Body, int64(most)))
	var over *http.MaxBytesError
	switch {
	case errors.As(err, &over):
		return nil, tooLong
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, &wire.CodedError{Code: wire.BadRequest, Reason: fmt.Sprintf("the body did not arrive within %v", bodyTimeout)}
	case err != nil:
		return nil, &wire.CodedError{Code: wire.BadRequest, Reason: "the body is incomplete"}
	}
	http.NewResponseController(out).SetReadDeadline(time.Time{}) // every request has a deadline, see New
	return body, nil
}

func tooFast(wait time.Duration) *wire.CodedError {
	return &wire.CodedError{Code: wire.RateLimited, Reason: "too fast; wait, then try again", RetryAfter: max(wait, time.Millisecond)}
}
