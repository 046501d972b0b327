package reactor

import (
	"bytes"
	"errors"
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

// paths are the implementations that the suite runs over.
var paths = map[string]func(Options) Reactor{
	"portable": func(o Options) Reactor { return NewPortable(o) },
}

// source is a Source that tests look into. It checks that it is called by one goroutine at a time, and in order.
type source struct {
	t    *testing.T
	conn Conn
	busy atomic.Bool

	mu     sync.Mutex
	out    []byte // to be written
	in     []byte // received and used
	taking bool   // Received uses bytes
	fail   error  // what Received returns once it has used something
	panics bool   // Received panics
	given  int    // handed out by Next and not yet settled by Wrote
	woken  int    // calls of Next
	closed chan error
}

func (s *source) enter() func() {
	if s.busy.Swap(true) {
		s.t.Error("the source is called by two goroutines at once")
	}
	s.mu.Lock()
	return func() {
		s.mu.Unlock()
		s.busy.Store(false)
	}
}

func (s *source) Next(max int) ([]byte, bool) {
	defer s.enter()()
	s.woken++
	if s.given != 0 {
		s.t.Error("Next before Wrote")
	}
	if len(s.out) == 0 {
		return nil, false
	}
	s.given = min(max, len(s.out), 1+rand.IntN(5000))
	return s.out[:s.given:s.given], true
}

func (s *source) Wrote(n int) {
	defer s.enter()()
	if n > s.given {
		s.t.Errorf("%d bytes written of %d", n, s.given)
	}
	s.out, s.given = s.out[n:], 0
}

func (s *source) Received(b []byte) (int, error) {
	defer s.enter()()
	if s.panics {
		panic("a fault in one connection's code")
	}
	if !s.taking {
		return 0, nil
	}
	used := 1 + rand.IntN(len(b))
	s.in = append(s.in, b[:used]...)
	clear(b[:used]) // b is ours to change
	if used < len(b) {
		s.conn.Wake()
	}
	return used, s.fail
}

func (s *source) Closed(err error) {
	defer s.enter()()
	s.closed <- err
}

// say appends to what is to be written.
func (s *source) say(b []byte) {
	s.mu.Lock()
	s.out = append(s.out[:len(s.out):len(s.out)], b...)
	s.mu.Unlock()
	s.conn.Wake()
}

func (s *source) set(f func()) {
	s.mu.Lock()
	f()
	s.mu.Unlock()
	s.conn.Wake()
}

func (s *source) used() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return bytes.Clone(s.in)
}

// end waits for Closed.
func (s *source) end(t *testing.T) error {
	t.Helper()
	select {
	case err := <-s.closed:
		return err
	case <-time.After(20 * time.Second):
		t.Fatal("the source was not closed")
		return nil
	}
}

// connect returns a source served by r, and its peer.
func connect(t *testing.T, r Reactor, early []byte, prepare func(*source)) (*source, *net.TCPConn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	peer, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { peer.Close() })
	nc, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	s := &source{t: t, taking: true, closed: make(chan error, 2)}
	if prepare != nil {
		prepare(s)
	}
	r.Add(nc, early, func(c Conn) Source {
		s.conn = c
		return s
	})
	return s, peer.(*net.TCPConn)
}

// pattern is bytes in which every place can be told from its neighbours.
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
		t.Fatal("other bytes came than were written")
	}
}

// eventually waits for something that another goroutine is about to do.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for range 2000 {
		if ok() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatal("did not come to be: " + what)
}

func TestReactor(t *testing.T) {
	cases := map[string]func(*testing.T, func(Options) Reactor){
		"writes everything in order":            writesInOrder,
		"hands over everything in order":        receivesInOrder,
		"early bytes come first":                earlyFirst,
		"what is not used stops the reading":    notUsedStopsReading,
		"WakeAfter wakes, the later one counts": wakesAfter,
		"Finish writes what is left":            finishWrites,
		"an error writes what is left":          errorWrites,
		"a half-close is an end":                halfClose,
		"a reset is an error":                   reset,
		"a panic closes one connection":         panicContained,
		"Close closes all":                      closesAll,
		"a frozen peer delays nobody":           frozenDelaysNobody,
		"a stalled peer is closed":              stalledIsClosed,
		"a slow peer is not":                    slowIsNot,
		"Finish does not wait for the frozen":   finishFrozen,
		"undelivered bytes are counted":         undelivered,
	}
	for path, open := range paths {
		for name, f := range cases {
			t.Run(path+"/"+name, func(t *testing.T) { f(t, open) })
		}
	}
}

