package server_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"ramai/server"
	"ramai/wire"
)

// call makes a request and returns the answer and its body.
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

// post posts a text over HTTP.
func post(t *testing.T, base, room, text string, header ...string) wire.PostResponse {
	t.Helper()
	resp, body := call(t, http.MethodPost, base+"/api/v1/rooms/"+room+"/messages", text, append(header, "Content-Type", "text/plain")...)
	if resp.StatusCode != http.StatusCreated {
		t.Fatalf("posting %q: %d %s", text, resp.StatusCode, body)
	}
	var said wire.PostResponse
	if err := json.Unmarshal([]byte(body), &said); err != nil {
		t.Fatal(err)
	}
	return said
}

// TestEveryTransport: a message posted on one transport is received on all of them, in one order.
func TestEveryTransport(t *testing.T) { overReactors(t, testEveryTransport) }

func testEveryTransport(t *testing.T, kind server.IOMode) {
	s := serve(t, func(c *server.Config) { c.IO = kind })
	base := strings.Replace(s.url, "ws:", "http:", 1)
	plain, v1 := dial(t, s.url), dial(t, s.url, wire.Protocol)
	plain.expect(wire.Greeting)
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
		t.Errorf("the third message is number %d", said.N)
	}
	plain.expect("three")
	events.expect("one", "two", "three")
	lines.expect("one", "two", "three")
	for n := uint64(1); n <= 3; n++ {
		if m := frame[wire.Message](v1); m.N != n {
			t.Errorf("received number %d, want %d", m.N, n)
		}
	}
	if want := fmt.Sprintf("%s:%s:3", said.HistoryID, said.Epoch); events.id != want {
		t.Errorf("the id of the third is %q, want %q", events.id, want)
	}
}

