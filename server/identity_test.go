package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/crypto/ssh"

	"ramai/client"
	"ramai/internal/eventlog"
	"ramai/server"
	"ramai/wire"
)

const (
	tokenSecret = "0123456789abcdef0123456789abcdef"
	tokenIssuer = "https://school.example"
)

// acceptTokens makes a server accept the tokens of newToken.
func acceptTokens(t *testing.T, c *server.Config) {
	t.Helper()
	key := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(key, []byte(tokenSecret), 0o600); err != nil {
		t.Fatal(err)
	}
	c.Rate = 0
	c.Tokens = server.Tokens{KeyFile: key, Issuer: tokenIssuer, Audience: "chat"}
}

// newToken returns a token that was issued a moment ago.
func newToken(t *testing.T, subject, name string) string {
	t.Helper()
	claims := jwt.MapClaims{"iss": tokenIssuer, "aud": "chat", "sub": subject, "name": name, "iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix()}
	s, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(tokenSecret))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// claimToken is newToken with a role in a room.
func claimToken(t *testing.T, subject, room, role string, exp time.Time) string {
	t.Helper()
	claims := jwt.MapClaims{"iss": tokenIssuer, "aud": "chat", "sub": subject, "room": room, "role": role, "iat": time.Now().Unix(), "exp": exp.Unix()}
	s, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(tokenSecret))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestTokenRole: the role that a token claims applies in the room that it names, until the token expires. See also
// eventlogtest for what it does not replace.
func TestTokenRole(t *testing.T) {
	t.Parallel()
	base := start(t, func(c *server.Config) { acceptTokens(t, c) }).URL
	owner := dial(t, base, wire.Protocol)
	owner.say(string(wire.Append(nil, wire.Hello{Session: strings.Repeat("A", wire.SessionLen)})))
	owner.say(`{"type":"say","room":"den","id":"1","text":"private"}`)
	frame[wire.Saved](owner)
	owner.say(`{"type":"set","room":"den","id":"2","key":"preset","value":"private"}`)
	frame[wire.Saved](owner)
	exp := time.Now().Add(time.Hour).Truncate(time.Second)
	for _, c := range []struct{ subject, room, role, want string }{
		{"nobody", "", "", "not_allowed"}, {"wrong", "den", "king", "not_allowed"}, {"elsewhere", "attic", "guest", "not_allowed"}, {"moderators", "~den", "moderator", "not_allowed"},
		{"guest", "den", "guest", "known"}, {"guest", "den", "trusted", "trusted"}, {"guest", "den", "guest", "trusted"}, {"teacher", "den", "owner", "moderator"},
	} {
		p, _ := greeted(t, base, wire.Hello{Token: claimToken(t, c.subject, c.room, c.role, exp)})
		p.say(`{"type":"join","room":"den"}`)
		got := ""
		for got == "" {
			f, err := wire.ParseFrame([]byte(p.receive()))
			if err != nil {
				t.Fatal(err)
			}
			switch f := f.(type) {
			case wire.Joined:
				got = f.Role.String()
			case wire.Error:
				got = string(f.Code)
			}
		}
		if got != c.want {
			t.Errorf("%s with the role %q in %q: %s, want %s", c.subject, c.role, c.room, got, c.want)
		}
	}
	// It works with each request, too.
	post(t, base, "den", "x", bearer(claimToken(t, "another", "den", "guest", exp))...)
}

// TestRoleOfProof: a sender with a proof reads that it is known where others are guests, and nowhere else.
func TestRoleOfProof(t *testing.T) {
	t.Parallel()
	base := start(t, func(c *server.Config) { acceptTokens(t, c) }).URL
	owner, _ := greeted(t, base, wire.Hello{Session: strings.Repeat("A", wire.SessionLen)})
	owner.say(`{"type":"say","room":"den","id":"1","text":"x"}`)
	frame[wire.Saved](owner)
	anna, _ := greeted(t, base, wire.Hello{Token: newToken(t, "anna", "")})
	guest, _ := greeted(t, base, wire.Hello{Session: strings.Repeat("B", wire.SessionLen)})
	for p, want := range map[*peer]wire.Role{anna: wire.RoleKnown, guest: wire.RoleGuest} {
		p.say(`{"type":"join","room":"den"}`)
		if got := frame[wire.Joined](p).Role; got != want {
			t.Errorf("the role is %v, want %v", got, want)
		}
	}
	for i, everyone := range []string{"reader", "guest"} {
		owner.say(fmt.Sprintf(`{"type":"set","room":"den","id":"s%d","key":"everyone","value":%q}`, i, everyone))
		frame[wire.Saved](owner)
		want := []wire.Role{wire.RoleReader, wire.RoleKnown}[i]
		if got := frame[wire.OwnRole](anna).Role; got != want {
			t.Errorf("with everyone %s, the role is %v, want %v", everyone, got, want)
		}
		if got := frame[wire.OwnRole](guest).Role; got.String() != everyone {
			t.Errorf("with everyone %s, the role of a guest is %v", everyone, got)
		}
	}
}

// greeted connects, says hello, and returns the final welcome.
func greeted(t *testing.T, base string, hello wire.Hello) (*peer, wire.Welcome) {
	t.Helper()
	p := dial(t, base, wire.Protocol)
	frame[wire.Welcome](p)
	p.say(string(wire.Append(nil, hello)))
	return p, frame[wire.Welcome](p)
}

// ends waits until the connection of a peer is closed.
func (p *peer) ends() {
	p.t.Helper()
	for {
		if _, _, err := p.Read(p.t.Context()); err != nil {
			return
		}
	}
}

func bearer(secret string) []string { return []string{"Authorization", "Bearer " + secret} }

// byOf posts with a credential, and returns the sender of the message.
func byOf(t *testing.T, base, secret string) string {
	t.Helper()
	n := post(t, base, "lobby", "x", bearer(secret)...).N
	_, body := call(t, http.MethodGet, base+"/api/v1/rooms/lobby/messages?limit=1", "")
	var page wire.HistoryResponse
	if err := json.Unmarshal([]byte(body), &page); err != nil || len(page.Messages) != 1 || page.Messages[0].N != n {
		t.Fatalf("%s, %v", body, err)
	}
	return page.Messages[0].SenderID
}

// TestSignIn: a token signs a guest in, on every transport as the same sender. The session of the guest ends, and its connections
// are closed; the sender, its name and its messages stay.
func TestSignIn(t *testing.T) {
	t.Parallel()
	base := start(t, func(c *server.Config) { acceptTokens(t, c) }).URL
	guest, welcome := greeted(t, base, wire.Hello{Session: strings.Repeat("A", wire.SessionLen)})
	if welcome.Known {
		t.Error("a guest is known")
	}
	by := welcome.SenderID
	guest.say(`{"type":"name","name":"Anna"}`)
	frame[wire.Name](guest)

	signed, welcome := greeted(t, base, wire.Hello{Session: welcome.Session, Token: newToken(t, "anna", "Anna B")})
	if !welcome.Known || welcome.SenderID != by || welcome.Name != "Anna" || welcome.Session == strings.Repeat("A", wire.SessionLen) {
		t.Fatalf("signed in: %+v, want a new session of %s", welcome, by)
	}
	guest.ends()
	signed.say(`{"type":"ping"}`)
	frame[wire.Pong](signed)
	// The former session is refused everywhere.
	late := dial(t, base, wire.Protocol)
	frame[wire.Welcome](late)
	late.say(`{"type":"hello","session":"AAAAAAAAAAAAAAAAAAAAAA","ref":"h"}`)
	if e := frame[wire.Error](late); e.Code != wire.NotAllowed || e.Request != "hello" || e.Ref != "h" {
		t.Errorf("the former session: %+v", e)
	}
	if again := frame[wire.Welcome](late); again.SenderID == by || again.Known || again.SenderID != wire.SenderIDOf(again.Session) {
		t.Errorf("after an ended session, the welcome is %+v", again)
	}
	if resp, body := call(t, http.MethodPost, base+"/api/v1/rooms/lobby/messages", "x", bearer(strings.Repeat("A", wire.SessionLen))...); resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("the former session over HTTP: %d %s", resp.StatusCode, body)
	}
	// The new one, and tokens, are the same sender.
	for _, secret := range []string{welcome.Session, newToken(t, "anna", "")} {
		if got := byOf(t, base, secret); got != by {
			t.Errorf("the sender is %s, want %s", got, by)
		}
	}
	if _, again := greeted(t, base, wire.Hello{Session: welcome.Session, Token: newToken(t, "anna", "")}); again.Session != welcome.Session || again.SenderID != by || !again.Known {
		t.Errorf("signed in again: %+v, want the same session", again)
	}
	if _, other := greeted(t, base, wire.Hello{Token: newToken(t, "bert", "Bert")}); other.SenderID == by || !other.Known || other.Name != "Bert" {
		t.Errorf("somebody else: %+v", other)
	}
	// Two senders with proofs are never merged.
	bertsBy := byOf(t, base, newToken(t, "bert", ""))
	if _, both := greeted(t, base, wire.Hello{Session: welcome.Session, Token: newToken(t, "bert", "")}); both.SenderID != bertsBy {
		t.Errorf("bert in anna's browser: %+v, want %s", both, bertsBy)
	}
	if got := byOf(t, base, welcome.Session); got != by {
		t.Errorf("anna's session is now of %s", got)
	}
}

