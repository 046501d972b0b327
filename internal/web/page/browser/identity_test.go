package browser_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/golang-jwt/jwt/v5"

	"ramai/server"
	"ramai/wire"
)

// author returns the sender of the newest message of the lobby, which has a text.
func (srv *testServer) author(text string) string {
	srv.t.Helper()
	var page wire.HistoryResponse
	srv.getJSON("/api/v1/rooms/lobby/messages?limit=1", &page)
	if len(page.Messages) != 1 || page.Messages[0].Text != text {
		srv.t.Fatalf("the newest messages are %+v, want %q", page.Messages, text)
	}
	return page.Messages[0].SenderID
}

// sender sends a text, and returns the sender that it has.
func (b *tab) sender(srv *testServer, text string) string {
	b.t.Helper()
	b.send(text)
	b.row(text)
	return srv.author(text)
}

const storedSession = `JSON.parse(localStorage.getItem("ramai.session"))`

// After the operator has ended the session, all tabs of a browser continue as the same new guest, and so they do after a reload.
func TestEndedSession(t *testing.T) {
	t.Parallel()
	srv := startServer(t, nil)
	first := openPage(t, srv.url("/")).ready()
	first.expectErrors("401") // a request may be under way while the session ends
	first.takeName("Budi")
	before := first.sender(srv, "before")
	secret := eval[string](first, storedSession)
	second := first.openTab(srv.url("/")).ready()
	second.expectErrors("401")
	if by := second.sender(srv, "second tab"); by != before {
		t.Errorf("the second tab sends as %s, want %s", by, before)
	}

	answer := httptest.NewRecorder()
	if srv.operator.ServeHTTP(answer, httptest.NewRequest(http.MethodPost, server.EndSessionsPath, strings.NewReader(before))); answer.Code != http.StatusOK {
		t.Fatalf("ending the session: %d %s", answer.Code, answer.Body)
	}
	first.waitFor(storedSession + " !== " + quote(secret))
	after := ""
	for i := range 100 { // until both tabs have agreed on a session
		one, other := first.sender(srv, fmt.Sprint("first ", i)), second.sender(srv, fmt.Sprint("second ", i))
		if after = one; one != before && one == other {
			break
		}
		after = ""
	}
	if after == "" {
		t.Fatal("the tabs do not continue as one new sender")
	}
	for _, b := range []*tab{first, second} {
		if by := b.sender(srv, "still"); by != after {
			t.Errorf("a tab sends as %s, want %s", by, after)
		}
	}
	if status := eval[int](first, `fetch("/api/v1/search?q=before", { headers: { "Ramai-Session": `+storedSession+` } }).then((r) => r.status)`); status != http.StatusOK {
		t.Errorf("a request with the stored session is answered with %d", status)
	}
	first.run(chromedp.Reload())
	first.ready()
	if by := first.sender(srv, "reloaded"); by != after {
		t.Errorf("after a reload, the page sends as %s, want %s", by, after)
	}
}

// The example of the documentation signs the user of another site in, over a WebSocket, over HTTP, and after a reload.
func TestTokenOnAnotherSite(t *testing.T) {
	t.Parallel()
	const key = "0123456789abcdef0123456789abcdef"
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(key), 0o600); err != nil {
		t.Fatal(err)
	}
	origin, show := otherOrigin(t)
	srv := startServer(t, func(c *server.Config) {
		c.AllowOrigins = []string{origin}
		c.Tokens = server.Tokens{KeyFile: file, Issuer: "https://school.example", Audience: "chat"}
	})
	claims := jwt.MapClaims{"iss": "https://school.example", "aud": "chat", "sub": "anna", "name": "Anna", "iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix()}
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(key))
	if err != nil {
		t.Fatal(err)
	}
	example := srv.codeBlock("docs/IDENTITY.md", "html", 0)
	if !strings.Contains(example, `"TOKEN"`) {
		t.Fatalf("the example has no token: %s", example)
	}
	example = strings.Replace(example, "TOKEN", token, 1)
	show("<!doctype html>" + strings.Replace(example, "</script>", "window.room = room;\n</script>", 1))
	b := openPage(t, origin+"/")
	say := func(room, text string) string {
		t.Helper()
		if why := eval[string](b, room+`.say(`+quote(text)+`).saved.then(() => "", (error) => String(error))`); why != "" {
			t.Fatal(why)
		}
		return srv.author(text)
	}
	const stored = `localStorage.getItem("chat-session")`
	b.waitFor(`window.room?.client.name === "Anna" && room.client.session === ` + stored)
	by, session := say("room", "over a WebSocket"), eval[string](b, stored)
	eval[bool](b, `import(`+quote(srv.url("/ramai.js"))+`).then(({ connect }) => { window.http = connect(`+quote(srv.url("/"))+`, { via: "http", token: `+quote(token)+` }); return true; })`)
	b.waitFor(`http.client.via === "http"`)
	if got := say("http", "over HTTP"); got != by {
		t.Errorf("over HTTP, the sender is %s, want %s", got, by)
	}
	b.run(chromedp.Reload())
	b.waitFor(`window.room?.client.name === "Anna"`)
	if got := say("room", "after a reload"); got != by || eval[string](b, stored) != session {
		t.Errorf("after a reload, the sender is %s, want %s with the same session", got, by)
	}
}
