package browser_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

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