// TestBadToken: a client with a bad token is told why, and continues as a guest; over HTTP the answer is 401.
func TestBadToken(t *testing.T) {
	t.Parallel()
	with := start(t, func(c *server.Config) { acceptTokens(t, c) }).URL
	without := start(t, nil).URL
	bad := newToken(t, "anna", "")
	bad = bad[:len(bad)-4] + "AAAA"
	for _, base := range []string{with, without} {
		p := dial(t, base, wire.Protocol)
		frame[wire.Welcome](p)
		p.say(string(wire.Append(nil, wire.Hello{Session: strings.Repeat("A", wire.SessionLen), Token: bad})))
		if e := frame[wire.Error](p); e.Code != wire.NotAllowed || e.Request != "hello" {
			t.Errorf("a bad token: %+v", e)
		}
		if w := frame[wire.Welcome](p); w.Session != strings.Repeat("A", wire.SessionLen) || w.Known {
			t.Errorf("after a bad token, the welcome is %+v", w)
		}
		resp, body := call(t, http.MethodPost, base+"/api/v1/rooms/lobby/messages", "x", bearer(bad)...)
		if resp.StatusCode != http.StatusUnauthorized || resp.Header.Get("WWW-Authenticate") != "Bearer" || !strings.Contains(body, "not_allowed") {
			t.Errorf("a bad token over HTTP: %d %s", resp.StatusCode, body)
		}
	}
}