// TestNormalizedTexts: a text is the same whatever line ends it is posted with, on every transport, and a retry on another
// transport is recognized.
func TestNormalizedTexts(t *testing.T) {
	s := serve(t, func(c *server.Config) { c.Rate = 0 })
	base := strings.Replace(s.url, "ws:", "http:", 1)
	plain, v1 := dial(t, s.url), dial(t, s.url, wire.Protocol)
	plain.expect(wire.Greeting)
	v1.say(`{"type":"join","room":"lobby"}`)
	frame[wire.Joined](v1)
	const path = "/api/v1/rooms/lobby/messages"
	session := strings.Repeat("s", wire.SessionLen)
	for i, retry := range []struct{ kind, body string }{
		{"text/plain", "one\ntwo"}, {"text/plain", "\ufeffone\r\ntwo\r\n"}, {"text/plain", "one\r\ntwo\n"},
		{"application/json", `{"text":"one\r\ntwo"}`}, {"application/json", `{"text":"\ufeffone\ntwo"}`},
		{"application/json", wire.BOM + `{"text":"one\ntwo"}`},
	} {
		want := http.StatusOK
		if i == 0 {
			want = http.StatusCreated
		}
		resp, body := call(t, http.MethodPost, base+path, retry.body, "Content-Type", retry.kind, "Idempotency-Key", "again", "Authorization", "Bearer "+session)
		if resp.StatusCode != want {
			t.Errorf("%s %q: %d %s, want %d", retry.kind, retry.body, resp.StatusCode, body, want)
		}
	}
	long := strings.Repeat("\n", 4000)
	post(t, base, "lobby", strings.ReplaceAll(long, "\n", "\r\n")+"\r\n") // as long as a text may be, whatever its encoding
	plain.say("\ufeffplain\r\n")
	plain.expect("one\ntwo")
	plain.expect(long)
	plain.expect("plain\n")
	v1.say(`{"type":"say","room":"lobby","id":"1","text":"\ufeffv1\r\n"}`)
	for _, want := range []string{"one\ntwo", long, "plain\n", "v1\n"} {
		if got := frame[wire.Message](v1).Text; got != want {
			t.Errorf("received %.40q, want %.40q", got, want)
		}
	}
	for _, bad := range []struct{ kind, body string }{
		{"text/plain", "one\rtwo"}, {"text/plain", "a\xff"}, {"application/json", "{\"text\":\"a\xff\"}"},
		{"application/json", `{"text":"a\ud800"}`}, {"application/json", `{"text":"\udc00\ud800"}`},
	} {
		if resp, body := call(t, http.MethodPost, base+path, bad.body, "Content-Type", bad.kind); resp.StatusCode != http.StatusBadRequest || !strings.Contains(body, "bad_request") {
			t.Errorf("%s %q: %d %s", bad.kind, bad.body, resp.StatusCode, body)
		}
	}
}

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
		{"POST", room, `{"text":"` + strings.Repeat("x", 1<<17) + `"}`, json, 413, wire.TooLong, "31424"},
		{"POST", room, "a\x00b", text, 400, wire.BadRequest, "U+0000"},
		{"POST", room, "a\rb", text, 400, wire.BadRequest, "U+000D"},
		{"POST", room, "a\xffb", text, 400, wire.BadRequest, "UTF-8"},
		{"POST", room, "{\"text\":\"a\xffb\"}", json, 400, wire.BadRequest, "UTF-8"},
		{"POST", room, `{"text":`, json, 400, wire.BadRequest, "JSON"},
		{"POST", room, `{"text":7}`, json, 400, wire.BadRequest, "string"},
		{"POST", room, `{"word":"x"}`, json, 400, wire.BadRequest, "text"},
		{"POST", room, `{"TEXT":"x"}`, json, 400, wire.BadRequest, "text"}, // field names are case-sensitive
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
		{"POST", room, "x", with(text, "Authorization", "bearer short"), 401, wire.NotAllowed, "22"},
		{"POST", room, "x", with(text, "Ramai-Session", "short"), 401, wire.NotAllowed, "22"},
		{"POST", room, "x", with(text, "Ramai-Session", "short", "Authorization", "Bearer AAAAAAAAAAAAAAAAAAAAAA"), 401, wire.NotAllowed, "22"},
		{"POST", room, "x", with(text, "Origin", "https://evil.example"), 403, wire.NotAllowed, "--allow-origin"},
		{"POST", room, "x", with(text, "Origin", "null"), 403, wire.NotAllowed, "--allow-origin"},
		{"POST", room, "x", with(text, "Host", "evil.example"), 403, wire.NotAllowed, "--allow-host"},
		{"GET", room, "", []string{"Host", "evil.example"}, 403, wire.NotAllowed, "--allow-host"},
		{"POST", "/api/v1/rooms/DEN/messages", "x", text, 404, wire.BadRequest, "room"},
		{"POST", "/api/v1/rooms/..%2fx/messages", "x", text, 404, wire.BadRequest, "room"},
		{"POST", "/api/v1/rooms/" + strings.Repeat("x", 10000) + "/messages", "x", text, 404, wire.BadRequest, "room"},
		{"POST", "/api/v1/rooms/other/messages", "x", text, 403, wire.NotAllowed, ""},
		{"PUT", room, "x", text, 405, wire.BadRequest, "GET, HEAD, POST"},
		{"DELETE", "/api/v1/rooms/den/stream", "", nil, 405, wire.BadRequest, "GET, HEAD"},
		{"POST", "/", "x", text, 415, wire.BadRequest, "/api/v1/rooms/ROOM/messages"},
		{"DELETE", "/", "x", text, 405, wire.BadRequest, "GET, HEAD, POST"},
		{"GET", room + "?after=x", "", nil, 400, wire.BadRequest, "LOG:EPOCH:N"},
		{"GET", room + "?after=:1", "", nil, 400, wire.BadRequest, "LOG:EPOCH:N"},
		{"GET", room + "?after=-1", "", nil, 400, wire.BadRequest, "LOG:EPOCH:N"},
		{"GET", room + "?before=x", "", nil, 400, wire.BadRequest, "number"},
		{"GET", room + "?after=1&before=2", "", nil, 400, wire.BadRequest, "use one of before, after and at"},
		{"GET", room + "?at=2026-01-31T09:00:00Z&before=2", "", nil, 400, wire.BadRequest, "use one of before, after and at"},
		{"GET", "/api/v1/rooms/den/people?limit=501", "", nil, 400, wire.BadRequest, "501\\\" (want a number from 1 to 500)"},
		{"GET", "/api/v1/rooms/den/people?prefix=" + strings.Repeat("x", 129), "", nil, 400, wire.BadRequest, "invalid prefix"},
		{"GET", "/api/v1/rooms/den/people?prefix=%ff", "", nil, 400, wire.BadRequest, "invalid prefix"},
		{"GET", "/api/v1/rooms?limit=0", "", nil, 400, wire.BadRequest, "0\\\" (want a number from 1 to 500)"},
		{"GET", "/api/v1/rooms?after=../x", "", nil, 400, wire.BadRequest, "a room name has"},
		{"GET", room + "?at=yesterday", "", nil, 400, wire.BadRequest, `(want RFC 3339, for example 2026-01-31T09:00:00Z)`},
		{"GET", room + "?at=2026-01-31T09:00:00+07:00", "", nil, 400, wire.BadRequest, "write + as %2B"},
		{"GET", room + "?at=2026-02-30T09:00:00Z", "", nil, 400, wire.BadRequest, "invalid time"},
		{"GET", room + "?at=" + strings.Repeat("9", 5000), "", nil, 400, wire.BadRequest, "invalid time"},
		{"GET", room + "?limit=0", "", nil, 400, wire.BadRequest, "1 to 500"},
		{"GET", room + "?limit=501", "", nil, 400, wire.BadRequest, "1 to 500"},
		{"GET", "/api/v1/rooms/den/stream?last=501", "", nil, 400, wire.BadRequest, "0 to 500"},
		{"GET", "/api/v1/rooms/den/stream?after=log:x", "", nil, 400, wire.BadRequest, "after"},
		{"GET", "/api/v1/rooms/den/stream", "", []string{"Last-Event-ID", "x"}, 400, wire.BadRequest, "Last-Event-ID"},
		{"GET", "/api/v1/rooms/den/nothing", "", nil, 404, wire.BadRequest, "/about"},
		{"POST", "/nothing", "x", nil, 404, wire.BadRequest, "/about"},
		{"GET", "/r/den/more", "", nil, 404, wire.BadRequest, "/about"},
		{"GET", "/page/0/app.js", "", nil, 404, wire.BadRequest, "reload the page"},
		{"GET", "/", "", []string{"Host", "evil.example"}, 403, wire.NotAllowed, "--allow-host"},
		{"GET", "/", "", []string{"Upgrade", "websocket"}, 400, wire.BadRequest, "Connection"},
		{"GET", "/", "", []string{"Upgrade", "websocket", "Connection", "upgrade"}, 400, wire.BadRequest, "Sec-WebSocket-Version"},
		{"GET", "/", "", []string{"Upgrade", "websocket", "Connection", "upgrade", "Sec-WebSocket-Version", "8"}, 426, wire.BadRequest, "13"},
		{"GET", "/", "", []string{"Upgrade", "websocket", "Connection", "upgrade", "Sec-WebSocket-Version", "13"}, 400, wire.BadRequest, "Sec-WebSocket-Key"},
		{"GET", room, "", []string{"Sec-Fetch-Site", "cross-site"}, 403, wire.NotAllowed, "--allow-origin"},
		{"GET", room, "", []string{"Sec-Fetch-Site", "same-site"}, 403, wire.NotAllowed, "--allow-origin"},
		{"GET", room, "", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate"}, 403, wire.NotAllowed, "--allow-origin"},
		{"GET", "/", "", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors"}, 403, wire.NotAllowed, "embed"},
		{"GET", "/about", "", []string{"Sec-Fetch-Site", "same-site", "Sec-Fetch-Mode", "no-cors"}, 403, wire.NotAllowed, "embed"},
	}
	for _, c := range cases {
		resp, body := call(t, c.method, web.URL+c.path, c.body, c.header...)
		if resp.StatusCode != c.status || !strings.Contains(body, `"code":"`+string(c.code)+`"`) || !strings.Contains(body, c.says) {
			t.Errorf("%s %.60s %.40q %v: %d %s; want %d %s with %q", c.method, c.path, c.body, c.header, resp.StatusCode, body, c.status, c.code, c.says)
		}
		if c.status == 405 && resp.Header.Get("Allow") != c.says || resp.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s %.60s: %v", c.method, c.path, resp.Header)
		}
		if resp.Header.Get("Content-Type") != "application/json" || resp.Header.Get("Cross-Origin-Resource-Policy") != "same-origin" {
			t.Errorf("%s %.60s: %v", c.method, c.path, resp.Header)
		}
	}
	if _, body := call(t, http.MethodGet, web.URL+room, ""); strings.Count(body, `"n":`) != 1 {
		t.Errorf("after all refusals the room has %s", body)
	}
}

