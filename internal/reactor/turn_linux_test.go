package reactor

import (
	"sync"
	"testing"
	"time"
)

// slow is a source that takes its time for each byte, and has always more to say.
type slow struct {
	conn Conn
	log  func(*slow)
}

func (s *slow) Next(int) ([]byte, bool) { return []byte("x"), true }

func (s *slow) Wrote(int) {}

func (s *slow) Received(b []byte) (int, error) {
	if len(b) == 0 {
		s.conn.Finish()
		return 0, nil
	}
	s.log(s)
	for began := time.Now(); time.Since(began) < 2*time.Millisecond; {
	}
	s.conn.Wake()
	return 1, nil
}

func (s *slow) Closed(error) {}

// One that has used its time waits until the others of its loop have had their turn, however much of what came it has
// left, and however much it has to say.
func TestTurnsAreShared(t *testing.T) {
	e, err := NewEpoll(Options{Loops: 1, Turn: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	const many, rounds = 3, 30
	var mu sync.Mutex
	var turns []*slow
	began := make(map[*slow]bool)
	for range many {
		nc, peer := pair(t)
		s := &slow{log: func(s *slow) {
			mu.Lock()
			defer mu.Unlock()
			if began[s] = true; len(began) == many { // all are there
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
