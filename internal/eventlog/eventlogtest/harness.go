package eventlogtest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"ramai/internal/eventlog"
)

// A suite is the environment of the tests of a log.
type suite struct {
	fresh        func(t *testing.T) Location
	newSequencer func() eventlog.Sequencer
}

// A harness is a log over a Faulty store, with the outcomes that were fed.
type harness struct {
	*eventlog.Log
	store     *Faulty
	exclusive bool // see eventlog.Sequencer
	clock     time.Time
	before    uint64 // the position at the start of the test
	t         fatal

	logged strings.Builder // written by Step

	mu  sync.Mutex
	fed []string // one line for each outcome: the command's id or name, and its status; guarded by mu
}

func (s suite) open(t *testing.T, opt eventlog.Options) *harness {
	t.Helper()
	store := s.fresh(t).Open()
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	o := newHarness(t, store, s.newSequencer(), opt)
	if !o.exclusive {
		o.run()
		o.store.applied = nil
	}
	o.before = store.Position()
	return o
}

func newHarness(t fatal, store eventlog.Store, seq eventlog.Sequencer, opt eventlog.Options) *harness {
	o := &harness{store: &Faulty{Store: store}, exclusive: seq.Exclusive(), clock: start.Std(), t: t}
	opt.Feed = func(outcomes []eventlog.Outcome, submissions []eventlog.Submission) {
		o.mu.Lock()
		defer o.mu.Unlock()
		for i := range outcomes {
			out := &outcomes[i]
			if out.Command.Kind == eventlog.Start {
				continue
			}
			o.fed = append(o.fed, out.Command.ID+nameOf(out.Command)+" "+summary(*out))
			if len(submissions) == 0 {
				continue
			}
			if reply := submissions[i].ReplyTo; reply != nil && reply.Deliver != nil {
				reply.Deliver(&submissions[i], out)
			}
		}
	}
	opt.Now, opt.Logger = func() time.Time { return o.clock }, slog.New(slog.NewTextHandler(&o.logged, nil))
	if !o.exclusive {
		opt.Node, opt.Start = "node", starts("node")
	}
	o.Log = eventlog.NewLog(o.store, seq, opt)
	return o
}

// starts returns a function for Options.Start of a node.
func starts(node string) func(after uint64) (eventlog.Submission, error) {
	return func(after uint64) (eventlog.Submission, error) {
		body := eventlog.StartBody{Node: node, After: after, Nonce: fmt.Sprint(node, "-", nonces.Add(1))}
		return eventlog.Submission{Command: eventlog.Command{Kind: eventlog.Start, Body: body}}, nil
	}
}

// nonces counts the starts of all nodes.
var nonces atomic.Uint64

func (o *harness) submit(commands ...eventlog.Command) {
	o.t.Helper()
	o.submitFrom(nil, 0, commands...)
}

// submitFrom submits commands whose outcomes go to replyTo.
func (o *harness) submitFrom(replyTo *eventlog.ReplyTo, fence uint64, commands ...eventlog.Command) {
	o.t.Helper()
	for _, c := range commands {
		if err := o.Submit(eventlog.Submission{Command: c, ReplyTo: replyTo, Fence: fence}, nil); err != nil {
			o.t.Fatalf("Submit(%s): %v", c.ID, err)
		}
	}
}

// run steps the log until nothing is left to do, without an error.
func (o *harness) run() {
	o.t.Helper()
	for worked := true; worked; {
		var err error
		if worked, err = o.Step(); err != nil {
			o.t.Fatalf("Step: %v", err)
		}
	}
}

// steps steps the log n times without an error.
func (o *harness) steps(n int) {
	o.t.Helper()
	for range n {
		if worked, err := o.Step(); !worked || err != nil {
			o.t.Fatalf("Step() = %v, %v", worked, err)
		}
	}
}

// failSteps steps the log n times, with an error each time and without feeding anything.
func (o *harness) failSteps(n int) {
	o.t.Helper()
	before := len(o.fed)
	for range n {
		if worked, err := o.Step(); !worked || !errors.Is(err, ErrFault) {
			o.t.Fatalf("Step() = %v, %v, want a fault", worked, err)
		}
	}
	if len(o.fed) > before {
		o.t.Fatalf("outcomes were fed while the commit was in doubt: %q", o.fed[before:])
	}
}

// wantFed compares everything that was fed since the last call.
func (o *harness) wantFed(want ...string) {
	o.t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	if !slices.Equal(o.fed, want) {
		o.t.Fatalf("fed:\n%q, want\n%q", o.fed, want)
	}
	o.fed = nil
}

func sayAll(ids ...string) (events []eventlog.Command) {
	for _, id := range ids {
		events = append(events, say("anna", "lobby", id, "x"))
	}
	return events
}

// start runs the log until the end of the test, which the test must cause; it returns the result of Run.
func (o *harness) start(ctx context.Context) <-chan error {
	done := make(chan error, 1)
	go func() { done <- o.Run(ctx) }()
	synctest.Wait()
	return done
}

func (o *harness) wantNumbers(room string, last uint64) {
	o.t.Helper()
	j := tested{Store: o.store, t: o.t}
	var want []uint64
	for n := range last {
		want = append(want, n+1)
	}
	if got := numbers(j.all(room)); !slices.Equal(got, want) || o.store.Bounds(room).Last != last {
		o.t.Fatalf("%s has %v and the bounds %v, want 1 to %d", room, got, o.store.Bounds(room), last)
	}
}
