package server_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"

	"ramai/server"
	"ramai/wire"
)

// A condition that a screen waits for is waited for a while longer after the screen has ended.
func TestMain(m *testing.M) {
	flag.Parse()
	if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue { // those that run beside others mostly wait
		flag.Set("test.parallel", strconv.Itoa(2*runtime.GOMAXPROCS(0)))
	}
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("charm.land/bubbletea/v2.Tick.func1"))
}

var discard = slog.New(slog.DiscardHandler)

// serving is a server on a port of its own, over a folder.
type serving struct {
	url  string
	stop context.CancelFunc
	done chan error
}

func serve(t *testing.T, change func(*server.Config), made ...func(*server.Server)) *serving {
	t.Helper()
	return serveAll(t, server.Listeners{}, change, made...)
}

// serveAll is serve with listeners for further transports.
func serveAll(t *testing.T, listeners server.Listeners, change func(*server.Config), made ...func(*server.Server)) *serving {
	t.Helper()
	cfg := server.Defaults()
	cfg.Data, cfg.Logger, cfg.Quiet, cfg.Rate = t.TempDir(), discard, true, 0
	if change != nil {
		change(&cfg)
	}
	s, err := server.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range made {
		f(s)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	listeners[server.HTTP] = ln
	running := &serving{url: "ws://" + ln.Addr().String(), stop: cancel, done: make(chan error, 1)}
	go func() {
		running.done <- s.Serve(ctx, listeners)
		close(running.done)
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-running.done; err != nil {
			t.Errorf("serving ended with %v", err)
		}
	})
	return running
}

// peer is a client that fails its test when something else comes than it expects.
type peer struct {
	t *testing.T
	*websocket.Conn
}

func dial(t *testing.T, url string, protocols ...string) *peer {
	t.Helper()
	c, _, err := websocket.Dial(t.Context(), url, &websocket.DialOptions{Subprotocols: protocols})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.CloseNow() })
	return &peer{t, c}
}

func (p *peer) say(text string) {
	p.t.Helper()
	if err := p.Write(p.t.Context(), websocket.MessageText, []byte(text)); err != nil {
		p.t.Fatal(err)
	}
}

func (p *peer) receive() string {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), 20*time.Second)
	defer cancel()
	_, b, err := p.Read(ctx)
	if err != nil {
		p.t.Fatal(err)
	}
	return string(b)
}

func (p *peer) expect(want ...string) {
	p.t.Helper()
	for _, w := range want {
		if got := p.receive(); got != w {
			p.t.Fatalf("heard %q, want %q", got, w)
		}
	}
}

// skip says a text so many times and hears it as often, a few at a time, so that one commit has several.
func (p *peer) skip(text string, times int) {
	p.t.Helper()
	for part := 20; times > 0; times -= part {
		part = min(part, times)
		for range part {
			p.say(text)
		}
		for range part {
			p.expect(text)
		}
	}
}

// frame returns the next frame of a type.
func frame[F wire.Frame](p *peer) F {
	p.t.Helper()
	for {
		f, err := wire.ParseFrame([]byte(p.receive()))
		if err != nil {
			p.t.Fatal(err)
		}
		if f, ok := f.(F); ok {
			return f
		}
	}
}

// A Config made by hand may omit the kind of I/O.
func TestReactorOfZeroConfig(t *testing.T) {
	s := serve(t, func(c *server.Config) { c.IO = server.Config{}.IO })
	dial(t, s.url).expect(wire.Greeting)
}

// overReactors runs f over each way of moving bytes that this system has.
func overReactors(t *testing.T, f func(*testing.T, server.IOMode)) {
	kinds := []server.IOMode{server.Portable}
	if runtime.GOOS == "linux" {
		kinds = append(kinds, server.Epoll)
	}
	for _, kind := range kinds {
		t.Run(string(kind), func(t *testing.T) { f(t, kind) })
	}
}

func TestOriginal(t *testing.T) { overReactors(t, testOriginal) }

