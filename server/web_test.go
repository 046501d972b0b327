package server_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"ramai/server"
	"ramai/wire"
)

// call makes a request and returns the answer, its body read.
func call(t *testing.T, method, address, body string, header ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			r.Host = header[i+1]
		}
		r.Header.Add(header[i], header[i+1])
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(b)
}

// post says a text over HTTP.
func post(t *testing.T, base, room, text string, header ...string) wire.Said {
	t.Helper()
	resp, body := call(t, http.MethodPost, base+"/api/v1/rooms/"+room+"/messages", text, append(header, "Content-Type", "text/plain")...)
	if resp.StatusCode != http.StatusCreated {
		t.Fatalf("saying %q: %d %s", text, resp.StatusCode, body)
	}
	var said wire.Said
	if err := json.Unmarshal([]byte(body), &said); err != nil {
		t.Fatal(err)
	}
	return said
}

// stream is an open stream of a room.
type stream struct {
	t     *testing.T
	lines *bufio.Scanner
	resp  *http.Response
	id    string // of the newest event
}

// listen opens a stream. query begins with "?", or is empty.
func listen(t *testing.T, base, room, query string, header ...string) *stream {
	t.Helper()
	return listenWith(t, http.DefaultTransport, base, room, query, header...)
}

func listenWith(t *testing.T, over http.RoundTripper, base, room, query string, header ...string) *stream {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/api/v1/rooms/"+room+"/stream"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := over.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	if resp.StatusCode != http.StatusOK {
		b, _ := io.ReadAll(resp.Body)
		t.Fatalf("a stream: %d %s", resp.StatusCode, b)
	}
	return &stream{t: t, lines: bufio.NewScanner(resp.Body), resp: resp}
}

// next returns the next object that is told, but for presence; nil at the end. It keeps the id of an event.
func (s *stream) next() wire.Frame {
	s.t.Helper()
	for s.lines.Scan() {
		line := s.lines.Text()
		if id, ok := strings.CutPrefix(line, "id: "); ok {
			s.id = id
		}
		data, ok := strings.CutPrefix(line, "data: ")
		if !ok && !strings.HasPrefix(line, "{") {
			continue
		} else if !ok {
			data = line
		}
		f, err := wire.ParseFrame([]byte(data))
		if err != nil {
			s.t.Fatalf("%q: %v", data, err)
		}
		if _, state := f.(wire.Presence); !state {
			return f
		}
	}
	return nil
}

// expect holds the texts that come next against want. Joined and reset are let pass.
func (s *stream) expect(want ...string) {
	s.t.Helper()
	for _, w := range want {
		f := s.next()
		switch f.(type) {
		case wire.Joined, wire.Reset:
			f = s.next()
		}
		if m, ok := f.(wire.Message); !ok || m.Text != w {
			s.t.Fatalf("heard %+v (%v), want %q", f, s.lines.Err(), w)
		}
	}
}

// What is said at one door is heard at all of them, in one order.
func TestEveryDoorOneRoom(t *testing.T) { overReactors(t, testEveryDoor) }

