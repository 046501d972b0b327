package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"ramai/wire"
)

// What the matrix of TestAccess does as the sender with a role.

// session returns the session of the sender with a role.
func (a *access) session(role string) string {
	return (role + strings.Repeat("-", wire.SessionLen))[:wire.SessionLen]
}

// set makes the owner set something.
func (a *access) set(room, key, value string) {
	a.t.Helper()
	resp, body := call(a.t, http.MethodPut, a.base+"/api/v1/rooms/"+room+"/state/"+key, `{"value":`+value+`}`, "Content-Type", "application/json", "Ramai-Session", a.session("owner"))
	if resp.StatusCode != http.StatusOK {
		a.t.Fatalf("%s = %s: %d %s", key, value, resp.StatusCode, body)
	}
}

// v1 connects as the sender with a role.
func (a *access) v1(role string) *peer {
	p := dial(a.t, a.url, wire.Protocol)
	p.say(`{"type":"hello","ref":"hello","session":"` + a.session(role) + `"}`)
	p.until(`"ref":"hello"`)
	return p
}

// ask sends a request and returns its answer.
func (a *access) ask(role, request string, before ...string) (answer string, allowed bool) {
	p := a.v1(role)
	defer p.CloseNow()
	for _, b := range before {
		p.say(b)
	}
	p.say(strings.Replace(request, "{", `{"ref":"x",`, 1))
	answer = p.until(`"ref":"x"`)
	return answer, !strings.Contains(answer, `"type":"error"`) && !strings.Contains(answer, `"type":"refused"`)
}

// http makes a request as the sender with a role.
func (a *access) http(role, method, path, body string, header ...string) (answer string, allowed bool) {
	resp, answer := call(a.t, method, a.base+path, body, append(header, "Ramai-Session", a.session(role))...)
	return fmt.Sprintf("%d %s %v", resp.StatusCode, answer, resp.Header), resp.StatusCode < 300
}

func (a *access) id() string {
	a.posts++
	return fmt.Sprint("id", a.posts)
}

// deletable posts a message as a guest who is none of the columns, and returns its number.
func (a *access) deletable() uint64 {
	return post(a.t, a.base, "den", "canary that is deleted", "Ramai-Session", a.session("author")).N
}

// held makes a message of the guest wait for a moderator, and returns it as moderate names it.
func (a *access) held() string {
	a.t.Helper()
	a.set("den", "hold", `"all"`)
	defer a.set("den", "hold", "null")
	if a.waits != "" { // one that nobody was allowed to decide about takes space
		a.http("owner", http.MethodPost, "/api/v1/rooms/den/moderate", `{"reject":`+a.waits+`}`, "Content-Type", "application/json")
	}
	id := a.id()
	_, got := call(a.t, http.MethodPost, a.base+"/api/v1/rooms/den/messages", `{"id":"`+id+`","text":"canary that waits"}`, "Content-Type", "application/json", "Ramai-Session", a.session("author"))
	if !strings.Contains(got, `"code":"held"`) {
		a.t.Fatalf("a message that is held: %s", got)
	}
	a.waits = fmt.Sprintf(`{"by":%q,"held":%q}`, wire.SenderIDOf(a.session("author")), id)
	return a.waits
}

// reported reports a message, and returns the number of the report in the room of the moderators.
func (a *access) reported() uint64 {
	a.t.Helper()
	reporter := []string{"reader", "guest", "known", "trusted"}[a.posts%4]
	a.posts++
	if answer, ok := a.http(reporter, http.MethodPost, "/api/v1/rooms/den/reports", fmt.Sprintf(`{"of":%d}`, a.deletable()), "Content-Type", "application/json"); !ok {
		a.t.Fatalf("a report: %s", answer)
	}
	_, got := call(a.t, http.MethodGet, a.base+"/api/v1/rooms/~den/messages?limit=1", "", "Ramai-Session", a.session("owner"))
	var page struct{ Messages []wire.Message }
	if err := json.Unmarshal([]byte(got), &page); err != nil || len(page.Messages) != 1 || page.Messages[0].As != wire.ReportMessage {
		a.t.Fatalf("the newest message of the moderators: %s", got)
	}
	return page.Messages[0].N
}

