package server

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"ramai/internal/journal"
	"ramai/wire"
)

// talking is a server in memory, with a conversation behind it.
func talking(t *testing.T) (*Server, *httptest.Server) {
	t.Helper()
	cfg := Defaults()
	cfg.Data, cfg.Log, cfg.Quiet, cfg.Rate, cfg.MaxRooms = t.TempDir(), slog.New(slog.DiscardHandler), true, 0, 1
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(s.Handler())
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		web.Close()
	})
	return s, web
}

func scrape(t *testing.T, s *Server) string {
	t.Helper()
	admin := httptest.NewServer(s.Admin())
	defer admin.Close()
	resp, err := http.Get(admin.URL + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%d, %v", resp.StatusCode, err)
	}
	return string(b)
}

// What the metrics say is what the clients saw.
func TestMetrics(t *testing.T) {
	s, web := talking(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	dial := func(path string, protocols ...string) *websocket.Conn {
		c, _, err := websocket.Dial(ctx, web.URL+path, &websocket.DialOptions{Subprotocols: protocols})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.CloseNow() })
		return c
	}
	await := func(c *websocket.Conn, has string) {
		t.Helper()
		for {
			if _, b, err := c.Read(ctx); err != nil {
				t.Fatalf("waiting for %s: %v", has, err)
			} else if strings.Contains(string(b), has) {
				return
			}
		}
	}
	plain, v1 := dial("/"), dial("/", wire.Protocol)
	gone := dial("/")
	for _, text := range []string{"one", "two", "a\x01b"} {
		plain.Write(ctx, websocket.MessageText, []byte(text))
	}
	await(plain, "! ")
	for _, f := range []string{
		`{"type":"join","room":"lobby"}`, `{"type":"say","room":"lobby","id":"a","text":"three"}`, `{"type":"say","room":"lobby","id":"a","text":"three"}`,
		`{"type":"say","room":"lobby","id":"a","text":"another"}`, `{"type":"say","room":"other","id":"b","text":"x"}`, `{"type":"dance"}`, `nonsense`,
	} {
		v1.Write(ctx, websocket.MessageText, []byte(f))
	}
	await(v1, `"bad_frame"`)
	gone.Close(websocket.StatusNormalClosure, "")
	if resp, err := http.Post(web.URL+"/api/v1/rooms/lobby/messages", "text/html", nil); err != nil || resp.StatusCode != 415 {
		t.Fatal(resp, err)
	} else {
		resp.Body.Close()
	}
	want := []string{
		`ramai_connections{door="plain"} 1`, `ramai_connections{door="v1"} 1`, `ramai_connections{door="events"} 0`,
		`ramai_events_total{kind="say",verdict="saved"} 3`, `ramai_events_total{kind="say",verdict="repeat"} 1`,
		`ramai_events_total{kind="say",verdict="refused"} 2`, `ramai_events_total{kind="restart",verdict="saved"} 1`,
		`ramai_refused_total{code="bad_request"} 3`, `ramai_refused_total{code="id_reused"} 1`, `ramai_refused_total{code="not_allowed"} 1`,
		`ramai_refused_total{code="bad_frame"} 1`, `ramai_connections_ended_total{reason="other"} 1`, `ramai_connections_ended_total{reason="dead"} 0`,
		`ramai_fanout_lag_messages_bucket{le="0"} 2`, `ramai_fanout_lag_messages_count 2`, `ramai_peers_frozen 0`, `ramai_rooms_open 1`,
		`ramai_queue_events 0`, `ramai_build_info{version="dev"} 1`, `ramai_tape_limit_bytes 2.68435456e+08`,
	}
	var got string
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) { // until all has arrived
		got = scrape(t, s)
		missing := slices.DeleteFunc(slices.Clone(want), func(line string) bool { return strings.Contains("\n"+got, "\n"+line+"\n") })
		if len(missing) == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Errorf("there is no %s", strings.Join(missing, "\nand no "))
			break
		}
	}
	for _, name := range []string{"ramai_commit_seconds_count", "ramai_batch_events_sum", `ramai_disk_bytes{file="journal"}`, "ramai_disk_free_bytes", "go_goroutines", "ramai_refills_total", "ramai_tape_bytes"} {
		if !regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(name) + ` [0-9]`).MatchString(got) {
			t.Errorf("there is no %s", name)
		}
	}
	if t.Failed() {
		t.Log(regexp.MustCompile(`(?m)^(#|go_|process_).*\n`).ReplaceAllString(got, ""))
	}
	problems, err := promlint.New(strings.NewReader(got)).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
	admin := httptest.NewServer(s.Admin())
	defer admin.Close()
	if resp, err := http.Get(admin.URL + "/debug/pprof/goroutine?debug=1"); err != nil || resp.StatusCode != 200 {
		t.Errorf("pprof: %v %v", resp, err)
	} else {
		resp.Body.Close()
	}
	if resp, err := http.Get(web.URL + "/metrics"); err != nil || resp.StatusCode != 404 {
		t.Errorf("everybody can see the metrics: %v %v", resp, err)
	} else {
		resp.Body.Close()
	}
}