func testEveryDoor(t *testing.T, kind server.ReactorKind) {
	s := serve(t, func(c *server.Config) { c.Reactor = kind })
	base := strings.Replace(s.url, "ws:", "http:", 1)
	plain, v1 := dial(t, s.url), dial(t, s.url, wire.Protocol)
	plain.expect(wire.Welcome)
	v1.say(`{"type":"join","room":"lobby"}`)
	frame[wire.Joined](v1)
	events, lines := listen(t, base, "lobby", ""), listen(t, base, "lobby", "", "Accept", "application/x-ndjson")
	if got := events.resp.Header.Get("Content-Type"); got != "text/event-stream; charset=utf-8" {
		t.Errorf("events are %q", got)
	}
	if got := lines.resp.Header.Get("Content-Type"); got != "application/x-ndjson" {
		t.Errorf("lines are %q", got)
	}
	if f, ok := lines.next().(wire.Joined); !ok || f.N != 0 || f.Room != "lobby" {
		t.Errorf("lines begin with %+v", f)
	}
	plain.say("one")
	plain.expect("one")
	v1.say(`{"type":"say","room":"lobby","id":"a","text":"two"}`)
	plain.expect("two")
	said := post(t, base, "lobby", "three\n")
	if said.N != 3 {
		t.Errorf("the third is number %d", said.N)
	}
	plain.expect("three")
	events.expect("one", "two", "three")
	lines.expect("one", "two", "three")
	for n := uint64(1); n <= 3; n++ {
		if m := frame[wire.Message](v1); m.N != n {
			t.Errorf("number %d comes where %d is due", m.N, n)
		}
	}
	if want := fmt.Sprintf("%s:3", said.Log); events.id != want {
		t.Errorf("the id of the third is %q, want %q", events.id, want)
	}
}

// A stream goes on where it was, over a restart of the server, and says so if that cannot be.
func TestStreamResumes(t *testing.T) {
	data := t.TempDir()
	first := serve(t, func(c *server.Config) { c.Data = data })
	base := strings.Replace(first.url, "ws:", "http:", 1)
	empty := listen(t, base, "den", "?last=0")
	empty.next()
	zero := empty.id // before anything was said there is a position already
	for i := range 5 {
		post(t, base, "den", fmt.Sprint("text ", i+1))
	}
	s := listen(t, base, "den", "?last=2")
	s.expect("text 4", "text 5")
	first.stop()
	<-first.done
	if f := s.next(); f != nil {
		t.Fatalf("after the stop comes %+v", f)
	}
	second := serve(t, func(c *server.Config) { c.Data = data })
	base = strings.Replace(second.url, "ws:", "http:", 1)
	post(t, base, "den", "text 6")
	listen(t, base, "den", "?last=500", "Last-Event-ID", s.id).expect("text 6") // the header is newer than the query
	listen(t, base, "den", "?after=4").expect("text 5", "text 6")
	listen(t, base, "den", "?after="+s.id).expect("text 6")
	listen(t, base, "den", "", "Last-Event-ID", zero).expect("text 1", "text 2", "text 3", "text 4", "text 5", "text 6")
	for _, after := range []string{"another:3", "7", strings.Replace(s.id, ":5", ":900", 1)} {
		s := listen(t, base, "den", "?after="+after)
		if f, ok := s.next().(wire.Reset); !ok || !f.Reset || f.N != 6 {
			t.Errorf("after=%s begins with %+v, want a reset", after, f)
		}
		s.expect("text 1", "text 2")
	}
	var past wire.Past
	for query, want := range map[string]string{
		"":                   "[1 2 3 4 5 6] false false",
		"?limit=2":           "[5 6] true false",
		"?before=3":          "[1 2] false false",
		"?before=5&limit=1":  "[4] true false",
		"?after=4":           "[5 6] false false",
		"?after=0&limit=2":   "[1 2] true false",
		"?after=" + s.id:     "[6] false false",
		"?after=6":           "[] false false",
		"?after=7":           "[1 2 3 4 5 6] false true",
		"?after=x:1&limit=1": "[6] true true",
	} {
		_, body := call(t, http.MethodGet, base+"/api/v1/rooms/den/messages"+query, "")
		past = wire.Past{}
		if err := json.Unmarshal([]byte(body), &past); err != nil {
			t.Fatal(err)
		}
		ns := []uint64{}
		for _, m := range past.Messages {
			ns = append(ns, m.N)
		}
		if got := fmt.Sprint(ns, past.More, past.Reset); got != strings.ReplaceAll(want, "  ", " ") || past.First != 1 || past.Log == "" {
			t.Errorf("messages%s: %s first %d, want %s", query, got, past.First, want)
		}
	}
}

