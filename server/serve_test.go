package server_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"ramai/server"
	"ramai/wire"
)

// TestReactorOfZeroConfig: a Config without a kind of I/O is valid.
func TestReactorOfZeroConfig(t *testing.T) {
	s := serve(t, func(c *server.Config) { c.IO = server.Config{}.IO })
	dial(t, s.url).expect(wire.Greeting)
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
		{"", "anything.example", true}, // neither a page nor DNS rebinding
		{"http://" + here, here, true},
		{"https://" + here, here, true}, // behind a proxy that terminates TLS
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
		{"https://CHAT.example", "chat.example", false}, // no browser sends that
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
		{"http://evil.example", "evil.example", false}, // a name that resolves to this server, but is not its own
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

// TestHandshakeFields: header fields on several lines, and in any letter case, are equivalent to one line.
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
		{"Connection: Upgrade|Upgrade: h2c", "200", ""}, // a browser without WebSocket, which gets the page
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
		if c.status == "101" && resp.Header.Get("Sec-WebSocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" { // from RFC 6455, section 1.3
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
		t.Error("an unknown durability was accepted")
	}
	cfg.Durability, cfg.IO = server.Normal, "fast"
	if _, err := server.New(cfg); err == nil {
		t.Error("an unknown reactor was accepted")
	}
	cfg.IO = server.Auto
	first, err := server.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if second, err := server.New(cfg); err == nil {
		second.Close()
		t.Error("two servers share a folder")
	}
	if err := first.Close(); err != nil {
		t.Error(err)
	}
}

// TestServeEndsWithItsListener: a listener that fails is an error, and everything is closed nevertheless.
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

// TestRelativeFolder: a folder can be given as a relative path.
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
		t.Errorf("the folder contains %v, %v", files, err)
	}
}
