package reactor

import (
	"bytes"
	"flag"
	"math"
	"math/rand/v2"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

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
