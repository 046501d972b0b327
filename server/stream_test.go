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
	"strings"
	"sync"
	"testing"
	"time"

	"ramai/server"
	"ramai/wire"
)

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

// next returns the next object except presence and pings, the first of which can come at any time; nil at the end. It keeps the id
// of an event.
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
		if _, state := f.(wire.Presence); !state && f.Type() != (wire.Ping{}).Type() {
			return f
		}
	}
	return nil
}

// expect compares the next texts with want. Joined and reset are skipped.
func (s *stream) expect(want ...string) {
	s.t.Helper()
	for _, w := range want {
		f := s.next()
		switch f.(type) {
		case wire.Joined, wire.Reset:
			f = s.next()
		}
		if m, ok := f.(wire.Message); !ok || m.Text != w {
			s.t.Fatalf("received %+v (%v), want %q", f, s.lines.Err(), w)
		}
	}
}

// TestStreamRetries: browsers keep the last retry they received, so each stream sends the usual one, and only a stop sends
// another.
func TestStreamRetries(t *testing.T) {
	t.Parallel()
	server := serve(t, nil)
	base := strings.Replace(server.url, "ws:", "http:", 1)
	events, lines := listen(t, base, "den", ""), listen(t, base, "den", "", "Accept", "application/x-ndjson")
	if !events.lines.Scan() || events.lines.Text() != "retry: 3000" {
		t.Errorf("a stream begins with %q", events.lines.Text())
	}
	if _, ok := lines.next().(wire.Joined); !ok {
		t.Error("the lines do not begin with joined")
	}
	events.next()
	server.stop()
	var last string
	for events.lines.Scan() {
		if retry, ok := strings.CutPrefix(events.lines.Text(), "retry: "); ok {
			last = retry
		}
	}
	if last == "" || last == "3000" {
		t.Errorf("at the stop the retry is %q", last)
	}
}

// TestStreamResumes: a stream resumes across a restart of the server, and reports if that is impossible.
func TestStreamResumes(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	first := serve(t, func(c *server.Config) { c.Data = data })
	base := strings.Replace(first.url, "ws:", "http:", 1)
	empty := listen(t, base, "den", "?last=0")
	empty.next()
	zero := empty.id // a position exists before anything was posted
	for i := range 5 {
		post(t, base, "den", fmt.Sprint("text ", i+1))
	}
	s := listen(t, base, "den", "?last=2")
	s.expect("text 4", "text 5")
	first.stop()
	<-first.done
	if f := s.next(); f != nil {
		t.Fatalf("after the stop, received %+v", f)
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
	var past wire.HistoryResponse
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
		past = wire.HistoryResponse{}
		if err := json.Unmarshal([]byte(body), &past); err != nil {
			t.Fatal(err)
		}
		ns := []uint64{}
		for _, m := range past.Messages {
			ns = append(ns, m.N)
		}
		if got := fmt.Sprint(ns, past.More, past.Reset); got != strings.ReplaceAll(want, "  ", " ") || past.First != 1 || past.HistoryID == "" {
			t.Errorf("messages%s: %s first %d, want %s", query, got, past.First, want)
		}
	}
}

// TestStreamAtTheStop: at a clean stop a stream sends everything, and when to reconnect.
func TestStreamAtTheStop(t *testing.T) {
	overReactors(t, func(t *testing.T, kind server.IOMode) {
		s := serve(t, func(c *server.Config) { c.IO = kind })
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
			t.Errorf("then received %+v, %v", f, lines.lines.Err())
		}
	})
}

// startHTTP2 runs a server in memory that speaks HTTP/2. The test closes both.
func startHTTP2(t *testing.T) (*server.Server, *httptest.Server) {
	t.Helper()
	cfg := server.Defaults()
	cfg.InMemory, cfg.Logger, cfg.Quiet, cfg.Rate = true, discard, true, 0
	s, err := server.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewUnstartedServer(s.Handler())
	web.EnableHTTP2 = true
	web.StartTLS()
	return s, web
}

// TestStreamOverHTTP2: with HTTP/2 many requests share a connection, which cannot be hijacked. Streams work the same.
func TestStreamOverHTTP2(t *testing.T) {
	s, web := startHTTP2(t)
	over := web.Client().Transport
	events := listenWith(t, over, web.URL, "den", "")
	lines := listenWith(t, over, web.URL, "den", "", "Accept", "application/x-ndjson")
	disconnected := listenWith(t, over, web.URL, "den", "")
	if events.resp.ProtoMajor != 2 {
		t.Fatalf("the protocol is %s", events.resp.Proto)
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
			disconnected.resp.Body.Close()
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
		t.Errorf("the stream ends with %+v, %v", f, lines.lines.Err())
	}
	for events.next() != nil {
		t.Error("received something after the end")
	}
	web.Close()
	over.(*http.Transport).CloseIdleConnections()
}

// TestBlockedStreamOverHTTP2: a blocked stream over HTTP/2 does not keep the server from shutting down.
func TestBlockedStreamOverHTTP2(t *testing.T) {
	t.Parallel()
	s, web := startHTTP2(t)
	over := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}
	blocked := listenWith(t, over, web.URL, "den", "") // it is not read, so the flow-control window closes
	long := strings.Repeat("x", 4000)
	var posting sync.WaitGroup
	for range 15 {
		posting.Go(func() {
			for range 100 {
				r, _ := http.NewRequest(http.MethodPost, web.URL+"/api/v1/rooms/den/messages", strings.NewReader(long))
				resp, err := over.RoundTrip(r)
				if err != nil {
					t.Error(err)
					return
				}
				resp.Body.Close()
			}
		})
	}
	posting.Wait()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	blocked.resp.Body.Close()
	over.CloseIdleConnections()
	web.Close()
}

// TestStreamEndsWithItsReader: when a reader closes its direction, it receives everything up to now; then its stream ends.
func TestStreamEndsWithItsReader(t *testing.T) {
	overReactors(t, func(t *testing.T, kind server.IOMode) {
		s := serve(t, func(c *server.Config) { c.IO = kind })
		nc, err := net.Dial("tcp", strings.TrimPrefix(s.url, "ws://"))
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		fmt.Fprint(nc, "GET /api/v1/rooms/den/stream HTTP/1.1\r\nHost: localhost\r\n\r\nignored after the request")
		nc.(*net.TCPConn).CloseWrite()
		nc.SetReadDeadline(time.Now().Add(20 * time.Second))
		b, err := io.ReadAll(nc)
		if err != nil || !strings.Contains(string(b), "event: joined") || !strings.Contains(string(b), "\r\nConnection: close\r\n") {
			t.Errorf("%v after %q", err, b)
		}
	})
}
