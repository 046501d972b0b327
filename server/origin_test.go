package server_test

import (
	"database/sql"
	"fmt"
	"net/http"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"

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
