package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"ramai/server"
	"ramai/wire"
)

// access is a server with a private room, "den", that belongs to a sender and is full of canaries: texts that nobody may receive who may
// not read the room. The room "open" belongs to the same sender and is for everyone.
type access struct {
	*overSSH
	t     *testing.T
	base  string
	admin string
	keys  map[string]ssh.Signer // by role
	posts int
}

// accessRoles are the columns of the matrix: the role of a sender in the room, or what was imposed on a guest of it.
var accessRoles = []string{"none", "reader", "guest", "known", "trusted", "moderator", "owner", "muted", "banned"}

// canary is in everything of the private room: texts, names, the topic.
const canary = "canary"

func newAccess(t *testing.T) *access {
	a := &access{t: t, keys: map[string]ssh.Signer{}}
	a.overSSH = serveSSH(t, func(c *server.Config) { c.MaxRoomsPerClient = 4 }, func(s *server.Server) {
		admin := httptest.NewServer(s.Admin())
		t.Cleanup(admin.Close)
		a.admin = admin.URL
	})
	a.base = strings.Replace(a.url, "ws:", "http:", 1)
	owner := a.v1("owner")
	owner.say(`{"type":"name","name":"canaryowner"}`)
	owner.until(`"name":"canaryowner"`)
	for _, room := range []string{"den", "open"} {
		for _, text := range []string{"canary one", "canary two"} {
			post(t, a.base, room, text, "Ramai-Session", a.session("owner"))
		}
	}
	a.set("den", "topic", `"canarytopic"`)
	a.set("den", "everyone", `"none"`)
	a.set("den", "role/"+wire.SenderIDOf(a.session("author")), `"guest"`)
	for _, role := range accessRoles {
		a.set("den", "role/"+wire.SenderIDOf(a.session("m"+role)), `"reader"`)
		key := newKey(t)
		a.keys[role] = key
		senders := []string{wire.SenderIDOf(a.session(role))}
		if role != "none" {
			out, _, _ := command(t, a.connect("x", ssh.PublicKeys(key)), "lobby --json", "")
			var welcome wire.Welcome
			if err := json.Unmarshal([]byte(strings.SplitN(out, "\n", 2)[0]), &welcome); err != nil || welcome.SenderID == "" {
				t.Fatalf("no welcome: %q", out)
			}
			senders = append(senders, welcome.SenderID)
		}
		for i, by := range senders {
			switch role {
			case "none":
			case "muted", "banned":
				a.set("den", "role/"+by, `"guest"`)
				a.set("den", "person/"+by, map[string]string{"muted": `"mute"`, "banned": `"ban"`}[role])
			case "owner": // there is one; of a key it is a moderator
				if i > 0 {
					a.set("den", "role/"+by, `"moderator"`)
				}
			default:
				a.set("den", "role/"+by, `"`+role+`"`)
			}
		}
	}
	return a
}

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
	id := a.id()
	_, got := call(a.t, http.MethodPost, a.base+"/api/v1/rooms/den/messages", `{"id":"`+id+`","text":"canary that waits"}`, "Content-Type", "application/json", "Ramai-Session", a.session("author"))
	if !strings.Contains(got, `"code":"held"`) {
		a.t.Fatalf("a message that is held: %s", got)
	}
	return fmt.Sprintf(`{"by":%q,"held":%q}`, wire.SenderIDOf(a.session("author")), id)
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

// A verb is a row of the matrix.
type verb struct {
	name string
	want string // a sign for each of accessRoles: "+" allowed, "-" refused
	on   map[string]func(a *access, role string) (answer string, allowed bool)
	not  map[string]string // why a transport has no such verb
}

// accessTransports are the layers of the matrix.
var accessTransports = []string{"v1", "http", "events", "lines", "plain", "line mode", "screen", "page"}

