package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/gobwas/ws"
	"go.uber.org/goleak"

	"ramai/internal/frame"
	"ramai/internal/reactor"
	"ramai/internal/websockettest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// testTimeout is the time limit of each test.
const testTimeout = websockettest.Timeout

// eachPath runs f with each implementation of the reactor on this system.
func eachPath(t *testing.T, f func(t *testing.T, r reactor.Reactor)) {
	for _, portable := range []bool{false, true} {
		r, err := newReactor(portable)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(fmt.Sprintf("%T", r), func(t *testing.T) {
			defer r.Close()
			f(t, r)
		})
	}
}

// start serves echoes with r until the test ends, and returns the address.
func start(t *testing.T, r reactor.Reactor) string {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	ln := listen(t)
	ended := make(chan error, 1)
	go func() { ended <- serve(ctx, ln, r, true) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error("serve:", err)
		}
	})
	return "ws://" + ln.Addr().String()
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

// dialed connects to a server.
func dialed(t *testing.T, address string) net.Conn {
	t.Helper()
	nc, early, _, err := ws.Dial(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	if early != nil {
		t.Fatal("the server sent something first")
	}
	return nc
}

// TestLibrary exchanges messages between another library's client and the server.
func TestLibrary(t *testing.T) {
	eachPath(t, func(t *testing.T, r reactor.Reactor) {
		ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
		defer cancel()
		c, _, err := websocket.Dial(ctx, start(t, r), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer c.CloseNow()
		c.SetReadLimit(-1)
		for _, n := range []int{0, 1, 125, 126, 65535, 65536, 1 << 20} {
			for _, kind := range []websocket.MessageType{websocket.MessageText, websocket.MessageBinary} {
				said := bytes.Repeat([]byte{'x'}, n)
				go c.Write(ctx, kind, said)
				got, onMessage, err := c.Read(ctx)
				if err != nil || got != kind || !bytes.Equal(onMessage, said) {
					t.Fatalf("%v of %d bytes: %v of %d bytes, %v", kind, n, got, len(onMessage), err)
				}
			}
		}
		if err := c.Ping(c.CloseRead(ctx)); err != nil {
			t.Error("ping:", err)
		}
		if err := c.Close(4001, "enough"); err != nil {
			t.Error("close:", err)
		}
	})
}

// TestBothEnds exchanges messages between our client and our server, for each pair of implementations.
func TestBothEnds(t *testing.T) {
	eachPath(t, func(t *testing.T, r reactor.Reactor) {
		address := start(t, r)
		eachPath(t, func(t *testing.T, r reactor.Reactor) {
			var got []string
			e := newEcho(clientFrames, 0)
			e.onMessage = func(b []byte) { got = append(got, string(b)) } // called by one goroutine at a time, and before ended
			want := []string{"", "a", strings.Repeat("é", 1<<16), strings.Repeat("x", 1<<20)}
			for _, s := range want {
				e.appendFrame(frame.Text, []byte(s))
			}
			e.appendFrame(frame.Ping, []byte("still there?"))
			e.close(3333, "enough")
			r.Add(dialed(t, address), nil, func(reactor.Conn) reactor.Source { return e })
			select {
			case err := <-e.ended:
				if err != (closed{3333}) {
					t.Errorf("ended with %v", err)
				}
			case <-time.After(testTimeout):
				t.Fatal("the connection did not end")
			}
			if len(got) != len(want) {
				t.Fatalf("%d messages came back, want %d", len(got), len(want))
			}
			for i := range want {
				if got[i] != want[i] {
					t.Errorf("message %d was changed", i)
				}
			}
		})
	})
}

// TestSuite runs the client against the cases of an Autobahn fuzzingserver.
func TestSuite(t *testing.T) {
	eachPath(t, func(t *testing.T, r reactor.Reactor) {
		var asked []string
		said := make(chan string, 10)
		s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			asked = append(asked, req.URL.String()) // one connection at a time
			c, err := websocket.Accept(w, req, nil)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.CloseNow()
			switch req.URL.Path {
			case "/getCaseCount":
				c.Write(req.Context(), websocket.MessageText, []byte("3"))
			case "/runCase":
				c.Write(req.Context(), websocket.MessageText, []byte(req.URL.RawQuery))
				_, b, err := c.Read(req.Context())
				said <- fmt.Sprint(string(b), err)
				if req.FormValue("case") == "2" {
					return // close without a close frame
				}
			}
			c.Close(websocket.StatusNormalClosure, "")
		})}
		ln := listen(t)
		go s.Serve(ln)
		defer s.Close()
		err := run(t.Context(), []string{"--dial", "ws://" + ln.Addr().String(), "--agent", "me", fmt.Sprintf("--portable=%v", isPortable(r))}, t.Output(), t.Output())
		if err != nil {
			t.Error(err)
		}
		want := "/getCaseCount /runCase?agent=me&case=1 /runCase?agent=me&case=2 /runCase?agent=me&case=3 /updateReports?agent=me"
		if got := strings.Join(asked, " "); got != want {
			t.Errorf("asked for %s, want %s", got, want)
		}
		for i := 1; i <= 3; i++ {
			if got, want := <-said, fmt.Sprintf("agent=me&case=%d<nil>", i); got != want {
				t.Errorf("case %d: the server received %s, want %s", i, got, want)
			}
		}
	})
}

