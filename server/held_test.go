package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"ramai/server"
	"ramai/wire"
)

// A heldRoom is a server whose room "open" holds everything that its guests post.
type heldRoom struct {
	*access
	author, other, owner *peer
}

func newHeldRoom(t *testing.T) *heldRoom {
	h := &heldRoom{access: newAccess(t)}
	h.set("open", "hold", `"all"`)
	h.author, h.other, h.owner = h.knowing("guest"), h.v1("reader"), h.v1("owner")
	for _, p := range []*peer{h.author, h.other, h.owner} {
		p.say(`{"type":"join","room":"open","last":0}`)
		frame[wire.Joined](p)
	}
	h.owner.say(`{"type":"join","room":"~open","last":0}`)
	frame[wire.Joined](h.owner)
	return h
}

// knowing connects as a client that understands held messages.
func (a *access) knowing(role string) *peer {
	p := dial(a.t, a.url, wire.Protocol)
	p.say(`{"type":"hello","ref":"hello","held":true,"session":"` + a.session(role) + `"}`)
	p.until(`"ref":"hello"`)
	return p
}

func (h *heldRoom) by(role string) string { return wire.SenderIDOf(h.session(role)) }

// moderate makes the owner decide, and returns the answer.
func (h *heldRoom) moderate(what string) string {
	h.t.Helper()
	id := h.id()
	h.owner.say(fmt.Sprintf(`{"type":"moderate","room":"open","id":%q,"ref":%q,%s}`, id, id, what))
	return h.owner.until(fmt.Sprintf(`"ref":%q`, id))
}

// nowhere fails if a text is handed to somebody who is not a moderator, on any transport.
func (h *heldRoom) nowhere(text string) {
	h.t.Helper()
	for _, role := range []string{"guest", "reader", "none"} {
		for path, what := range map[string]string{
			"/api/v1/rooms/open/messages?limit=100": "history", "/r/open": "the page", "/api/v1/rooms/~open/messages": "history of the moderators",
			"/r/~open": "the page of the moderators", "/api/v1/rooms": "the rooms", "/api/v1/rooms/open/state": "the state",
		} {
			if answer, _ := h.http(role, http.MethodGet, path, ""); strings.Contains(answer, text) {
				h.t.Errorf("a %s gets the text through %s", role, what)
			}
		}
		if answer, _ := h.ask(role, `{"type":"history","room":"open","limit":100}`); strings.Contains(answer, text) {
			h.t.Errorf("a %s gets the text in a page", role)
		}
		if answer, ok := h.ask(role, `{"type":"join","room":"~open","last":50}`); ok {
			h.t.Errorf("a %s joins the room of the moderators: %s", role, answer)
		}
	}
	if answer, _ := h.search("guest", text); strings.Contains(answer, `"text"`) {
		h.t.Errorf("a guest finds it: %s", answer)
	}
	if _, metrics := call(h.t, http.MethodGet, h.admin+"/metrics", ""); strings.Contains(metrics, text) || strings.Contains(metrics, "~open") {
		h.t.Error("the metrics have it")
	}
}