// TestRepeatedPost: the same key is the same message, of the same sender.
func TestRepeatedPost(t *testing.T) {
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
	const secret = "AAAAAAAAAAAAAAAAAAAAAA"
	status, other := say("hi", "Idempotency-Key", "k", "Authorization", "Bearer "+secret)
	if status != http.StatusCreated || other == first {
		t.Errorf("of another sender: %d %s", status, other)
	}
	for _, same := range [][]string{
		{"Authorization", "bearer   " + secret},
		{"Ramai-Session", secret},
		{"Ramai-Session", secret, "Authorization", "Basic eDp5"},
		{"Ramai-Session", secret, "Authorization", "Bearer of.a.gate"},
	} {
		if status, again := say("hi", append(same, "Idempotency-Key", "k")...); status != http.StatusOK || again != other {
			t.Errorf("with %q: %d %s, want 200 %s", same, status, again, other)
		}
	}
	for _, auth := range []string{"Basic eDp5", "Negotiate x", secret} { // for a proxy in front
		if status, again := say("hi", "Idempotency-Key", "k", "Authorization", auth); status != http.StatusOK || again != first {
			t.Errorf("with %q: %d %s, want 200 %s", auth, status, again, first)
		}
	}
	say("hi")
	say("hi")
	_, body := call(t, http.MethodGet, web.URL+"/api/v1/rooms/den/messages", "")
	var past wire.HistoryResponse
	json.Unmarshal([]byte(body), &past)
	if len(past.Messages) != 4 || past.Messages[1].SenderID != "ilvbTMFRZBJsbvJm" || past.Messages[0].SenderID != past.Messages[2].SenderID {
		t.Errorf("the room has %s", body)
	}
}

