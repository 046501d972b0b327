// Package doctor finds what stands between a client and a server: proxies that buffer streams, refuse WebSocket, cut idle
// connections or hide addresses; certificates and clocks that are wrong.
package doctor

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"time"
)

// Result is what a check found.
type Result string

// The results.
const (
	OK      Result = "ok"
	Problem Result = "problem"
	Unknown Result = "unknown" // the check could not be made
)

// Check is one thing that was checked.
type Check struct {
	Name   string `json:"name"`
	Result Result `json:"result"`
	Found  string `json:"found"`         // what was found, and what it means
	Fix    string `json:"fix,omitempty"` // what to change
}

// Report has all checks, and what follows from them.
type Report struct {
	Checks     []Check `json:"checks"`
	Conclusion string  `json:"conclusion"`
}

// Good reports whether no check found a problem.
func (r *Report) Good() bool { return r.count(Problem) == 0 }

func (r *Report) count(result Result) int {
	n := 0
	for _, c := range r.Checks {
		if c.Result == result {
			n++
		}
	}
	return n
}

// Config says what to examine.
type Config struct {
	URL      *url.URL      // of the server, with http or https
	Room     string        // whose stream is read
	TLS      *tls.Config   // nil: the default
	Patience time.Duration // how long to wait for an answer that should come at once
	Wait     time.Duration // how long to keep a WebSocket and a stream open; 0: neither
	OnCheck  func(Check)   // called after each check; may be nil
}

// examination is one run.
type examination struct {
	Config
	http   *http.Client
	report Report
}

// Run makes all checks. The error is for a server that could not be reached.
func Run(ctx context.Context, cfg Config) (*Report, error) {
	e := &examination{Config: cfg, http: newClient(cfg.TLS, true)}
	defer e.http.CloseIdleConnections()
	if err := e.request(ctx); err != nil {
		return nil, err
	}
	stream := e.stream(ctx)
	if stream != nil {
		defer stream.Close()
	}
	ws := e.webSocket(ctx, stream != nil)
	if ws != nil {
		defer ws.CloseNow()
	}
	if cfg.Wait > 0 {
		e.idle(ctx, ws, stream)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	e.conclude()
	return &e.report, nil
}

// newClient returns a client that follows no redirects and decodes nothing. Proxies of the environment are used: they are
// in between.
func newClient(config *tls.Config, http2 bool) *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, TLSClientConfig: config, ForceAttemptHTTP2: http2, DisableCompression: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func (e *examination) add(name string, result Result, found, fix string) {
	c := Check{name, result, found, fix}
	e.report.Checks = append(e.report.Checks, c)
	if e.OnCheck != nil {
		e.OnCheck(c)
	}
}

func (e *examination) conclude() {
	var names []string
	for _, c := range e.report.Checks {
		if c.Result == Problem {
			names = append(names, c.Name)
		}
	}
	switch {
	case len(names) > 0:
		e.report.Conclusion = "Something between this client and the server needs a change: " + strings.Join(names, ", ") + "."
	case e.report.count(Unknown) > 0:
		e.report.Conclusion = "No problem was found, but not everything could be checked."
	default:
		e.report.Conclusion = "Nothing stands between this client and the server."
	}
}

// get requests a path as a browser would, which accepts compression, and returns the response with the address that this
// client sent it from, and the one it was sent to.
func (e *examination) get(ctx context.Context, path string) (resp *http.Response, local, remote net.Addr, err error) {
	u := *e.URL
	u.Path, u.RawPath, u.RawQuery = path, "", "last=0"
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(c httptrace.GotConnInfo) {
		local, remote = c.Conn.LocalAddr(), c.Conn.RemoteAddr()
	}})
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, nil, nil, err
	}
	r.Header.Set("Accept-Encoding", "gzip")
	resp, err = e.http.Do(r)
	return resp, local, remote, err
}

// stream checks that an event stream begins at once. It returns the stream, or nil.
func (e *examination) stream(ctx context.Context) io.ReadCloser {
	const name = "stream"
	const fix = "switch off buffering: proxy_buffering off (nginx), flush_interval -1 (Caddy), no mod_buffer or mod_deflate on /api/ (Apache), no wait-for-body of responses (haproxy)"
	ctx, cancel := context.WithCancel(ctx)
	late := time.AfterFunc(e.Patience, cancel)
	began := time.Now()
	resp, _, _, err := e.get(ctx, "/api/v1/rooms/"+e.Room+"/stream")
	header := time.Since(began)
	if err != nil {
		cancel()
		if errors.Is(err, context.Canceled) {
			e.add(name, Problem, fmt.Sprintf("no response header arrived within %v: a proxy waits for the end of a stream that has no end", e.Patience), fix)
		} else {
			e.add(name, Problem, "the stream failed: "+err.Error(), "allow responses without a length")
		}
		return nil
	}
	body := &stream{resp.Body, cancel}
	if resp.StatusCode != http.StatusOK {
		body.Close()
		e.add(name, Unknown, "the stream of the room "+e.Room+" was refused: "+resp.Status, "name a room that anybody can read, as in URL/r/ROOM")
		return nil
	}
	if coding := resp.Header.Get("Content-Encoding"); coding != "" {
		e.add("compression", Problem, "a proxy compresses streams ("+coding+"), and may hold messages back until a block is full",
			"exclude text/event-stream and application/x-ndjson from compression: gzip_types (nginx), encode (Caddy), compression type (haproxy), AddOutputFilterByType (Apache)")
	}
	first := make([]byte, 1)
	_, err = io.ReadFull(resp.Body, first)
	if err != nil {
		body.Close()
		e.add(name, Problem, fmt.Sprintf("the header came after %v, but no event within %v: a proxy buffers streams, so messages come late or never",
			round(header), e.Patience), fix)
		return nil
	}
	if !late.Stop() { // the context has ended or is about to
		body.Close()
		e.add(name, Problem, fmt.Sprintf("the first event came only after %v", e.Patience), fix)
		return nil
	}
	e.add(name, OK, fmt.Sprintf("events are not held back: header after %v, first event after %v", round(header), round(time.Since(began))), "")
	return body
}

// stream is the body of a response, and releases its request.
type stream struct {
	io.ReadCloser
	cancel context.CancelFunc
}

// Close implements io.Closer.
func (s *stream) Close() error {
	s.cancel()
	return s.ReadCloser.Close()
}

func round(d time.Duration) time.Duration { return d.Round(time.Millisecond) }
