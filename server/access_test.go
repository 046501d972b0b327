package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

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
	waits string // the newest held message, as moderate names it
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
		{"reject", moderators, cells{
			"v1": func(a *access, role string) (string, bool) {
				return a.ask(role, fmt.Sprintf(`{"type":"moderate","room":"den","id":"%s","reject":%s}`, a.id(), a.held()))
			},
			"http": func(a *access, role string) (string, bool) {
				return a.http(role, http.MethodPost, "/api/v1/rooms/den/moderate", `{"reject":`+a.held()+`}`, "Content-Type", "application/json")
			},
		}, elsewhere("", "")},
		{"report", readers, cells{
			"v1": func(a *access, role string) (string, bool) {
				return a.ask(role, fmt.Sprintf(`{"type":"report","room":"den","of":%d,"text":"look"}`, a.deletable()))
			},
			"http": func(a *access, role string) (string, bool) {
				return a.http(role, http.MethodPost, "/api/v1/rooms/den/reports", fmt.Sprintf(`{"of":%d,"text":"look"}`, a.deletable()), "Content-Type", "application/json")
			},
		}, elsewhere("", "")},
		{"settle a report", moderators, cells{
			"v1": func(a *access, role string) (string, bool) {
				return a.ask(role, fmt.Sprintf(`{"type":"change","room":"~den","id":"%s","of":%d,"text":null}`, a.id(), a.reported()))
			},
			"http": func(a *access, role string) (string, bool) {
				return a.http(role, http.MethodDelete, fmt.Sprintf("/api/v1/rooms/~den/messages/%d", a.reported()), "")
			},
		}, elsewhere("", "")},
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
	t.Parallel()
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
