package server_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ramai/server"
	"ramai/wire"
)

// A raid is a room with listeners and honest people, which many fresh senders flood.
type raid struct {
	tb   testing.TB
	base string
	room string

	mu   sync.Mutex
	last map[uint64]string // guarded by mu: what was posted by raiders, by number
}

const raidRoom = "town"

// do makes a request as somebody at an address, and returns the status and the body.
func (r *raid) do(method, path, body, session, addr string) (int, string) {
	req, err := http.NewRequestWithContext(context.Background(), method, r.base+path, strings.NewReader(body))
	if err != nil {
		return 0, err.Error()
	}
	req.Header.Set("Authorization", "Bearer "+session)
	req.Header.Set("X-Forwarded-For", addr)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(got)
}

// say posts a text, and returns its number; 0: it was refused.
func (r *raid) say(text, session, addr string) uint64 {
	status, body := r.do(http.MethodPost, "/api/v1/rooms/"+r.room+"/messages", fmt.Sprintf(`{"text":%q}`, text), session, addr)
	var posted wire.PostResponse
	if status != http.StatusCreated || json.Unmarshal([]byte(body), &posted) != nil {
		return 0
	}
	return posted.N
}

// moderate makes a request of a moderator, which must succeed.
func (r *raid) moderate(body, session string, answer any) {
	r.tb.Helper()
	status, got := r.do(http.MethodPost, "/api/v1/rooms/"+r.room+"/moderate", body, session, moderatorAddr)
	if status != http.StatusOK {
		r.tb.Fatalf("moderate %s: %d %s", body, status, got)
	}
	if err := json.Unmarshal([]byte(got), answer); err != nil {
		r.tb.Fatalf("moderate %s: %v: %s", body, err, got)
	}
}

func (r *raid) set(key, body, session string) {
	r.tb.Helper()
	if status, got := r.do(http.MethodPut, "/api/v1/rooms/"+r.room+"/state/"+key, body, session, moderatorAddr); status != http.StatusOK {
		r.tb.Fatalf("set %s: %d %s", key, status, got)
	}
}

const moderatorAddr = "192.0.2.1"

func sessionOf(who string) string {
	return (who + "-" + strings.Repeat("0", wire.SessionLen))[:wire.SessionLen]
}

// messages returns the messages of the room as somebody reads them from pages.
func (r *raid) messages(session, addr string) (all []wire.Message) {
	r.tb.Helper()
	for after := uint64(0); ; {
		status, body := r.do(http.MethodGet, fmt.Sprintf("/api/v1/rooms/%s/messages?after=%d&limit=500", r.room, after), "", session, addr)
		var page wire.HistoryResponse
		if status != http.StatusOK || json.Unmarshal([]byte(body), &page) != nil {
			r.tb.Fatalf("a page: %d %.200s", status, body)
		}
		all = append(all, page.Messages...)
		if !page.More {
			return all
		}
		after = page.Messages[len(page.Messages)-1].N
	}
}