func isPortable(r reactor.Reactor) bool { _, ok := r.(*reactor.Portable); return ok }

// TestPendingBounded: input of a peer that does not read is not read either: pending output is bounded, and all of it
// arrives eventually.
func TestPendingBounded(t *testing.T) {
	e := newEcho(serverFrames, 0)
	want := strings.Repeat("x", 1000)
	one := websockettest.Text(want).Bytes(true)
	rest := bytes.Repeat(one, 1000)
	used, err := e.Received(rest)
	if err != nil || used == 0 || used == len(rest) {
		t.Fatalf("%d of %d bytes used, %v", used, len(rest), err)
	}
	if len(e.out) > maxPending+len(one) {
		t.Fatalf("%d bytes are pending, want at most %d", len(e.out), maxPending+len(one))
	}
	if more, _ := e.Received(rest[used:]); more != 0 {
		t.Errorf("%d more bytes were consumed though nothing was written", more)
	}
	var got bytes.Buffer
	rest = rest[used:]
	for b, ok := e.Next(777); ok; b, ok = e.Next(777) {
		got.Write(b)
		e.Wrote(len(b))
		if len(rest) > 0 { // an empty one would mean the end
			used, _ = e.Received(rest)
			rest = rest[used:]
		}
		if len(e.out) > maxPending+len(one) {
			t.Fatalf("%d bytes are pending", len(e.out))
		}
	}
	for i := range 1000 {
		if p, err := websockettest.Read(&got, false); err != nil || p.Payload != want {
			t.Fatalf("message %d: %s, %v", i, p, err)
		}
	}
}

// TestRun runs the program and ends it as a signal does.
func TestRun(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	log, out := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, []string{"--listen", "127.0.0.1:0"}, out, out) }()
	var address, over string
	if _, err := fmt.Fscanf(log, "echoing on %s over %s\n", &address, &over); err != nil {
		t.Fatal(err)
	}
	nc := dialed(t, address)
	defer nc.Close()
	nc.Write(websockettest.Text("hello").Bytes(true))
	if p, err := websockettest.Read(nc, false); err != nil || p.Payload != "hello" {
		t.Errorf("%s, %v", p, err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if _, err := io.ReadAll(nc); err != nil {
		t.Error("the connection ended with", err)
	}
	for _, args := range [][]string{{}, {"--listen", ":1", "--dial", "ws://x"}, {"--listen", ":1", "more"}, {"--what"}} {
		if err := run(t.Context(), args, io.Discard, io.Discard); err == nil {
			t.Errorf("%q: no error", args)
		}
	}
}