const (
	readers    = "-+++++++-" // none reader guest known trusted moderator owner muted banned
	posters    = "--+++++--"
	deleters   = "-----++--"
	moderators = "-----++--"
	owners     = "------+--"
)

// streamsRead and similar reasons say why a cell has nothing to test.
const (
	onlyReads  = "it only reads"
	isV1       = "it is a client of v1, whose requests are tested there"
	isHTTP     = "its script is a client of v1 or http"
	noSession  = "its clients have no session, and the role of everyone: see TestPlainAccess"
	isConnects = "a request is not in a room"
)

// elsewhere returns the transports without a verb, besides those that have it.
func elsewhere(v1, http string) map[string]string {
	not := map[string]string{"events": onlyReads, "lines": onlyReads, "plain": noSession, "line mode": isV1, "screen": isV1, "page": isHTTP}
	if v1 != "" {
		not["v1"] = v1
	}
	if http != "" {
		not["http"] = http
	}
	return not
}

func without(not map[string]string, transport string) map[string]string {
	delete(not, transport)
	return not
}

func accessVerbs() []verb {
	type cells = map[string]func(a *access, role string) (string, bool)
	get := func(path string) func(a *access, role string) (string, bool) {
		return func(a *access, role string) (string, bool) { return a.http(role, http.MethodGet, path, "") }
	}
	ask := func(request string) func(a *access, role string) (string, bool) {
		return func(a *access, role string) (string, bool) {
			return a.ask(role, strings.ReplaceAll(request, "ID", a.id()))
		}
	}
	put := func(method, path, body string) func(a *access, role string) (string, bool) {
		return func(a *access, role string) (string, bool) {
			return a.http(role, method, path, body, "Content-Type", "application/json", "Idempotency-Key", a.id())
		}
	}
	author := wire.SenderIDOf((*access).session(nil, "author"))
	return []verb{
		{"join", readers, cells{
			"v1":        ask(`{"type":"join","room":"den"}`),
			"events":    func(a *access, role string) (string, bool) { return a.stream(role, "text/event-stream") },
			"lines":     func(a *access, role string) (string, bool) { return a.stream(role, "application/x-ndjson") },
			"line mode": func(a *access, role string) (string, bool) { return a.line(role, "") },
			"screen": func(a *access, role string) (string, bool) {
				return a.screen(role, readers[slices.Index(accessRoles, role)] == '+')
			},
			"page": func(a *access, role string) (string, bool) { return a.page(role, "den") },
		}, map[string]string{"http": isConnects, "plain": noSession}},
		{"history", readers, cells{
			"v1": ask(`{"type":"history","room":"den"}`), "http": get("/api/v1/rooms/den/messages"),
		}, elsewhere("", "")},
		{"search in the room", readers, cells{
			"http": func(a *access, role string) (string, bool) { return a.search(role, "canary&room=den") },
		}, elsewhere("v1 has no search", "")},
		{"search everywhere", readers, cells{
			"http": func(a *access, role string) (string, bool) {
				answer, _ := a.search(role, "canary")
				den := strings.Contains(answer, `"room":"den"`)
				return strings.ReplaceAll(answer, canary, "") + map[bool]string{true: canary}[den], den // the hits of the other room are no leak
			},
		}, elsewhere("v1 has no search", "")},
		{"who", readers, cells{
			"v1": ask(`{"type":"who","room":"den"}`), "http": get("/api/v1/rooms/den/people"),
		}, elsewhere("", "")},
		{"typing", readers, cells{"v1": func(a *access, role string) (string, bool) { return a.typing(role) }}, elsewhere("", "HTTP has no typing")},
		{"state", readers, cells{
			"v1": ask(`{"type":"state","room":"den"}`), "http": get("/api/v1/rooms/den/state"),
		}, elsewhere("", "")},
		{"room list", readers, cells{
			"http": func(a *access, role string) (string, bool) {
				answer, _ := a.http(role, http.MethodGet, "/api/v1/rooms", "")
				return answer, strings.Contains(answer, `"room":"den"`)
			},
		}, elsewhere("v1 has no list", "")},
		{"say", posters, cells{
			"v1": ask(`{"type":"say","room":"den","id":"ID","text":"hello"}`), "http": put(http.MethodPost, "/api/v1/rooms/den/messages", `{"text":"hello"}`),
			"line mode": func(a *access, role string) (string, bool) { return a.line(role, "hello\n") },
		}, without(elsewhere("", ""), "line mode")},
		{"change another's", deleters, cells{
			"v1": func(a *access, role string) (string, bool) {
				return a.ask(role, fmt.Sprintf(`{"type":"change","room":"den","id":"%s","of":%d,"text":null}`, a.id(), a.deletable()))
			},
			"http": func(a *access, role string) (string, bool) {
				return a.http(role, http.MethodDelete, fmt.Sprint("/api/v1/rooms/den/messages/", a.deletable()), "")
			},
		}, elsewhere("", "")},
		{"mark", posters, cells{
			"v1": ask(`{"type":"mark","room":"den","of":1,"key":"up","on":true}`), "http": put(http.MethodPut, "/api/v1/rooms/den/messages/1/marks/up", ""),
		}, elsewhere("", "")},
		{"set the topic", moderators, cells{
			"v1":   ask(`{"type":"set","room":"den","id":"ID","key":"topic","value":"canarytopic"}`),
			"http": put(http.MethodPut, "/api/v1/rooms/den/state/topic", `{"value":"canarytopic"}`),
		}, elsewhere("", "")},
		{"lock", moderators, cells{
			"v1":   ask(`{"type":"set","room":"den","id":"ID","key":"lock","value":null}`),
			"http": put(http.MethodPut, "/api/v1/rooms/den/state/lock", `{"value":null}`),
		}, elsewhere("", "")},
		{"open the room", owners, cells{
			"v1":   ask(`{"type":"set","room":"den","id":"ID","key":"everyone","value":"none"}`),
			"http": put(http.MethodPut, "/api/v1/rooms/den/state/everyone", `{"value":"none"}`),
		}, elsewhere("", "")},
		{"preview an erasure", moderators, cells{
			"v1":   ask(`{"type":"moderate","room":"den","id":"ID","erase":{"by":"` + author + `"},"dry":true}`),
			"http": put(http.MethodPost, "/api/v1/rooms/den/moderate", `{"erase":{"by":"`+author+`"},"dry":true}`),
		}, elsewhere("", "")},
		{"undo what a moderator did", owners, cells{
			"v1":   ask(`{"type":"moderate","room":"den","id":"ID","undo_by":{"by":"` + author + `"},"dry":true}`),
			"http": put(http.MethodPost, "/api/v1/rooms/den/moderate", `{"undo_by":{"by":"`+author+`"},"dry":true}`),
		}, elsewhere("", "")},
		{"approve", moderators, cells{
			"v1": func(a *access, role string) (string, bool) {
				return a.ask(role, fmt.Sprintf(`{"type":"moderate","room":"den","id":"%s","approve":%s}`, a.id(), a.held()))
			},
			"http": func(a *access, role string) (string, bool) {
				return a.http(role, http.MethodPost, "/api/v1/rooms/den/moderate", `{"approve":`+a.held()+`}`, "Content-Type", "application/json")
			},
		}, elsewhere("", "")},
		{"report", readers, cells{
			"v1": func(a *access, role string) (string, bool) {
				return a.ask(role, fmt.Sprintf(`{"type":"report","room":"den","of":%d,"text":"look"}`, a.deletable()))
			},
		}, elsewhere("", "HTTP has no reports")},
		{"the moderators' room", moderators, cells{
			"v1": ask(`{"type":"join","room":"~den"}`), "http": get("/api/v1/rooms/~den/messages"),
		}, elsewhere("", "")},
		{"the owners' room", owners, cells{
			"v1": ask(`{"type":"join","room":"~~den"}`), "http": get("/api/v1/rooms/~~den/messages"),
		}, elsewhere("", "")},
		{"invite", moderators, cells{
			"v1":   ask(`{"type":"invite","room":"den","id":"ID","role":"reader","uses":1}`),
			"http": put(http.MethodPost, "/api/v1/rooms/den/invites", `{"role":"reader","uses":1}`),
		}, elsewhere("", "")},
		{"redeem", "++++++++-", cells{ // the last one: nobody has the role none after it
			"v1": func(a *access, role string) (string, bool) {
				return a.ask(role, `{"type":"redeem","room":"den","invite":"`+a.invite()+`"}`)
			},
			"http": func(a *access, role string) (string, bool) {
				return a.http(role, http.MethodPost, "/api/v1/rooms/den/redeem", `{"invite":"`+a.invite()+`"}`, "Content-Type", "application/json")
			},
		}, elsewhere("", "")},
	}
}

