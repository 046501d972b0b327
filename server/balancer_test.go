package server

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"ramai/internal/proxytest"
)

// TestBehindBalancer: behind nginx as in docs/PROXIES.md, a client whose member stops comes back to another one. It resumes
// exactly, its retry is a repetition, and its name and role are there.
func TestBehindBalancer(t *testing.T) {
	configs := testCluster(t)
	for i := range configs {
		configs[i].AllowHosts, configs[i].TrustProxies = []string{proxytest.Host}, []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	}
	doc, err := os.ReadFile("../docs/PROXIES.md")
	if err != nil {
		t.Fatal(err)
	}
	upstream := string(regexp.MustCompile(`(?s)\nupstream ramai \{\n.*?\n\}\n`).Find(doc))
	if strings.Count(upstream, ":2000") != 3 || !strings.Contains(string(doc), "proxy_pass http://ramai;") {
		t.Fatalf("docs/PROXIES.md has no upstream of three members: %s", upstream)
	}
	members := startMembers(t, configs...)
	var fronts []*httptest.Server
	for i, m := range members {
		web := httptest.NewServer(m.server.Handler())
		t.Cleanup(web.Close)
		fronts = append(fronts, web)
		upstream = strings.Replace(upstream, fmt.Sprintf("10.0.0.%d:2000", i+1), web.Listener.Addr().String(), 1)
	}
	address := proxytest.Start(t, "nginx", "unused", nil, "http://BACKEND", "http://ramai", "server {", upstream+"server {")
	over := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", address)
		},
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
	}
	t.Cleanup(over.CloseIdleConnections)
	c := balanced{t: t, over: over}

	c.connect()
	c.send(`{"type":"name","name":"anna"}`)
	c.until("name", `"name":"anna"`)
	c.send(`{"type":"say","room":"den","id":"m1","text":"one"}`) // the creator of a room owns it
	c.until("saved", `"id":"m1","n":1`)
	c.send(`{"type":"join","room":"den","last":0}`)
	joined := c.until("joined", `"role":"owner"`)
	c.send(`{"type":"say","room":"den","id":"m2","text":"two"}`)
	c.until("saved", `"id":"m2","n":2`)

	at := -1
	for i, m := range members {
		m.server.mu.Lock()
		if len(m.server.sessions) > 0 {
			at = i
		}
		m.server.mu.Unlock()
	}
	if at < 0 {
		t.Fatal("the client is at no member")
	}
	members[at].stop()
	if err := <-members[at].done; err != nil {
		t.Error(err)
	}
	fronts[at].Close()
	for _, want := range []int{http.StatusCreated, http.StatusOK} { // the second is a repetition
		if status := c.post("BBBBBBBBBBBBBBBBBBBBBA", "m3", "three"); status != want {
			t.Errorf("post behind the balancer: %d, want %d", status, want)
		}
	}

	if welcome := c.connect(); !strings.Contains(welcome, `"name":"anna"`) {
		t.Errorf("at another member: %s", welcome)
	}
	var position struct{ Log, Epoch string }
	if err := json.Unmarshal([]byte(joined), &position); err != nil {
		t.Fatal(err)
	}
	c.send(fmt.Sprintf(`{"type":"join","room":"den","after":{"log":%q,"epoch":%q,"n":1}}`, position.Log, position.Epoch))
	if again := c.until("joined", `"role":"owner"`); !strings.Contains(again, `"from":1`) || strings.Contains(again, "reset") {
		t.Errorf("the client does not resume: %s", again)
	}
	c.until("message", `"n":2,`)
	c.until("message", `"n":3,`)
	c.send(`{"type":"say","room":"den","id":"m2","text":"two"}`)
	c.until("saved", `"id":"m2","n":2`)
	c.send(`{"type":"say","room":"den","id":"m4","text":"four"}`)
	c.until("saved", `"id":"m4","n":4`)
}

// balanced is a client behind a balancer.
type balanced struct {
	t    *testing.T
	over *http.Transport
	conn *websocket.Conn
}

const balancedLimit = time.Minute

// connect connects, as soon as a member accepts it, and returns the welcome of the session.
func (c *balanced) connect() (welcome string) {
	c.t.Helper()
	for begun := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		conn, _, err := websocket.Dial(c.t.Context(), "wss://"+proxytest.Host+"/", &websocket.DialOptions{
			HTTPClient: &http.Client{Transport: c.over}, Subprotocols: []string{"ramai.v1"},
		})
		if err == nil {
			c.conn = conn
			break
		}
		if time.Since(begun) > balancedLimit {
			c.t.Fatal(err)
		}
	}
	c.t.Cleanup(func() { c.conn.CloseNow() })
	c.send(`{"type":"hello","session":"AAAAAAAAAAAAAAAAAAAAAA"}`)
	return c.until("welcome", `"session":"AAAAAAAAAAAAAAAAAAAAAA"`)
}

func (c *balanced) send(frame string) {
	c.t.Helper()
	if err := c.conn.Write(c.t.Context(), websocket.MessageText, []byte(frame)); err != nil {
		c.t.Fatal(err)
	}
}

// until returns the next frame of a type, other than a message, with a part. A message that is not the one wanted is an error.
func (c *balanced) until(kind, part string) string {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), balancedLimit)
	defer cancel()
	for {
		_, b, err := c.conn.Read(ctx)
		if err != nil {
			c.t.Fatalf("no frame %s with %s: %v", kind, part, err)
		}
		frame := string(b)
		if !strings.HasPrefix(frame, `{"type":"`+kind+`"`) {
			continue
		}
		if strings.Contains(frame, part) {
			return frame
		}
		if kind != "welcome" {
			c.t.Fatalf("received %s, want a part %s", frame, part)
		}
	}
}

// post posts a message over HTTP, as soon as a majority accepts it.
func (c *balanced) post(session, id, text string) (status int) {
	c.t.Helper()
	for begun := time.Now(); time.Since(begun) < balancedLimit; time.Sleep(20 * time.Millisecond) {
		r, err := http.NewRequestWithContext(c.t.Context(), http.MethodPost, "https://"+proxytest.Host+"/api/v1/rooms/den/messages", strings.NewReader(text))
		if err != nil {
			c.t.Fatal(err)
		}
		for key, value := range map[string]string{"Authorization": "Bearer " + session, "Content-Type": "text/plain", "Idempotency-Key": id} {
			r.Header.Set(key, value)
		}
		resp, err := c.over.RoundTrip(r)
		if err != nil {
			continue
		}
		resp.Body.Close()
		if status = resp.StatusCode; status < 500 {
			return status
		}
	}
	return status
}
