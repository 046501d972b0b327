package server

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"mime"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"ramai/internal/eventlog"
	"ramai/internal/localsocket"
	"ramai/internal/metrics"
	"ramai/wire"
)

// talking returns a server, and an HTTP server that serves it.
func talking(t *testing.T) (*Server, *httptest.Server) {
	t.Helper()
	cfg := Defaults()
	cfg.Data, cfg.Logger, cfg.Quiet, cfg.Rate, cfg.MaxRooms = t.TempDir(), slog.New(slog.DiscardHandler), true, 0, 1
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

// TestMetrics: the metrics agree with what the clients have seen.
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
	disconnected := dial("/")
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
	disconnected.Close(websocket.StatusNormalClosure, "")
	if resp, err := http.Post(web.URL+"/api/v1/rooms/lobby/messages", "text/html", nil); err != nil || resp.StatusCode != 415 {
		t.Fatal(resp, err)
	} else {
		resp.Body.Close()
	}
	want := []string{
		`ramai_connections{transport="plain"} 1`, `ramai_connections{transport="v1"} 1`, `ramai_connections{transport="events"} 0`,
		`ramai_commands_total{kind="say",status="saved"} 3`, `ramai_commands_total{kind="say",status="repeat"} 1`,
		`ramai_commands_total{kind="say",status="refused"} 2`, `ramai_commands_total{kind="start",status="saved"} 1`,
		`ramai_rejected_total{code="bad_request"} 3`, `ramai_rejected_total{code="id_reused"} 1`, `ramai_rejected_total{code="not_allowed"} 1`,
		`ramai_rejected_total{code="bad_frame"} 1`, `ramai_connections_closed_total{reason="other"} 1`, `ramai_connections_closed_total{reason="dead"} 0`,
		`ramai_subscribers 2`, `ramai_subscribers_behind{messages="1"} 0`, `ramai_slow_consumers 0`, `ramai_rooms_active 1`,
		`ramai_commit_queue_length 0`, `ramai_build_info{version="dev"} 1`, `ramai_buffer_limit_bytes 2.68435456e+08`,
	}
	var got string
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) { // until everything has arrived
		got = scrape(t, s)
		missing := slices.DeleteFunc(slices.Clone(want), func(line string) bool { return strings.Contains("\n"+got, "\n"+line+"\n") })
		if len(missing) == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Errorf("missing: %s", strings.Join(missing, "\nand no "))
			break
		}
	}
	for _, name := range []string{"ramai_commit_duration_seconds_count", "ramai_commit_batch_size_sum", `ramai_disk_bytes{file="eventlog"}`, "ramai_disk_free_bytes", "go_goroutines", "ramai_backfills_total", "ramai_buffer_bytes"} {
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
	if resp, err := http.Get(web.URL + "/metrics"); err != nil || resp.StatusCode != 404 {
		t.Errorf("the metrics are public: %v %v", resp, err)
	} else {
		resp.Body.Close()
	}
}

// TestDocumentedMetricsExist: the dashboard and the documents name only existing metrics, and OPERATING.md lists all of
// them.
func TestDocumentedMetricsExist(t *testing.T) {
	s, _ := talking(t)
	damaged := s.metricSources()
	damaged.Health = func() eventlog.Health { return eventlog.Health{Rooms: map[string]error{"den": eventlog.ErrDamaged}} }
	m := metrics.New("test")
	m.Register(damaged)
	rec := httptest.NewRecorder()
	m.Handler().ServeHTTP(rec, httptest.NewRequest("GET", "/metrics", nil))
	all := scrape(t, s) + rec.Body.String()
	for _, file := range []string{"../docs/grafana.json", "../docs/OPERATING.md"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		names := regexp.MustCompile(`\b(ramai|go|process)_[a-z0-9_]+\b`).FindAllString(string(text), -1)
		if len(names) < 5 {
			t.Errorf("%s names only %d metrics", file, len(names))
		}
		for _, name := range names {
			if !strings.Contains(all, "\n"+name+" ") && !strings.Contains(all, "\n"+name+"{") && !strings.Contains(all, "\n# TYPE "+name+" ") {
				t.Errorf("%s: there is no %s", file, name)
			}
		}
	}
	operating, err := os.ReadFile("../docs/OPERATING.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?m)^# TYPE (ramai_\w+) `).FindAllStringSubmatch(all, -1) {
		if !bytes.Contains(operating, []byte("`"+m[1])) {
			t.Errorf("OPERATING.md does not list %s", m[1])
		}
	}
}