func writesInOrder(t *testing.T, open func(Options) Reactor) {
	r := open(Options{})
	defer r.Close()
	s, peer := connect(t, r, nil, nil)
	want := pattern(1 << 20)
	go func() {
		for b := want; len(b) > 0; {
			n := min(len(b), 1+rand.IntN(20000))
			s.say(b[:n])
			b = b[n:]
		}
	}()
	expect(t, peer, want)
}

func receivesInOrder(t *testing.T, open func(Options) Reactor) {
	r := open(Options{})
	defer r.Close()
	s, peer := connect(t, r, nil, nil)
	want := pattern(300_000)
	peer.Write(want)
	eventually(t, "all was received", func() bool { return len(s.used()) == len(want) })
	if !bytes.Equal(s.used(), want) {
		t.Error("other bytes were received than were sent")
	}
}

func earlyFirst(t *testing.T, open func(Options) Reactor) {
	r := open(Options{})
	defer r.Close()
	s, peer := connect(t, r, []byte("early "), nil)
	peer.Write([]byte("late"))
	eventually(t, "all was received", func() bool { return string(s.used()) == "early late" })
}

func notUsedStopsReading(t *testing.T, open func(Options) Reactor) {
	r := open(Options{})
	defer r.Close()
	s, peer := connect(t, r, nil, func(s *source) { s.taking = false })
	peer.SetWriteDeadline(time.Now().Add(time.Second))
	n, err := peer.Write(make([]byte, 64<<20))
	if err == nil {
		t.Fatal("64 MiB went to a source that takes nothing")
	}
	s.say([]byte("still written"))
	expect(t, peer, []byte("still written"))
	s.set(func() { s.taking = true })
	eventually(t, "what was sent is received", func() bool { return len(s.used()) == n })
}

func wakesAfter(t *testing.T, open func(Options) Reactor) {
	r := open(Options{})
	defer r.Close()
	s, peer := connect(t, r, nil, nil)
	s.conn.WakeAfter(time.Hour)
	s.mu.Lock()
	s.out = []byte("silently") // without a Wake
	s.mu.Unlock()
	s.conn.WakeAfter(20 * time.Millisecond)
	expect(t, peer, []byte("silently"))
}

func finishWrites(t *testing.T, open func(Options) Reactor) {
	r := open(Options{})
	defer r.Close()
	s, peer := connect(t, r, nil, nil)
	want := pattern(500_000)
	peer.Write([]byte("something that is read too late"))
	s.set(func() { s.out = want })
	s.conn.Finish()
	expect(t, peer, want)
	if n, err := peer.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("after the last byte: %d, %v; want the end", n, err)
	}
	peer.Close()
	if err := s.end(t); err != nil {
		t.Errorf("closed with %v", err)
	}
}

func errorWrites(t *testing.T, open func(Options) Reactor) {
	r := open(Options{})
	defer r.Close()
	fault := errors.New("not what was agreed")
	s, peer := connect(t, r, nil, func(s *source) { s.fail, s.out = fault, pattern(100_000) })
	peer.Write([]byte("hello"))
	peer.Write([]byte("hello again"))
	expect(t, peer, pattern(100_000))
	peer.Close()
	if err := s.end(t); err != fault {
		t.Errorf("closed with %v, want %v", err, fault)
	}
}

