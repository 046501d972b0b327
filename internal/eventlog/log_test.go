package eventlog_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
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

// TestManyAtOnce: many goroutines submit at once to a queue that is too short for them. Each waits until it is notified
// that there is space.
func TestManyAtOnce(t *testing.T) {
	const publishers, each = 8, 500
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
	for i := range publishers {
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
			t.Fatalf("outcome %d is %+v; want number %d to be message %d of %s", i, o, i+1, next[o.Command.SenderID], o.Command.SenderID)
		}
		next[o.Command.SenderID]++
	}
	if len(heard) != publishers*each || s.Bounds("lobby").Last != publishers*each {
		t.Errorf("%d outcomes, the head is %v, want %d", len(heard), s.Bounds("lobby"), publishers*each)
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

// TestStartRolledBack: a Start that is rolled back is retried after a pause, and does not keep a closed log from ending.
func TestStartRolledBack(t *testing.T) {
	faulty := &eventlogtest.Faulty{Store: store(t)}
	refused := make(chan *eventlog.Outcome, 1)
	l := eventlog.NewLog(faulty, local.New(), eventlog.Options{
		Feed: func(outcomes []eventlog.Outcome, submissions []eventlog.Submission) {
			for i := range submissions {
				submissions[i].ReplyTo.Deliver(&submissions[i], &outcomes[i])
			}
		},
		Now:    time.Now,
		Logger: slog.New(slog.DiscardHandler),
		Start: func(after uint64) (eventlog.Submission, error) {
			faulty.Fail(eventlogtest.Full)
			nonce, err := eventlog.NewNonce(rand.Reader)
			return eventlog.Submission{
				Command: eventlog.Command{Kind: eventlog.Start, Body: eventlog.StartBody{Node: eventlog.LocalNode, After: after, Nonce: nonce}},
				ReplyTo: &eventlog.ReplyTo{Deliver: func(_ *eventlog.Submission, o *eventlog.Outcome) {
					select {
					case refused <- o:
					default:
					}
				}},
			}, err
		},
	})
	ended := make(chan error)
	go func() { ended <- l.Run(t.Context()) }()
	if o := <-refused; o.Status != eventlog.Refused {
		t.Errorf("the start is %v, want refused", o.Status)
	}
	l.Close()
	if err := <-ended; !errors.Is(err, eventlog.ErrRolledBack) {
		t.Errorf("Run returned %v, want %v", err, eventlog.ErrRolledBack)
	}
}

// slow is a non-exclusive sequencer that delivers a batch only when the test allows it.
type slow struct {
	submitted *eventlog.Batch
	deliver   bool
}

func (*slow) Exclusive() bool                  { return false }
func (*slow) Notify(func())                    {}
func (*slow) Close() error                     { return nil }
func (s *slow) Submit(b *eventlog.Batch) error { s.submitted = b; return nil }
func (s *slow) Next(after uint64) (*eventlog.Batch, uint64, error) {
	if b := s.submitted; b != nil && s.deliver {
		s.submitted = nil
		return b, after + 1, nil
	}
	return nil, 0, nil
}

// TestUnfitCommand: a command that cannot be encoded is refused, and blocks no other.
func TestUnfitCommand(t *testing.T) {
	sequencer := &slow{deliver: true}
	var statuses []eventlog.Status
	l := eventlog.NewLog(store(t), sequencer, eventlog.Options{
		Feed: func(outcomes []eventlog.Outcome, submissions []eventlog.Submission) {
			for i := range submissions {
				if submissions[i].ReplyTo != nil {
					submissions[i].ReplyTo.Deliver(&submissions[i], &outcomes[i])
				}
			}
		},
		Now:    time.Now,
		Logger: slog.New(slog.DiscardHandler),
		Start: func(after uint64) (eventlog.Submission, error) {
			return eventlog.Submission{Command: eventlog.Command{Kind: eventlog.Start,
				Body: eventlog.StartBody{Node: eventlog.LocalNode, After: after, Nonce: "nonce"}}}, nil
		},
	})
	to := &eventlog.ReplyTo{Deliver: func(_ *eventlog.Submission, o *eventlog.Outcome) { statuses = append(statuses, o.Status) }}
	for _, say := range []eventlog.Command{
		{Kind: eventlog.Say, SenderID: "bert", Room: "lobby", ID: "1", Text: ""},
		{Kind: eventlog.Say, SenderID: "bert", Room: "lobby", ID: "2", Text: "\xff"},
		{Kind: eventlog.Say, SenderID: "bert", Room: "lobby", ID: "3", Text: "x"},
	} {
		if err := l.Submit(eventlog.Submission{Command: say, ReplyTo: to, Fence: 1}, nil); err != nil {
			t.Fatal(err)
		}
	}
	for range 10 {
		if _, err := l.Step(); err != nil {
			t.Fatal(err)
		}
	}
	if want := []eventlog.Status{eventlog.Saved, eventlog.Refused, eventlog.Saved}; !slices.Equal(statuses, want) {
		t.Errorf("statuses %v, want %v", statuses, want)
	}
}