// The dashboard and the documents speak of metrics that there are.
func TestDocumentedMetricsExist(t *testing.T) {
	s, _ := talking(t)
	all := scrape(t, s)
	for _, file := range []string{"../docs/grafana.json", "../docs/OPERATING.md"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		names := regexp.MustCompile(`\b(ramai|go|process)_[a-z0-9_]+\b`).FindAllString(string(text), -1)
		if len(names) < 5 {
			t.Errorf("%s speaks of only %d metrics", file, len(names))
		}
		for _, name := range names {
			if !strings.Contains(all, "\n"+name+" ") && !strings.Contains(all, "\n"+name+"{") && !strings.Contains(all, "\n# TYPE "+name+" ") {
				t.Errorf("%s: there is no %s", file, name)
			}
		}
	}
}

// What is for the operator is not for pages, whichever way they come, and profiles are for this machine alone.
func TestAdminIsNotForPages(t *testing.T) {
	s, _ := talking(t)
	s.cfg.Hosts = []string{"chat.example.org"}
	admin := s.Admin()
	for _, c := range []struct {
		path, host, from string
		header           []string
		want             int
	}{
		{"/metrics", "127.0.0.1:2001", "127.0.0.1:5", nil, 200},
		{"/metrics", "localhost:2001", "127.0.0.1:5", []string{"Sec-Fetch-Site", "none"}, 200},
		{"/metrics", "Chat.Example.Org.:2001", "192.0.2.1:5", nil, 200},
		{"/metrics", "rebound.example", "127.0.0.1:5", nil, 403},
		{"/metrics", "127.0.0.1", "127.0.0.1:5", []string{"Origin", "http://127.0.0.1"}, 403},
		{"/metrics", "127.0.0.1", "127.0.0.1:5", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"/debug/pprof/", "127.0.0.1:2001", "127.0.0.1:5", []string{"Sec-Fetch-Site", "same-origin"}, 200},
		{"/debug/pprof/cmdline", "[::1]:2001", "[::1]:5", nil, 200},
		{"/debug/pprof/heap", "127.0.0.1:2001", "[::ffff:127.0.0.1]:5", nil, 200},
		{"/debug/pprof/heap", "192.0.2.9:2001", "192.0.2.1:5", nil, 403},
		{"/debug/pprof/heap", "rebound.example:2001", "127.0.0.1:5", nil, 403},
	} {
		r := httptest.NewRequest(http.MethodGet, c.path, nil)
		r.Host, r.RemoteAddr = c.host, c.from
		for i := 0; i < len(c.header); i += 2 {
			r.Header.Set(c.header[i], c.header[i+1])
		}
		w := httptest.NewRecorder()
		if admin.ServeHTTP(w, r); w.Code != c.want {
			t.Errorf("%s of %s from %s with %v: %d, want %d", c.path, c.host, c.from, c.header, w.Code, c.want)
		}
	}
}

func TestNameIsReleased(t *testing.T) {
	s, _ := talking(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	decide := func(e journal.Event) journal.Verdict {
		o, err := s.env.Decide(ctx, e)
		if err != nil {
			t.Fatal(err)
		}
		return o.Verdict
	}
	claim := func(by string) journal.Event {
		return journal.Event{Kind: journal.Claim, By: by, Name: "Ann", Key: "ann"}
	}
	decide(claim("key"))
	decide(journal.Event{Kind: journal.Say, By: "key", Room: "lobby", ID: "1", Text: "mine", Own: "ann"})
	decide(journal.Event{Kind: journal.Release, By: "key"})
	if decide(claim("somebody")) != journal.Refused {
		t.Error("somebody else got the name")
	}
	release := func(method, name, from string) int {
		r := httptest.NewRequest(method, "http://127.0.0.1"+ReleasePath, strings.NewReader(name))
		r.RemoteAddr = from
		w := httptest.NewRecorder()
		s.Admin().ServeHTTP(w, r)
		return w.Code
	}
	for _, c := range []struct {
		method, name, from string
		want               int
	}{
		{http.MethodGet, "Ann", "127.0.0.1:5", 405},
		{http.MethodPost, "Ann", "192.0.2.1:5", 403},
		{http.MethodPost, "a:b", "127.0.0.1:5", 400},
		{http.MethodPost, strings.Repeat("x", 2000), "127.0.0.1:5", 413},
		{http.MethodPost, "Bob", "127.0.0.1:5", 404},
		{http.MethodPost, "ANN", "127.0.0.1:5", 200},
	} {
		if got := release(c.method, c.name, c.from); got != c.want {
			t.Errorf("%+v: %d", c, got)
		}
	}
	if decide(claim("somebody")) != journal.Saved {
		t.Error("the name is not free")
	}
}
