package reactor

import (
	"errors"
	"io"
	"sync"
	"testing"
	"time"
)

func frozenDelaysNobody(t *testing.T, open func(Options) Reactor) {
	r := open(Options{})
	defer r.Close()
	frozen, _ := connect(t, r, nil, nil)
	frozen.say(make([]byte, 16<<20))
	good, peer := connect(t, r, nil, nil)
	want := pattern(1 << 20)
	good.say(want)
	expect(t, peer, want)
}

// left returns how much of what s has to write is not written.
func (s *source) left() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.out)
}

// settled waits until nothing more is written to a peer that does not read.
func (s *source) settled(t *testing.T) {
	t.Helper()
	last, since := s.left(), 0
	eventually(t, "the writing stops", func() bool {
		if left := s.left(); left != last {
			last, since = left, 0
		}
		since++
		return since == 40
	})
}

func frozenThaws(t *testing.T, open func(Options) Reactor) {
	r := open(Options{})
	defer r.Close()
	s, peer := connect(t, r, nil, nil)
	want := pattern(16 << 20)
	s.say(want)
	s.settled(t)
	if n, known := held(s.conn); known && n > 512<<10 {
		t.Errorf("the kernel holds %d bytes for a frozen peer", n)
	}
	expect(t, peer, want)
}

func frozenIsNotDead(t *testing.T, open func(Options) Reactor) {
	r := open(Options{Dead: 200 * time.Millisecond})
	defer r.Close()
	s, peer := connect(t, r, nil, nil)
	want := pattern(16 << 20)
	s.say(want)
	other, otherPeer := connect(t, r, nil, nil)
	other.conn.WakeAfter(1500 * time.Millisecond)
	eventually(t, "the first Next", func() bool { return other.calls() > 0 })
	other.sayLater([]byte("time is over"))
	expect(t, otherPeer, []byte("time is over"))
	expect(t, peer, want)
}

func goneIsDead(t *testing.T, open func(Options) Reactor) {
	r := open(Options{Dead: 300 * time.Millisecond})
	defer r.Close()
	s, peer := connect(t, r, nil, nil)
	s.say([]byte("hello"))
	expect(t, peer, []byte("hello"))
	mute(t, peer)
	s.say([]byte("anyone there?"))
	if err := s.end(t); !errors.Is(err, ErrDead) {
		t.Errorf("closed with %v", err)
	}
}

func stalledIsClosed(t *testing.T, open func(Options) Reactor) {
	r := open(Options{Stall: 300 * time.Millisecond, Linger: 200 * time.Millisecond})
	defer r.Close()
	s, _ := connect(t, r, nil, nil)
	s.say(make([]byte, 16<<20))
	if err := s.end(t); !errors.Is(err, ErrStalled) {
		t.Errorf("closed with %v", err)
	}
}

func slowIsNot(t *testing.T, open func(Options) Reactor) {
	const stall = time.Second
	r := open(Options{Stall: stall})
	defer r.Close()
	s, peer := connect(t, r, nil, nil)
	want := pattern(16 << 20)
	s.say(want)
	for begin := time.Now(); time.Since(begin) < 2*stall; time.Sleep(stall / 20) {
		expect(t, peer, want[:300_000])
		want = want[300_000:]
	}
	expect(t, peer, want)
}

func finishFrozen(t *testing.T, open func(Options) Reactor) {
	r := open(Options{Linger: 200 * time.Millisecond})
	defer r.Close()
	s, _ := connect(t, r, nil, nil)
	s.say(make([]byte, 16<<20))
	eventually(t, "the writing began", func() bool { s.mu.Lock(); defer s.mu.Unlock(); return s.woken > 1 })
	s.conn.Finish()
	if err := s.end(t); err == nil {
		t.Error("closed as if all had been written")
	}
}

func finishEndless(t *testing.T, open func(Options) Reactor) {
	r := open(Options{Linger: 200 * time.Millisecond})
	defer r.Close()
	s, peer := connect(t, r, nil, func(s *source) { s.always = make([]byte, 64<<10) })
	var reading sync.WaitGroup
	reading.Go(func() { io.Copy(io.Discard, peer) })
	s.conn.Finish()
	if err := s.end(t); !errors.Is(err, ErrStalled) {
		t.Errorf("closed with %v", err)
	}
	reading.Wait()
}

func countsUndelivered(t *testing.T, open func(Options) Reactor) {
	r := open(Options{})
	defer r.Close()
	s, peer := connect(t, r, nil, nil)
	if _, known := s.conn.Undelivered(); !known {
		t.Skip("this system does not tell")
	}
	want := pattern(16 << 20)
	s.say(want)
	eventually(t, "something waits", func() bool { n, _ := s.conn.Undelivered(); return n > 0 })
	expect(t, peer, want)
	eventually(t, "nothing waits", func() bool { n, _ := s.conn.Undelivered(); return n == 0 })
}
