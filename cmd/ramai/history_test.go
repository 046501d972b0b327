package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"

	"ramai/wire"
)

// pages is a server that answers each request for history with the next of its pages.
type pages struct {
	mu    sync.Mutex
	asked []string    // guarded by mu: without the name of the room
	pages []wire.Page // guarded by mu
}

func (p *pages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{wire.Protocol}})
	if err != nil {
		return
	}
	defer conn.CloseNow()
	welcome := wire.Welcome{Protocol: wire.Protocol, SenderID: wire.SenderIDOf(someSession), Session: someSession}
	if conn.Write(r.Context(), websocket.MessageText, wire.Append(nil, welcome)) != nil {
		return
	}
	for {
		_, request, err := conn.Read(r.Context())
		if err != nil {
			return
		}
		if conn.Write(r.Context(), websocket.MessageText, wire.Append(nil, p.answer(string(request), welcome))) != nil {
			return
		}
	}
}

// answer returns the welcome for a hello, and for any other request the next page.
func (p *pages) answer(request string, welcome wire.Welcome) wire.Frame {
	if strings.HasPrefix(request, `{"type":"hello"`) {
		return welcome
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = append(p.asked, strings.Replace(request, `{"type":"history","room":"tea"`, "", 1))
	page := p.pages[0]
	p.pages = p.pages[1:]
	return page
}

// TestHistoryAfterRestore: the output belongs to one history, even if the server was reset to an older one between two
// pages.
func TestHistoryAfterRestore(t *testing.T) {
	page := func(epoch string, reset, more bool, texts ...string) wire.Page {
		p := wire.Page{Room: "tea", HistoryID: "log", Epoch: epoch, First: 1, Reset: reset, More: more}
		for _, text := range texts {
			p.Messages = append(p.Messages, wire.Message{Room: "tea", N: uint64(text[0] - '0'), Text: text})
		}
		return p
	}
	for name, c := range map[string]struct {
		args           []string
		pages          []wire.Page
		asked, printed string
		code           int
	}{
		"after": {
			[]string{"--after", "0"}, []wire.Page{page("one", false, true, "1 a", "2 a"), page("two", false, true, "3 a"), page("three", true, false, "3 b")},
			`,"limit":50,"after":0} ,"after":{"log":"log","epoch":"one","n":2},"limit":48} ,"after":{"log":"log","epoch":"two","n":3},"limit":47}`, "1 a 2 a 3 a", 4,
		},
		"after a position": {
			[]string{"--after", "log:one:2"}, []wire.Page{page("two", true, false, "3 b")}, `,"after":{"log":"log","epoch":"one","n":2},"limit":50}`, "", 4,
		},
		"the newest": {
			nil, []wire.Page{page("one", false, true, "6 a", "7 a"), page("two", false, false, "5 b"), page("two", false, true, "5 b", "6 b"), page("two", false, false, "4 b")},
			`,"limit":50} ,"before":6,"limit":48} ,"limit":50} ,"before":5,"limit":48}`, "4 b 5 b 6 b", 0,
		},
		"before": {
			[]string{"--before", "8", "--limit", "3"}, []wire.Page{page("one", false, true, "7 a"), page("two", false, false, "6 b"), page("two", false, false, "6 b", "7 b")},
			`,"before":8,"limit":3} ,"before":7,"limit":2} ,"before":8,"limit":3}`, "6 b 7 b", 0,
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := &pages{pages: c.pages}
			web := httptest.NewServer(server)
			defer web.Close()
			var out, notes bytes.Buffer
			code := run(t.Context(), append([]string{"history", "tea", "--server", web.URL}, c.args...), nil, &out, &notes)
			var printed []string
			for line := range strings.Lines(out.String()) {
				fields := strings.Fields(line)
				printed = append(printed, strings.Join(fields[len(fields)-2:], " "))
			}
			if got := strings.Join(printed, " "); got != c.printed || code != c.code {
				t.Errorf("printed %q, exit code %d; want %q and %d; %s", got, code, c.printed, c.code, notes.String())
			}
			server.mu.Lock()
			defer server.mu.Unlock()
			if got := strings.Join(server.asked, " "); got != c.asked {
				t.Errorf("the requests are\n%s, want\n%s", got, c.asked)
			}
		})
	}
}