// TestSignOutEverywhere: all connections of the sender are closed, on every transport, and its sessions and earlier tokens are
// refused. Others stay connected.
func TestSignOutEverywhere(t *testing.T) {
	t.Parallel()
	base := start(t, func(c *server.Config) { acceptTokens(t, c) }).URL
	_, welcome := greeted(t, base, wire.Hello{Token: newToken(t, "anna", "")})
	phone, _ := greeted(t, base, wire.Hello{Session: welcome.Session})
	other, _ := greeted(t, base, wire.Hello{Token: newToken(t, "bert", "")})
	events := listen(t, base, "lobby", "", bearer(welcome.Session)...)
	lines := listen(t, base, "lobby", "", "Authorization", "Bearer "+newToken(t, "anna", ""), "Accept", "application/x-ndjson")
	anonymous := listen(t, base, "lobby", "")
	for _, s := range []*stream{events, lines, anonymous} {
		s.next()
	}
	early := newToken(t, "anna", "")
	time.Sleep(1100 * time.Millisecond) // the times of tokens are whole seconds
	phone.say(`{"type":"signout","all":true,"ref":"s"}`)
	phone.ends()
	for events.next() != nil {
	}
	for lines.next() != nil {
	}
	other.say(`{"type":"ping"}`)
	frame[wire.Pong](other)
	for _, secret := range []string{welcome.Session, early} {
		if resp, body := call(t, http.MethodPost, base+"/api/v1/rooms/lobby/messages", "x", bearer(secret)...); resp.StatusCode != http.StatusUnauthorized {
			t.Errorf("after signing out everywhere: %d %s", resp.StatusCode, body)
		}
	}
	time.Sleep(1100 * time.Millisecond)
	if _, back := greeted(t, base, wire.Hello{Token: newToken(t, "anna", "")}); back.SenderID != welcome.SenderID || back.Session == welcome.Session {
		t.Errorf("signed in again: %+v, want another session of %s", back, welcome.SenderID)
	}
	post(t, base, "lobby", "still here")
	anonymous.next()
}

