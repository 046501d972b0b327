package journal_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"ramai/internal/journal"
	"ramai/internal/journal/journaltest"
	"ramai/internal/store/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func store(t testing.TB) *memory.Store {
	s, err := memory.New(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestLocal(t *testing.T) {
	journaltest.Run(t, func(t *testing.T) journaltest.Place {
		return journaltest.Place{Open: func() journal.Store { return store(t) }}
	})
}

// Many talk at once through a queue that is too short for them. Each waits until told that there is room.
func TestManyAtOnce(t *testing.T) {
	const talkers, each = 8, 500
	var heard []journal.Outcome
	s := store(t)
	l := journal.NewLocal(s, journal.Options{
		Feed:  func(o []journal.Outcome) { heard = append(heard, o...) },
		Now:   time.Now,
		Log:   slog.New(slog.DiscardHandler),
		Queue: 7, Batch: 5, MaxRooms: 1,
	})
	done := make(chan error)
	go func() { done <- l.Run(t.Context()) }()

	var talking sync.WaitGroup
	for i := range talkers {
		talking.Go(func() {
			room := make(chan bool, 1)
			for n := range each {
				e := journal.Event{Kind: journal.Say, By: fmt.Sprint(i), Room: "lobby", ID: fmt.Sprint(n), Text: "x"}
				for {
					err := l.Submit(e, func() { room <- true })
					if err == nil {
						break
					}
					if !errors.Is(err, journal.ErrBusy) {
						t.Errorf("Submit: %v", err)
						return
					}
					<-room
				}
			}
		})
	}
	talking.Wait()
	l.Close()
	if err := <-done; err != nil {
		t.Fatal(err)
	}

	next := map[string]int{}
	for i, o := range heard {
		if o.Verdict != journal.Saved || o.N != uint64(i+1) || o.Event.ID != fmt.Sprint(next[o.Event.By]) {
			t.Fatalf("outcome %d is %+v; wanted number %d to be %d of %s", i, o, i+1, next[o.Event.By], o.Event.By)
		}
		next[o.Event.By]++
	}
	if len(heard) != talkers*each || s.Head("lobby").Last != talkers*each {
		t.Errorf("%d outcomes, the head is %v, want %d", len(heard), s.Head("lobby"), talkers*each)
	}
}

func BenchmarkLocal(b *testing.B) {
	l := journal.NewLocal(store(b), journal.Options{Feed: func([]journal.Outcome) {}, Now: time.Now, MaxRooms: 1})
	e := journal.Event{Kind: journal.Say, By: "0123456789abcdef", Room: "lobby", Text: "x", Once: true}
	b.ReportAllocs()
	for b.Loop() {
		for range 64 {
			if err := l.Submit(e, nil); err != nil {
				b.Fatal(err)
			}
		}
		if _, err := l.Step(); err != nil {
			b.Fatal(err)
		}
	}
}
