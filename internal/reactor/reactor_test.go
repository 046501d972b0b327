package reactor

import (
	"bytes"
	"flag"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// source is a Source that tests look into. It checks that it is called by one goroutine at a time, and in order.
type source struct {
	t    *testing.T
	conn Conn
	busy atomic.Bool

	mu            sync.Mutex
	out           []byte // to be written
	in            []byte // received and used
	consuming     bool   // Received uses bytes
	echo          bool   // and has them written
	always        []byte // what is written when out is empty
	fail          error  // what Received returns once it has used something
	panics        string // the method that panics
	keepOpen      bool   // Received does not end with the peer
	handedOut     int    // handed out by Next and not yet settled by Wrote
	nextCalls     int    // calls of Next
	receivedCalls int    // calls of Received
	eofCalls      int    // those without a byte
	wasClosed     bool   // Closed was called
	closed        chan error
}

func (s *source) enter(method string) func() {
	if s.busy.Swap(true) {
		s.t.Error("the source is called by two goroutines at once")
	}
	s.mu.Lock()
	if s.wasClosed {
		s.t.Error(method + " after Closed")
	}
	if s.panics == method {
		s.mu.Unlock()
		s.busy.Store(false)
		panic("a fault in one connection's code")
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
		s.t.Errorf("%d bytes written of %d", n, s.handedOut)
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
	clear(b[:used]) // b is ours to change
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

// send appends to what is to be written.
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

// sendLater is say without a Wake.
func (s *source) sendLater(b []byte) {
	s.mu.Lock()
	s.out = append(s.out[:len(s.out):len(s.out)], b...)
	s.mu.Unlock()
}

// countNext counts the countNext of Next.
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

// pair returns the two ends of a TCP connection, ours first.
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

// serve gives nc to r.
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

// cases is the suite. Each case is given the constructor of an implementation.
var cases = map[string]func(*testing.T, func(Options) Reactor){
	"writes everything in order":               writesInOrder,
	"hands over everything in order":           receivesInOrder,
	"early bytes come first":                   earlyFirst,
	"early bytes wait until they are used":     earlyWait,
	"what is not used stops the reading":       unusedStopsReading,
	"what is not used is handed over again":    unusedIsRedelivered,
	"WakeAfter wakes, the later one counts":    wakesAfter,
	"the earlier WakeAfter does not":           laterWakeCounts,
	"what is asked for in open is done":        asksInOpen,
	"Finish writes what is left":               finishWrites,
	"Finish writes what was there before it":   finishAtOnce,
	"an error writes what is left":             errorWrites,
	"a half-close is an end":                   halfClose,
	"a half-closed peer is heard out":          readAfterHalfClose,
	"a reset after a half-close is an error":   resetAfterHalfClose,
	"a reset is an error":                      reset,
	"who is gone is heard out":                 resetInputIsUsed,
	"who is gone is heard out by a writer":     resetInputIsUsedWhileWriting,
	"who is dead is heard out":                 deadInputIsUsed,
	"what is lost ends without its source":     lostIsClosed,
	"what is not used yet is read, in bounds":  readsAhead,
	"a panic closes one connection":            panicContained,
	"Close closes all":                         closesAll,
	"Close meets Add":                          closeMeetsAdd,
	"what is not TCP is served":                servesPipes,
	"a frozen peer delays nobody":              blockedDelaysNobody,
	"a frozen peer that thaws gets all":        blockedResumes,
	"a frozen peer is not dead":                blockedIsNotDead,
	"a peer that is gone is dead":              goneIsDead,
	"a stalled peer is closed":                 blockedIsClosed,
	"a slow peer is not":                       slowIsNotClosed,
	"Finish does not wait for the frozen":      finishBlocked,
	"Finish does not wait for the endless":     finishEndless,
	"undelivered bytes are counted":            countsUndelivered,
	"many come and go":                         manyConnections,
	"wakes meet connections that end":          wakesMeetEnds,
	"one that writes a lot leaves others room": busyWriterLeavesRoom,
}

func TestReactor(t *testing.T) {
	for path, open := range paths {
		for name, f := range cases {
			t.Run(path+"/"+name, func(t *testing.T) { f(t, open) })
		}
	}
	epoll, portable := served.count("epoll"), served.count("portable")
	t.Logf("reactor: epoll served %d connections, portable %d", epoll, portable) // shown by make paths
	if strings.Contains(flag.Lookup("test.run").Value.String(), "/") {
		return // some cases only
	}
	if portable == 0 || epoll == 0 && runtime.GOOS == "linux" { // whatever is in paths
		t.Error("a path of this system has served nothing")
	}
}

// pathCounts counts the connections by the implementation that served them, which is not always the one that was asked.
type pathCounts struct {
	mu sync.Mutex
	n  map[string]int // guarded by mu
}

var served pathCounts

func (s *pathCounts) add(path string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.n == nil {
		s.n = make(map[string]int)
	}
	s.n[path]++
}

func (s *pathCounts) count(path string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.n[path]
}

func writesInOrder(t *testing.T, open func(Options) Reactor) {
	r := open(Options{})
	defer r.Close()
	s, peer := connect(t, r, nil, nil)
	want := pattern(1 << 20)
	go func() {
		for b := want; len(b) > 0; {
			n := min(len(b), 1+rand.IntN(20000))
			s.send(b[:n])
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

func earlyWait(t *testing.T, open func(Options) Reactor) {
	r := open(Options{})
	defer r.Close()
	s, peer := connect(t, r, pattern(100_000), func(s *source) { s.consuming = false })
	peer.Write([]byte("late"))
	eventually(t, "the early bytes were offered", func() bool { s.mu.Lock(); defer s.mu.Unlock(); return s.receivedCalls > 0 })
	s.set(func() { s.consuming = true })
	eventually(t, "all was received", func() bool { return string(s.used()) == string(pattern(100_000))+"late" })
}

// A source that uses nothing for long is offered the same bytes with each Wake, and what it has to say is written.
func unusedIsRedelivered(t *testing.T, open func(Options) Reactor) {
	r := open(Options{})
	defer r.Close()
	s, peer := connect(t, r, nil, func(s *source) { s.consuming = false })
	want := pattern(50_000)
	peer.Write(want)
	receivedCalls := func() int { s.mu.Lock(); defer s.mu.Unlock(); return s.receivedCalls }
	eventually(t, "bytes were offered", func() bool { return receivedCalls() > 0 })
	for i := range 50 {
		before := receivedCalls()
		s.conn.Wake()
		eventually(t, "they are offered again", func() bool { return receivedCalls() > before })
		s.send([]byte{byte(i)})
		expect(t, peer, []byte{byte(i)})
	}
	if n := len(s.used()); n != 0 {
		t.Fatalf("%d bytes were used", n)
	}
	s.set(func() { s.consuming = true })
	eventually(t, "all was received", func() bool { return bytes.Equal(s.used(), want) })
}

func unusedStopsReading(t *testing.T, open func(Options) Reactor) {
	r := open(Options{})
	defer r.Close()
	s, peer := connect(t, r, nil, func(s *source) { s.consuming = false })
	peer.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
	n, err := peer.Write(make([]byte, 16<<20))
	if err == nil {
		t.Fatal("16 MiB went to a source that takes nothing")
	}
	s.send([]byte("still written"))
	expect(t, peer, []byte("still written"))
	s.set(func() { s.consuming = true })
	eventually(t, "what was sent is received", func() bool { return len(s.used()) == n })
}

func wakesAfter(t *testing.T, open func(Options) Reactor) {
	r := open(Options{})
	defer r.Close()
	s, peer := connect(t, r, nil, nil)
	eventually(t, "the first Next", func() bool { return s.countNext() > 0 })
	s.conn.WakeAfter(time.Hour)
	s.conn.WakeAfter(math.MaxInt64)
	s.sendLater([]byte("silently"))
	s.conn.WakeAfter(20 * time.Millisecond)
	expect(t, peer, []byte("silently"))
	s.sendLater([]byte("again"))
	s.conn.WakeAfter(-1)
	expect(t, peer, []byte("again"))
}

func laterWakeCounts(t *testing.T, open func(Options) Reactor) {
	r := open(Options{Loops: 1})
	defer r.Close()
	s, _ := connect(t, r, nil, nil)
	other, peer := connect(t, r, nil, nil)
	eventually(t, "the first Next", func() bool { return s.countNext() > 0 && other.countNext() > 0 })
	calls := s.countNext()
	s.conn.WakeAfter(time.Millisecond)
	s.conn.WakeAfter(time.Hour)
	other.sendLater([]byte("now"))
	other.conn.WakeAfter(100 * time.Millisecond) // by then the first would have come
	expect(t, peer, []byte("now"))
	if n := s.countNext() - calls; n > 1 { // one if the first was over before the second was asked for
		t.Errorf("woken %d times by a WakeAfter of an hour", n)
	}
}

func asksInOpen(t *testing.T, open func(Options) Reactor) {
	r := open(Options{})
	defer r.Close()
	nc, peer := pair(t)
	s := newSource(t)
	s.out = []byte("farewell")
	r.Add(nc, nil, func(c Conn) Source {
		s.conn = c
		c.Wake()
		c.WakeAfter(time.Hour)
		c.Undelivered()
		c.Finish()
		return s
	})
	expect(t, peer, []byte("farewell"))
	peer.Close()
	if err := s.waitClosed(t); err != nil {
		t.Errorf("closed with %v", err)
	}
}

func servesPipes(t *testing.T, open func(Options) Reactor) {
	r := open(Options{})
	defer r.Close()
	nc, peer := net.Pipe()
	defer peer.Close()
	s := newSource(t)
	s.out = []byte("hello")
	s.serve(r, nc, nil)
	expect(t, peer, []byte("hello"))
	peer.Write([]byte("hello, too"))
	eventually(t, "it was received", func() bool { return string(s.used()) == "hello, too" })
	peer.Close()
	if err := s.waitClosed(t); err != nil {
		t.Errorf("closed with %v", err)
	}
}