// TestHeld: a message that is held reaches its author and the moderators, and nobody else before it is approved. After a decision
// its author is told, and repeating the message changes nothing.
func TestHeld(t *testing.T) {
	h := newHeldRoom(t)
	h.author.say(`{"type":"say","room":"open","id":"h1","text":"heldtext one"}`)
	if got := frame[wire.HeldBack](h.author); got != (wire.HeldBack{Room: "open", ID: "h1"}) {
		t.Fatalf("the author receives %+v", got)
	}
	waiting := frame[wire.Message](h.owner)
	if waiting.Room != "~open" || waiting.As != wire.HeldMessage || waiting.Text != "heldtext one" || waiting.SenderID != h.by("guest") || waiting.ID != "h1" {
		t.Fatalf("the moderator receives %+v", waiting)
	}
	h.nowhere("heldtext")
	h.author.say(`{"type":"say","room":"open","id":"h1","text":"heldtext one"}`)
	frame[wire.HeldBack](h.author)
	if got := h.moderate(fmt.Sprintf(`"approve":{"by":%q,"held":"h1"}`, h.by("guest"))); !strings.Contains(got, `"saved"`) {
		t.Fatalf("approving: %s", got)
	}
	saved := frame[wire.Saved](h.author)
	if posted := frame[wire.Message](h.other); posted.Text != "heldtext one" || posted.N != saved.N || posted.ID != "h1" || posted.SenderID != h.by("guest") {
		t.Fatalf("the others receive %+v, and the author %+v", posted, saved)
	}
	h.author.say(`{"type":"say","room":"open","id":"h1","text":"heldtext one"}`)
	if again := frame[wire.Saved](h.author); again.N != saved.N {
		t.Errorf("repeated, it has the number %d, want %d", again.N, saved.N)
	}

	h.author.say(`{"type":"say","room":"open","id":"h2","text":"heldtext two"}`)
	frame[wire.HeldBack](h.author)
	h.moderate(fmt.Sprintf(`"reject":{"by":%q,"held":"h2"}`, h.by("guest")))
	rejected := frame[wire.Refused](h.author)
	if rejected.ID != "h2" || rejected.Code != wire.Held || rejected.Params[wire.ParamWhy].Text == nil {
		t.Errorf("the author of a rejected message receives %+v", rejected)
	}
	h.author.say(`{"type":"say","room":"open","id":"h3","text":"heldtext three"}`)
	frame[wire.HeldBack](h.author)
	h.author.say(`{"type":"change","room":"open","id":"c1","held":"h3","text":null}`)
	if withdrawn := frame[wire.Refused](h.author); withdrawn.ID != "h3" || withdrawn.Code != wire.Gone {
		t.Errorf("the author of a withdrawn message receives %+v", withdrawn)
	}
	for _, text := range []string{"two", "three"} {
		h.nowhere("heldtext " + text)
		if answer, _ := h.http("owner", http.MethodGet, "/api/v1/rooms/~open/messages?limit=100", ""); strings.Contains(answer, "heldtext "+text) {
			t.Errorf("the moderators still see the text %q", text)
		}
	}
}

// TestEraseHeld: an erasure rejects the held messages that belong to the selection, as the preview counts them, and no others.
func TestEraseHeld(t *testing.T) {
	t.Parallel()
	s := serve(t, func(c *server.Config) { trustLoopback(c); c.InMemory = true })
	r := &raid{tb: t, base: "http" + strings.TrimPrefix(s.url, "ws"), room: "den"}
	owner, here, there := sessionOf("owner"), "198.51.100.7", "198.51.100.8"
	r.say("hello", owner, moderatorAddr) // 1
	r.say("old", sessionOf("ann"), here) // 2
	r.set("hold", `{"value":"all"}`, owner)
	hold := func(who, id, addr string) {
		if status, got := r.do(http.MethodPost, "/api/v1/rooms/den/messages", fmt.Sprintf(`{"text":"%s","id":%q}`, id, id), sessionOf(who), addr); status != http.StatusForbidden || !strings.Contains(got, `"held"`) {
			t.Fatalf("%s is not held: %d %s", id, status, got)
		}
	}
	waiting := func() (ids string, newest wire.Message) {
		_, body := r.do(http.MethodGet, "/api/v1/rooms/~den/messages?limit=500", "", owner, moderatorAddr)
		var page wire.HistoryResponse
		if err := json.Unmarshal([]byte(body), &page); err != nil {
			t.Fatal(err)
		}
		for _, m := range page.Messages {
			if m.As == wire.HeldMessage && !m.Gone {
				ids, newest = ids+" "+m.ID, m
			}
		}
		return ids, newest
	}
	hold("ann", "ann1", here)
	hold("bob", "bob1", there)
	_, last := waiting()
	since := last.At + 1
	becomes(t, func() bool { return wire.TimeOf(time.Now()) > since })
	hold("ann", "ann2", here)
	hold("ann", "ann3", there)
	hold("bob", "bob2", there)
	hold("cid", "cid1", here)
	for selection, want := range map[string]int{
		fmt.Sprintf(`{"by":%q}`, by("ann")): 3, fmt.Sprintf(`{"by":%q,"since":%q}`, by("ann"), since): 2, fmt.Sprintf(`{"by":%q}`, by("dan")): 0,
		`{"address_of":2}`: 3, fmt.Sprintf(`{"address_of":2,"since":%q}`, since): 2,
		fmt.Sprintf(`{"newcomers":true,"since":%q}`, since): 2,
	} {
		var preview wire.Preview
		if r.moderate(fmt.Sprintf(`{"erase":%s,"dry":true}`, selection), owner, &preview); preview.Held != want {
			t.Errorf("%s has %d held messages, want %d", selection, preview.Held, want)
		}
	}
	newcomers := fmt.Sprintf(`"erase":{"newcomers":true,"since":%q}`, since)
	var preview wire.Preview
	r.moderate("{"+newcomers+`,"dry":true}`, owner, &preview)
	hold("cid", "cid2", here) // after the preview
	request := fmt.Sprintf(`{%s,"to":%d,"held_to":%d,"id":"e1"}`, newcomers, preview.To, preview.HeldTo)
	var first, again wire.PostResponse
	r.moderate(request, owner, &first)
	r.moderate(request, owner, &again)
	if ids, _ := waiting(); ids != " ann1 bob1 ann2 ann3 cid2" || first.N == 0 || again.N != first.N {
		t.Errorf("waiting are%s; the answers are %+v and %+v", ids, first, again)
	}
	for body, want := range map[string]string{`{"undo":3,"held_to":2}`: "held_to belongs to erase", `{"erase":{"by":"x"},"held_to":"2","dry":true}`: "held_to"} {
		if status, got := r.do(http.MethodPost, "/api/v1/rooms/den/moderate", body, owner, moderatorAddr); status != http.StatusBadRequest || !strings.Contains(got, want) {
			t.Errorf("%s: %d %s", body, status, got)
		}
	}
	r.moderate(fmt.Sprintf(`{"erase":{"by":%q},"to":2}`, by("ann")), owner, &first) // a client that knows no held_to
	if ids, _ := waiting(); ids != " bob1 cid2" {
		t.Errorf("waiting are%s", ids)
	}
}

