package server_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"

	"ramai/server"
	"ramai/wire"
)

// lockedBuffer is a buffer for a logger that several goroutines use.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// TestInvitesAndPasswords: a class that types the password of a room behind one address gets in while somebody guesses, and the
// secrets are nowhere but in the answer to their owner.
func TestInvitesAndPasswords(t *testing.T) {
	t.Parallel()
	const secret, password = "AAAAAAAAAAAAAAAAAAAAAA", "canary of the password"
	var log lockedBuffer
	base := start(t, func(c *server.Config) {
		c.Rate, c.LogTexts = 0, true
		c.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}).URL
	as := func(session string) []string {
		return []string{"Content-Type", "application/json", "Authorization", "Bearer " + session}
	}
	owner := dial(t, base, wire.Protocol)
	owner.hear(t, "welcome")
	owner.say(string(wire.Append(nil, wire.Hello{Session: secret})))
	owner.hear(t, "welcome")
	for i, request := range []string{
		`{"type":"say","room":"den","id":"1","text":"my room"}`, `{"type":"set","room":"den","id":"2","key":"everyone","value":"none"}`,
		`{"type":"set","room":"den","id":"3","key":"password","value":"` + password + `"}`,
	} {
		owner.say(request)
		if f := owner.hear(t, "saved"); f.N != uint64(i+1) {
			t.Fatalf("%s is saved as %d", request, f.N)
		}
	}
	owner.say(`{"type":"invite","room":"den","id":"4","role":"trusted","uses":1}`)
	var invited wire.Invited
	if err := json.Unmarshal([]byte(owner.next()), &invited); err != nil || wire.CheckInvite(invited.Invite) != nil {
		t.Fatalf("the invite is %+v (%v)", invited, err)
	}
	redeem := base + "/api/v1/rooms/den/redeem"
	limited := false
	for i := range 8 {
		resp, _ := call(t, http.MethodPost, redeem, fmt.Sprintf(`{"password":"guess number %d"}`, i), as("GGGGGGGGGGGGGGGGGGGGGG")...)
		limited = resp.StatusCode == http.StatusTooManyRequests
	}
	if !limited {
		t.Error("a guesser is not limited")
	}
	var pupils sync.WaitGroup
	for i := range 30 {
		pupils.Go(func() {
			resp, answer := call(t, http.MethodPost, redeem, `{"password":"`+password+`"}`, as(fmt.Sprintf("pupil%017d", i))...)
			if resp.StatusCode != http.StatusOK || !strings.Contains(answer, `"role":"guest"`) {
				t.Errorf("pupil %d gets %d %s", i, resp.StatusCode, answer)
			}
		})
	}
	pupils.Wait()
	friend := dial(t, base, wire.Protocol)
	friend.hear(t, "welcome")
	friend.say(`{"type":"redeem","room":"den","invite":"` + invited.Invite + `","ref":"r"}`)
	if got, want := friend.next(), `{"type":"role","room":"den","role":"trusted","ref":"r"}`; got != want {
		t.Errorf("an invite gives %s, want %s", got, want)
	}
	if !strings.Contains(log.String(), "my room") {
		t.Error("the log has no texts, so it cannot have a secret")
	}
	var seen []string
	see := func(what, text string) { seen = append(seen, what+":\n"+text) }
	see("the log", log.String())
	for _, path := range []string{"/r/den", "/about", "/api/v1/rooms/den/messages", "/api/v1/rooms/den/state", "/api/v1/rooms"} {
		for _, session := range []string{secret, "GGGGGGGGGGGGGGGGGGGGGG"} {
			_, body := call(t, http.MethodGet, base+path, "", "Authorization", "Bearer "+session)
			see(path, body)
		}
	}
	owner.say(`{"type":"state","room":"den"}`)
	settings := owner.next()
	if see("the settings", settings); !strings.Contains(settings, `"key":"password","value":"set"`) {
		t.Errorf("the owner's settings are %s", settings)
	}
	late := dial(t, base, wire.Protocol)
	late.hear(t, "welcome")
	late.say(string(wire.Append(nil, wire.Hello{Session: secret})))
	late.hear(t, "welcome")
	late.say(`{"type":"join","room":"den","last":500}`)
	for n := uint64(0); n < 3; {
		frame := late.next()
		see("a frame", frame)
		var f struct{ N uint64 }
		if json.Unmarshal([]byte(frame), &f); !strings.Contains(frame, `"joined"`) {
			n = max(n, f.N)
		}
	}
	for _, text := range seen {
		for _, s := range []string{password, invited.Invite, "argon2id"} {
			if strings.Contains(text, s) {
				t.Errorf("%.40q is in %.2000s", s, text)
			}
		}
	}
	// What is wrong over HTTP.
	for body, want := range map[string]int{
		`{"password":"` + password + `","invite":"` + invited.Invite + `"}`: 400, `{}`: 400, `null`: 400, `[]`: 400, `{"invite":"short"}`: 400, `{"invite":7}`: 400,
		`{"invite":"` + invited.Invite + `"}`: 403, `{"invite":"` + strings.Repeat("x", 5000) + `"}`: 413,
	} {
		resp, answer := call(t, http.MethodPost, redeem, body, as("HHHHHHHHHHHHHHHHHHHHHH")...)
		if resp.StatusCode != want || strings.Contains(answer, invited.Invite) {
			t.Errorf("%.60s is answered with %d %s, want %d", body, resp.StatusCode, answer, want)
		}
	}
	if resp, answer := call(t, http.MethodPost, base+"/api/v1/rooms/den/invites", `{"role":"guest","uses":3}`, as(secret)...); resp.StatusCode != http.StatusCreated || !strings.Contains(answer, `"uses":3`) {
		t.Errorf("an invite over HTTP: %d %s", resp.StatusCode, answer)
	}
	if resp, answer := call(t, http.MethodPost, base+"/api/v1/rooms/den/invites", `{"role":"guest"}`, as("HHHHHHHHHHHHHHHHHHHHHH")...); resp.StatusCode != http.StatusForbidden || !strings.Contains(answer, `"rule":"role"`) {
		t.Errorf("an invite of somebody who may not: %d %s", resp.StatusCode, answer)
	}
}