// invite returns an invite of the owner.
func (a *access) invite() string {
	a.t.Helper()
	_, got := call(a.t, http.MethodPost, a.base+"/api/v1/rooms/den/invites", `{"role":"reader","uses":1}`, "Content-Type", "application/json", "Ramai-Session", a.session("owner"))
	var invited wire.Invited
	if err := json.Unmarshal([]byte(got), &invited); err != nil || invited.Invite == "" {
		a.t.Fatalf("an invite: %s", got)
	}
	return invited.Invite
}

// typing reports whether the owner sees that the sender with a role is typing.
func (a *access) typing(role string) (string, bool) {
	marker := "m" + role // types after the sender: then it is known whether the sender does
	watcher, p, m := a.v1("owner"), a.v1(role), a.v1(marker)
	for _, q := range []*peer{watcher, p, m} {
		defer q.CloseNow()
	}
	watcher.say(`{"type":"join","room":"den","last":0}`)
	frame[wire.Joined](watcher)
	p.say(`{"type":"typing","room":"den"}`)
	p.say(`{"type":"ping","id":"1"}`)
	frame[wire.Pong](p)
	m.say(`{"type":"typing","room":"den"}`)
	for {
		f := frame[wire.Typing](watcher)
		of := func(role string) bool {
			return slices.ContainsFunc(f.By, func(s wire.Sender) bool { return s.SenderID == wire.SenderIDOf(a.session(role)) })
		}
		if of(marker) {
			return "", of(role)
		}
	}
}

// search waits until everything is indexed.
func (a *access) search(role, query string) (string, bool) {
	for {
		answer, ok := a.http(role, http.MethodGet, "/api/v1/search?q="+query, "")
		if !strings.HasPrefix(answer, "503") && !strings.Contains(answer, `"indexed_to":{"`) || strings.Contains(query, "room=") && !strings.HasPrefix(answer, "503") {
			return answer, ok
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// stream returns what a stream begins with.
func (a *access) stream(role, accept string) (string, bool) {
	r, _ := http.NewRequestWithContext(a.t.Context(), http.MethodGet, a.base+"/api/v1/rooms/den/stream?last=5", nil)
	r.Header.Set("Accept", accept)
	r.Header.Set("Ramai-Session", a.session(role))
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		a.t.Fatal(err)
	}
	defer resp.Body.Close()
	var got []byte
	for buf := make([]byte, 4096); !strings.Contains(string(got), canary) || resp.StatusCode != http.StatusOK; {
		k, err := resp.Body.Read(buf)
		got = append(got, buf[:k]...)
		if err != nil {
			break
		}
	}
	return string(got), resp.StatusCode == http.StatusOK
}

// plain joins a room that everyone has a role in, and reports what arrives. If the room can be read, a text follows the greeting.
func (a *access) plain(room string) (string, bool) {
	p := dial(a.t, a.url+"/r/"+room+"?last=5")
	defer p.CloseNow()
	p.expect(wire.Greeting)
	got := p.receive()
	return got, !strings.HasPrefix(got, wire.NoticePrefix)
}

// page returns the page of the room, as a browser gets it that has a session.
func (a *access) page(role, room string) (string, bool) {
	resp, body := call(a.t, http.MethodGet, a.base+"/r/"+room, "", "Accept", "text/html", "Cookie", "ramai-session="+a.session(role))
	return body, resp.StatusCode == http.StatusOK && strings.Contains(body, canary)
}

// line runs line mode over SSH, which posts a text, or only reads.
func (a *access) line(role, text string) (string, bool) {
	c := a.connect("x", ssh.PublicKeys(a.keys[role]))
	defer c.Close()
	out, notes, status := command(a.t, c, "den --last 5", text)
	return out + notes, status == 0
}

// screen shows the room on a screen over SSH.
func (a *access) screen(role string, want bool) (string, bool) {
	c := a.connect("x", ssh.PublicKeys(a.keys[role]))
	defer c.Close()
	term := a.terminal(c, "den", 80, 24)
	if want {
		term.shows("canary two")
		return canary, true
	}
	term.shows("closed for you")
	term.mu.Lock()
	defer term.mu.Unlock()
	return string(term.text), false
}
