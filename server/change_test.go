package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"ramai/server"
	"ramai/wire"
)

// TestBadChanges: a change or reply that is not possible gets the same code over WebSocket and over HTTP, and changes
// nothing.
func TestBadChanges(t *testing.T) {
	t.Parallel()
	base := start(t, func(c *server.Config) { c.Rate = 0 }).URL
	const secret, other = "AAAAAAAAAAAAAAAAAAAAAA", "BBBBBBBBBBBBBBBBBBBBBB"
	post(t, base, "lobby", "mine", "Authorization", "Bearer "+secret)
	post(t, base, "lobby", "theirs", "Authorization", "Bearer "+other)
	post(t, base, "lobby", "deleted", "Authorization", "Bearer "+secret)
	post(t, base, "lobby", "nobody's")
	if resp, body := call(t, http.MethodDelete, base+"/api/v1/rooms/lobby/messages/3?id=gone", "", "Authorization", "Bearer "+secret); resp.StatusCode != http.StatusOK {
		t.Fatalf("deleting is answered with %d %s", resp.StatusCode, body)
	}
	_, before := call(t, http.MethodGet, base+"/api/v1/rooms/lobby/messages", "")

	p := dial(t, base, wire.Protocol)
	p.hear(t, "welcome")
	p.say(string(wire.Append(nil, wire.Hello{Session: secret})))
	p.hear(t, "welcome")
	long := strings.Repeat("x", 4001)
	for i, c := range []struct {
		what, of, text string // of and text are JSON; without text it deletes
		code           wire.Code
		status         int
	}{
		{"an unknown message", "99", `"x"`, wire.BadRequest, 400},
		{"the next number", "6", `"x"`, wire.BadRequest, 400},
		{"the highest number", "18446744073709551615", `"x"`, wire.BadRequest, 400},
		{"beyond the highest number", "18446744073709551616", `"x"`, wire.BadRequest, 400},
		{"number 0", "0", `"x"`, wire.BadRequest, 400},
		{"a negative number", "-1", `"x"`, wire.BadRequest, 400},
		{"a word", `"one"`, `"x"`, wire.BadRequest, 400},
		{"a change", "5", `"x"`, wire.BadRequest, 400},
		{"a deleted message", "3", `"x"`, wire.Gone, 410},
		{"a deleted message, again", "3", "", wire.Gone, 410},
		{"somebody else's", "2", `"x"`, wire.NotAllowed, 403},
		{"somebody else's, to delete it", "2", "", wire.NotAllowed, 403},
		{"message of a client without a session", "4", `"x"`, wire.NotAllowed, 403},
		{"a long text", "1", `"` + long + `"`, wire.TooLong, 413},
		{"a control character", "1", `"\u0007"`, wire.BadRequest, 400},
		{"half of a surrogate pair", "1", `"\ud800"`, wire.BadRequest, 400},
		{"no text, but a number", "1", "7", wire.BadRequest, 400},
	} {
		text := c.text
		if text == "" {
			text = "null"
		}
		p.say(fmt.Sprintf(`{"type":"change","room":"lobby","id":"bad%d","of":%s,"text":%s}`, i, c.of, text))
		if f := p.hear(t, "refused"); f.Code != c.code || f.ID != fmt.Sprint("bad", i) {
			t.Errorf("%s: refused with %s for %q (%s), want %s", c.what, f.Code, f.ID, f.Reason, c.code)
		}
		method, body := http.MethodPatch, `{"text":`+c.text+`}`
		if c.text == "" {
			method, body = http.MethodDelete, ""
		}
		resp, answer := call(t, method, base+"/api/v1/rooms/lobby/messages/"+strings.Trim(c.of, `"`), body, "Content-Type", "application/json", "Authorization", "Bearer "+secret)
		if resp.StatusCode != c.status || !strings.Contains(answer, `"`+string(c.code)+`"`) {
			t.Errorf("%s over HTTP: %d %s, want %d %s", c.what, resp.StatusCode, answer, c.status, c.code)
		}
	}
	for _, re := range []string{"6", "99", "5", "0", "-1"} { // itself, a future message, a change, and invalid numbers
		p.say(fmt.Sprintf(`{"type":"say","room":"lobby","id":"re%s","text":"x","re":%s}`, strings.Trim(re, "-"), re))
		if f := p.hear(t, "refused"); f.Code != wire.BadRequest {
			t.Errorf("a reply to %s is refused with %s", re, f.Code)
		}
		resp, answer := call(t, http.MethodPost, base+"/api/v1/rooms/lobby/messages", `{"text":"x","re":`+re+`}`, "Content-Type", "application/json")
		if resp.StatusCode != http.StatusBadRequest {
			t.Errorf("a reply to %s over HTTP: %d %s", re, resp.StatusCode, answer)
		}
	}
	if resp, answer := call(t, http.MethodPatch, base+"/api/v1/rooms/lobby/messages/1", "x", "Content-Type", "text/html", "Authorization", "Bearer "+secret); resp.StatusCode != http.StatusUnsupportedMediaType {
		t.Errorf("a body of HTML: %d %s", resp.StatusCode, answer)
	}
	if resp, answer := call(t, http.MethodPatch, base+"/api/v1/rooms/lobby/messages/1", `{"text":"x","re":2}`, "Content-Type", "application/json", "Authorization", "Bearer "+secret); resp.StatusCode != http.StatusBadRequest {
		t.Errorf("an edit with re: %d %s", resp.StatusCode, answer)
	}
	if _, after := call(t, http.MethodGet, base+"/api/v1/rooms/lobby/messages", ""); after != before {
		t.Errorf("the room was\n%s\nand is now\n%s", before, after)
	}
	// The same ids can still be used, and a repeated change changes nothing.
	p.say(`{"type":"change","room":"lobby","id":"bad0","of":1,"text":"edited"}`)
	if f := p.hear(t, "saved"); f.N != 6 {
		t.Errorf("an edit has the number %d, want 6", f.N)
	}
	for range 2 {
		resp, answer := call(t, http.MethodPatch, base+"/api/v1/rooms/lobby/messages/1", `{"text":"edited","id":"bad0"}`, "Content-Type", "application/json", "Authorization", "Bearer "+secret)
		if resp.StatusCode != http.StatusOK || !strings.Contains(answer, `"n":6`) {
			t.Errorf("a repetition: %d %s", resp.StatusCode, answer)
		}
	}
}

// answered has the fields of welcome, saved and refused that the test compares.
type answered struct {
	Type   string
	ID     string
	N      uint64
	Code   wire.Code
	Reason string
}

// hear reads the next frame, which must be of a type.
func (p *peer) hear(t *testing.T, kind string) (f answered) {
	t.Helper()
	b := p.next()
	if err := json.Unmarshal([]byte(b), &f); err != nil || f.Type != kind {
		t.Fatalf("received %s (%v), want a frame of the type %s", b, err, kind)
	}
	return f
}
