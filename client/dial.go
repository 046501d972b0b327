package client

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"

	"ramai/wire"
)

const (
	dialTimeout = 30 * time.Second // for name, connection, TLS and handshake together
	readLimit   = 1 << 20          // bytes of a message from the server; a page has at most 64 KiB
)

// proxyAuthHint is added to an error when something other than ramai answers.
const proxyAuthHint = "A proxy in front may ask for a password; put it into the address: https://NAME:PASSWORD@HOST"

// A RefusedError is the answer of a server that refused the connection or the request.
type RefusedError struct {
	Status     int           // HTTP status
	Code       wire.Code     // why, for machines; empty if the server is not one of ramai's
	Reason     string        // why, for people; may be empty
	RetryAfter time.Duration // > 0: the server suggests to retry after this time
}

// Error returns the status and the reason.
func (e *RefusedError) Error() string {
	if e.Reason == "" {
		answer := fmt.Sprintf("the server answered %d %s; is it one of ramai's?", e.Status, http.StatusText(e.Status))
		if e.Status < 500 {
			answer += " " + proxyAuthHint
		}
		return answer
	}
	return fmt.Sprintf("refused (%d): %s", e.Status, e.Reason)
}

// final reports whether a client that was admitted before should give up. It does not on 409: over the plain protocol,
// the name may be taken by the client's own earlier connection.
func (e *RefusedError) final() bool {
	switch e.Status {
	case http.StatusRequestTimeout, http.StatusConflict, http.StatusTooEarly, http.StatusTooManyRequests:
		return false
	}
	return e.Status >= 400 && e.Status < 500
}

// message matches the fragment of a message's address.
var message = regexp.MustCompile(`^n[0-9]{1,20}$`)

// Room returns the room of an address: http, https, ws or wss, with the path / for the lobby or /r/<room>. The address
// of a message, which ends with #n and its number, is that of its room.
func Room(address string) (string, error) {
	_, room, err := parse(address)
	return room, err
}

func parse(address string) (*url.URL, string, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, "", fmt.Errorf("invalid address %q (want, for example, http://127.0.0.1:2000/r/tea)", address)
	}
	switch u.Scheme {
	case "http", "https", "ws", "wss":
	default:
		return nil, "", fmt.Errorf("invalid address %q: it has to begin with http://, https://, ws:// or wss://", address)
	}
	if u.Host == "" {
		return nil, "", fmt.Errorf("invalid address %q: it has no host", address)
	}
	if u.RawQuery != "" || u.Fragment != "" && !message.MatchString(u.Fragment) {
		return nil, "", fmt.Errorf("invalid address %q: nothing may follow ? or # except a message, as in #n2", address)
	}
	if u.Path == "" || u.Path == "/" {
		return u, wire.Lobby, nil
	}
	room, ok := strings.CutPrefix(strings.TrimSuffix(u.Path, "/"), "/r/")
	if !ok {
		return nil, "", fmt.Errorf("invalid address %q: the path has to be / or /r/ROOM", address)
	}
	if err := wire.CheckRoom(room); err != nil {
		return nil, "", fmt.Errorf("%q: %s", address, err.Reason)
	}
	return u, room, nil
}

// dialer opens connections to one server.
type dialer struct {
	url   *url.URL
	offer bool   // ramai.v1
	name  string // to claim, with the plain protocol
	tls   *tls.Config
	dial  func(ctx context.Context, network, address string) (net.Conn, error)
	proxy func(*http.Request) (*url.URL, error) // which proxy a request goes through; nil: none

	timeout time.Duration // for the first frame
}

// link is one open connection.
type link struct {
	*websocket.Conn
	raw *watched
	v1  bool // the server speaks ramai.v1

	early *frame // a frame that was read before the link was used; nil: none
}

// frame is the result of a read.
type frame struct {
	kind websocket.MessageType
	b    []byte
	err  error
}

// Read reads the next frame.
func (l *link) Read(ctx context.Context) (websocket.MessageType, []byte, error) {
	if f := l.early; f != nil {
		l.early = nil
		return f.kind, f.b, f.err
	}
	return l.Conn.Read(ctx)
}

// greets reports whether b can be the first frame of a ramai.v1 server: a welcome, or an error instead of one.
func greets(b []byte) bool {
	f, err := wire.ParseFrame(b)
	if err != nil {
		return false
	}
	switch f.(type) {
	case wire.Welcome, wire.Restarting, wire.Error:
		return true
	}
	return false
}

// greeted checks that a server that has accepted ramai.v1 really speaks it. Some servers accept any protocol that is
// offered: then the first frame is not a welcome, and the connection is plain. If no frame arrives for a while, the client
// connects again without offering it. Nothing is sent before that: the first frame contains a secret, and a plain server
// would send it to everyone.
func (d *dialer) greeted(ctx context.Context, l *link, last int) (*link, error) {
	if !l.v1 {
		return l, nil
	}
	reading, stop := context.WithCancel(context.Background()) // cancelling it also closes the connection
	first := make(chan frame, 1)
	go func() {
		kind, b, err := l.Conn.Read(reading)
		first <- frame{kind, b, err}
	}()
	timeout := time.NewTimer(d.timeout)
	defer timeout.Stop()
	select {
	case f := <-first:
		l.early = &f
		if f.err == nil {
			l.v1 = f.kind == websocket.MessageText && greets(f.b)
		}
		stop()
		return l, nil
	case <-timeout.C:
		stop()
		l.CloseNow()
		<-first
		d.offer = false
		return d.open(ctx, last)
	case <-ctx.Done():
		stop()
		l.CloseNow()
		<-first
		return nil, ctx.Err()
	}
}

