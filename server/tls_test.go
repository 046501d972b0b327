package server_test

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"ramai/internal/proxytest"
	"ramai/server"
	"ramai/wire"
)

// TestTLS: TLS serves every transport on one port: WebSocket over HTTP/1.1, everything else over HTTP/2 if the client
// supports it.
func TestTLS(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert"), filepath.Join(dir, "key")
	proxytest.SelfSigned(t, cert, key)
	var passed atomic.Int64
	s := serve(t, func(c *server.Config) {
		c.TLS = server.TLS{Cert: cert, Key: key}
		c.Now = func() time.Time { // so that the files are checked at each handshake
			return time.Now().Add(time.Duration(passed.Add(1)) * time.Second)
		}
	})
	address := strings.TrimPrefix(s.url, "ws://")
	two := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}
	t.Cleanup(two.CloseIdleConnections)
	one := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	t.Cleanup(one.CloseIdleConnections)
	events := listenWith(t, two, "https://"+address, "lobby", "")
	lines := listenWith(t, one, "https://"+address, "lobby", "", "Accept", "application/x-ndjson")
	if events.resp.ProtoMajor != 2 || lines.resp.ProtoMajor != 1 {
		t.Errorf("%s and %s", events.resp.Proto, lines.resp.Proto)
	}
	c, _, err := websocket.Dial(t.Context(), "wss://"+address, &websocket.DialOptions{
		HTTPClient: &http.Client{Transport: one}, Host: "chat.example.org",
		HTTPHeader: http.Header{"Origin": {"https://chat.example.org"}}, // the names of the certificate are names of the server
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	chat := &peer{t, c}
	chat.expect(wire.Greeting)
	chat.say("hello")
	chat.expect("hello")
	events.expect("hello")
	lines.expect("hello")

	first := serial(t, address)
	if again := serial(t, address); again != first {
		t.Error("the certificate has changed without a reason")
	}
	if err := os.WriteFile(key, []byte("half a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	if broken := serial(t, address); broken != first {
		t.Error("an invalid certificate is used")
	}
	// Files that could not be read for a moment are read again, even if neither their size nor their time has changed.
	newCert, newKey := filepath.Join(dir, "new cert"), filepath.Join(dir, "new key")
	proxytest.SelfSigned(t, newCert, newKey)
	good, err := os.ReadFile(newKey)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Now().Add(time.Minute)
	write := func(b []byte) {
		if err := errors.Join(os.WriteFile(key, b, 0o600), os.Chtimes(key, at, at)); err != nil {
			t.Fatal(err)
		}
	}
	write(make([]byte, len(good)))
	if err := os.Rename(newCert, cert); err != nil {
		t.Fatal(err)
	}
	if broken := serial(t, address); broken != first {
		t.Error("half of a new pair is used")
	}
	write(good)
	if renewed := serial(t, address); renewed == first {
		t.Error("a new certificate is not used")
	}
	chat.say("still here")
	chat.expect("still here")

	if resp, err := http.Get("http://" + address); err != nil || resp.StatusCode != http.StatusBadRequest {
		t.Errorf("HTTP where there is TLS: %v, %v", resp, err)
	} else {
		resp.Body.Close()
	}
	if c, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}); err == nil {
		c.Close()
		t.Error("TLS 1.1 is accepted")
	}
	s.stop()
	chat.expectEnd(websocket.StatusServiceRestart)
}

// expectEnd reads up to the end, which must have a code.
func (p *peer) expectEnd(code websocket.StatusCode) {
	p.t.Helper()
	for {
		if _, _, err := p.Read(p.t.Context()); err != nil {
			if got := websocket.CloseStatus(err); got != code {
				p.t.Errorf("the connection ends with %d (%v), want %d", got, err, code)
			}
			return
		}
	}
}

// serial identifies the certificate of a server.
func serial(t *testing.T, address string) string {
	t.Helper()
	c, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return string(c.ConnectionState().PeerCertificates[0].Signature)
}

// TestHalfCloseOverTLS: a TLS client that closes its direction receives its messages, as without TLS.
func TestHalfCloseOverTLS(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert"), filepath.Join(dir, "key")
	proxytest.SelfSigned(t, cert, key)
	s := serve(t, func(c *server.Config) { c.TLS = server.TLS{Cert: cert, Key: key} })
	nc, err := tls.Dial("tcp", strings.TrimPrefix(s.url, "ws://"), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	nc.Write([]byte("GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n" + "\x81\x82\x00\x00\x00\x00hi"))
	if err := nc.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	nc.SetReadDeadline(time.Now().Add(20 * time.Second))
	var got []byte
	for b := make([]byte, 4096); ; {
		n, err := nc.Read(b)
		got = append(got, b[:n]...)
		if err != nil {
			if e := (net.Error)(nil); !strings.Contains(string(got), "\x81\x02hi") {
				t.Errorf("%v (%v) after %q", err, e, got)
			}
			return
		}
	}
}
