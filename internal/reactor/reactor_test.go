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

// cases is the suite. Each case gets the constructor of an implementation.
var cases = map[string]func(*testing.T, func(Options) Reactor){
	"writes everything in order":                writesInOrder,
	"delivers everything in order":              receivesInOrder,
	"early bytes come first":                    earlyFirst,
	"early bytes wait until they are used":      earlyWait,
	"unused input stops the reading":            unusedStopsReading,
	"unused input is delivered again":           unusedIsRedelivered,
	"WakeAfter wakes, the later one counts":     wakesAfter,
	"the earlier WakeAfter does not":            laterWakeCounts,
	"calls made in open take effect":            asksInOpen,
	"Finish writes pending output":              finishWrites,
	"Finish writes output from before it":       finishAtOnce,
	"an error writes pending output":            errorWrites,
	"a half-close ends the connection":          halfClose,
	"a half-closed peer is still written to":    readAfterHalfClose,
	"a reset after a half-close is an error":    resetAfterHalfClose,
	"a reset is an error":                       reset,
	"input before a reset is used":              resetInputIsUsed,
	"input before a reset is used by a writer":  resetInputIsUsedWhileWriting,
	"input of a dead peer is used":              deadInputIsUsed,
	"a lost connection ends without its source": lostIsClosed,
	"unused input is read ahead within bounds":  readsAhead,
	"a panic closes one connection":             panicContained,
	"Close closes all connections":              closesAll,
	"Close meets Add":                           closeMeetsAdd,
	"connections that are not TCP are served":   servesPipes,
	"a blocked peer delays nobody":              blockedDoesNotDelayOthers,
	"a blocked peer that resumes gets all":      blockedResumes,
	"a blocked peer is not dead":                blockedIsNotDead,
	"a peer that is gone is dead":               goneIsDead,
	"a blocked peer is closed":                  blockedIsClosed,
	"a slow peer is not closed":                 slowIsNotClosed,
	"Finish does not wait for a blocked peer":   finishBlocked,
	"a blocked peer is interrupted and aborted": interruptBlocked,
	"Finish does not wait for endless output":   finishEndless,
	"undelivered bytes are counted":             countsUndelivered,
	"many come and go":                          manyConnections,
	"wakes meet connections that end":           wakesMeetEnds,
	"a busy writer leaves room for others":      busyWriterLeavesRoom,
}

func TestReactor(t *testing.T) {
	for path, open := range paths {
		t.Run(path, func(t *testing.T) {
			for name, f := range cases {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					f(t, open)
				})
			}
		})
	}
	epoll, portable := served.count("epoll"), served.count("portable")
	t.Logf("reactor: epoll served %d connections, portable %d", epoll, portable) // shown by make paths
	if strings.Contains(flag.Lookup("test.run").Value.String(), "/") {
		return // only some cases ran
	}
	if portable == 0 || epoll == 0 && runtime.GOOS == "linux" { // whatever paths has
		t.Error("a path of this system has served nothing")
	}
}

// pathCounts counts connections by the implementation that served them, which is not always the one that the test asked
// for.
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
	eventually(t, "the early bytes were delivered", func() bool { s.mu.Lock(); defer s.mu.Unlock(); return s.receivedCalls > 0 })
	s.set(func() { s.consuming = true })
	eventually(t, "all was received", func() bool { return string(s.used()) == string(pattern(100_000))+"late" })
}

// A source that uses nothing gets the same bytes with each Wake, and its output is written.
func unusedIsRedelivered(t *testing.T, open func(Options) Reactor) {
	r := open(Options{})
	defer r.Close()
	s, peer := connect(t, r, nil, func(s *source) { s.consuming = false })
	want := pattern(50_000)
	peer.Write(want)
	receivedCalls := func() int { s.mu.Lock(); defer s.mu.Unlock(); return s.receivedCalls }
	eventually(t, "bytes were delivered", func() bool { return receivedCalls() > 0 })
	for i := range 50 {
		before := receivedCalls()
		s.conn.Wake()
		eventually(t, "they are delivered again", func() bool { return receivedCalls() > before })
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
		t.Fatal("16 MiB went to a source that uses nothing")
	}
	s.send([]byte("still written"))
	expect(t, peer, []byte("still written"))
	s.set(func() { s.consuming = true })
	eventually(t, "everything sent was received", func() bool { return len(s.used()) == n })
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
	other.conn.WakeAfter(100 * time.Millisecond) // by then the first would have fired
	expect(t, peer, []byte("now"))
	if n := s.countNext() - calls; n > 1 { // one if the first had fired before the second replaced it
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