// shows are the verbs whose answers have something of the room.
var shows = map[string]bool{"join": true, "history": true, "search in the room": true, "search everywhere": true, "state": true}

// TestAccess is the matrix of transports, verbs and roles. A refusal contains nothing of the room.
func TestAccess(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes some seconds")
	}
	a := newAccess(t)
	inside := a.v1("owner") // so that somebody with a name is in the room
	inside.say(`{"type":"join","room":"den","last":0}`)
	frame[wire.Joined](inside)
	cells := 0
	for _, v := range accessVerbs() {
		for _, transport := range accessTransports {
			do, why := v.on[transport], v.not[transport]
			if (do == nil) == (why == "") {
				t.Errorf("%s over %s: the cell must have either a test or a reason why there is none", v.name, transport)
			}
			if do == nil {
				continue
			}
			for i, role := range accessRoles {
				want := v.want[i] == '+'
				if transport == "line mode" && role == "owner" || transport == "screen" && role == "owner" {
					want = want && v.want[slices.Index(accessRoles, "moderator")] == '+' // the key of the owner is a moderator
				}
				answer, allowed := do(a, role)
				cells++
				if allowed != want {
					t.Errorf("%s over %s as %s: allowed %v, want %v: %.300s", v.name, transport, role, allowed, want, answer)
				}
				if has := strings.Contains(answer, canary); !allowed && has && (role == "none" || role == "banned") {
					t.Errorf("%s over %s as %s: refused, but something of the room is in the answer: %.300s", v.name, transport, role, answer)
				} else if allowed && !has && shows[v.name] && transport != "screen" {
					t.Errorf("%s over %s as %s: nothing of the room is in the answer: %.300s", v.name, transport, role, answer)
				}
			}
		}
	}
	t.Logf("%d cells", cells)
	_, metrics := call(t, http.MethodGet, a.admin+"/metrics", "")
	for _, secret := range []string{canary, "den"} {
		if strings.Contains(metrics, `"`+secret) {
			t.Errorf("the metrics contain %q", secret)
		}
	}
}

// TestPlainAccess: clients of the plain protocol have the role of everyone.
func TestPlainAccess(t *testing.T) {
	a := newAccess(t)
	for role, want := range map[string]struct{ read, say bool }{"none": {false, false}, "reader": {true, false}, "guest": {true, true}} {
		a.set("den", "everyone", `"`+role+`"`)
		got, read := a.plain("den")
		if read != want.read || !read && strings.Contains(got, canary) {
			t.Errorf("everyone is %s: a plain client receives %q", role, got)
		}
		if !read {
			continue
		}
		p := dial(t, a.url+"/r/den")
		p.expect(wire.Greeting)
		p.say("hello")
		if got := p.receive(); strings.HasPrefix(got, wire.NoticePrefix) == want.say {
			t.Errorf("everyone is %s: a plain client posts, and receives %q", role, got)
		}
	}
}
