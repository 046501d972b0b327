package server_test

import (
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"ramai/server"
	"ramai/wire"
)

// TestMarks: a mark is answered on all connections of its sender in the room, and everyone in it receives the counts with
// a tally, which plain clients do not see. Pages and new readers have the counts.
func TestMarks(t *testing.T) {
	t.Parallel()
	base := start(t, func(c *server.Config) { c.Rate = 0 }).URL
	const secret = "AAAAAAAAAAAAAAAAAAAAAA"
	post(t, base, "den", "one", "Authorization", "Bearer "+secret)
	devices := []*peer{dial(t, base, wire.Protocol), dial(t, base, wire.Protocol)}
	for _, p := range devices {
		p.hear(t, "welcome")
		p.say(string(wire.Append(nil, wire.Hello{Session: secret})))
		p.hear(t, "welcome")
		p.say(`{"type":"join","room":"den"}`)
		p.hear(t, "joined")
	}
	devices[0].say(`{"type":"mark","room":"den","of":1,"key":"👍","on":true,"ref":"r"}`)
	for i, p := range devices {
		want := wire.Marked{Room: "den", Of: 1, Key: "👍", On: true}
		if i == 0 {
			want.Ref = "r"
		}
		if got := frame[wire.Marked](p); got != want {
			t.Errorf("device %d receives %+v, want %+v", i, got, want)
		}
		if got := frame[wire.Tally](p); got.N != 2 || !reflect.DeepEqual(got.Of, map[uint64]wire.Counts{1: {"👍": 1}}) {
			t.Errorf("device %d receives the tally %+v", i, got)
		}
	}
	mark := func(method, key, session string) (int, string) {
		t.Helper()
		resp, body := call(t, method, base+"/api/v1/rooms/den/messages/1/marks/"+url.PathEscape(key), "", "Authorization", "Bearer "+session)
		return resp.StatusCode, strings.TrimSpace(body)
	}
	if status, body := mark(http.MethodPut, "❤️", strings.Repeat("B", 22)); status != http.StatusOK || body != `{"of":1,"key":"❤️","on":true}` {
		t.Errorf("a mark over HTTP: %d %s", status, body)
	}
	if got := frame[wire.Tally](devices[0]); got.N != 3 || !reflect.DeepEqual(got.Of, map[uint64]wire.Counts{1: {"👍": 1, "❤️": 1}}) {
		t.Errorf("the second tally is %+v", got)
	}
	if status, body := mark(http.MethodDelete, "👍", secret); status != http.StatusOK || body != `{"of":1,"key":"👍","on":false}` {
		t.Errorf("unmarking over HTTP: %d %s", status, body)
	}
	for i, p := range devices {
		if got, want := frame[wire.Marked](p), (wire.Marked{Room: "den", Of: 1, Key: "👍"}); got != want {
			t.Errorf("device %d receives %+v, want %+v", i, got, want)
		}
	}
	if got := frame[wire.Tally](devices[0]); got.N != 4 || !reflect.DeepEqual(got.Of, map[uint64]wire.Counts{1: {"❤️": 1}}) {
		t.Errorf("the third tally is %+v", got)
	}
	if status, _ := mark(http.MethodPut, "up", secret); status != http.StatusOK {
		t.Errorf("an upvote: %d", status)
	}
	again := dial(t, base, wire.Protocol)
	again.hear(t, "welcome")
	again.say(string(wire.Append(nil, wire.Hello{Session: secret})))
	for _, join := range []struct {
		frame string
		mine  wire.Mine
	}{{`{"type":"join","room":"den"}`, wire.Mine{1: {"up"}}}, {`{"type":"join","room":"den","last":0}`, nil}} {
		again.say(join.frame)
		if got := frame[wire.Joined](again); !reflect.DeepEqual(got.Mine, join.mine) {
			t.Errorf("%s is answered with the marks %v, want %v", join.frame, got.Mine, join.mine)
		}
	}
	again.say(`{"type":"history","room":"den"}`)
	if got := frame[wire.Page](again); !reflect.DeepEqual(got.Mine, wire.Mine{1: {"up"}}) {
		t.Errorf("the page has the marks %v", got.Mine)
	}
	if _, page := call(t, http.MethodGet, base+"/api/v1/rooms/den/messages", "", "Authorization", "Bearer "+secret); !strings.Contains(page, `"mine":{"1":["up"]}`) {
		t.Errorf("the page is %s", page)
	}
	if got := frame[wire.Tally](devices[0]); got.N != 5 || !reflect.DeepEqual(got.Of, map[uint64]wire.Counts{1: {"❤️": 1, "up": 1}}) {
		t.Errorf("the fourth tally is %+v", got)
	}
	if _, page := call(t, http.MethodGet, base+"/api/v1/rooms/den/messages", ""); !strings.Contains(page, `"tally":{"up":1,"❤️":1},"tallied":5`) || !strings.Contains(page, `"skipped":[[2,5]]`) || strings.Contains(page, `"mine"`) {
		t.Errorf("the page is %s", page)
	}
}

// TestBadMarks: a mark that is not possible gets the same code over WebSocket and over HTTP.
func TestBadMarks(t *testing.T) {
	t.Parallel()
	base := start(t, func(c *server.Config) { c.Rate = 0 }).URL
	const secret = "AAAAAAAAAAAAAAAAAAAAAA"
	for _, text := range []string{"one", "deleted"} {
		post(t, base, "den", text, "Authorization", "Bearer "+secret)
	}
	if resp, body := call(t, http.MethodDelete, base+"/api/v1/rooms/den/messages/2", "", "Authorization", "Bearer "+secret); resp.StatusCode != http.StatusOK {
		t.Fatalf("deleting is answered with %d %s", resp.StatusCode, body)
	}
	p := dial(t, base, wire.Protocol)
	p.hear(t, "welcome")
	for i, c := range []struct {
		of, key string
		code    wire.Code
		status  int
	}{
		{"9", "👍", wire.BadRequest, 400}, {"3", "👍", wire.BadRequest, 400}, {"0", "👍", wire.BadRequest, 400}, {"18446744073709551616", "👍", wire.BadRequest, 400},
		{"2", "👍", wire.Gone, 410}, {"1", "1", wire.BadRequest, 400}, {"1", "12", wire.BadRequest, 400}, {"1", "like", wire.BadRequest, 400}, {"1", "👍👍", wire.BadRequest, 400},
		{"1", strings.Repeat("x", 1000), wire.BadRequest, 400},
	} {
		p.say(fmt.Sprintf(`{"type":"mark","room":"den","of":%s,"key":%q,"on":true,"ref":"bad%d"}`, c.of, c.key, i))
		if f := frame[wire.Error](p); f.Code != c.code || f.Ref != fmt.Sprint("bad", i) || f.Request != "mark" || f.Room != "den" {
			t.Errorf("%s, %.20s: %+v, want %s", c.of, c.key, f, c.code)
		}
		resp, answer := call(t, http.MethodPut, base+"/api/v1/rooms/den/messages/"+c.of+"/marks/"+url.PathEscape(c.key), "", "Authorization", "Bearer "+secret)
		if resp.StatusCode != c.status || !strings.Contains(answer, `"`+string(c.code)+`"`) {
			t.Errorf("%s, %.20s over HTTP: %d %s, want %d %s", c.of, c.key, resp.StatusCode, answer, c.status, c.code)
		}
	}
	if resp, answer := call(t, http.MethodPut, base+"/api/v1/rooms/den/messages/1/marks/up", ""); resp.StatusCode != http.StatusForbidden {
		t.Errorf("without a session: %d %s, want 403", resp.StatusCode, answer)
	}
}