// TestHeldOnEveryTransport: every way to post is told that the message waits, and posts nothing.
func TestHeldOnEveryTransport(t *testing.T) {
	h := newHeldRoom(t)
	if answer, ok := h.http("guest", http.MethodPost, "/api/v1/rooms/open/messages", `{"text":"heldtext http","id":"p1"}`, "Content-Type", "application/json"); ok || !strings.HasPrefix(answer, "403") || !strings.Contains(answer, `"held"`) || !strings.Contains(answer, "moderator") {
		t.Errorf("HTTP answers %s", answer)
	}
	old := h.v1("known")
	old.say(`{"type":"say","room":"open","id":"o1","text":"heldtext old"}`)
	if got := frame[wire.Refused](old); got.Code != wire.Held || !strings.Contains(got.Reason, "moderator") {
		t.Errorf("a client that does not know held messages receives %+v", got)
	}
	plain := dial(t, h.url+"/r/open?last=0")
	plain.expect(wire.Greeting)
	plain.say("heldtext plain")
	if got := plain.receive(); !strings.HasPrefix(got, wire.NoticePrefix) || !strings.Contains(got, "moderator") {
		t.Errorf("a plain client receives %q", got)
	}
	h.nowhere("heldtext")
	if answer, ok := h.http("guest", http.MethodPost, "/api/v1/rooms/open/messages", `{"text":"heldtext withdrawn","id":"p2"}`, "Content-Type", "application/json"); ok {
		t.Errorf("HTTP answers %s", answer)
	}
	var all []wire.Message
	for range 3 {
		all = append(all, frame[wire.Message](h.owner))
	}
	if got := frame[wire.Message](h.owner); got.ID != "p2" {
		t.Fatalf("the moderator receives %+v", got)
	}
	for _, step := range []struct{ role, id, want string }{{"known", "p2", "410"}, {"guest", "no%20id", "400"}, {"guest", "p2", "200"}, {"guest", "p2", "200"}} {
		if answer, _ := h.http(step.role, http.MethodDelete, "/api/v1/rooms/open/held/"+step.id, ""); !strings.HasPrefix(answer, step.want) {
			t.Errorf("a %s withdraws %s: %s, want %s", step.role, step.id, answer, step.want)
		}
	}
	if answer, ok := h.http("owner", http.MethodGet, "/api/v1/rooms/~open/messages?limit=100", ""); !ok || strings.Contains(answer, "heldtext withdrawn") {
		t.Errorf("the moderators read %s", answer)
	}
	if answer, ok := h.http("guest", http.MethodPost, "/api/v1/rooms/open/moderate", fmt.Sprintf(`{"id":"w1","approve":{"by":%q,"held":"p1"}}`, h.by("guest")), "Content-Type", "application/json"); ok {
		t.Errorf("a guest approves over HTTP: %s", answer)
	}
	if answer, ok := h.http("owner", http.MethodPost, "/api/v1/rooms/open/moderate", fmt.Sprintf(`{"id":"w2","approve":{"by":%q,"held":"p1"}}`, h.by("guest")), "Content-Type", "application/json"); !ok {
		t.Errorf("approving over HTTP: %s", answer)
	}
	for _, waiting := range all {
		if got := h.moderate(fmt.Sprintf(`"approve":{"by":%q,"held":%q}`, waiting.SenderID, waiting.ID)); !strings.Contains(got, `"saved"`) {
			t.Errorf("approving %q: %s", waiting.Text, got)
		}
	}
	for range 3 {
		if got := frame[wire.Message](h.other); !strings.HasPrefix(got.Text, "heldtext ") {
			t.Errorf("the others receive %q", got.Text)
		}
	}
}