// At a stop in good order a stream tells everything, and when to come back.
func TestStreamAtTheStop(t *testing.T) {
	overReactors(t, func(t *testing.T, kind server.ReactorKind) {
		s := serve(t, func(c *server.Config) { c.Reactor = kind })
		base := strings.Replace(s.url, "ws:", "http:", 1)
		events, lines := listen(t, base, "den", ""), listen(t, base, "den", "", "Accept", "application/x-ndjson")
		for _, in := range []*stream{events, lines} { // not only answered, but in the room
			if f, ok := in.next().(wire.Joined); !ok {
				t.Fatalf("a stream begins with %+v", f)
			}
		}
		post(t, base, "den", "the last")
		s.stop()
		var raw []string
		for events.lines.Scan() {
			raw = append(raw, events.lines.Text())
		}
		all := strings.Join(raw, "\n")
		if events.lines.Err() != nil || !strings.Contains(all, "the last") || !strings.Contains(all, "\nretry: ") {
			t.Errorf("events end with %v after\n%s", events.lines.Err(), all)
		}
		lines.expect("the last")
		if f, ok := lines.next().(wire.Restarting); !ok || f.RetryAfterMS == 0 {
			t.Errorf("lines end with %+v", f)
		}
		if f := lines.next(); f != nil || lines.lines.Err() != nil {
			t.Errorf("then comes %+v, %v", f, lines.lines.Err())
		}
	})
}

// startHTTP2 runs a server in memory that speaks HTTP/2. The test closes both.
func startHTTP2(t *testing.T) (*server.Server, *httptest.Server) {
	t.Helper()
	cfg := server.Defaults()
	cfg.Memory, cfg.Log, cfg.Quiet, cfg.Rate = true, discard, true, 0
	s, err := server.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewUnstartedServer(s.Handler())
	web.EnableHTTP2 = true
	web.StartTLS()
	return s, web
}

