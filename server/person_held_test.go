package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"ramai/server"
	"ramai/wire"
)

// TestPersonHeld: the export of a person has the messages that wait for a moderator, and the reports. Once the person is erased, nothing
// of these is left in the room of the moderators, and nothing waits.
func TestPersonHeld(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := serve(t, func(c *server.Config) { c.Data, c.Durability = dir, server.Normal })
	r := &raid{tb: t, base: "http" + strings.TrimPrefix(s.url, "ws"), room: "den"}
	owner, author := sessionOf("owner"), sessionOf("author")
	by := wire.SenderIDOf(author)
	r.say("welcome", owner, "")
	r.say("spam", sessionOf("spammer"), "")
	r.set("hold", `{"value":"all"}`, owner)
	if status, got := r.do(http.MethodPost, "/api/v1/rooms/den/messages", `{"text":"zheldtrace","id":"h1"}`, author, ""); status != http.StatusForbidden {
		t.Fatalf("the message is not held: %d %s", status, got)
	}
	p, _ := greeted(t, r.base, wire.Hello{Session: author})
	p.say(`{"type":"report","room":"den","of":2,"text":"zreporttrace"}`)
	frame[wire.Saved](p)
	queue := func() string {
		return second(r.do(http.MethodGet, "/api/v1/rooms/~den/messages?limit=100", "", owner, ""))
	}
	if got := queue(); !strings.Contains(got, "zheldtrace") || !strings.Contains(got, "zreporttrace") {
		t.Fatalf("the moderators read %s", got)
	}
	_, export := operate(t, dir, http.MethodGet, server.ExportPath+"?by="+url.QueryEscape(by), "")
	for _, text := range []string{"zheldtrace", "zreporttrace"} {
		if strings.Count(export, text) != 1 {
			t.Errorf("the export has %q %d times, want once:\n%s", text, strings.Count(export, text), export)
		}
	}
	body, err := json.Marshal(server.ErasePerson{SenderID: by})
	if err != nil {
		t.Fatal(err)
	}
	if status, answer := operate(t, dir, http.MethodPost, server.ErasePath, string(body)); status != http.StatusOK {
		t.Fatalf("erasing: %d %s", status, answer)
	}
	becomes(t, func() bool {
		got := queue()
		return !strings.Contains(got, "zheldtrace") && !strings.Contains(got, "zreporttrace") && !strings.Contains(got, by)
	})
	if status, got := r.do(http.MethodPost, "/api/v1/rooms/den/moderate", fmt.Sprintf(`{"id":"a1","approve":{"by":%q,"held":"h1"}}`, by), owner, ""); status == http.StatusOK {
		t.Errorf("what was erased is approved: %s", got)
	}
	if got := r.messages(owner, ""); len(got) != 2 {
		t.Errorf("the room has %+v", got)
	}
}
