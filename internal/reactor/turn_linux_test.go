package reactor

import (
	"sync"
	"testing"
	"time"
)

// However many there are whose turns take long, whoever has little to do waits for one of them.
func TestSlowSourcesShareATurn(t *testing.T) {
	e, err := NewEpoll(Options{Loops: 1, MaxTurn: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	nc, peer := pair(t)
	var mu sync.Mutex
	var turns, asked int
	var waits []int
	e.Add(nc, nil, func(c Conn) Source {
		return &promptSource{conn: c, log: func() {
			mu.Lock()
			defer mu.Unlock()
			waits = append(waits, turns-asked)
		}}
	})
	for range 10 {
		nc, peerOfSlow := pair(t)
		s := &slowSource{log: func(*slowSource) {
			mu.Lock()
			defer mu.Unlock()
			if turns++; turns%25 == 0 {
				asked = turns
				peer.Write([]byte("?"))
			}
		}}
		e.Add(nc, nil, func(c Conn) Source { s.conn = c; return s })
		peerOfSlow.Write(make([]byte, 60_000))
	}
	eventually(t, "there were answers", func() bool { mu.Lock(); defer mu.Unlock(); return len(waits) == 10 })
	mu.Lock()
	defer mu.Unlock()
	for _, n := range waits[2:] { // once it is known who is slow
		if n > 1 {
			t.Fatalf("of ten that are slow so many had a turn before one that is not: %d", waits)
		}
	}
}

// The same where each connection has goroutines of its own: only one of the slow is at work.
func TestSlowSourcesShareATurnPortable(t *testing.T) {
	p := NewPortable(Options{MaxTurn: time.Millisecond})
	defer p.Close()
	var mu sync.Mutex
	var turns, working, peak int
	for range 10 {
		nc, peer := pair(t)
		known := false
		s := &slowSource{log: func(*slowSource) {
			mu.Lock()
			defer mu.Unlock()
			turns++
			if known {
				working++
				peak = max(peak, working)
			}
		}}
		s.done = func() {
			mu.Lock()
			defer mu.Unlock()
			if known {
				working--
			}
			known = true
		}
		p.Add(nc, nil, func(c Conn) Source { s.conn = c; return s })
		peer.Write(make([]byte, 60_000))
	}
	eventually(t, "there were turns", func() bool { mu.Lock(); defer mu.Unlock(); return turns >= 100 })
	mu.Lock()
	defer mu.Unlock()
	if peak != 1 {
		t.Errorf("%d were at work at once", peak)
	}
}

// promptSource is a source that uses what it is given at once.
type promptSource struct {
	conn Conn
	log  func()
}

func (q *promptSource) Next(int) ([]byte, bool) { return nil, false }

func (q *promptSource) Wrote(int) {}

func (q *promptSource) Received(b []byte) (int, error) {
	if len(b) == 0 {
		q.conn.Finish()
		return 0, nil
	}
	q.log()
	return len(b), nil
}

func (q *promptSource) Closed(error) {}

// slowSource is a source that takes its time for each byte, and has always more to say.
type slowSource struct {
	conn Conn
	log  func(*slowSource)
	done func()
}

func (s *slowSource) Next(int) ([]byte, bool) { return []byte("x"), true }

func (s *slowSource) Wrote(int) {}

func (s *slowSource) Received(b []byte) (int, error) {
	if len(b) == 0 {
		s.conn.Finish()
		return 0, nil
	}
	s.log(s)
	for start := time.Now(); time.Since(start) < 2*time.Millisecond; {
	}
	if s.done != nil {
		s.done()
	}
	s.conn.Wake()
	return 1, nil
}

func (s *slowSource) Closed(error) {}

// One that has used its time waits until the others of its loop have had their turn, however much of what came it has
// left, and however much it has to say.
func TestTurnsAreShared(t *testing.T) {
	e, err := NewEpoll(Options{Loops: 1, MaxTurn: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	const many, rounds = 3, 30
	var mu sync.Mutex
	var turns []*slowSource
	start := make(map[*slowSource]bool)
	for range many {
		nc, peer := pair(t)
		s := &slowSource{log: func(s *slowSource) {
			mu.Lock()
			defer mu.Unlock()
			if start[s] = true; len(start) == many { // all are there
				turns = append(turns, s)
			}
		}}
		e.Add(nc, nil, func(c Conn) Source { s.conn = c; return s })
		peer.Write(make([]byte, 60_000))
	}
	eventually(t, "there were turns", func() bool { mu.Lock(); defer mu.Unlock(); return len(turns) >= many*rounds })
	mu.Lock()
	defer mu.Unlock()
	for i := range turns[1:] {
		if turns[i] == turns[i+1] {
			t.Fatalf("turn %d of %d is of who had the one before", i+1, len(turns))
		}
	}
}