// Over HTTP/2 many requests share a connection, which cannot be taken over. A stream is the same there.
func TestStreamOverHTTP2(t *testing.T) {
	s, web := startHTTP2(t)
	over := web.Client().Transport
	events := listenWith(t, over, web.URL, "den", "")
	lines := listenWith(t, over, web.URL, "den", "", "Accept", "application/x-ndjson")
	gone := listenWith(t, over, web.URL, "den", "")
	if events.resp.ProtoMajor != 2 {
		t.Fatalf("this is %s", events.resp.Proto)
	}
	say := func(text string) {
		r, _ := http.NewRequest(http.MethodPost, web.URL+"/api/v1/rooms/den/messages", strings.NewReader(text))
		resp, err := over.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	for i := range 100 {
		say(fmt.Sprint("text ", i))
		if i == 50 {
			gone.resp.Body.Close()
		}
	}
	for i := range 100 {
		events.expect(fmt.Sprint("text ", i))
		lines.expect(fmt.Sprint("text ", i))
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if f, ok := lines.next().(wire.Restarting); !ok || lines.next() != nil || lines.lines.Err() != nil {
		t.Errorf("it ends with %+v, %v", f, lines.lines.Err())
	}
	for events.next() != nil {
		t.Error("something comes after the end")
	}
	web.Close()
	over.(*http.Transport).CloseIdleConnections()
}

// A frozen listener over HTTP/2 does not keep the server from stopping.
func TestFrozenStreamOverHTTP2(t *testing.T) {
	t.Parallel()
	s, web := startHTTP2(t)
	over := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}
	frozen := listenWith(t, over, web.URL, "den", "") // nobody reads it: the window of flow control closes
	long := strings.Repeat("x", 4000)
	for range 1500 {
		r, _ := http.NewRequest(http.MethodPost, web.URL+"/api/v1/rooms/den/messages", strings.NewReader(long))
		resp, err := over.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	frozen.resp.Body.Close()
	over.CloseIdleConnections()
	web.Close()
}

// Every refusal has a status, a code and a sentence, and nothing is stored.
func TestHTTPRefuses(t *testing.T) {
	web := start(t, func(c *server.Config) {
		c.Rate = 0
		c.MaxRooms = 1
		c.AllowOrigins = []string{"https://pages.example"}
	})
	const room = "/api/v1/rooms/den/messages"
	post(t, web.URL, "den", "the only one", "Idempotency-Key", "k")
	big := strings.Repeat("x", 4001)
	text := []string{"Content-Type", "text/plain"}
	json := []string{"Content-Type", "application/json"}
	with := func(header []string, more ...string) []string { return append(append([]string{}, header...), more...) }
	cases := []struct {
		method, path, body string
		header             []string
		status             int
		code               wire.Code
		says               string
	}{
		{"POST", room, big, text, 413, wire.TooLong, "4001"},
		{"POST", room, `{"text":"` + big + `"}`, json, 413, wire.TooLong, "4001"},
		{"POST", room, `{"text":"` + strings.Repeat("x", 1<<17) + `"}`, json, 413, wire.TooLong, "65536"},
		{"POST", room, "a\x00b", text, 400, wire.BadRequest, "U+0000"},
		{"POST", room, "a\r\nb", text, 400, wire.BadRequest, "U+000D"},
		{"POST", room, "a\xffb", text, 400, wire.BadRequest, "UTF-8"},
		{"POST", room, "{\"text\":\"a\xffb\"}", json, 400, wire.BadRequest, "UTF-8"},
		{"POST", room, `{"text":`, json, 400, wire.BadRequest, "JSON"},
		{"POST", room, `{"text":7}`, json, 400, wire.BadRequest, "string"},
		{"POST", room, `{"word":"x"}`, json, 400, wire.BadRequest, "text"},
		{"POST", room, `{"text":"x"}{}`, json, 400, wire.BadRequest, "one"},
		{"POST", room, strings.Repeat("[", 20000), json, 400, wire.BadRequest, "JSON"},
		{"POST", room, "x", []string{"Content-Type", "application/x-www-form-urlencoded"}, 415, wire.BadRequest, "text/plain"},
		{"POST", room, "x", []string{"Content-Type", "text/plain; charset=latin1"}, 415, wire.BadRequest, "text/plain"},
		{"POST", room, "x", []string{"Content-Type", "text/plain;;;"}, 415, wire.BadRequest, "text/plain"},
		{"POST", room, "x", with(text, "Idempotency-Key", "no good"), 400, wire.BadRequest, "UUID"},
		{"POST", room, "x", with(text, "Idempotency-Key", ""), 400, wire.BadRequest, "UUID"},
		{"POST", room, "x", with(text, "Idempotency-Key", "a", "Idempotency-Key", "b"), 400, wire.BadRequest, "one id"},
		{"POST", room, "another text", with(text, "Idempotency-Key", "k"), 409, wire.IDReused, ""},
		{"POST", room, "x", with(text, "Authorization", "Bearer short"), 401, wire.NotAllowed, "22"},
		{"POST", room, "x", with(text, "Authorization", "Basic eDp5"), 401, wire.NotAllowed, "Bearer"},
		{"POST", room, "x", with(text, "Origin", "https://evil.example"), 403, wire.NotAllowed, "--allow-origin"},
		{"POST", room, "x", with(text, "Origin", "null"), 403, wire.NotAllowed, "--allow-origin"},
		{"POST", room, "x", with(text, "Host", "evil.example"), 403, wire.NotAllowed, "--host"},
		{"GET", room, "", []string{"Host", "evil.example"}, 403, wire.NotAllowed, "--host"},
		{"POST", "/api/v1/rooms/DEN/messages", "x", text, 404, wire.BadRequest, "room"},
		{"POST", "/api/v1/rooms/..%2fx/messages", "x", text, 404, wire.BadRequest, "room"},
		{"POST", "/api/v1/rooms/" + strings.Repeat("x", 10000) + "/messages", "x", text, 404, wire.BadRequest, "room"},
		{"POST", "/api/v1/rooms/other/messages", "x", text, 403, wire.NotAllowed, ""},
		{"PUT", room, "x", text, 405, wire.BadRequest, "GET, HEAD, POST"},
		{"DELETE", "/api/v1/rooms/den/stream", "", nil, 405, wire.BadRequest, "GET, HEAD"},
		{"POST", "/", "x", text, 405, wire.BadRequest, "GET, HEAD"},
		{"GET", room + "?after=x", "", nil, 400, wire.BadRequest, "LOG:N"},
		{"GET", room + "?after=:1", "", nil, 400, wire.BadRequest, "LOG:N"},
		{"GET", room + "?after=-1", "", nil, 400, wire.BadRequest, "LOG:N"},
		{"GET", room + "?before=x", "", nil, 400, wire.BadRequest, "number"},
		{"GET", room + "?after=1&before=2", "", nil, 400, wire.BadRequest, "not both"},
		{"GET", room + "?limit=0", "", nil, 400, wire.BadRequest, "1 to 500"},
		{"GET", room + "?limit=501", "", nil, 400, wire.BadRequest, "1 to 500"},
		{"GET", "/api/v1/rooms/den/stream?last=501", "", nil, 400, wire.BadRequest, "0 to 500"},
		{"GET", "/api/v1/rooms/den/stream?after=log:x", "", nil, 400, wire.BadRequest, "after"},
		{"GET", "/api/v1/rooms/den/stream", "", []string{"Last-Event-ID", "x"}, 400, wire.BadRequest, "Last-Event-ID"},
		{"GET", "/api/v1/rooms/den/nothing", "", nil, 404, wire.BadRequest, "/about"},
	}
	for _, c := range cases {
		resp, body := call(t, c.method, web.URL+c.path, c.body, c.header...)
		if resp.StatusCode != c.status || !strings.Contains(body, `"code":"`+string(c.code)+`"`) || !strings.Contains(body, c.says) {
			t.Errorf("%s %.60s %.40q %v: %d %s; want %d %s with %q", c.method, c.path, c.body, c.header, resp.StatusCode, body, c.status, c.code, c.says)
		}
		if c.status == 405 && resp.Header.Get("Allow") != c.says || resp.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s %.60s: %v", c.method, c.path, resp.Header)
		}
	}
	if _, body := call(t, http.MethodGet, web.URL+room, ""); strings.Count(body, `"n":`) != 1 {
		t.Errorf("after all refusals there is %s", body)
	}
}

// The same key is the same message, of the same sender.
func TestSayingAgain(t *testing.T) {
	web := start(t, nil)
	say := func(text string, header ...string) (int, string) {
		resp, body := call(t, http.MethodPost, web.URL+"/api/v1/rooms/den/messages", text, header...)
		return resp.StatusCode, body
	}
	status, first := say("hi", "Idempotency-Key", "k")
	if status != http.StatusCreated {
		t.Fatalf("%d %s", status, first)
	}
	for _, key := range []string{"k", `"k"`} {
		if status, again := say("hi", "Idempotency-Key", key); status != http.StatusOK || again != first {
			t.Errorf("again: %d %s, want 200 %s", status, again, first)
		}
	}
	secret := "Bearer AAAAAAAAAAAAAAAAAAAAAA"
	if status, other := say("hi", "Idempotency-Key", "k", "Authorization", secret); status != http.StatusCreated || other == first {
		t.Errorf("of another sender: %d %s", status, other)
	}
	say("hi")
	say("hi")
	_, body := call(t, http.MethodGet, web.URL+"/api/v1/rooms/den/messages", "")
	var past wire.Past
	json.Unmarshal([]byte(body), &past)
	if len(past.Messages) != 4 || past.Messages[1].By != "ilvbTMFRZBJsbvJm" || past.Messages[0].By != past.Messages[2].By {
		t.Errorf("there is %s", body)
	}
}

// Rates hold at this door too: for a sender, and for an address that a trusted proxy tells.
func TestHTTPRates(t *testing.T) {
	web := start(t, func(c *server.Config) {
		c.Rate, c.Burst = 0.01, 3
		c.TrustProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	})
	say := func(header ...string) (int, http.Header) {
		resp, _ := call(t, http.MethodPost, web.URL+"/api/v1/rooms/den/messages", "hi", header...)
		return resp.StatusCode, resp.Header
	}
	allowed := func(header ...string) (n int) {
		for ; n < 10; n++ {
			if status, h := say(header...); status == http.StatusTooManyRequests && h.Get("Retry-After") != "" {
				return n
			} else if status != http.StatusCreated {
				t.Fatalf("%v: %d", header, status)
			}
		}
		return n
	}
	for _, c := range []struct {
		header []string
		want   int
	}{
		{nil, 10}, // loopback, and nobody
		{[]string{"Authorization", "Bearer AAAAAAAAAAAAAAAAAAAAAA"}, 3},
		{[]string{"X-Forwarded-For", "192.0.2.1"}, 3},
		{[]string{"X-Forwarded-For", "10.1.1.1, 192.0.2.1"}, 0}, // what a client made up does not help it
		{[]string{"X-Forwarded-For", "127.0.0.1, 192.0.2.1"}, 0},
		{[]string{"X-Forwarded-For", "garbage, 192.0.2.1"}, 0},
		{[]string{"X-Forwarded-For", "192.0.2.1", "X-Forwarded-For", "127.0.0.2"}, 0},
		{[]string{"X-Forwarded-For", "192.0.2.1, [2001:db8::7]:80"}, 3},
		{[]string{"X-Forwarded-For", "2001:db8::8"}, 0}, // the same /64
	} {
		if got := allowed(c.header...); got != c.want {
			t.Errorf("%v: %d were allowed, want %d", c.header, got, c.want)
		}
	}
}

func TestProxyIsNotTrustedUnasked(t *testing.T) {
	web := start(t, func(c *server.Config) { c.Rate, c.Burst = 0.01, 1 })
	for range 5 { // all from loopback, whatever they say
		if resp, _ := call(t, http.MethodPost, web.URL+"/api/v1/rooms/den/messages", "hi", "X-Forwarded-For", "192.0.2.1"); resp.StatusCode != 201 {
			t.Fatal(resp.Status)
		}
	}
}

// What people are told to type is right behind a proxy that ends TLS, too.
func TestSchemeBehindAProxy(t *testing.T) {
	for _, c := range []struct {
		trusted bool
		proto   string
		want    string
	}{
		{true, "https", "ramai join https://"},
		{true, "http", "ramai join http://"},
		{true, "javascript", "ramai join http://"},
		{false, "https", "ramai join http://"},
	} {
		web := start(t, func(cfg *server.Config) {
			if c.trusted {
				cfg.TrustProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
			}
		})
		if _, body := call(t, http.MethodGet, web.URL+"/r/den", "", "X-Forwarded-Proto", c.proto); !strings.Contains(string(body), c.want) {
			t.Errorf("%+v: %s", c, body)
		}
	}
}

// Pages elsewhere may use the API if they are allowed, and only then.
func TestCORS(t *testing.T) {
	web := start(t, func(c *server.Config) { c.AllowOrigins = []string{"https://pages.example"} })
	address := web.URL + "/api/v1/rooms/den/messages"
	resp, _ := call(t, http.MethodOptions, address, "", "Origin", "https://pages.example", "Access-Control-Request-Method", "POST")
	h := resp.Header
	if resp.StatusCode != 204 || h.Get("Access-Control-Allow-Origin") != "https://pages.example" || h.Get("Vary") != "Origin" ||
		!strings.Contains(h.Get("Access-Control-Allow-Methods"), "POST") || !strings.Contains(h.Get("Access-Control-Allow-Headers"), "Idempotency-Key") {
		t.Errorf("a preflight: %d %v", resp.StatusCode, h)
	}
	resp, _ = call(t, http.MethodPost, address, "hi", "Origin", "https://pages.example")
	if resp.StatusCode != 201 || resp.Header.Get("Access-Control-Allow-Origin") != "https://pages.example" {
		t.Errorf("a page that is allowed: %d %v", resp.StatusCode, resp.Header)
	}
	for _, origin := range []string{"https://evil.example", "https://PAGES.example", "null"} {
		resp, _ = call(t, http.MethodOptions, address, "", "Origin", origin, "Access-Control-Request-Method", "POST")
		if resp.StatusCode != 403 || resp.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: %d %v", origin, resp.StatusCode, resp.Header)
		}
	}
	if s := listen(t, web.URL, "den", "", "Origin", "https://pages.example"); s.resp.Header.Get("Access-Control-Allow-Origin") == "" {
		t.Error("a stream says nothing of who may read it")
	}
}