// TestSignOutOverSSH: signing out everywhere ends the SSH sessions of the sender, whose key can connect again.
func TestSignOutOverSSH(t *testing.T) {
	t.Parallel()
	var s *server.Server
	o := serveSSH(t, nil, func(made *server.Server) { s = made })
	base := "http" + strings.TrimPrefix(o.url, "ws")
	key := newKey(t)
	c := o.connect("Anna", ssh.PublicKeys(key))
	session, err := c.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	in, err := session.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr strings.Builder
	session.Stderr = &stderr
	if err := session.Start("lobby"); err != nil {
		t.Fatal(err)
	}
	events := listen(t, base, "lobby", "")
	in.Write([]byte("hello\n"))
	var by string
	for by == "" {
		if m, ok := events.next().(wire.Message); ok {
			by = m.SenderID
		}
	}
	answer := httptest.NewRecorder()
	s.Operator().ServeHTTP(answer, httptest.NewRequest(http.MethodPost, server.EndSessionsPath, strings.NewReader(by)))
	if answer.Code != http.StatusOK {
		t.Fatal(answer.Body)
	}
	if err := session.Wait(); err == nil || !strings.Contains(stderr.String(), "signed out everywhere") {
		t.Errorf("the SSH session ended with %v: %s", err, stderr.String())
	}
	if out, _, _ := command(t, o.connect("Anna", ssh.PublicKeys(key)), "lobby", "back\n"); !strings.Contains(out, "back") {
		t.Errorf("with the key again: %q", out)
	}
}

// TestSecondDevice: a new device shows a code, and a signed-in one gives it a session.
func TestSecondDevice(t *testing.T) {
	t.Parallel()
	base := start(t, func(c *server.Config) { acceptTokens(t, c) }).URL
	laptop, welcome := greeted(t, base, wire.Hello{Token: newToken(t, "anna", "Anna")})
	other, _ := greeted(t, base, wire.Hello{Token: newToken(t, "bert", "")})
	phone, guest := greeted(t, base, wire.Hello{Session: strings.Repeat("P", wire.SessionLen)})

	other.say(`{"type":"link"}`)
	if e := frame[wire.Error](other); e.Code != wire.NotAllowed {
		t.Errorf("a code for a known sender: %+v", e)
	}
	phone.say(`{"type":"link","name":"Anna's phone"}`)
	first := frame[wire.LinkCode](phone)
	phone.say(`{"type":"link","name":"Anna's phone","ref":"c"}`)
	code := frame[wire.LinkCode](phone)
	if len(code.Code) != wire.LinkCodeLen || code.ExpiresMS != 300_000 || code.Ref != "c" || code.Code == first.Code {
		t.Fatalf("the code is %+v", code)
	}
	ask := func(p *peer, l wire.Link) { p.say(string(wire.Append(nil, l))) }
	for _, refused := range []struct {
		on *peer
		l  wire.Link
	}{{laptop, wire.Link{Code: first.Code}}, {phone, wire.Link{Code: code.Code}}, {laptop, wire.Link{Code: code.Code, Confirm: true}}} {
		ask(refused.on, refused.l)
		if e := frame[wire.Error](refused.on); e.Code != wire.BadRequest {
			t.Errorf("%+v: %+v", refused.l, e)
		}
	}
	ask(laptop, wire.Link{Code: strings.ToLower(code.Code[:4]) + "-" + code.Code[4:]})
	if l := frame[wire.Linking](laptop); l.Name != "Anna's phone" || l.Linked {
		t.Fatalf("the device is %+v", l)
	}
	ask(other, wire.Link{Code: code.Code, Confirm: true})
	if e := frame[wire.Error](other); e.Code != wire.BadRequest {
		t.Errorf("confirmed by somebody else: %+v", e)
	}
	ask(laptop, wire.Link{Code: code.Code, Confirm: true})
	if l := frame[wire.Linking](laptop); !l.Linked {
		t.Fatalf("confirmed: %+v", l)
	}
	linked := frame[wire.Welcome](phone)
	if linked.SenderID != welcome.SenderID || !linked.Known || linked.Session == welcome.Session || linked.Name != "Anna" {
		t.Fatalf("the phone is welcomed with %+v", linked)
	}
	phone.ends()
	if got := byOf(t, base, linked.Session); got != welcome.SenderID {
		t.Errorf("the phone is %s", got)
	}
	if resp, _ := call(t, http.MethodPost, base+"/api/v1/rooms/lobby/messages", "x", bearer(guest.Session)...); resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("the guest's session still counts: %d", resp.StatusCode)
	}
	// One session ends, the others stay.
	back, _ := greeted(t, base, wire.Hello{Session: linked.Session})
	back.say(`{"type":"signout"}`)
	back.ends()
	laptop.say(`{"type":"ping"}`)
	frame[wire.Pong](laptop)
	// Guessing is limited.
	guesser, _ := greeted(t, base, wire.Hello{Session: strings.Repeat("G", wire.SessionLen)})
	var last wire.Error
	for range 6 {
		ask(guesser, wire.Link{Code: "ABCD2345"})
		last = frame[wire.Error](guesser)
	}
	if last.Code != wire.RateLimited || last.RetryAfterMS == 0 {
		t.Errorf("after 6 wrong codes: %+v", last)
	}
}