// TestReport: a report reaches the moderators, and not those who read only the room.
func TestReport(t *testing.T) {
	h := newHeldRoom(t)
	for range 2 {
		h.author.say(`{"type":"report","room":"open","of":1,"text":"reporttext","ref":"r"}`)
		if got := h.author.until(`"ref":"r"`); !strings.Contains(got, `"saved"`) || strings.Contains(got, `"n":`) || !strings.Contains(got, `"id":"report-1"`) {
			t.Errorf("a report is answered by %s", got)
		}
	}
	h.nowhere("reporttext")
	owners := h.v1("owner")
	owners.say(`{"type":"join","room":"~~open","last":50}`) // message 1 is the owner's
	if got := frame[wire.Message](owners); got.As != wire.ReportMessage || got.Of != 1 || got.Text != "reporttext" || got.SenderID != h.by("guest") {
		t.Errorf("the owner receives %+v", got)
	}
	if answer, allowed := h.ask("banned", `{"type":"report","room":"den","of":1}`); allowed {
		t.Errorf("a banned sender reports: %s", answer)
	}
}

// TestSettle: a moderator settles a report, also one by somebody else, and nobody else can. Then it is no longer a report, and the log says
// who did it. Only owners settle one about a moderator.
func TestSettle(t *testing.T) {
	h := newHeldRoom(t)
	h.set("open", "hold", "null")
	h.set("open", "role/"+h.by("moderator"), `"moderator"`)
	of := post(t, h.base, "open", "reported", "Ramai-Session", h.session("known")).N
	for _, step := range []struct {
		role string
		of   uint64
		want string
	}{{"guest", of, "201"}, {"guest", of, "200"}, {"moderator", of, "201"}, {"guest", 1, "201"}, {"guest", 1 << 40, "400"}} {
		body := fmt.Sprintf(`{"of":%d,"text":"reporttext of a %s"}`, step.of, step.role)
		if answer, _ := h.http(step.role, http.MethodPost, "/api/v1/rooms/open/reports", body, "Content-Type", "application/json"); !strings.HasPrefix(answer, step.want) {
			t.Errorf("a %s reports message %d over HTTP: %s, want %s", step.role, step.of, answer, step.want)
		}
	}
	reports := func(room string) (all []wire.Message) {
		var page wire.HistoryResponse
		_, body := call(t, http.MethodGet, h.base+"/api/v1/rooms/"+room+"/messages?limit=500", "", "Ramai-Session", h.session("owner"))
		if err := json.Unmarshal([]byte(body), &page); err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		for _, m := range page.Messages {
			if m.As == wire.ReportMessage || m.Action != nil && m.Action.Do == wire.DoSettle {
				all = append(all, m)
			}
		}
		return all
	}
	moderators, owners := reports("~open"), reports("~~open")
	if len(moderators) != 2 || len(owners) != 1 {
		t.Fatalf("the moderators have %d reports, and the owners %d: %+v", len(moderators), len(owners), moderators)
	}
	settle := func(role, room string, n uint64) string {
		answer, _ := h.http(role, http.MethodDelete, fmt.Sprintf("/api/v1/rooms/%s/messages/%d", room, n), "")
		return answer[:3]
	}
	for _, step := range []struct {
		role, room string
		n          uint64
		want       string
	}{
		{"guest", "~open", moderators[0].N, "403"}, {"trusted", "~open", moderators[0].N, "403"}, {"moderator", "~open", moderators[0].N, "200"}, {"moderator", "~open", moderators[0].N, "410"},
		{"moderator", "~open", moderators[1].N, "200"}, {"moderator", "~~open", owners[0].N, "403"}, {"owner", "~~open", owners[0].N, "200"},
	} {
		if got := settle(step.role, step.room, step.n); got != step.want {
			t.Errorf("a %s settles report %d of %s: %s, want %s", step.role, step.n, step.room, got, step.want)
		}
	}
	moderators, owners = reports("~open"), reports("~~open")
	if len(moderators) != 2 || len(owners) != 1 {
		t.Fatalf("afterwards the moderators have %+v, and the owners %+v", moderators, owners)
	}
	for _, m := range append(moderators, owners...) {
		if m.As != wire.ActionMessage || m.Action.Of == 0 || m.Action.SenderID == "" || m.Text != "" {
			t.Errorf("the log says %+v", m)
		}
	}
	if answer := settle("moderator", "~open", moderators[0].N); answer != "403" {
		t.Errorf("a moderator deletes what the log says: %s", answer)
	}
}

