package reactor

import (
	"bytes"
	"errors"
	"testing"
	"time"
)

// consume makes the source consume its input from now on.
func (s *source) consume() { s.set(func() { s.consuming = true }) }

// waitConsumed waits until s is closed, and checks that it has consumed want.
func (s *source) waitConsumed(t *testing.T, want []byte) error {
	t.Helper()
	err := s.waitClosed(t)
	if got := s.used(); !bytes.Equal(got, want) {
		t.Errorf("consumed %d bytes, want the %d bytes sent", len(got), len(want))
	}
	return err
}

// resetInputIsUsed has a peer close without reading, which sends a reset. Everything that it sent is consumed, even after a
// failed write.
func resetInputIsUsed(t *testing.T, open func(Options) Reactor) {
	r := open(Options{})
	defer r.Close()
	for _, say := range []bool{false, true} {
		s, peer := connect(t, r, nil, func(s *source) { s.consuming, s.out = false, []byte("hello") })
		want := pattern(40_000)
		peer.Write(want)
		eventually(t, "hello was written", func() bool { return s.unwritten() == 0 })
		if s.conn.Gone() {
			t.Error("gone before it closed")
		}
		peer.SetLinger(0)
		peer.Close()
		if say {
			for range 20 {
				s.send([]byte("are you there?"))
				time.Sleep(time.Millisecond)
			}
			eventually(t, "Gone is true", s.conn.Gone)
		}
		s.consume()
		if err := s.waitConsumed(t, want); err == nil {
			t.Error("closed without an error")
		}
		if s.eofCalls != 1 {
			t.Errorf("the end of input was reported %d times", s.eofCalls)
		}
	}
}

// resetInputIsUsedWhileWriting has a source write continuously to a peer that sends a lot and closes.
func resetInputIsUsedWhileWriting(t *testing.T, open func(Options) Reactor) {
	r := open(Options{})
	defer r.Close()
	s, peer := connect(t, r, nil, func(s *source) { s.always = make([]byte, 1000) })
	want := pattern(50_000)
	peer.Write(want)
	peer.Close() // with unread bytes
	s.waitConsumed(t, want)
}

// deadInputIsUsed has a peer disappear silently.
func deadInputIsUsed(t *testing.T, open func(Options) Reactor) {
	r := open(Options{DeadTimeout: 300 * time.Millisecond})
	defer r.Close()
	s, peer := connect(t, r, nil, func(s *source) { s.consuming = false })
	if _, known := s.conn.Undelivered(); !known {
		t.Skip("not detectable on this system")
	}
	want := pattern(40_000)
	peer.Write(want)
	eventually(t, "it came", func() bool { s.mu.Lock(); defer s.mu.Unlock(); return s.receivedCalls > 0 })
	dropIncoming(t, peer)
	s.send(make([]byte, 8<<20))
	eventually(t, "the peer is considered dead and its output discarded", func() bool { return s.unwritten() == 0 })
	s.consume()
	if err := s.waitConsumed(t, want); !errors.Is(err, ErrDead) {
		t.Errorf("closed with %v", err)
	}
}

// lostIsClosed has a source ignore that its peer is gone.
func lostIsClosed(t *testing.T, open func(Options) Reactor) {
	r := open(Options{SlowTimeout: 100 * time.Millisecond})
	defer r.Close()
	s, peer := connect(t, r, nil, func(s *source) { s.consuming = false })
	peer.Write(pattern(1000))
	peer.SetLinger(0)
	peer.Close()
	if err := s.waitClosed(t); err == nil {
		t.Error("closed without an error")
	}
}

// readsAhead has connections send bytes that no source consumes. They are read within the budget, which is free again
// afterwards.
func readsAhead(t *testing.T, open func(Options) Reactor) {
	const each, all, many = 32 << 10, 100 << 10, 12
	b := &budget{max: all}
	r := open(Options{ReadAhead: each, Budget: b, Loops: 2, ReadSize: 4 << 10, LingerTimeout: 200 * time.Millisecond})
	defer r.Close()
	left := func() int64 { return all - b.used.Load() }
	var sources []*source
	want := pattern(each)
	for range many {
		s, peer := connect(t, r, nil, func(s *source) { s.consuming = false })
		peer.Write(want)
		sources = append(sources, s)
	}
	eventually(t, "the budget is used up", func() bool { return left() <= 0 })
	if n := left(); n < -many*4<<10 {
		t.Errorf("%d bytes were read beyond the budget", -n)
	}
	for _, s := range sources {
		s.consume()
	}
	for _, s := range sources {
		eventually(t, "everything was received", func() bool { return bytes.Equal(s.used(), want) })
		s.conn.Finish()
	}
	eventually(t, "the budget is free again", func() bool { return left() == all })
	s, peer := connect(t, r, nil, func(s *source) { s.consuming = false })
	peer.Write(want)
	eventually(t, "the input was read", func() bool { return left() < all-each/2 })
	s.conn.Finish()
	eventually(t, "the budget of an ended connection is free again", func() bool { return left() == all })
}