// TestHTTPRates: rate limits apply over HTTP, too: to a sender, and to an address reported by a trusted proxy.
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
		{nil, 10}, // loopback without a session
		{[]string{"Authorization", "Bearer AAAAAAAAAAAAAAAAAAAAAA"}, 3},
		{[]string{"X-Forwarded-For", "192.0.2.1"}, 3},
		{[]string{"X-Forwarded-For", "10.1.1.1, 192.0.2.1"}, 0}, // an address invented by the client has no effect
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

func TestProxyNotTrustedByDefault(t *testing.T) {
	web := start(t, func(c *server.Config) { c.Rate, c.Burst = 0.01, 1 })
	for range 5 { // all from loopback, whatever the header says
		if resp, _ := call(t, http.MethodPost, web.URL+"/api/v1/rooms/den/messages", "hi", "X-Forwarded-For", "192.0.2.1"); resp.StatusCode != 201 {
			t.Fatal(resp.Status)
		}
	}
}

// TestSchemeBehindAProxy: commands shown to people are right behind a proxy that terminates TLS, too.
func TestSchemeBehindAProxy(t *testing.T) {
	for _, c := range []struct {
		trusted bool
		proto   string
		want    string
	}{
		{true, "https", "ramai join https://"},
		{true, "https, http", "ramai join https://"},
		{true, "HTTPS", "ramai join https://"},
		{true, "wss,https", "ramai join https://"},
		{true, "http, https", "ramai join http://"},
		{true, "", "ramai join http://"},
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

// TestCORS: pages of other origins may use the API if they are allowed, and only then.
func TestCORS(t *testing.T) {
	web := start(t, func(c *server.Config) { c.AllowOrigins = []string{"https://pages.example"} })
	address := web.URL + "/api/v1/rooms/den/messages"
	resp, _ := call(t, http.MethodOptions, address, "", "Origin", "https://pages.example", "Access-Control-Request-Method", "POST")
	h := resp.Header
	if resp.StatusCode != 204 || h.Get("Access-Control-Allow-Origin") != "https://pages.example" || h.Get("Vary") != "Origin" ||
		!strings.Contains(h.Get("Access-Control-Allow-Methods"), "POST") || !strings.Contains(h.Get("Access-Control-Allow-Headers"), "Ramai-Session") || !strings.Contains(h.Get("Access-Control-Allow-Headers"), "Idempotency-Key") {
		t.Errorf("a preflight: %d %v", resp.StatusCode, h)
	}
	resp, _ = call(t, http.MethodPost, address, "hi", "Origin", "https://pages.example")
	if resp.StatusCode != 201 || resp.Header.Get("Access-Control-Allow-Origin") != "https://pages.example" {
		t.Errorf("a page that is allowed: %d %v", resp.StatusCode, resp.Header)
	}
	if resp, _ := call(t, http.MethodGet, address, "", "Origin", "https://pages.example", "Sec-Fetch-Site", "cross-site"); resp.StatusCode != 200 {
		t.Errorf("an allowed page with the headers of a browser: %d", resp.StatusCode)
	}
	for _, site := range []string{"same-origin", "none", ""} {
		if resp, _ := call(t, http.MethodGet, address, "", "Sec-Fetch-Site", site); resp.StatusCode != 200 {
			t.Errorf("from %q: %d", site, resp.StatusCode)
		}
	}
	for _, origin := range []string{"https://evil.example", "https://PAGES.example", "null"} {
		resp, _ = call(t, http.MethodOptions, address, "", "Origin", origin, "Access-Control-Request-Method", "POST")
		if resp.StatusCode != 403 || resp.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: %d %v", origin, resp.StatusCode, resp.Header)
		}
	}
	if s := listen(t, web.URL, "den", "", "Origin", "https://pages.example"); s.resp.Header.Get("Access-Control-Allow-Origin") == "" {
		t.Error("a stream has no CORS header")
	}
}

// TestCrossOrigin: pages of other origins can link to rooms and use the libraries; nothing else can be embedded in them.
func TestCrossOrigin(t *testing.T) {
	web := start(t, nil)
	for _, c := range []struct {
		path, mode string
		status     int
		policy     string
	}{
		{"/", "navigate", 200, "same-origin"},
		{"/r/den", "navigate", 200, "same-origin"},
		{"/r/den", "no-cors", 403, "same-origin"},
		{"/ramai.js", "cors", 200, "cross-origin"},
		{"/embed.js", "no-cors", 200, "cross-origin"},
		{"/healthz", "cors", 403, "same-origin"},
	} {
		resp, body := call(t, http.MethodGet, web.URL+c.path, "", "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", c.mode, "Accept", "text/html")
		if resp.StatusCode != c.status || resp.Header.Get("Cross-Origin-Resource-Policy") != c.policy {
			t.Errorf("%s by %s: %d %v %.100s", c.path, c.mode, resp.StatusCode, resp.Header, body)
		}
	}
}

// TestAccept: a type with a weight of 0 is not accepted.
func TestAccept(t *testing.T) {
	web := start(t, nil)
	for _, c := range []struct{ path, accept, want string }{
		{"/", "text/html", "text/html"},
		{"/", "*/*", "text/plain"},
		{"/", "text/html;q=0, */*", "text/plain"},
		{"/", "application/xml, text/html;q=0.1", "text/html"},
		{"/api/v1/rooms/den/stream", "application/x-ndjson", "application/x-ndjson"},
		{"/api/v1/rooms/den/stream", "application/x-ndjson;q=0", "text/event-stream"},
		{"/api/v1/rooms/den/stream", "application/x-ndjson;q=0.1, text/event-stream", "text/event-stream"},
		{"/api/v1/rooms/den/stream", "text/event-stream;q=0, */*;q=0.5", "application/x-ndjson"},
		{"/api/v1/rooms/den/stream", "*/*", "text/event-stream"},
		{"/api/v1/rooms/den/stream", "image/png", "text/event-stream"},
	} {
		resp, _ := call(t, http.MethodHead, web.URL+c.path, "", "Accept", c.accept)
		if got := resp.Header.Get("Content-Type"); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s as %q is %s, want %s", c.path, c.accept, got, c.want)
		}
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

// TestBodyTimeout: a declared body that never arrives occupies nothing for long, whatever the path.
func TestBodyTimeout(t *testing.T) {
	t.Parallel()
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

// TestBadPostsAreLimited: invalid requests are limited, too: reading them is work.
func TestBadPostsAreLimited(t *testing.T) {
	s := start(t, func(c *server.Config) { c.Rate, c.Burst = 0.01, 1 })
	statuses := func(session string) map[int]int {
		got := map[int]int{}
		for range 50 {
			resp, _ := call(t, http.MethodPost, s.URL+"/api/v1/rooms/lobby/messages", "{", "Content-Type", "application/json", "Authorization", "Bearer "+session)
			if got[resp.StatusCode]++; resp.StatusCode == http.StatusTooManyRequests && resp.Header.Get("Retry-After") == "" {
				t.Error("there is no Retry-After")
			}
		}
		return got
	}
	for _, session := range []string{strings.Repeat("A", wire.SessionLen), strings.Repeat("B", wire.SessionLen)} {
		if got := statuses(session); got[http.StatusBadRequest] < 32 || got[http.StatusTooManyRequests] < 10 {
			t.Errorf("50 requests that are not JSON: %v", got)
		}
	}
}

// TestPostsOfUnknownLengthAreLimited: a request of unknown length is charged for the maximum, and one that is too long gets
// an error.
func TestPostsOfUnknownLengthAreLimited(t *testing.T) {
	s := start(t, func(c *server.Config) { c.Rate, c.Burst = 0.01, 1 })
	post := func(session string, body io.Reader) int {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/api/v1/rooms/lobby/messages", body)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer "+session)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	got := map[int]int{}
	for range 10 {
		got[post(strings.Repeat("A", wire.SessionLen), io.MultiReader(strings.NewReader("{")))]++
	}
	if got[http.StatusBadRequest] != 1 || got[http.StatusTooManyRequests] != 9 {
		t.Errorf("10 requests that are not JSON, of unknown length: %v", got)
	}
	if got := post(strings.Repeat("B", wire.SessionLen), strings.NewReader(strings.Repeat("x", 1<<20))); got != http.StatusRequestEntityTooLarge {
		t.Errorf("a body of 1 MiB is answered by %d", got)
	}
}

// TestPlainNamesRateLimited: names of plain connections that are made at the same time wait for each other, and are not
// rejected.
func TestPlainNamesRateLimited(t *testing.T) {
	t.Parallel()
	s := start(t, func(c *server.Config) {
		c.Rate, c.Burst, c.AddressRate = 2, 1, 1
		c.TrustProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	})
	for _, name := range []string{"ann", "bob", "cem"} {
		c, resp, err := websocket.Dial(t.Context(), s.URL+"/?name="+name, &websocket.DialOptions{HTTPHeader: http.Header{"X-Forwarded-For": {"203.0.113.7"}}})
		if err == nil {
			defer c.CloseNow()
		}
		if resp.StatusCode != http.StatusSwitchingProtocols {
			t.Errorf("%s is answered by %d", name, resp.StatusCode)
		}
	}
}