// TestLinkClients: the client that another one has linked continues as that sender, under its name, and as somebody else once it has
// signed out.
func TestLinkClients(t *testing.T) {
	t.Parallel()
	base := start(t, nil).URL
	dial := func(name string) (*client.Client, func(func(wire.Frame) bool)) {
		c, err := client.Dial(t.Context(), client.Config{URL: base, Name: name})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		return c, func(found func(wire.Frame) bool) {
			t.Helper()
			for {
				e, err := c.Next(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if found(e.Frame) {
					return
				}
			}
		}
	}
	laptop, onLaptop := dial("Anna")
	phone, onPhone := dial("Phone")
	var anna string
	onLaptop(func(f wire.Frame) bool {
		if w, ok := f.(wire.Welcome); ok {
			anna = w.SenderID
		}
		n, ok := f.(wire.Name)
		return ok && n.Name == "Anna"
	})
	code, err := phone.LinkCode(t.Context(), "a phone")
	if err != nil {
		t.Fatal(err)
	}
	if l, err := laptop.LinkDevice(t.Context(), code.Code, false); err != nil || l.Name != "a phone" || l.Linked {
		t.Fatalf("the device is %+v, %v", l, err)
	}
	if l, err := laptop.LinkDevice(t.Context(), code.Code, true); err != nil || !l.Linked {
		t.Fatalf("confirmed: %+v, %v", l, err)
	}
	said := func(c *client.Client, from func(func(wire.Frame) bool), text string) (m wire.Message) {
		t.Helper()
		if _, err := c.Say("lobby", text); err != nil {
			t.Fatal(err)
		}
		from(func(f wire.Frame) bool {
			got, ok := f.(wire.Message)
			m = got
			return ok && m.Text == text
		})
		return m
	}
	onPhone(func(f wire.Frame) bool {
		w, ok := f.(wire.Welcome)
		return ok && w.SenderID == anna
	})
	if m := said(phone, onPhone, "from the phone"); m.SenderID != anna || m.DisplayName != "Anna" {
		t.Errorf("the phone posts as %s, %q, want %s, Anna", m.SenderID, m.DisplayName, anna)
	}
	if err := phone.SignOut(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	onPhone(func(f wire.Frame) bool {
		w, ok := f.(wire.Welcome)
		return ok && w.SenderID != anna
	})
	if m := said(phone, onPhone, "as a guest"); m.SenderID == anna || m.DisplayName != "" {
		t.Errorf("signed out, the phone posts as %s, %q", m.SenderID, m.DisplayName)
	}
	if m := said(laptop, onLaptop, "still here"); m.SenderID != anna {
		t.Errorf("the laptop posts as %s", m.SenderID)
	}
}

// TestSessionsAfterRestart: what has ended stays ended, and who has signed in stays so.
func TestSessionsAfterRestart(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	change := func(c *server.Config) {
		acceptTokens(t, c)
		c.InMemory, c.Data = false, data
	}
	var by, session string
	t.Run("before", func(t *testing.T) {
		base := start(t, change).URL
		_, welcome := greeted(t, base, wire.Hello{Session: strings.Repeat("A", wire.SessionLen), Token: newToken(t, "anna", "")})
		by, session = welcome.SenderID, welcome.Session
	})
	base := start(t, change).URL
	if _, welcome := greeted(t, base, wire.Hello{Session: session}); welcome.SenderID != by || !welcome.Known {
		t.Errorf("after a restart: %+v", welcome)
	}
	if resp, _ := call(t, http.MethodPost, base+"/api/v1/rooms/lobby/messages", "x", bearer(strings.Repeat("A", wire.SessionLen))...); resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("the former session counts again: %d", resp.StatusCode)
	}
	if by != eventlog.SessionDigest(strings.Repeat("A", wire.SessionLen)).SenderID() {
		t.Errorf("the sender is %s", by)
	}
}

// TestSignInIsKnown: a client that has signed in is known at once, by the session that it was given.
func TestSignInIsKnown(t *testing.T) {
	t.Parallel()
	base := start(t, func(c *server.Config) { acceptTokens(t, c) }).URL
	for i := range 100 {
		p, welcome := greeted(t, base, wire.Hello{Token: newToken(t, fmt.Sprint("user", i), "")})
		if !welcome.Known {
			t.Fatalf("sign-in %d: %+v", i, welcome)
		}
		p.CloseNow()
		if got := byOf(t, base, welcome.Session); got != welcome.SenderID {
			t.Fatalf("sign-in %d: the session is of %s, want %s", i, got, welcome.SenderID)
		}
	}
}
