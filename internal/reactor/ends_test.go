package reactor

import (
	"errors"
	"io"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func finishWrites(t *testing.T, open func(Options) Reactor) {
	r := open(Options{})
	defer r.Close()
	s, peer := connect(t, r, nil, nil)
	want := pattern(500_000)
	peer.Write([]byte("input after Finish"))
	s.set(func() { s.out = want })
	s.conn.Finish()
	expect(t, peer, want)
	if n, err := peer.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("after the last byte: %d, %v; want the end", n, err)
	}
	peer.Close()
	if err := s.waitClosed(t); err != nil {
		t.Errorf("closed with %v", err)
	}
}

// finishAtOnce calls Finish while Next is running.
func finishAtOnce(t *testing.T, open func(Options) Reactor) {
	r := open(Options{})
	defer r.Close()
	for range 200 {
		s, peer := connect(t, r, nil, nil)
		s.conn.Wake()
		s.sendLater([]byte("goodbye"))
		s.conn.Finish()
		expect(t, peer, []byte("goodbye"))
		peer.Close()
		if err := s.waitClosed(t); err != nil {
			t.Fatalf("closed with %v", err)
		}
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
	if err := s.waitClosed(t); err != fault {
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
	if err := s.waitClosed(t); err != nil {
		t.Errorf("closed with %v", err)
	}
	if string(s.used()) != "last words" {
		t.Errorf("received %q", s.used())
	}
}

// readAfterHalfClose lets the source choose when to end.
func readAfterHalfClose(t *testing.T, open func(Options) Reactor) {
	r := open(Options{})
	defer r.Close()
	s, peer := connect(t, r, nil, func(s *source) { s.keepOpen = true })
	peer.Write([]byte("last words"))
	peer.CloseWrite()
	eventually(t, "everything was received", func() bool { return string(s.used()) == "last words" })
	for i := range 10 {
		s.send([]byte{byte(i)})
		expect(t, peer, []byte{byte(i)})
	}
	s.conn.Finish()
	if n, err := peer.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("after the last byte: %d, %v; want the end", n, err)
	}
	if err := s.waitClosed(t); err != nil {
		t.Errorf("closed with %v", err)
	}
	if s.eofCalls != 1 {
		t.Errorf("the end of input was reported %d times", s.eofCalls)
	}
}

func resetAfterHalfClose(t *testing.T, open func(Options) Reactor) {
	r := open(Options{SlowTimeout: 100 * time.Millisecond})
	defer r.Close()
	s, peer := connect(t, r, nil, func(s *source) { s.keepOpen = true })
	peer.CloseWrite()
	eventually(t, "the end of input was reported", func() bool { s.mu.Lock(); defer s.mu.Unlock(); return s.eofCalls > 0 })
	peer.SetLinger(0)
	peer.Close()
	if path(s.conn) == "portable" { // which notices when it writes
		s.send([]byte("are you there?"))
	}
	if err := s.waitClosed(t); err == nil {
		t.Error("closed without an error")
	}
}

func reset(t *testing.T, open func(Options) Reactor) {
	r := open(Options{})
	defer r.Close()
	s, peer := connect(t, r, nil, nil)
	peer.SetLinger(0)
	peer.Close()
	if err := s.waitClosed(t); err == nil {
		t.Error("closed without an error")
	}
}

func panicContained(t *testing.T, open func(Options) Reactor) {
	r := open(Options{Loops: 1})
	defer r.Close()
	good, goodPeer := connect(t, r, nil, nil)
	for _, method := range []string{"Next", "Wrote", "Received"} {
		bad, badPeer := connect(t, r, nil, func(s *source) { s.panics, s.out = method, []byte("hello") })
		badPeer.Write([]byte("x"))
		if err := bad.waitClosed(t); err == nil || !strings.Contains(err.Error(), "panic in a source") {
			t.Errorf("a panic of %s: closed with %v", method, err)
		}
		if _, err := io.Copy(io.Discard, badPeer); err != nil && !errors.Is(err, syscall.ECONNRESET) {
			t.Error(err)
		}
		good.send([]byte("still here"))
		expect(t, goodPeer, []byte("still here"))
	}
	_, badPeer := connect(t, r, nil, func(s *source) { s.panics = "Closed" })
	badPeer.Close()
	good.send([]byte("still here"))
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
		if err := s.waitClosed(t); !errors.Is(err, ErrStopped) {
			t.Errorf("closed with %v", err)
		}
	}
	late, peer := connect(t, r, nil, nil)
	if err := late.waitClosed(t); !errors.Is(err, ErrStopped) {
		t.Errorf("added after Close: closed with %v", err)
	}
	if _, err := peer.Read(make([]byte, 1)); err == nil {
		t.Error("the connection was left open")
	}
}

// closeMeetsAdd closes a reactor while sources are added. All are closed.
func closeMeetsAdd(t *testing.T, open func(Options) Reactor) {
	for range 20 {
		r := open(Options{Loops: 2})
		var adding sync.WaitGroup
		var all []*source
		for range 10 {
			nc, _ := pair(t)
			s := newSource(t)
			all = append(all, s)
			adding.Go(func() { s.serve(r, nc, nil) })
		}
		r.Close()
		adding.Wait()
		for _, s := range all {
			if err := s.waitClosed(t); !errors.Is(err, ErrStopped) {
				t.Errorf("closed with %v", err)
			}
		}
	}
}