func testOriginal(t *testing.T, kind server.IOMode) {
	s := serve(t, func(c *server.Config) { c.IO = kind })
	var all []*peer
	for range 3 {
		p := dial(t, s.url)
		p.expect("Welcome to chat! Type a message")
		all = append(all, p)
	}
	said := []string{"Hello!", "Good morning!", "My name is Zufar!"}
	for i, text := range said {
		all[i].say(text)
		for _, p := range all {
			p.expect(text)
		}
	}
}

func TestOneOrder(t *testing.T) { overReactors(t, testOneOrder) }

func testOneOrder(t *testing.T, kind server.IOMode) {
	const clients, each = 8, 200
	s := serve(t, func(c *server.Config) { c.IO = kind })
	received := make(chan []string, clients)
	var all []*peer
	for range clients {
		p := dial(t, s.url)
		p.expect(wire.Greeting)
		all = append(all, p)
	}
	for i, p := range all {
		go func() {
			for k := range each {
				p.Write(p.t.Context(), websocket.MessageText, fmt.Appendf(nil, "%d of %d", k, i))
			}
		}()
		go func() {
			var texts []string
			for len(texts) < clients*each {
				_, b, err := p.Read(p.t.Context())
				if err != nil {
					break
				}
				texts = append(texts, string(b))
			}
			received <- texts
		}()
	}
	first := <-received
	if len(first) != clients*each {
		t.Fatalf("heard %d of %d", len(first), clients*each)
	}
	next := make([]int, clients)
	for _, text := range first {
		var k, i int
		if fmt.Sscanf(text, "%d of %d", &k, &i); k != next[i] {
			t.Fatalf("from %d came %d, want %d", i, k, next[i])
		}
		next[i]++
	}
	for range clients - 1 {
		if !slices.Equal(first, <-received) {
			t.Fatal("two clients heard another order")
		}
	}
}

func TestNameOfAPlainConnection(t *testing.T) {
	s := serve(t, nil)
	anna := dial(t, s.url+"/?name=anna")
	anna.expect(wire.Greeting)
	anna.say("hi")
	anna.expect("anna: hi")
	for name, status := range map[string]int{"anna": 409, "ANNA": 409, "server": 409, "a:b": 400, "": 400, "%20x": 400} {
		_, r, err := websocket.Dial(t.Context(), s.url+"/?name="+name, nil)
		if err == nil || r == nil || r.StatusCode != status {
			t.Errorf("name %q: %v, want HTTP %d", name, err, status)
			continue
		}
		var body struct{ Code, Reason string }
		if json.NewDecoder(r.Body).Decode(&body); body.Code == "" || body.Reason == "" {
			t.Errorf("name %q: the refusal says nothing", name)
		}
	}
	anna.Close(websocket.StatusNormalClosure, "")
	again := dialUntil(t, s.url+"/?name=anna")
	again.expect(wire.Greeting)
	again.say("back")
	again.expect("anna: back")
}

