package server_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
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

// A condition that a screen waits for may still be waited for after the screen has ended.
func TestMain(m *testing.M) {
	flag.Parse()
	if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue { // parallel tests mostly wait
		flag.Set("test.parallel", strconv.Itoa(2*runtime.GOMAXPROCS(0)))
	}
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("charm.land/bubbletea/v2.Tick.func1"))
}

var discard = slog.New(slog.DiscardHandler)

// serving is a server on its own port, with a folder.
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

// peer is a client that fails its test when it receives something unexpected.
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

// next returns the next frame or line, without those about presence, which are sent a moment after somebody comes or goes.
func (p *peer) next() string {
	p.t.Helper()
	for {
		if got := p.receive(); !strings.HasPrefix(got, `{"type":"presence"`) {
			return got
		}
	}
}

func (p *peer) expect(want ...string) {
	p.t.Helper()
	for _, w := range want {
		receive := p.next
		if strings.HasPrefix(w, `{"type":"presence"`) {
			receive = p.receive
		}
		if got := receive(); got != w {
			p.t.Fatalf("received %q, want %q", got, w)
		}
	}
}

// skip posts a text times times and receives it as often, a few at a time, so that one commit has several.
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

// overReactors runs f with each kind of I/O that this system has.
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
		t.Fatalf("received %d of %d", len(first), clients*each)
	}
	next := make([]int, clients)
	for _, text := range first {
		var k, i int
		if fmt.Sscanf(text, "%d of %d", &k, &i); k != next[i] {
			t.Fatalf("from %d received %d, want %d", i, k, next[i])
		}
		next[i]++
	}
	for range clients - 1 {
		if !slices.Equal(first, <-received) {
			t.Fatal("two clients received different orders")
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
			t.Errorf("name %q: the refusal has no reason", name)
		}
	}
	anna.Close(websocket.StatusNormalClosure, "")
	again := dialUntil(t, s.url+"/?name=anna")
	again.expect(wire.Greeting)
	again.say("back")
	again.expect("anna: back")
}

// dialUntil dials until the server accepts: the name is freed a moment after its connection has ended.
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
			t.Fatalf("received %q, want line %d", b, received)
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
				t.Fatalf("received %d after %d", m.N, last)
			}
			last = m.N
		}
		if r, ok := f.(wire.Restarting); ok {
			if r.RetryAfterMS < 1 {
				t.Error("no time to reconnect is given")
			}
			break
		}
	}
	if uint64(received) != last {
		t.Errorf("one client received %d messages, the other %d", received, last)
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
		t.Error("hello creates another sender")
	}
	back.say(fmt.Sprintf(`{"type":"join","room":"lobby","after":{"log":%q,"n":%d}}`, historyID, last-1))
	if j := frame[wire.Joined](back); j.Reset || j.N != last || j.HistoryID != historyID {
		t.Errorf("joined: %+v, want n %d of log %s", j, last, historyID)
	}
	if m := frame[wire.Message](back); m.N != last || m.Text != fmt.Sprint("line ", last-1) {
		t.Errorf("resumed with %+v", m)
	}
}

// TestDisconnectKeepsMessages: when a client closes its direction after its last message, all its messages are posted, even
// those beyond the rate, and it receives its own.
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
		t.Errorf("received %d of %d", received, lines)
	}
}
