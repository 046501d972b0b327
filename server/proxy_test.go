package server_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"ramai/server"
	"ramai/wire"
)

// lockedBuffer is a log that is written and read at once.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer // guarded by mu
}

func (l *lockedBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// selfSigned writes a certificate for chat.example.org and its key.
func selfSigned(t *testing.T, cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"chat.example.org"},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: encoded}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// nginx runs nginx with the configuration of docs/PROXIES.md, its ports and files put in place, and returns its address.
func nginx(t *testing.T, backend string) string {
	t.Helper()
	if _, err := exec.LookPath("nginx"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("there is no nginx: make tools installs it")
		}
		t.Skip("there is no nginx")
	}
	text, err := os.ReadFile("../docs/PROXIES.md")
	if err != nil {
		t.Fatal(err)
	}
	_, site, _ := strings.Cut(string(text), "```nginx\n")
	site, _, _ = strings.Cut(site, "```")
	dir := t.TempDir()
	selfSigned(t, filepath.Join(dir, "cert"), filepath.Join(dir, "key"))
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := ln.Addr().String()
	ln.Close()
	for was, is := range map[string]string{
		"listen 443 ssl": "listen " + address + " ssl", "/etc/ssl/chat.example.org.pem": dir + "/cert",
		"/etc/ssl/chat.example.org.key": dir + "/key", "http://127.0.0.1:2000": backend,
		"proxy_read_timeout 60s": "proxy_read_timeout 32s", // so that the test need not take longer
	} {
		if !strings.Contains(site, was) {
			t.Fatalf("docs/PROXIES.md has no %q", was)
		}
		site = strings.ReplaceAll(site, was, is)
	}
	temp := ""
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		temp += fmt.Sprintf("%s_temp_path %s/%s;\n", kind, dir, kind)
	}
	config := fmt.Sprintf("daemon off; master_process off; pid %s/pid; error_log stderr;\nevents {}\nhttp {\naccess_log off;\n%s%s}\n", dir, temp, site)
	if err := os.WriteFile(filepath.Join(dir, "nginx.conf"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	var said lockedBuffer
	cmd := exec.Command("nginx", "-p", dir, "-c", filepath.Join(dir, "nginx.conf"))
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			t.Log("nginx:", said.String())
		}
	})
	for range 200 {
		if nc, err := net.Dial("tcp", address); err == nil {
			nc.Close()
			return address
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("nginx does not come up: %s", said.String())
	return ""
}

// Behind nginx, as docs/PROXIES.md has it set up, every door is open, what is said comes at once, who is idle stays, and
// limits are those of the client's address.
func TestBehindNginx(t *testing.T) {
	t.Parallel()
	var log lockedBuffer
	s := serve(t, func(c *server.Config) {
		c.Hosts = []string{"chat.example.org"}
		c.TrustProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
		c.Quiet, c.Log = false, slog.New(slog.NewTextHandler(&log, nil))
	})
	address := nginx(t, strings.Replace(s.url, "ws:", "http:", 1))
	from := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 9)}}
	over := &http.Transport{
		DialContext:     func(ctx context.Context, _, _ string) (net.Conn, error) { return from.DialContext(ctx, "tcp", address) },
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
	}
	t.Cleanup(over.CloseIdleConnections)
	c, _, err := websocket.Dial(t.Context(), "wss://chat.example.org/", &websocket.DialOptions{
		HTTPClient: &http.Client{Transport: over}, HTTPHeader: http.Header{"Origin": {"https://chat.example.org"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	chat := &peer{t, c}
	chat.expect(wire.Welcome)
	events := listenWith(t, over, "https://chat.example.org", "lobby", "")
	if _, ok := events.next().(wire.Joined); !ok {
		t.Error("the stream does not begin")
	}
	chat.say("at once")
	chat.expect("at once")
	events.expect("at once")
	if !strings.Contains(log.String(), "127.0.0.9:0") {
		t.Errorf("the log does not know where they come from:\n%s", log.String())
	}
	if testing.Short() {
		return
	}
	// Longer than the time-out of the proxy, in which the server pings once.
	idle, done := context.WithTimeout(t.Context(), 45*time.Second)
	defer done()
	if _, b, err := c.Read(idle); idle.Err() == nil {
		t.Fatalf("an idle connection: %q, %v", b, err)
	}
	r, err := http.NewRequest(http.MethodPost, "https://chat.example.org/api/v1/rooms/lobby/messages", strings.NewReader("still here"))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := over.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	events.expect("still here")
}
