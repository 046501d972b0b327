package reactor

import (
	"sync"
	"testing"
	"time"
)

// However many sources have long turns, another source waits for one of them at most.
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
	eventually(t, "all have answered", func() bool { mu.Lock(); defer mu.Unlock(); return len(waits) == 10 })
	mu.Lock()
	defer mu.Unlock()
	for _, n := range waits[2:] { // after the slow sources have been found out
		if n > 1 {
			t.Fatalf("turns of slow sources before that of another one: %d, want at most 1", waits)
		}
	}
}

// With goroutines per connection, only one slow source runs at a time.
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
		t.Errorf("%d slow sources ran at once, want 1", peak)
	}
}

// promptSource is a source that uses its input at once.
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

// slowSource is a source that takes long for each byte and always has output.
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

// A source that has used up its turn waits until the others of its loop have had theirs, even if it has more input and
// output.
func TestTurnsShared(t *testing.T) {
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
			if start[s] = true; len(start) == many { // all have begun
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
			t.Fatalf("turn %d of %d belongs to the source that had the one before", i+1, len(turns))
		}
	}
}