func TestHealth(t *testing.T) {
	web := start(t, nil)
	for path, want := range map[string]string{"/healthz": "ok\n", "/readyz": "ready\n"} {
		if status, body, _ := get(t, web.URL+path); status != 200 || body != want {
			t.Errorf("%s: %d %q", path, status, body)
		}
	}
	if status, body, _ := get(t, web.URL+"/about"); status != 200 || !strings.Contains(body, "ramai dev") || !strings.Contains(body, "4000 bytes") {
		t.Errorf("/about: %d %q", status, body)
	}
	if resp, body := call(t, http.MethodHead, web.URL+"/api/v1/rooms/den/stream", ""); resp.StatusCode != 200 || body != "" {
		t.Errorf("HEAD of a stream: %d %q", resp.StatusCode, body)
	}
}

// A listener who sends nothing more is told everything up to now; then its stream ends.
func TestStreamEndsWithItsReader(t *testing.T) {
	overReactors(t, func(t *testing.T, kind server.ReactorKind) {
		s := serve(t, func(c *server.Config) { c.Reactor = kind })
		nc, err := net.Dial("tcp", strings.TrimPrefix(s.url, "ws://"))
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		fmt.Fprint(nc, "GET /api/v1/rooms/den/stream HTTP/1.1\r\nHost: localhost\r\n\r\nwhat comes after the request is nothing")
		nc.(*net.TCPConn).CloseWrite()
		nc.SetReadDeadline(time.Now().Add(20 * time.Second))
		b, err := io.ReadAll(nc)
		if err != nil || !strings.Contains(string(b), "event: joined") || !strings.Contains(string(b), "\r\nConnection: close\r\n") {
			t.Errorf("%v after %q", err, b)
		}
	})
}

// A body that was announced and never comes holds nothing for long, whoever was asked for it.
func TestBodyThatNeverComes(t *testing.T) {
	s := serve(t, nil)
	var all sync.WaitGroup
	for _, head := range []string{
		"GET /healthz", "GET /", "GET /nothing", "PUT /api/v1/rooms/lobby/messages", "GET /api/v1/rooms/lobby/messages",
		"POST /api/v1/rooms/lobby/messages", "POST /api/v1/rooms/NO/messages", "GET /api/v1/search?q=x",
	} {
		all.Go(func() {
			c, err := net.Dial("tcp", strings.TrimPrefix(s.url, "ws://"))
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			c.SetDeadline(time.Now().Add(30 * time.Second))
			fmt.Fprintf(c, "%s HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\nContent-Length: 10\r\n\r\n", head)
			if _, err := io.ReadAll(c); err != nil {
				t.Errorf("%s: %v", head, err)
			}
		})
	}
	all.Wait()
}
