package server_test

import (
	"database/sql"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"golang.org/x/crypto/ssh"

	"ramai/internal/eventlog"
	"ramai/server"
	"ramai/wire"
)

// trustLoopback makes this machine a trusted proxy, so that requests can be from any address.
func trustLoopback(c *server.Config) {
	c.TrustProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
}

// storedOrigins returns the origins that are stored in a data folder, by room and number.
func storedOrigins(t *testing.T, folder string) map[string]eventlog.Origin {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(folder, "ramai.db")+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.Query(fmt.Sprintf("SELECT room, key, value FROM entries WHERE tab = %d", eventlog.Origins))
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	origins := map[string]eventlog.Origin{}
	for rows.Next() {
		var room string
		var key, value []byte
		if err := rows.Scan(&room, &key, &value); err != nil {
			t.Fatal(err)
		}
		o, err := eventlog.DecodeOrigin(&eventlog.Entry{Table: eventlog.Origins, Room: room, Key: string(key), Value: string(value)})
		if err != nil {
			t.Fatal(err)
		}
		origins[fmt.Sprint(room, "/", o.N)] = o.Origin
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return origins
}

// TestOriginsOfMessages: a message has the origin of the address that a trusted proxy passes on. One from this machine, from the
// proxy itself, over SSH from this machine, or of a client who makes up an address has none.
func TestOriginsOfMessages(t *testing.T) {
	t.Parallel()
	for _, trusts := range []bool{true, false} {
		folder, base := t.TempDir(), ""
		remote := "" // of the clients over SSH
		if trusts {
			remote = "192.0.2.1"
		}
		over := serveSSHTo(t, remote, func(c *server.Config) {
			c.Data = folder
			if trusts {
				trustLoopback(c)
			}
		})
		base = "http" + strings.TrimPrefix(over.url, "ws")
		from := func(addr string) []string { return []string{"X-Forwarded-For", addr} }
		post(t, base, "den", "over HTTP", from("192.0.2.1")...)
		post(t, base, "den", "from the same address", from("198.51.100.7, 192.0.2.1")...)
		post(t, base, "den", "from another one", from("192.0.2.2")...)
		post(t, base, "den", "from a proxy", from("127.0.0.1")...)
		post(t, base, "den", "from this machine")
		c, _, err := websocket.Dial(t.Context(), base, &websocket.DialOptions{HTTPHeader: http.Header{"X-Forwarded-For": {"192.0.2.1"}}, Subprotocols: []string{wire.Protocol}})
		if err != nil {
			t.Fatal(err)
		}
		peer := &peer{t, c}
		t.Cleanup(func() { c.CloseNow() })
		peer.say(`{"type":"say","room":"den","id":"1","text":"over WebSocket"}`)
		frame[wire.Saved](peer)
		if _, stderr, status := command(t, over.connect("anna", ssh.PublicKeys(newKey(t))), "den", "over SSH\n"); status != 0 {
			t.Fatalf("over SSH: %s", stderr)
		}
		got := storedOrigins(t, folder)
		if !trusts {
			if len(got) > 0 {
				t.Errorf("without a trusted proxy, there are the origins %v", got)
			}
			continue
		}
		var with []string
		for n := range got {
			with = append(with, n)
		}
		slices.Sort(with)
		if all := strings.Join(with, " "); all != "den/1 den/2 den/3 den/6 den/7" || got["den/1"] != got["den/7"] || got["den/1"] != got["den/2"] || got["den/1"] == got["den/3"] || got["den/1"] != got["den/6"] {
			t.Errorf("the origins are %v", got)
		}
	}
}

// fromAddress connects a client of ramai.v1 from an address that a trusted proxy passes on, and says hello.
func fromAddress(t *testing.T, base, addr string, hello wire.Hello) (*peer, wire.Welcome) {
	t.Helper()
	c, _, err := websocket.Dial(t.Context(), base, &websocket.DialOptions{HTTPHeader: http.Header{"X-Forwarded-For": {addr}}, Subprotocols: []string{wire.Protocol}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.CloseNow() })
	p := &peer{t, c}
	frame[wire.Welcome](p)
	p.say(string(wire.Append(nil, hello)))
	return p, frame[wire.Welcome](p)
}

// saved returns the answer to a post, and fails the test if it is refused.
func (p *peer) saved() wire.Saved {
	p.t.Helper()
	for {
		f, err := wire.ParseFrame([]byte(p.receive()))
		if err != nil {
			p.t.Fatal(err)
		}
		switch f := f.(type) {
		case wire.Saved:
			return f
		case wire.Refused:
			p.t.Fatalf("it is refused: %+v", f)
		case wire.Error:
			p.t.Fatalf("it is refused: %+v", f)
		}
	}
}

// TestMutedAddress: a moderator mutes the address of a message, which nobody sees, then bans it: those who read from there leave
// within a second, on every transport.
func TestMutedAddress(t *testing.T) {
	t.Parallel()
	var made *server.Server
	s := serve(t, trustLoopback, func(s *server.Server) { made = s })
	base := "http" + strings.TrimPrefix(s.url, "ws")
	canaries := secrets{"an address": "198.51.100.77", "another address": "203.0.113.5"}
	owner, _ := fromAddress(t, base, "192.0.2.1", wire.Hello{Session: canaries.session(t, "the owner's session")})
	owner.say(`{"type":"say","room":"den","id":"1","text":"hello"}`)
	owner.saved()
	spammer, _ := fromAddress(t, base, canaries["an address"], wire.Hello{Session: canaries.session(t, "a session")})
	friend, _ := fromAddress(t, base, canaries["an address"], wire.Hello{Session: canaries.session(t, "another session")})
	spammer.say(`{"type":"say","room":"den","id":"1","text":"spam"}`)
	spammer.saved()
	owner.say(`{"type":"set","room":"den","id":"2","key":"address","address_of":2}`)
	if saved := owner.saved(); saved.N != 3 {
		t.Fatalf("muting an address: %+v", saved)
	}
	friend.say(`{"type":"say","room":"den","id":"1","text":"x"}`)
	refused := frame[wire.Refused](friend)
	if refused.Rule != wire.RuleAddress || refused.Until == 0 || *refused.Params[wire.ParamAction].Text != wire.Mute {
		t.Errorf("a message from a muted address: %+v", refused)
	}
	other, _ := fromAddress(t, base, canaries["another address"], wire.Hello{Session: canaries.session(t, "a third session")})
	other.say(`{"type":"say","room":"den","id":"1","text":"hello"}`)
	other.saved()
	resp, body := call(t, http.MethodPost, base+"/api/v1/rooms/den/messages", "x", "X-Forwarded-For", canaries["an address"])
	if resp.StatusCode != http.StatusForbidden || !strings.Contains(body, `"rule":"address"`) {
		t.Errorf("over HTTP: %d %s", resp.StatusCode, body)
	}

	stream := listenWith(t, http.DefaultTransport, base, "den", "", "X-Forwarded-For", canaries["an address"])
	if _, ok := stream.next().(wire.Joined); !ok {
		t.Error("the stream does not start")
	}
	for _, p := range []*peer{spammer, friend, other} {
		p.say(`{"type":"join","room":"den","last":0}`)
		frame[wire.Joined](p)
	}
	banned := time.Now()
	owner.say(`{"type":"set","room":"den","id":"3","key":"address","address_of":2,"value":"ban","until":"` + wire.TimeOf(time.Now().Add(time.Hour)).String() + `"}`)
	owner.saved()
	for _, p := range []*peer{spammer, friend} {
		if left := frame[wire.Left](p); left.Rule != wire.RuleAddress {
			t.Errorf("a reader at a banned address: %+v", left)
		}
	}
	for stream.next() != nil {
	}
	t.Logf("readers have left after %v", time.Since(banned))
	post(t, base, "den", "after the ban")
	for path, refuses := range map[string]bool{"/api/v1/rooms/den/messages": true, "/api/v1/search?q=spam&room=den": true, "/api/v1/rooms/den/stream": true, "/api/v1/rooms": false, "/api/v1/search?q=spam": false} {
		resp, body := call(t, http.MethodGet, base+path, "", "X-Forwarded-For", canaries["an address"])
		if refuses && (resp.StatusCode != http.StatusForbidden || !strings.Contains(body, `"rule":"address"`)) || strings.Contains(body, "spam") && !strings.Contains(body, `"query"`) || strings.Contains(body, "den\"") && !refuses {
			t.Errorf("%s from a banned address: %d %s", path, resp.StatusCode, body)
		}
	}
	if m := frame[wire.Message](other); m.Text != "after the ban" {
		t.Errorf("somebody else receives %+v", m)
	}

	// Nobody is shown an address or a hash.
	owner.say(`{"type":"state","room":"den","prefix":"address","ref":"state"}`)
	settings := frame[wire.Settings](owner)
	if len(settings.Settings) != 1 || settings.Settings[0].Key != "address/2" || *settings.Settings[0].Value.Text != wire.Ban {
		t.Errorf("the owner sees %+v", settings)
	}
	other.say(`{"type":"state","room":"den"}`)
	for _, setting := range frame[wire.Settings](other).Settings {
		if strings.HasPrefix(setting.Key, wire.AddressKey) {
			t.Errorf("somebody else sees %+v", setting)
		}
	}
	owner.say(`{"type":"set","room":"den","id":"4","key":"address","address_of":2,"value":null}`)
	owner.saved()
	spammer.say(`{"type":"join","room":"den"}`)
	frame[wire.Joined](spammer)
	owner.say(`{"type":"join","room":"~den","last":500}`)
	records := receiveUntil(owner, `"room":"~den","n":3,"at"`)
	owner.say(`{"type":"moderate","room":"den","id":"5","erase":{"address_of":2},"dry":true}`)
	seen := map[string]string{"the moderators' room": records + receiveUntil(owner, `"type":"preview"`)}
	if all := seen["the moderators' room"]; !strings.Contains(all, `"key":"address"`) || !strings.Contains(all, `"addresses":1`) {
		t.Errorf("the moderators' room and a preview: %s", all)
	}
	auth := []string{"Authorization", "Bearer " + canaries["the owner's session"], "X-Forwarded-For", canaries["another address"]}
	for _, path := range []string{"/r/den", "/r/~den", "/api/v1/rooms", "/api/v1/rooms/den/messages", "/api/v1/rooms/~den/messages", "/api/v1/rooms/den/state", "/api/v1/rooms/den/people", "/api/v1/search?q=spam"} {
		_, seen[path] = call(t, http.MethodGet, base+path, "", auth...)
	}
	for _, path := range []string{"/metrics", server.NamesPath, server.RoomsPath, server.SendersPath} {
		answer := httptest.NewRecorder()
		made.Operator().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, path, nil))
		seen[path] = answer.Body.String()
	}
	for where, text := range seen {
		for _, what := range []string{"an address", "another address"} {
			if strings.Contains(text, canaries[what]) {
				t.Errorf("%s has %s", where, what)
			}
		}
	}
}
