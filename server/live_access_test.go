package server_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"golang.org/x/crypto/ssh"

	"ramai/wire"
)

// TestBannedWhileConnected: a ban ends what every connection of the sender receives of the room, on each transport. Nothing that is
// posted afterwards reaches one of them, and a stream that is opened again is refused. A connection of the plain protocol has no sender that could be
// banned: only a private room ends it, because its role is that of everyone.
func TestBannedWhileConnected(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes some seconds")
	}
	t.Parallel()
	a := newAccess(t)
	a.set("den", "everyone", `"guest"`)
	v1 := a.v1("guest")
	v1.say(`{"type":"join","room":"den","last":0}`)
	frame[wire.Joined](v1)
	asPlain := dial(t, a.url+"/r/den?last=1")
	asPlain.expect(wire.Greeting)
	asPlain.receive()
	streams := map[string]*stream{
		"events": listen(t, a.base, "den", "?last=1", "Ramai-Session", a.session("guest")),
		"lines":  listen(t, a.base, "den", "?last=1", "Ramai-Session", a.session("guest"), "Accept", "application/x-ndjson"),
	}
	for _, s := range streams {
		if _, joined := s.next().(wire.Joined); !joined {
			t.Fatal("a stream does not begin with joined")
		}
	}
	c := a.connect("x", ssh.PublicKeys(a.keys["guest"]))
	out, _, _ := command(t, c, "lobby --json", "")
	var welcome wire.Welcome
	if err := json.Unmarshal([]byte(strings.SplitN(out, "\n", 2)[0]), &welcome); err != nil {
		t.Fatalf("%q: %v", out, err)
	}
	term := a.terminal(c, "den", 80, 24)
	term.shows("canary two")
	s, err := c.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	in, err := s.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	printed, err := s.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start("den --last 1"); err != nil {
		t.Fatal(err)
	}
	lineMode := bufio.NewReader(printed)
	for text := ""; !strings.Contains(text, canary); {
		if text, err = lineMode.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}

	for _, by := range []string{wire.SenderIDOf(a.session("guest")), welcome.SenderID} {
		a.set("den", "person/"+by, `"ban"`)
	}
	const between = "said after the ban"
	post(t, a.base, "den", between, "Ramai-Session", a.session("owner"))
	if got := asPlain.receive(); !strings.Contains(got, between) {
		t.Errorf("plain receives %q, want what is posted after the ban of somebody", got)
	}
	a.set("den", "everyone", `"none"`)
	const later = "said afterwards"
	if resp, got := call(t, http.MethodPost, a.base+"/api/v1/rooms/den/messages", later, "Ramai-Session", a.session("owner")); resp.StatusCode != http.StatusCreated {
		t.Fatalf("%d %s", resp.StatusCode, got)
	}

	seen := map[string]string{"v1": receiveUntil(v1, `"type":"left"`)}
	v1.say(`{"type":"ping","id":"end"}`)
	seen["v1"] += receiveUntil(v1, `"id":"end"`)
	if notice := asPlain.receive(); !strings.HasPrefix(notice, wire.NoticePrefix) {
		t.Errorf("plain receives %q, want a notice", notice)
	}
	asPlain.expectEnd(websocket.StatusPolicyViolation)
	for name, s := range streams {
		for f := s.next(); f != nil; f = s.next() {
			seen[name] += fmt.Sprintf("%+v", f)
		}
		if !strings.Contains(seen[name], wire.RulePerson) {
			t.Errorf("%s ends after %q, want the rule", name, seen[name])
		}
	}
	term.shows("closed for you")
	term.mu.Lock()
	seen["screen"] = string(term.text)
	term.mu.Unlock()
	rest, err := io.ReadAll(lineMode)
	if err != nil {
		t.Error(err)
	}
	seen["line mode"] = string(rest)
	for name, text := range seen {
		if strings.Contains(text, later) || strings.Contains(text, between) {
			t.Errorf("%s receives what is posted after the ban: %.300s", name, text)
		}
	}
	if answer, allowed := a.http("guest", http.MethodGet, "/api/v1/rooms/den/stream", ""); allowed || !strings.HasPrefix(answer, "403 ") || !strings.Contains(answer, "banned") || strings.Contains(answer, "Retry-After") {
		t.Errorf("a stream that is opened again: %.300s", answer)
	}
	if answer, allowed := a.http("guest", http.MethodGet, "/api/v1/rooms/den/messages", ""); allowed || strings.Contains(answer, later) {
		t.Errorf("a page: %.300s", answer)
	}
}