func halfClose(t *testing.T, open func(Options) Reactor) {
	r := open(Options{})
	defer r.Close()
	s, peer := connect(t, r, nil, func(s *source) { s.out = pattern(1000) })
	peer.Write([]byte("last words"))
	peer.CloseWrite()
	expect(t, peer, pattern(1000))
	if err := s.end(t); err != nil {
		t.Errorf("closed with %v", err)
	}
	if string(s.used()) != "last words" {
		t.Errorf("received %q", s.used())
	}
}

func reset(t *testing.T, open func(Options) Reactor) {
	r := open(Options{})
	defer r.Close()
	s, peer := connect(t, r, nil, nil)
	peer.SetLinger(0)
	peer.Close()
	if err := s.end(t); err == nil {
		t.Error("closed without an error")
	}
}

func panicContained(t *testing.T, open func(Options) Reactor) {
	r := open(Options{})
	defer r.Close()
	bad, badPeer := connect(t, r, nil, func(s *source) { s.panics = true })
	good, goodPeer := connect(t, r, nil, nil)
	badPeer.Write([]byte("x"))
	if err := bad.end(t); err == nil {
		t.Error("the panic is not told")
	}
	good.say([]byte("still here"))
	expect(t, goodPeer, []byte("still here"))
}

func closesAll(t *testing.T, open func(Options) Reactor) {
	r := open(Options{})
	var all []*source
	for range 20 {
		s, _ := connect(t, r, nil, nil)
		all = append(all, s)
	}
	r.Close()
	for _, s := range all {
		if err := s.end(t); !errors.Is(err, ErrStopped) {
			t.Errorf("closed with %v", err)
		}
	}
	late, peer := connect(t, r, nil, nil)
	if err := late.end(t); !errors.Is(err, ErrStopped) {
		t.Errorf("added after Close: closed with %v", err)
	}
	if _, err := peer.Read(make([]byte, 1)); err == nil {
		t.Error("the connection was left open")
	}
}

func frozenDelaysNobody(t *testing.T, open func(Options) Reactor) {
	r := open(Options{})
	defer r.Close()
	frozen, _ := connect(t, r, nil, nil)
	frozen.say(make([]byte, 64<<20))
	good, peer := connect(t, r, nil, nil)
	want := pattern(1 << 20)
	good.say(want)
	expect(t, peer, want)
}

func stalledIsClosed(t *testing.T, open func(Options) Reactor) {
	r := open(Options{Stall: 300 * time.Millisecond})
	defer r.Close()
	s, _ := connect(t, r, nil, nil)
	s.say(make([]byte, 64<<20))
	if err := s.end(t); !errors.Is(err, ErrStalled) {
		t.Errorf("closed with %v", err)
	}
}

func slowIsNot(t *testing.T, open func(Options) Reactor) {
	const stall = 400 * time.Millisecond
	r := open(Options{Stall: stall})
	defer r.Close()
	s, peer := connect(t, r, nil, nil)
	want := pattern(16 << 20)
	s.say(want)
	for begin := time.Now(); time.Since(begin) < 4*stall; time.Sleep(stall / 10) {
		expect(t, peer, want[:300_000])
		want = want[300_000:]
	}
	expect(t, peer, want)
}

func finishFrozen(t *testing.T, open func(Options) Reactor) {
	r := open(Options{Linger: 200 * time.Millisecond})
	defer r.Close()
	s, _ := connect(t, r, nil, nil)
	s.say(make([]byte, 64<<20))
	eventually(t, "the writing began", func() bool { s.mu.Lock(); defer s.mu.Unlock(); return s.woken > 1 })
	s.conn.Finish()
	if err := s.end(t); err == nil {
		t.Error("closed as if all had been written")
	}
}

func undelivered(t *testing.T, open func(Options) Reactor) {
	r := open(Options{})
	defer r.Close()
	s, peer := connect(t, r, nil, nil)
	if _, known := s.conn.Undelivered(); !known {
		t.Skip("this system does not tell")
	}
	want := pattern(32 << 20)
	s.say(want)
	eventually(t, "something waits", func() bool { n, _ := s.conn.Undelivered(); return n > 0 })
	expect(t, peer, want)
	eventually(t, "nothing waits", func() bool { n, _ := s.conn.Undelivered(); return n == 0 })
}