// TestRaid: 200 fresh senders from 20 addresses flood a room with 500 listeners. A moderator ends it with two requests, erases all of
// it with one after a preview, and undoes that. Honest people's messages stay as they are, one of whom shares an address with
// raiders, and nobody is handed an erased text afterwards.
func TestRaid(t *testing.T) {
	listeners, raiders, addresses := 500, 200, 20
	if testing.Short() {
		listeners = 50
	}
	s := serve(t, func(c *server.Config) { trustLoopback(c); c.InMemory = true })
	r := &raid{tb: t, base: "http" + strings.TrimPrefix(s.url, "ws"), room: raidRoom, last: map[uint64]string{}}
	moderator := sessionOf("moderator")
	r.say("welcome", moderator, moderatorAddr)
	honest := map[uint64]string{} // by number
	speak := func(k int, when string) {
		text := fmt.Sprintf("honest words of %d %s", k, when)
		addr := fmt.Sprintf("192.0.2.%d", 10+k)
		if k == 0 {
			addr = "198.51.100.0" // which raiders share
		}
		n := r.say(text, sessionOf(fmt.Sprint("honest", k)), addr)
		if n == 0 {
			t.Fatalf("%q is refused", text)
		}
		honest[n] = text
	}
	for k := range 10 {
		speak(k, "before the raid")
	}
	var members []*peer
	for k := range listeners {
		p, _ := fromAddress(t, r.base, fmt.Sprintf("203.0.113.%d", k%250), wire.Hello{Session: sessionOf(fmt.Sprint("listener", k))})
		p.say(`{"type":"join","room":"` + r.room + `","last":0}`)
		frame[wire.Joined](p)
		members = append(members, p)
	}
	// The clocks of the server and of the test are the same.
	since := wire.TimeOf(time.Now().Add(5 * time.Millisecond))
	time.Sleep(10 * time.Millisecond)
	var flood sync.WaitGroup
	for k := range raiders {
		flood.Go(func() {
			for i := range 2 {
				text := fmt.Sprintf("raidcanary %d %d", k, i)
				if n := r.say(text, sessionOf(fmt.Sprint("raider", k)), fmt.Sprintf("198.51.100.%d", k%addresses)); n > 0 {
					r.mu.Lock()
					r.last[n] = text
					r.mu.Unlock()
				}
			}
		})
	}
	for k := range 10 {
		speak(k, "in the raid")
	}
	flood.Wait()
	if len(r.last) != 2*raiders {
		t.Fatalf("%d messages of %d are posted", len(r.last), 2*raiders)
	}

	// Two requests end it.
	began := time.Now()
	r.set("lock", `{"value":"on"}`, moderator)
	var preview wire.Preview
	erase := fmt.Sprintf(`"erase":{"newcomers":true,"since":%q}`, since)
	r.moderate("{"+erase+`,"dry":true}`, moderator, &preview)
	if preview.Count != 2*raiders || preview.Senders != raiders || preview.Addresses != addresses || preview.Kept != 0 || len(preview.Sample) != wire.PreviewSample {
		t.Fatalf("the preview is %+v", preview)
	}
	for n := range r.last {
		if n > preview.To {
			t.Fatalf("message %d is above the preview's %d", n, preview.To)
		}
	}
	if n := r.say("raidcanary again", sessionOf("raider1"), "198.51.100.1"); n != 0 {
		t.Errorf("a raider can post in the locked room")
	}
	var erased wire.PostResponse
	r.moderate(fmt.Sprintf(`{%s,"to":%d,"id":"raid"}`, erase, preview.To), moderator, &erased)
	took := time.Since(began)
	t.Logf("the raid is over after %v", took)

	check := func(when string, gone bool) {
		t.Helper()
		for who, all := range map[string][]wire.Message{"the moderator": r.messages(moderator, moderatorAddr), "a raider": r.messages(sessionOf("raider0"), "198.51.100.0")} {
			seen := 0
			for _, m := range all {
				want, isHonest := honest[m.N]
				_, isRaid := r.last[m.N]
				switch {
				case isHonest && (m.Gone || m.Text != want):
					t.Fatalf("%s, %s sees %+v, want %q", when, who, m, want)
				case isRaid && (m.Gone != gone || !gone && m.Text != r.last[m.N] || gone && m.Text != ""):
					t.Fatalf("%s, %s sees %+v", when, who, m)
				case isHonest:
					seen++
				}
			}
			if seen != len(honest) {
				t.Fatalf("%s, %s sees %d honest messages of %d", when, who, seen, len(honest))
			}
		}
	}
	check("erased", true)
	late, _ := fromAddress(t, r.base, "192.0.2.77", wire.Hello{Session: sessionOf("late")})
	late.say(`{"type":"join","room":"` + r.room + `","last":500}`)
	for what, body := range map[string]string{
		"a replay":             receiveUntil(late, fmt.Sprintf(`"changed","room":%q,"n":%d,`, r.room, erased.N)),
		"a search":             second(r.do(http.MethodGet, "/api/v1/search?q=raidcanary", "", moderator, moderatorAddr)),
		"the page":             second(r.do(http.MethodGet, "/r/"+r.room, "", moderator, moderatorAddr)),
		"the list of rooms":    second(r.do(http.MethodGet, "/api/v1/rooms", "", moderator, moderatorAddr)),
		"the moderators' room": second(r.do(http.MethodGet, "/api/v1/rooms/~"+r.room+"/messages", "", moderator, moderatorAddr)),
	} {
		if strings.Contains(strings.ReplaceAll(body, `"query":"raidcanary"`, ""), "raidcanary ") {
			t.Errorf("%s has an erased text: %.300s", what, body)
		}
	}

	// It is undone.
	var undone wire.PostResponse
	r.moderate(fmt.Sprintf(`{"undo":%d,"id":"undo"}`, erased.N), moderator, &undone)
	deadline := time.Now().Add(20 * time.Second)
	for slices.ContainsFunc(r.messages(moderator, moderatorAddr), func(m wire.Message) bool { return m.Gone }) && time.Now().Before(deadline) {
	}
	check("restored", false)

	// Those who were there have received everything once, in order, and the erasure.
	for _, p := range members[:min(5, len(members))] {
		next, changed := uint64(0), false
		for !changed || next <= undone.N {
			f, err := wire.ParseFrame([]byte(p.receive()))
			if err != nil {
				t.Fatal(err)
			}
			n := numberOf(f)
			if n == 0 {
				continue
			}
			if next != 0 && n != next {
				t.Fatalf("a listener receives number %d after %d", n, next-1)
			}
			next = n + 1
			if c, is := f.(wire.Changed); is && len(c.Of) > 0 {
				changed = true
			}
		}
	}
}