// TestHeldSurvivesRestart: a message that waits, and the decision about one, are as before after a restart.
func TestHeldSurvivesRestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	data := func(c *server.Config) { c.Data = dir }
	session := strings.Repeat("g", wire.SessionLen)
	hello := func(s *serving, session string) *peer {
		p := dial(t, s.url, wire.Protocol)
		p.say(`{"type":"hello","ref":"hello","held":true,"session":"` + session + `"}`)
		p.until(`"ref":"hello"`)
		return p
	}
	say := func(p *peer, id string) string {
		p.say(fmt.Sprintf(`{"type":"say","room":"den","id":%q,"ref":%q,"text":"heldtext %s"}`, id, "r"+id, id))
		return p.until(fmt.Sprintf(`"ref":%q`, "r"+id))
	}
	moderate := func(p *peer, what string) string {
		p.say(fmt.Sprintf(`{"type":"moderate","room":"den","id":"m","ref":"m",%s}`, what))
		return p.until(`"ref":"m"`)
	}
	owner := strings.Repeat("o", wire.SessionLen)
	author := wire.SenderIDOf(session)

	s := serve(t, data)
	o := hello(s, owner)
	o.say(`{"type":"say","room":"den","id":"1","text":"mine"}`)
	frame[wire.Saved](o)
	o.say(`{"type":"set","room":"den","id":"2","key":"hold","value":"all"}`)
	frame[wire.Saved](o)
	g := hello(s, session)
	for _, id := range []string{"h1", "h2"} {
		if got := say(g, id); !strings.Contains(got, `"held"`) {
			t.Fatalf("%s is answered by %s", id, got)
		}
	}
	if got := moderate(o, `"reject":{"by":"`+author+`","held":"h2"}`); !strings.Contains(got, `"saved"`) {
		t.Fatalf("rejecting: %s", got)
	}
	s.stop()
	<-s.done

	s = serve(t, data)
	g, o = hello(s, session), hello(s, owner)
	if got := say(g, "h1"); !strings.Contains(got, `"type":"held"`) {
		t.Errorf("after a restart h1 is answered by %s", got)
	}
	if got := say(g, "h2"); !strings.Contains(got, `"refused"`) {
		t.Errorf("after a restart h2 is answered by %s", got)
	}
	if got := moderate(o, `"approve":{"by":"`+author+`","held":"h1"}`); !strings.Contains(got, `"n":3`) {
		t.Errorf("approving: %s", got)
	}
	s.stop()
	<-s.done

	s = serve(t, data)
	if got := say(hello(s, session), "h1"); !strings.Contains(got, `"n":3`) {
		t.Errorf("an approved message is answered by %s", got)
	}
}