// dialUntil dials until the server lets it in: the name is freed a moment after its connection ended.
func dialUntil(t *testing.T, url string) *peer {
	t.Helper()
	var err error
	for range 200 {
		var c *websocket.Conn
		if c, _, err = websocket.Dial(t.Context(), url, nil); err == nil {
			t.Cleanup(func() { c.CloseNow() })
			return &peer{t, c}
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal(err)
	return nil
}

func TestStopSendsEverything(t *testing.T) { overReactors(t, testStopSendsEverything) }

func testStopSendsEverything(t *testing.T, kind server.IOMode) {
	data := t.TempDir()
	s := serve(t, func(c *server.Config) { c.Data, c.IO = data, kind })
	plain, v1 := dial(t, s.url), dial(t, s.url, wire.Protocol)
	plain.expect(wire.Greeting)
	secret := frame[wire.Welcome](v1).Session
	v1.say(`{"type":"join","room":"lobby","last":0}`)
	historyID := frame[wire.Joined](v1).HistoryID
	for i := range 100 {
		plain.say(fmt.Sprint("line ", i))
	}
	if m := frame[wire.Message](v1); m.N != 1 {
		t.Fatalf("the first message is number %d", m.N)
	}
	s.stop()
	received := 0
	for {
		_, b, err := plain.Read(t.Context())
		if err != nil {
			if websocket.CloseStatus(err) != wire.CloseRestart {
				t.Errorf("the plain client was closed by %v", err)
			}
			break
		}
		if string(b) != fmt.Sprint("line ", received) {
			t.Fatalf("heard %q, want line %d", b, received)
		}
		received++
	}
	var last uint64 = 1
	for {
		f, err := wire.ParseFrame([]byte(v1.receive()))
		if err != nil {
			t.Fatal(err)
		}
		if m, ok := f.(wire.Message); ok {
			if m.N != last+1 {
				t.Fatalf("after %d comes %d", last, m.N)
			}
			last = m.N
		}
		if r, ok := f.(wire.Restarting); ok {
			if r.RetryAfterMS < 1 {
				t.Error("no time to come back is given")
			}
			break
		}
	}
	if uint64(received) != last {
		t.Errorf("one client heard %d messages, the other %d", received, last)
	}
	if _, _, err := v1.Read(t.Context()); websocket.CloseStatus(err) != wire.CloseRestart {
		t.Errorf("the v1 client was closed by %v", err)
	}
	if err := <-s.done; err != nil {
		t.Errorf("serving ended with %v", err)
	}

	// The same folder again: the same log, the same numbers, the same sender.
	s = serve(t, func(c *server.Config) { c.Data = data })
	back := dial(t, s.url, wire.Protocol)
	frame[wire.Welcome](back)
	back.say(fmt.Sprintf(`{"type":"hello","session":%q}`, secret))
	if w := frame[wire.Welcome](back); w.Session != secret || w.SenderID != wire.SenderIDOf(secret) {
		t.Error("hello makes another sender")
	}
	back.say(fmt.Sprintf(`{"type":"join","room":"lobby","after":{"log":%q,"n":%d}}`, historyID, last-1))
	if j := frame[wire.Joined](back); j.Reset || j.N != last || j.HistoryID != historyID {
		t.Errorf("joined: %+v, want n %d of log %s", j, last, historyID)
	}
	if m := frame[wire.Message](back); m.N != last || m.Text != fmt.Sprint("line ", last-1) {
		t.Errorf("resumed with %+v", m)
	}
}

func TestOrigins(t *testing.T) {
	web := start(t, func(c *server.Config) {
		c.AllowHosts = []string{"chat.example"}
		c.AllowOrigins = []string{"https://pages.example"}
	})
	here := strings.TrimPrefix(web.URL, "http://")
	cases := []struct {
		origin, host string
		ok           bool
	}{
		{"", here, true},
		{"", "anything.example", true}, // no page, no rebinding
		{"http://" + here, here, true},
		{"https://" + here, here, true}, // behind a proxy that ends TLS
		{"https://chat.example", "chat.example", true},
		{"https://pages.example", "chat.example", true},
		{"https://pages.example", here, true},
		{"http://localhost:2000", "localhost:2000", true},
		{"http://[::1]:2000", "[::1]:2000", true},
		{"https://chat.example", "chat.example:443", true},
		{"http://chat.example", "chat.example:80", true},
		{"https://chat.example", "CHAT.Example", true},
		{"https://chat.example", "chat.example.", true},
		{"https://chat.example.", "chat.example.", true},
		{"https://chat.example:8443", "Chat.example.:8443", true},
		{"https://chat.example", "chat.example:8443", false},
		{"https://chat.example:8443", "chat.example", false},
		{"http://chat.example", "chat.example:443", false},
		{"https://chat.example", "chat.example:80", false},
		{"https://CHAT.example", "chat.example", false}, // no browser writes that
		{"https://chat.example@evil.example", "chat.example", false},
		{"https://chat.example, https://evil.example", "chat.example", false},
		{"null", here, false},
		{"https://evil.example", here, false},
		{"https://sub.pages.example", here, false},
		{"https://pages.example.evil.example", here, false},
		{"https://evilpages.example", here, false},
		{"https://pages.example:444", here, false},
		{"https://PAGES.example", here, false},
		{"http://pages.example", here, false},
		{"https://pages.example/", here, false},
		{"http://evil.example", "evil.example", false}, // a name that leads here, but is not ours
		{"https://pages.example", "evil.example", false},
		{"http://chat.example:2000", "chat.example", false},
	}
	for _, c := range cases {
		u, _ := url.Parse(web.URL)
		header := http.Header{}
		if c.origin != "" {
			header.Set("Origin", c.origin)
		}
		conn, r, err := websocket.Dial(t.Context(), u.String(), &websocket.DialOptions{HTTPHeader: header, Host: c.host})
		if conn != nil {
			conn.CloseNow()
		}
		if ok := err == nil; ok != c.ok || !ok && r.StatusCode != http.StatusForbidden {
			t.Errorf("origin %q, host %q: %v, want ok %v", c.origin, c.host, err, c.ok)
		}
	}
}

// Header fields on several lines, and in any case, mean what they mean on one.
func TestHandshakeFields(t *testing.T) {
	s := serve(t, nil)
	for _, c := range []struct {
		fields, status, protocol string
	}{
		{"Connection: keep-alive, Upgrade|Upgrade: websocket", "101", ""},
		{"Connection: keep-alive|Connection: upgrade|Upgrade: WebSocket", "101", ""},
		{"Connection: Upgrade|Connection: keep-alive|Upgrade: websocket", "101", ""},
		{"Connection: ,Upgrade,|Upgrade: websocket", "101", ""},
		{"Connection:\tUpgrade|Upgrade: h2c, websocket", "101", ""},
		{"Connection: Upgrade|Upgrade: h2c|Upgrade: websocket", "101", ""},
		{"Connection: Upgrade|Upgrade: websocket|Sec-WebSocket-Protocol: a|Sec-WebSocket-Protocol: b, ramai.v1", "101", "ramai.v1"},
		{"Connection: Upgrade|Upgrade: websocket|Sec-WebSocket-Protocol: a, b", "101", ""},
		{"Connection: keep-alive|Upgrade: websocket", "400", ""},
		{"Connection: Upgrade|Upgrade: h2c", "200", ""}, // a visitor, who hears how to come in
		{"Connection: Upgrade|Upgrade: websocket|Sec-WebSocket-Version: 8", "426", ""},
	} {
		nc, err := net.Dial("tcp", strings.TrimPrefix(s.url, "ws://"))
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		nc.SetDeadline(time.Now().Add(30 * time.Second))
		fmt.Fprintf(nc, "GET / HTTP/1.1\r\nHost: localhost\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s\r\n\r\n",
			strings.ReplaceAll(c.fields, "|", "\r\n"))
		resp, err := http.ReadResponse(bufio.NewReader(nc), nil)
		if err != nil {
			t.Fatalf("%s: %v", c.fields, err)
		}
		if !strings.HasPrefix(resp.Status, c.status) || resp.Header.Get("Sec-WebSocket-Protocol") != c.protocol {
			t.Errorf("%s: %s %v, want %s", c.fields, resp.Status, resp.Header, c.status)
		}
		if c.status == "101" && resp.Header.Get("Sec-WebSocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" { // of RFC 6455, section 1.3
			t.Errorf("%s is answered with %v", c.fields, resp.Header)
		}
	}
}

func TestHTTP(t *testing.T) {
	web := start(t, nil)
	for path, want := range map[string]struct {
		status int
		has    string
	}{
		"/":                             {200, "ramai join http://"},
		"/r/team":                       {200, "/r/team"},
		"/r/team/":                      {200, "/r/team\n"},
		"/r/..%2fx":                     {404, "room"},
		"/r/TEAM":                       {404, "room"},
		"/nowhere":                      {404, "/r/ROOM"},
		"/r/a/b":                        {404, "/r/ROOM"},
		"/r/" + strings.Repeat("a", 65): {404, "room"},
	} {
		r, err := http.Get(web.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(r.Body)
		r.Body.Close()
		if r.StatusCode != want.status || !strings.Contains(string(body), want.has) {
			t.Errorf("%s: %d %s, want %d with %q", path, r.StatusCode, body, want.status, want.has)
		}
	}
	for _, query := range []string{"last=-1", "last=501", "last=x"} {
		if _, r, err := websocket.Dial(t.Context(), web.URL+"/?"+query, nil); err == nil || r.StatusCode != 400 {
			t.Errorf("%s: %v, want HTTP 400", query, err)
		}
	}
}

func TestFramesSentWithHandshake(t *testing.T) {
	web := start(t, nil)
	nc, err := net.Dial("tcp", strings.TrimPrefix(web.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	fmt.Fprintf(nc, "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"+
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"+"\x81\x82\x00\x00\x00\x00hi")
	nc.SetReadDeadline(time.Now().Add(10 * time.Second))
	want := "\x81\x1f" + wire.Greeting + "\x81\x02hi"
	got := ""
	for b := make([]byte, 1000); !strings.HasSuffix(got, want); {
		n, err := nc.Read(b)
		if got += string(b[:n]); err != nil {
			t.Fatalf("%v after %q", err, got)
		}
	}
	if !strings.Contains(got, "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=") {
		t.Errorf("the handshake was answered by %q", got)
	}
}

func TestCannotStart(t *testing.T) {
	cfg := server.Defaults()
	cfg.Logger, cfg.Data = discard, t.TempDir()
	cfg.Durability = "often"
	if _, err := server.New(cfg); err == nil {
		t.Error("an unknown durability was taken")
	}
	cfg.Durability, cfg.IO = server.Normal, "fast"
	if _, err := server.New(cfg); err == nil {
		t.Error("an unknown reactor was taken")
	}
	cfg.IO = server.Auto
	first, err := server.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if second, err := server.New(cfg); err == nil {
		second.Close()
		t.Error("two servers have one folder")
	}
	if err := first.Close(); err != nil {
		t.Error(err)
	}
}

// TestServeEndsWithItsListener: a listener that fails is an error, and everything is closed all the same.
func TestServeEndsWithItsListener(t *testing.T) {
	cfg := server.Defaults()
	cfg.Logger, cfg.InMemory = discard, true
	s, err := server.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ln := httptest.NewUnstartedServer(nil).Listener
	ln.Close()
	if err := s.Serve(context.Background(), server.Listeners{server.HTTP: ln}); !errors.Is(err, net.ErrClosed) {
		t.Errorf("serving a closed listener: %v", err)
	}
}

// TestDisconnectKeepsMessages: a client that ends its direction after its last word has all of it said, also what was
// too fast, and hears its own.
func TestDisconnectKeepsMessages(t *testing.T) {
	const lines = 23
	s := serve(t, func(c *server.Config) { c.Rate, c.Burst = 20, 20 })
	nc, err := net.Dial("tcp", strings.TrimPrefix(s.url, "ws://"))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	request := "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
	fmt.Fprint(nc, request, strings.Repeat("\x81\x82\x00\x00\x00\x00hi", lines))
	nc.(*net.TCPConn).CloseWrite()
	nc.SetReadDeadline(time.Now().Add(20 * time.Second))
	all, err := io.ReadAll(nc)
	if err != nil {
		t.Fatal(err)
	}
	if received := strings.Count(string(all), "\x81\x02hi"); received != lines {
		t.Errorf("heard %d of %d", received, lines)
	}
}

// A folder may be named as seen from here.
func TestRelativeFolder(t *testing.T) {
	t.Chdir(t.TempDir())
	s := serve(t, func(c *server.Config) { c.Data = "data" })
	plain := dial(t, s.url)
	plain.expect(wire.Greeting)
	plain.say("needle")
	plain.expect("needle")
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		_, body := call(t, http.MethodGet, "http"+strings.TrimPrefix(s.url, "ws")+"/api/v1/search?q=needle", "")
		if strings.Contains(string(body), `"n":1`) {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("it is not found: %s", body)
		}
	}
	if files, err := os.ReadDir("."); err != nil || len(files) != 1 {
		t.Errorf("here there are %v, %v", files, err)
	}
}