// TestSelections: a selection by address has the messages of its senders from there, and none of moderators, whom the preview counts.
func TestSelections(t *testing.T) {
	t.Parallel()
	s := serve(t, func(c *server.Config) { trustLoopback(c); c.InMemory = true })
	r := &raid{tb: t, base: "http" + strings.TrimPrefix(s.url, "ws"), room: "den"}
	owner, there, elsewhere := sessionOf("owner"), "198.51.100.7", "198.51.100.8"
	r.say("hello", owner, there)              // 1: the owner's own, from there
	r.say("a", sessionOf("ann"), there)       // 2
	r.say("b", sessionOf("ann"), elsewhere)   // 3
	r.say("c", sessionOf("bob"), elsewhere)   // 4
	r.say("d", sessionOf("ann"), there)       // 5
	r.say("e", sessionOf("cid"), there)       // 6
	r.say("f", sessionOf("moderator"), there) // 7
	r.set("role/"+wire.SenderIDOf(sessionOf("moderator")), `{"value":"moderator"}`, owner)
	for _, p := range []struct{ who, addr string }{{"ann", there}, {"ann", elsewhere}, {"cid", there}, {"dan", there}, {"eve", elsewhere}, {"owner", there}} {
		c, _ := fromAddress(t, r.base, p.addr, wire.Hello{Session: sessionOf(p.who)})
		c.say(`{"type":"join","room":"den","last":0}`)
		frame[wire.Joined](c)
	}
	var preview wire.Preview
	r.moderate(`{"erase":{"address_of":2},"dry":true}`, owner, &preview)
	if preview.Count != 3 || preview.Senders != 2 || preview.Kept != 2 || preview.Addresses != 1 || preview.Present != 4 {
		t.Errorf("the preview is %+v", preview)
	}
	for body, want := range map[string]string{
		`{"erase":{"address_of":99},"dry":true}`:                    "the address of message 99 is not known",
		`{"erase":{"newcomers":true},"dry":true}`:                   "newcomers needs since",
		`{"erase":{"newcomers":true,"by":"x"},"dry":true}`:          "exactly one of by",
		`{"erase":{},"dry":true}`:                                   "exactly one of by",
		`{"erase":{"address_of":2}}`:                                "erase needs to",
		`{"erase":{"address_of":-2},"dry":true}`:                    "",
		`{"erase":{"address_of":2},"to":5,"undo":2}`:                "exactly one of erase, undo",
		`{"erase":{"address_of":2},"to":5,"id":"` + "no id!" + `"}`: "id",
	} {
		if status, got := r.do(http.MethodPost, "/api/v1/rooms/den/moderate", body, owner, there); status/100 != 4 || !strings.Contains(got, want) {
			t.Errorf("%s: %d %s, want %q", body, status, got, want)
		}
	}
	if status, got := r.do(http.MethodPost, "/api/v1/rooms/den/moderate", `{"erase":{"address_of":2},"dry":true}`, sessionOf("bob"), there); status != http.StatusForbidden {
		t.Errorf("a preview for a guest: %d %s", status, got)
	}
	var erased wire.PostResponse
	r.moderate(fmt.Sprintf(`{"erase":{"address_of":2},"to":%d,"id":"e"}`, preview.To), owner, &erased)
	gone := ""
	for _, m := range r.messages(owner, there) {
		if m.Gone {
			gone += fmt.Sprint(" ", m.N)
		}
	}
	if gone != " 2 5 6" {
		t.Errorf("erased are%s", gone)
	}
}

func second(_ int, body string) string { return body }

// receiveUntil receives frames until one has a text, and returns them.
func receiveUntil(p *peer, text string) (all string) {
	p.t.Helper()
	for !strings.Contains(all, text) {
		all += p.receive() + "\n"
	}
	return all
}

// numberOf returns the number of a frame of a room; 0: it has none.
func numberOf(f wire.Frame) uint64 {
	switch f := f.(type) {
	case wire.Message:
		return f.N
	case wire.Changed:
		return f.N
	case wire.Restored:
		return f.N
	case wire.State:
		return f.N
	case wire.Tally:
		return f.N
	}
	return 0
}