// TestAdminRefusesPages: web pages cannot use the port for the operator's tools, and profiles are not on it.
func TestAdminRefusesPages(t *testing.T) {
	s, _ := talking(t)
	s.cfg.AllowHosts = []string{"chat.example.org"}
	admin := s.Admin()
	for _, c := range []struct {
		path, host, from string
		header           []string // a field named Method is the method
		want             int
	}{
		{"/metrics", "127.0.0.1:2001", "127.0.0.1:5", nil, 200},
		{"/metrics", "localhost:2001", "127.0.0.1:5", []string{"Sec-Fetch-Site", "none"}, 200},
		{"/metrics", "Chat.Example.Org.:2001", "192.0.2.1:5", nil, 200},
		{"/metrics", "rebound.example", "127.0.0.1:5", nil, 403},
		{"/metrics", "127.0.0.1", "127.0.0.1:5", []string{"Origin", "http://127.0.0.1"}, 403},
		{"/metrics", "127.0.0.1", "127.0.0.1:5", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"/readyz", "127.0.0.1:2001", "127.0.0.1:5", nil, 200},
		{"/healthz", "127.0.0.1:2001", "127.0.0.1:5", nil, 200},
		{"/debug/pprof/", "127.0.0.1:2001", "127.0.0.1:5", nil, 404},
		{NamesPath, "127.0.0.1:2001", "127.0.0.1:5", nil, 404},
		{"/", "127.0.0.1:2001", "127.0.0.1:5", nil, 404},
		{"/metrics", "127.0.0.1:2001", "127.0.0.1:5", []string{"Method", "POST"}, 405},
	} {
		r := httptest.NewRequest(http.MethodGet, c.path, nil)
		r.Host, r.RemoteAddr = c.host, c.from
		for i := 0; i < len(c.header); i += 2 {
			if c.header[i] == "Method" {
				r.Method = c.header[i+1]
				continue
			}
			r.Header.Set(c.header[i], c.header[i+1])
		}
		w := httptest.NewRecorder()
		if admin.ServeHTTP(w, r); w.Code != c.want {
			t.Errorf("%s of %s from %s with %v: %d, want %d", c.path, c.host, c.from, c.header, w.Code, c.want)
		}
		var why struct{ Code, Reason string }
		if err := json.Unmarshal(w.Body.Bytes(), &why); w.Code != 200 && (err != nil || why.Code == "" || why.Reason == "") {
			t.Errorf("%s of %s with %v is refused with %q, want a code and a reason in JSON", c.path, c.host, c.header, w.Body)
		}
	}
}

