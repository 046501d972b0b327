package reactor

import (
	"errors"
	"io"
	"sync"
	"testing"
	"time"
)

func blockedDoesNotDelayOthers(t *testing.T, open func(Options) Reactor) {
	r := open(Options{})
	defer r.Close()
	blocked, _ := connect(t, r, nil, nil)
	blocked.send(make([]byte, 16<<20))
	good, peer := connect(t, r, nil, nil)
	want := pattern(1 << 20)
	good.send(want)
	expect(t, peer, want)
}

// unwritten returns the number of bytes that are not written yet.
func (s *source) unwritten() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.out)
}

// waitWritesStop waits until nothing more is written to a peer that does not read.
func (s *source) waitWritesStop(t *testing.T) {
	t.Helper()
	last, since := s.unwritten(), 0
	eventually(t, "the writing stops", func() bool {
		if left := s.unwritten(); left != last {
			last, since = left, 0
		}
		since++
		return since == 40
	})
}

func blockedResumes(t *testing.T, open func(Options) Reactor) {
	r := open(Options{})
	defer r.Close()
	s, peer := connect(t, r, nil, nil)
	want := pattern(16 << 20)
	s.send(want)
	s.waitWritesStop(t)
	if n, known := kernelHolds(s.conn); known && n > 512<<10 {
		t.Errorf("the kernel holds %d bytes for a blocked peer", n)
	}
	expect(t, peer, want)
}

func blockedIsNotDead(t *testing.T, open func(Options) Reactor) {
	r := open(Options{DeadTimeout: 200 * time.Millisecond})
	defer r.Close()
	s, peer := connect(t, r, nil, nil)
	want := pattern(16 << 20)
	s.send(want)
	other, otherPeer := connect(t, r, nil, nil)
	other.conn.WakeAfter(1500 * time.Millisecond)
	eventually(t, "the first Next", func() bool { return other.countNext() > 0 })
	other.sendLater([]byte("time is over"))
	expect(t, otherPeer, []byte("time is over"))
	expect(t, peer, want)
}

func goneIsDead(t *testing.T, open func(Options) Reactor) {
	r := open(Options{DeadTimeout: 300 * time.Millisecond})
	defer r.Close()
	s, peer := connect(t, r, nil, nil)
	s.send([]byte("hello"))
	expect(t, peer, []byte("hello"))
	dropIncoming(t, peer)
	s.send([]byte("anyone there?"))
	if err := s.waitClosed(t); !errors.Is(err, ErrDead) {
		t.Errorf("closed with %v", err)
	}
}

func blockedIsClosed(t *testing.T, open func(Options) Reactor) {
	r := open(Options{SlowTimeout: 300 * time.Millisecond, LingerTimeout: 200 * time.Millisecond})
	defer r.Close()
	s, _ := connect(t, r, nil, nil)
	s.send(make([]byte, 16<<20))
	if err := s.waitClosed(t); !errors.Is(err, ErrSlow) {
		t.Errorf("closed with %v", err)
	}
}

func slowIsNotClosed(t *testing.T, open func(Options) Reactor) {
	const timeout = time.Second
	r := open(Options{SlowTimeout: timeout})
	defer r.Close()
	s, peer := connect(t, r, nil, nil)
	want := pattern(16 << 20)
	s.send(want)
	for begin := time.Now(); time.Since(begin) < 2*timeout; time.Sleep(timeout / 20) {
		expect(t, peer, want[:300_000])
		want = want[300_000:]
	}
	expect(t, peer, want)
}

func finishBlocked(t *testing.T, open func(Options) Reactor) {
	r := open(Options{LingerTimeout: 200 * time.Millisecond})
	defer r.Close()
	s, _ := connect(t, r, nil, nil)
	s.send(make([]byte, 16<<20))
	eventually(t, "the writing began", func() bool { s.mu.Lock(); defer s.mu.Unlock(); return s.nextCalls > 1 })
	s.conn.Finish()
	if err := s.waitClosed(t); err == nil {
		t.Error("closed as if all had been written")
	}
}

// A Source is interrupted although its peer accepts nothing, and neither Next nor Received is called for that. After Abort
// nothing more is written.
func interruptBlocked(t *testing.T, open func(Options) Reactor) {
	r := open(Options{})
	defer r.Close()
	s, peer := connect(t, r, nil, nil)
	s.conn.Interrupt()
	eventually(t, "an idle source is interrupted", func() bool { s.mu.Lock(); defer s.mu.Unlock(); return s.interrupts == 1 })
	s.send(make([]byte, 64<<20))
	calls, still := -1, 0
	eventually(t, "the peer is blocked", func() bool {
		if n := s.countNext(); n != calls {
			calls, still = n, 0
		}
		still++
		return calls > 1 && still > 10
	})
	// On a busy machine, the peer may not be blocked yet: then something is written, and Next is called for that.
	for interrupts, quiet := 1, 0; quiet < 3; {
		before := s.countNext()
		s.conn.Interrupt()
		interrupts++
		eventually(t, "a blocked source is interrupted", func() bool { s.mu.Lock(); defer s.mu.Unlock(); return s.interrupts == interrupts })
		if quiet++; s.countNext() != before {
			quiet = 0
		}
		if interrupts > 1000 {
			t.Fatal("Next is called for interrupts")
		}
	}
	s.conn.Abort()
	if err := s.waitClosed(t); !errors.Is(err, ErrAborted) {
		t.Errorf("closed with %v", err)
	}
	s.conn.Interrupt() // and nothing happens
	s.conn.Abort()
	if n, _ := io.Copy(io.Discard, peer); n >= 64<<20 {
		t.Error("everything was written")
	}
}

func finishEndless(t *testing.T, open func(Options) Reactor) {
	r := open(Options{LingerTimeout: 200 * time.Millisecond})
	defer r.Close()
	s, peer := connect(t, r, nil, func(s *source) { s.always = make([]byte, 64<<10) })
	var reading sync.WaitGroup
	reading.Go(func() { io.Copy(io.Discard, peer) })
	s.conn.Finish()
	if err := s.waitClosed(t); !errors.Is(err, ErrSlow) {
		t.Errorf("closed with %v", err)
	}
	reading.Wait()
}

func countsUndelivered(t *testing.T, open func(Options) Reactor) {
	r := open(Options{})
	defer r.Close()
	s, peer := connect(t, r, nil, nil)
	if _, known := s.conn.Undelivered(); !known {
		t.Skip("not known on this system")
	}
	want := pattern(16 << 20)
	s.send(want)
	eventually(t, "something waits", func() bool { n, _ := s.conn.Undelivered(); return n > 0 })
	expect(t, peer, want)
	eventually(t, "nothing waits", func() bool { n, _ := s.conn.Undelivered(); return n == 0 })
}