// greeting is how long a server may take for its first frame.
const greeting = 10 * time.Second

// open connects. last is the number of old messages to ask for over the plain protocol.
func (d *dialer) open(ctx context.Context, last int) (*link, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()

	var mu sync.Mutex // the transport dials in its own goroutine
	var raw *watched
	transport, err := d.transport(func(conn net.Conn) net.Conn {
		mu.Lock()
		defer mu.Unlock()
		raw = &watched{Conn: conn}
		return raw
	})
	if err != nil {
		return nil, err
	}
	defer transport.CloseIdleConnections() // of a refused handshake
	options := &websocket.DialOptions{HTTPClient: &http.Client{Transport: transport, CheckRedirect: checkRedirect}}
	target := *d.url
	if d.offer {
		options.Subprotocols = []string{wire.Protocol}
	} else {
		target.RawQuery = d.query(last)
	}

	conn, resp, err := websocket.Dial(ctx, target.String(), options)
	if err != nil {
		if resp != nil && resp.StatusCode != http.StatusSwitchingProtocols {
			return nil, refusal(resp)
		}
		return nil, cause(err)
	}
	conn.SetReadLimit(readLimit)
	mu.Lock()
	defer mu.Unlock()
	return &link{Conn: conn, raw: raw, v1: conn.Subprotocol() == wire.Protocol}, nil
}

func (d *dialer) query(last int) string {
	q := url.Values{}
	if d.name != "" {
		q.Set("name", d.name)
	}
	if last > 0 {
		q.Set("last", strconv.Itoa(last))
	}
	return q.Encode()
}

// refusal reads the reason of a refusal.
func refusal(resp *http.Response) *RefusedError {
	e := &RefusedError{Status: resp.StatusCode}
	if s, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && s > 0 {
		e.RetryAfter = min(time.Duration(min(s, int(maxRetry.Seconds())))*time.Second, maxRetry)
	}
	var body struct {
		Code   wire.Code `json:"code"`
		Reason string    `json:"reason"`
	}
	b, err := io.ReadAll(resp.Body) // the WebSocket library keeps at most 1,024 bytes
	switch {
	case err != nil:
	case json.Unmarshal(b, &body) == nil && body.Code != "":
		e.Code, e.Reason = body.Code, body.Reason
	case resp.StatusCode >= 300 && resp.StatusCode < 400:
		e.Reason = fmt.Sprintf("it redirects to %s, which is another server; if that is the right one, use that address", resp.Header.Get("Location"))
	case bytes.Contains(b, []byte("HTTP request to an HTTPS server")): // the text of Go's servers
		e.Reason = "this server speaks TLS; use an address that begins with https:// or wss://"
	}
	return e
}

// cause turns the errors of the WebSocket library into a sentence that wraps the original error.
func cause(err error) error {
	var closed websocket.CloseError
	var timeout net.Error
	var request *url.Error
	switch {
	case errors.As(err, &closed) && closed.Code == wire.ClosePolicy && closed.Reason == string(wire.NotAllowed): // on the plain protocol, after a notice
		return &RefusedError{Status: http.StatusForbidden, Code: wire.NotAllowed, Reason: "the room is closed for this client"}
	case errors.As(err, &closed):
		return fmt.Errorf("the server closed the connection: %d %s", closed.Code, closed.Reason)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("the connection broke off: %w", io.ErrUnexpectedEOF)
	case errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Errorf("the server was silent for too long: %w", err)
	}
	if errors.As(err, &request) {
		return request.Err
	}
	return err
}

// A live server answers pings, so the next byte never takes longer than readTimeout.
const (
	pingEvery   = 30 * time.Second
	readTimeout = pingEvery + 30*time.Second

	checkTimeout = 5 * time.Second // instead of readTimeout, after Check
)

// watched is a connection whose Read fails after silence. Only a waiting read counts as silence, so a slow user does not
// lose the connection.
type watched struct {
	net.Conn

	mu      sync.Mutex
	asked   int // number of calls of check
	settled int // number of those calls that are settled
}

func (w *watched) Read(b []byte) (int, error) {
	if err := w.setDeadline(); err != nil {
		return 0, err
	}
	return w.Conn.Read(b)
}

// setDeadline sets the deadline of the next read. Bytes that were in transit before check do not extend the time for the
// answer to check.
func (w *watched) setDeadline() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.setDeadlineLocked()
}

func (w *watched) setDeadlineLocked() error {
	timeout := readTimeout
	if w.asked > w.settled {
		timeout = checkTimeout
	}
	return w.Conn.SetReadDeadline(time.Now().Add(timeout))
}

// check shortens the deadline of the waiting read, and of those that follow, until a ping sent after this call is answered
// or fails.
func (w *watched) check() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked++
	_ = w.setDeadlineLocked() // a closed connection has ended anyway
}

// pinging returns the argument of settle for the ping that is about to be sent.
func (w *watched) pinging() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.asked
}

// settle ends the calls of check that were made before pinging returned asked. The waiting read gets its usual deadline.
func (w *watched) settle(asked int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if asked > w.settled {
		w.settled = asked
		_ = w.setDeadlineLocked() // a closed connection has ended anyway
	}
}