func TestNameIsReleased(t *testing.T) {
	s, _ := talking(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	decide := func(e eventlog.Command) eventlog.Status {
		o, err := s.chat.Operator().Decide(ctx, e)
		if err != nil {
			t.Fatal(err)
		}
		return o.Status
	}
	claim := func(by string) eventlog.Command {
		return eventlog.Command{Kind: eventlog.ReserveName, SenderID: by, Body: eventlog.ReserveNameBody{Name: "Ann", Key: "ann"}}
	}
	decide(claim("key"))
	decide(eventlog.Command{Kind: eventlog.Say, SenderID: "key", Room: "lobby", ID: "1", Text: "mine", RegisterKey: "ann"})
	decide(eventlog.Command{Kind: eventlog.ReleaseName, SenderID: "key"})
	if decide(claim("somebody")) != eventlog.Refused {
		t.Error("another sender got the name")
	}
	release := func(method, name string) int {
		w := httptest.NewRecorder()
		s.Operator().ServeHTTP(w, httptest.NewRequest(method, ReleasePath, strings.NewReader(name)))
		return w.Code
	}
	for _, c := range []struct {
		method, name string
		want         int
	}{
		{http.MethodGet, "Ann", 405},
		{http.MethodPost, "a:b", 400},
		{http.MethodPost, strings.Repeat("x", 2000), 413},
		{http.MethodPost, "Bob", 404},
		{http.MethodPost, "ANN", 200},
	} {
		if got := release(c.method, c.name); got != c.want {
			t.Errorf("%+v: %d", c, got)
		}
	}
	if decide(claim("somebody")) != eventlog.Saved {
		t.Error("the name is not released")
	}
}

// TestOperatorSocket: only the user who runs the server can connect to the socket in the data folder. It has paths that the
// ports lack, and is removed when the server stops.
func TestOperatorSocket(t *testing.T) {
	cfg := Defaults()
	cfg.Data, cfg.Logger, cfg.Quiet = t.TempDir(), slog.New(slog.DiscardHandler), true
	path := filepath.Join(cfg.Data, SocketName)
	for range 2 { // the second time with a socket left by a crash
		s, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		info, err := os.Lstat(path)
		if err != nil || runtime.GOOS != "windows" && info.Mode() != os.ModeSocket|0o600 {
			t.Errorf("%v, %v", info, err)
		}
		over := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return localsocket.Dial(ctx, path)
		}}}
		for _, at := range []string{"/debug/pprof/goroutine?debug=1", "/debug/pprof/cmdline", "/metrics", "/healthz", "/readyz", NamesPath} {
			resp, err := over.Get("http://ramai" + at)
			if err != nil || resp.StatusCode != http.StatusOK {
				t.Fatalf("%s: %v, %v", at, resp, err)
			}
			resp.Body.Close()
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if _, err := os.Lstat(path); !os.IsNotExist(err) {
			t.Errorf("after the end: %v", err)
		}
		left, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
		if err != nil {
			t.Fatal(err)
		}
		left.SetUnlinkOnClose(false)
		left.Close()
	}
}

// TestNoOperatorSocket: the server runs without the socket if the folder cannot contain one.
func TestNoOperatorSocket(t *testing.T) {
	cfg := Defaults()
	var log strings.Builder
	cfg.Data, cfg.Logger, cfg.Quiet = t.TempDir(), slog.New(slog.NewTextHandler(&log, nil)), true
	if err := os.MkdirAll(filepath.Join(cfg.Data, SocketName, "in the way"), 0o700); err != nil {
		t.Fatal(err)
	}
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if !strings.Contains(log.String(), "socket cannot be created") {
		t.Errorf("the log: %s", &log)
	}
}

// TestPrometheus3: Prometheus 3 rejects answers with an unknown Content-Type, and lists the known ones in Accept.
func TestPrometheus3(t *testing.T) {
	s, _ := talking(t)
	const accept = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5," +
		"text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
	known := []string{"application/openmetrics-text 0.0.1", "application/openmetrics-text 1.0.0", "text/plain 0.0.4", "text/plain 1.0.0"}
	for _, accept := range []string{accept, "text/plain;version=1.0.0;escaping=allow-utf-8", "text/plain;version=0.0.4", "*/*", ""} {
		r := httptest.NewRequest(http.MethodGet, "http://127.0.0.1:2001/metrics", nil)
		r.Header.Set("Accept", accept)
		w := httptest.NewRecorder()
		s.Admin().ServeHTTP(w, r)
		kind, parameters, err := mime.ParseMediaType(w.Header().Get("Content-Type"))
		if err != nil || !slices.Contains(known, kind+" "+parameters["version"]) {
			t.Errorf("%q: %q, %v", accept, w.Header().Get("Content-Type"), err)
		}
		if strings.HasPrefix(kind, "application/openmetrics") != strings.HasSuffix(w.Body.String(), "\n# EOF\n") {
			t.Errorf("%q: the end of an answer of %s is %q", accept, kind, w.Body.String()[w.Body.Len()-20:])
		}
	}
}
