package server_test

import (
	"crypto/rand"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ramai/server"
	"ramai/wire"
)

// secrets are what nobody may find where it does not belong, by what they are.
type secrets map[string]string

// absentFrom checks that a text has none of the secrets.
func (s secrets) absentFrom(t *testing.T, where, text string) {
	t.Helper()
	for what, secret := range s {
		if i := strings.Index(text, secret); i >= 0 {
			t.Errorf("%s has %s: %q", where, what, text[max(0, i-100):i])
		}
	}
}

func (s secrets) session(t *testing.T, what string) string {
	t.Helper()
	secret, err := wire.NewSession(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s[what] = secret
	return secret
}

// TestSecretsAreNowhere: sessions, tokens, codes, invites and passwords, good and bad ones, are in no log, metric, page, API answer,
// frame of a room, answer to the operator, or file of the data folder.
func TestSecretsAreNowhere(t *testing.T) {
	t.Parallel()
	var log lockedBuffer
	var s *server.Server
	data := t.TempDir()
	running := serve(t, func(c *server.Config) {
		acceptTokens(t, c)
		c.Data, c.Quiet, c.LogTexts = data, false, true
		c.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}, func(made *server.Server) { s = made })
	base := "http" + strings.TrimPrefix(running.url, "ws")

	// Someone owns a room, signs in with a token, links a phone, and signs out there.
	all := secrets{"the password": "canary of the password", "a wrong password": "canary of a guess", "the token": newToken(t, "anna", "Anna")}
	guest, _ := greeted(t, base, wire.Hello{Session: all.session(t, "the session of a guest")})
	guest.say(`{"type":"say","room":"den","id":"1","text":"text of a message"}`)
	frame[wire.Saved](guest)
	anna, welcome := greeted(t, base, wire.Hello{Session: all["the session of a guest"], Token: all["the token"]})
	all["the session of a token"] = welcome.Session
	anna.say(`{"type":"set","room":"den","id":"2","key":"password","value":"` + all["the password"] + `"}`)
	frame[wire.Saved](anna)
	anna.say(`{"type":"invite","room":"den","id":"3","role":"trusted","uses":3}`)
	all["the invite"] = frame[wire.Invited](anna).Invite
	phone, _ := greeted(t, base, wire.Hello{Session: all.session(t, "the session of a phone")})
	phone.say(`{"type":"link","name":"phone"}`)
	code := frame[wire.LinkCode](phone).Code
	all["the code"] = code
	for _, l := range []wire.Link{{Code: code}, {Code: code, Confirm: true}} {
		anna.say(string(wire.Append(nil, l)))
		frame[wire.Linking](anna)
	}
	all["the session of a link"] = frame[wire.Welcome](phone).Session
	phone.ends()
	linked, _ := greeted(t, base, wire.Hello{Session: all["the session of a link"]})
	linked.say(`{"type":"signout"}`)
	linked.ends()

	// Others get in, or not, with good and bad secrets.
	all["a wrong code"] = "ABCDEFGH"
	all["a wrong token"] = all["the token"][:len(all["the token"])-4] + "AAAA"
	all["a wrong invite"] = all.session(t, "the session of a friend")[:wire.InviteLen-2] + "Zz"
	friend, _ := greeted(t, base, wire.Hello{Session: all["the session of a friend"]})
	friend.say(`{"type":"link","code":"` + all["a wrong code"] + `"}`)
	frame[wire.Error](friend)
	for _, redeem := range []wire.Redeem{{Invite: all["the invite"]}, {Invite: all["a wrong invite"]}, {Password: all["the password"]}, {Password: all["a wrong password"]}} {
		redeem.Room = "den"
		friend.say(string(wire.Append(nil, redeem)))
		friend.receive()
	}
	bad := dial(t, base, wire.Protocol)
	frame[wire.Welcome](bad)
	bad.say(string(wire.Append(nil, wire.Hello{Session: all["the session of a link"], Token: all["a wrong token"]})))
	frame[wire.Error](bad)
	bad.say(`{"type":"hello","session":"` + all["the session of a guest"] + `!"}`)
	bad.receive()

	seen := map[string]string{}
	for _, path := range []string{"/", "/r/den", "/about", "/api/v1/rooms", "/api/v1/rooms/den/messages", "/api/v1/rooms/den/state", "/api/v1/rooms/den/invites", "/api/v1/search?q=text"} {
		for what, secret := range all {
			resp, body := call(t, http.MethodGet, base+path, "", bearer(secret)...)
			var headers strings.Builder
			resp.Header.Write(&headers)
			seen[path+" with "+what] = headers.String() + body
		}
	}
	for _, path := range []string{"/metrics", server.NamesPath, server.RoomsPath, server.SendersPath} {
		answer := httptest.NewRecorder()
		if s.Operator().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, path, nil)); answer.Code != http.StatusOK {
			t.Errorf("%s: %d", path, answer.Code)
		}
		seen[path] = answer.Body.String()
	}
	for _, kind := range []string{"history", "state", "who"} { // ramai export reads the history
		anna.say(`{"type":"` + kind + `","room":"den","ref":"` + kind + `"}`)
		for !strings.Contains(seen[kind], `"ref":"`+kind+`"`) {
			seen[kind] += anna.receive()
		}
	}
	late := dial(t, base, wire.Protocol)
	frame[wire.Welcome](late)
	late.say(`{"type":"join","room":"den","last":500}`)
	for !strings.Contains(seen["a room"], `"n":1,`) || !strings.Contains(seen["a room"], "text of a message") {
		seen["a room"] += late.receive()
	}
	running.stop()
	if err := <-running.done; err != nil {
		t.Fatal(err)
	}
	seen["the log"] = log.String()
	err := fs.WalkDir(os.DirFS(data), ".", func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(filepath.Join(data, path))
		seen["the file "+path] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for where, want := range map[string]string{"the log": "text of a message", server.SendersPath: welcome.SenderID, server.RoomsPath: "den", "/metrics": "ramai_", "history": "text of a message", "state": `"password"`} {
		if !strings.Contains(seen[where], want) {
			t.Errorf("%s does not have %q, so its check means nothing:\n%.500s", where, want, seen[where])
		}
	}
	for where, text := range seen {
		all.absentFrom(t, where, text)
	}
}
