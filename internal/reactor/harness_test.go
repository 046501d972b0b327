package reactor

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// source is a Source for tests. It checks that its methods are called in order, and never concurrently.
type source struct {
	t    *testing.T
	conn Conn
	busy atomic.Bool

	mu            sync.Mutex
	out           []byte // to be written
	in            []byte // received and consumed
	consuming     bool   // Received consumes bytes
	echo          bool   // and writes them back
	always        []byte // written when out is empty
	fail          error  // returned by Received after it has consumed bytes
	panics        string // method that panics
	keepOpen      bool   // Received does not end with the peer
	handedOut     int    // returned by Next and not yet written
	nextCalls     int    // calls of Next
	receivedCalls int    // calls of Received
	eofCalls      int    // calls of Received without bytes, at the end of input
	interrupts    int    // calls of Interrupted
	wasClosed     bool   // Closed was called
	closed        chan error
}

func (s *source) enter(method string) func() {
	if s.busy.Swap(true) {
		s.t.Error("concurrent calls of the source")
	}
	s.mu.Lock()
	if s.wasClosed {
		s.t.Error(method + " after Closed")
	}
	if s.panics == method {
		s.mu.Unlock()
		s.busy.Store(false)
		panic("panic in a source")
	}
	return func() {
		s.mu.Unlock()
		s.busy.Store(false)
	}
}

func (s *source) Next(max int) ([]byte, bool) {
	defer s.enter("Next")()
	s.nextCalls++
	if s.handedOut != 0 {
		s.t.Error("Next before Wrote")
	}
	if len(s.out) == 0 {
		s.out = s.always
	}
	if len(s.out) == 0 {
		return nil, false
	}
	s.handedOut = min(max, len(s.out), 1+rand.IntN(5000))
	return s.out[:s.handedOut:s.handedOut], true
}

func (s *source) Wrote(n int) {
	defer s.enter("Wrote")()
	if n > s.handedOut {
		s.t.Errorf("Wrote(%d) after Next returned %d bytes", n, s.handedOut)
	}
	s.out, s.handedOut = s.out[n:], 0
}

func (s *source) Received(b []byte) (int, error) {
	defer s.enter("Received")()
	s.receivedCalls++
	if len(b) == 0 {
		s.eofCalls++
		if s.keepOpen {
			return 0, nil
		}
		return 0, io.EOF
	}
	if !s.consuming {
		return 0, nil
	}
	used := 1 + rand.IntN(len(b))
	s.in = append(s.in, b[:used]...)
	if s.echo {
		s.out = append(s.out[:len(s.out):len(s.out)], b[:used]...)
	}
	clear(b[:used]) // the source may change b
	if used < len(b) {
		s.conn.Wake()
	}
	return used, s.fail
}

func (s *source) Closed(err error) {
	defer s.enter("Closed")()
	s.wasClosed = true
	s.closed <- err
}

func (s *source) Interrupted() {
	defer s.enter("Interrupted")()
	s.interrupts++
}

// send appends to the output and wakes.
func (s *source) send(b []byte) {
	s.sendLater(b)
	s.conn.Wake()
}

func (s *source) set(f func()) {
	s.mu.Lock()
	f()
	s.mu.Unlock()
	s.conn.Wake()
}

// sendLater appends to the output without a Wake.
func (s *source) sendLater(b []byte) {
	s.mu.Lock()
	s.out = append(s.out[:len(s.out):len(s.out)], b...)
	s.mu.Unlock()
}

// countNext returns the number of calls of Next.
func (s *source) countNext() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.nextCalls
}

func (s *source) used() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return bytes.Clone(s.in)
}

// waitClosed waits for Closed.
func (s *source) waitClosed(t *testing.T) error {
	t.Helper()
	select {
	case err := <-s.closed:
		return err
	case <-time.After(20 * time.Second):
		t.Fatal("the source was not closed")
		return nil
	}
}

// pair returns the two ends of a TCP connection, the server's first.
func pair(t *testing.T) (nc net.Conn, peer *net.TCPConn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	dialled, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dialled.Close() })
	if nc, err = ln.Accept(); err != nil {
		t.Fatal(err)
	}
	return nc, dialled.(*net.TCPConn)
}

func newSource(t *testing.T) *source {
	return &source{t: t, consuming: true, closed: make(chan error, 2)}
}

// serve adds nc to r.
func (s *source) serve(r Reactor, nc net.Conn, early []byte) {
	r.Add(nc, early, func(c Conn) Source {
		s.conn = c
		served.add(path(c))
		return s
	})
}

// connect returns a source served by r, and its peer.
func connect(t *testing.T, r Reactor, early []byte, prepare func(*source)) (*source, *net.TCPConn) {
	t.Helper()
	nc, peer := pair(t)
	s := newSource(t)
	if prepare != nil {
		prepare(s)
	}
	s.serve(r, nc, early)
	return s, peer
}

// pattern returns bytes in which neighbors differ.
func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8)
	}
	return b
}

func expect(t *testing.T, r io.Reader, want []byte) {
	t.Helper()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(r, got); err != nil {
		t.Fatalf("reading %d bytes: %v", len(want), err)
	}
	if !bytes.Equal(got, want) {
		t.Fatal("the bytes read differ from those written")
	}
}

// eventually waits until ok returns true.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for range 2000 {
		if ok() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatal("did not happen: " + what)
}
