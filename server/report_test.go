package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"ramai/internal/eventlog"
	"ramai/server"
	"ramai/wire"
)

// TestReportsOfAnAddress: however many guests there are behind one address, it does not use up what a room allows within a day: a guest at
// another one still reports, and withdraws a message that waits.
func TestReportsOfAnAddress(t *testing.T) {
	t.Parallel()
	s := serve(t, func(c *server.Config) { trustLoopback(c); c.InMemory = true })
	r := &raid{tb: t, base: "http" + strings.TrimPrefix(s.url, "ws"), room: raidRoom}
	owner := sessionOf("owner")
	n := r.say("welcome", owner, moderatorAddr)
	if n == 0 {
		t.Fatal("the first message is refused")
	}
	r.set("hold", `{"value":"all"}`, owner)
	const flooded, other = "198.51.100.1", "203.0.113.7"
	report := func(who, addr string) (int, wire.Refused) {
		status, body := r.do(http.MethodPost, "/api/v1/rooms/"+r.room+"/reports", fmt.Sprintf(`{"of":%d}`, n), sessionOf(who), addr)
		return status, refusedIn(t, body)
	}
	withdraw := func(who, addr string) (int, wire.Refused) {
		status, body := r.do(http.MethodPost, "/api/v1/rooms/"+r.room+"/messages", `{"id":"h","text":"waits"}`, sessionOf(who), addr)
		if status != http.StatusForbidden || refusedIn(t, body).Code != wire.Held {
			t.Fatalf("a message that is held: %d %s", status, body)
		}
		status, body = r.do(http.MethodDelete, "/api/v1/rooms/"+r.room+"/held/h", "", sessionOf(who), addr)
		return status, refusedIn(t, body)
	}
	for what, do := range map[string]func(who, addr string) (int, wire.Refused){"report": report, "withdraw": withdraw} {
		for i := range eventlog.MaxReportsOfDay / eventlog.AddressShare {
			if status, refused := do(fmt.Sprint("flooder", i), flooded); status >= 300 {
				t.Fatalf("%s %d is answered by %d %+v", what, i, status, refused)
			}
		}
		if status, refused := do("flooder-late", flooded); status != http.StatusForbidden || refused.Code != wire.NotAllowed || refused.Until == 0 || !strings.Contains(refused.Reason, "address") {
			t.Errorf("one %s more from the address is answered by %d %+v", what, status, refused)
		}
		if status, refused := do("honest", other); status >= 300 {
			t.Errorf("%s from another address is answered by %d %+v", what, status, refused)
		}
	}
}

// refusedIn returns the refusal in a response; zero: there is none.
func refusedIn(t *testing.T, body string) (refused wire.Refused) {
	t.Helper()
	if body != "" {
		if err := json.Unmarshal([]byte(body), &refused); err != nil {
			t.Fatalf("%v: %s", err, body)
		}
	}
	return refused
}
