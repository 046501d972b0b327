package eventlog_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"ramai/internal/eventlog"
	"ramai/internal/eventlog/eventlogtest"
	"ramai/internal/sequencer/local"
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

func TestLog(t *testing.T) {
	eventlogtest.RunLog(t, func(t *testing.T) eventlogtest.Location {
		return eventlogtest.Location{Open: func() eventlog.Store { return store(t) }}
	}, func() eventlog.Sequencer { return local.New() })
}

// Many talk at once through a queue that is too short for them. Each waits until told that there is room.
func TestManyAtOnce(t *testing.T) {
	const talkers, each = 8, 500
	var heard []eventlog.Outcome
	s := store(t)
	l := eventlog.NewLog(s, local.New(), eventlog.Options{
		Feed:   func(o []eventlog.Outcome, _ []eventlog.Submission) { heard = append(heard, o...) },
		Now:    time.Now,
		Logger: slog.New(slog.DiscardHandler),
		Queue:  7, Batch: 5,
	})
	done := make(chan error)
	go func() { done <- l.Run(t.Context()) }()

	var talking sync.WaitGroup
	for i := range talkers {
		talking.Go(func() {
			room := make(chan bool, 1)
			for n := range each {
				e := eventlog.Command{Kind: eventlog.Say, SenderID: fmt.Sprint(i), Room: "lobby", ID: fmt.Sprint(n), Text: "x"}
				for {
					err := l.Submit(eventlog.Submission{Command: e}, func() { room <- true })
					if err == nil {
						break
					}
					if !errors.Is(err, eventlog.ErrBusy) {
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
		if o.Status != eventlog.Saved || o.N != uint64(i+1) || o.Command.ID != fmt.Sprint(next[o.Command.SenderID]) {
			t.Fatalf("outcome %d is %+v; wanted number %d to be %d of %s", i, o, i+1, next[o.Command.SenderID], o.Command.SenderID)
		}
		next[o.Command.SenderID]++
	}
	if len(heard) != talkers*each || s.Bounds("lobby").Last != talkers*each {
		t.Errorf("%d outcomes, the head is %v, want %d", len(heard), s.Bounds("lobby"), talkers*each)
	}
}

func BenchmarkLog(b *testing.B) {
	l := eventlog.NewLog(store(b), local.New(), eventlog.Options{Feed: func([]eventlog.Outcome, []eventlog.Submission) {}, Now: time.Now})
	e := eventlog.Command{Kind: eventlog.Say, SenderID: "0123456789abcdef", Room: "lobby", Text: "x", Once: true}
	b.ReportAllocs()
	for b.Loop() {
		for range 64 {
			if err := l.Submit(eventlog.Submission{Command: e}, nil); err != nil {
				b.Fatal(err)
			}
		}
		if _, err := l.Step(); err != nil {
			b.Fatal(err)
		}
	}
}
