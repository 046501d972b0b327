package chat

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"go.uber.org/goleak"

	"ramai/internal/eventlog"
	"ramai/internal/fanout"
	"ramai/internal/room"
	"ramai/internal/sequencer/local"
	"ramai/internal/store/memory"
	"ramai/internal/store/search"
	"ramai/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server is a Service with a store in memory, stepped by its test.
type server struct {
	*Service
	tb       testing.TB
	clock    time.Time
	store    *memory.Store
	hub      *room.Hub
	log      *eventlog.Log
	submit   func(eventlog.Submission, func()) error // of the log, unless a test replaces it
	search   func(search.Query)                      // called for each query
	jobs     []func()                                // started by the hub, or hashing passwords, run by step
	outcomes []eventlog.Outcome                      // of commands submitted with reply
}

func newServer(tb testing.TB, rates RateLimits) *server {
	c := &server{tb: tb, clock: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	random, logger := rand.NewChaCha8([32]byte{1}), slog.New(slog.DiscardHandler)
	now := func() time.Time { return c.clock }
	var err error
	if c.store, err = memory.New(random); err != nil {
		tb.Fatal(err)
	}
	c.hub = room.NewHub(c.store, room.Options{Budget: fanout.NewBudget(1 << 20), Logger: logger, Go: func(_ netip.Prefix, f func()) { c.jobs = append(c.jobs, f) }})
	c.log = eventlog.NewLog(c.store, local.New(), eventlog.Options{Feed: c.hub.Feed, Now: now, Logger: logger, Queue: 4})
	c.submit = c.log.Submit
	limits := eventlog.Command{Kind: eventlog.Configure, Body: eventlog.ConfigureBody{Limits: eventlog.Limits{MaxRooms: 100, EditWindow: 15 * time.Minute}}}
	if err := c.submit(eventlog.Submission{Command: limits}, nil); err != nil {
		tb.Fatal(err)
	}
	c.step()
	c.Service = New(Config{
		Hub: c.hub, Store: c.store, Submit: func(s eventlog.Submission, space func()) error { return c.submit(s, space) },
		Search: func(_ context.Context, q search.Query) (*wire.SearchResponse, *wire.CodedError) {
			c.search(q)
			return new(wire.SearchResponse), nil
		},
		Rates: rates, Limits: wire.Limits{Text: 100, Rooms: 2}, Now: now, Random: random, Logger: logger,
		Hash: func(_ netip.Prefix, f func()) { c.jobs = append(c.jobs, f) },
	})
	return c
}

// step lets the log store waiting commands, and the hub run its reads. It returns the outcomes received since the last
// step.
func (c *server) step() []eventlog.Outcome {
	c.tb.Helper()
	for {
		for worked := true; worked; {
			var err error
			if worked, err = c.log.Step(); err != nil {
				c.tb.Fatal(err)
			}
		}
		if len(c.jobs) == 0 {
			break
		}
		job := c.jobs[0]
		c.jobs = c.jobs[1:]
		job()
	}
	came := c.outcomes
	c.outcomes = nil
	return came
}

// reply returns a Reply that keeps the outcome for step.
func (c *server) reply() Reply {
	return Reply{Fence: 1, To: &eventlog.ReplyTo{Deliver: func(_ *eventlog.Submission, o *eventlog.Outcome) { c.outcomes = append(c.outcomes, *o) }}}
}

// member is a member of a room that ignores all notifications.
type member struct{ *Actor }

func (member) Wake()                   {}
func (member) Interrupt()              {}
func (member) Judged(*eventlog.Judged) {}

func (member) Marked(*eventlog.Outcome, *eventlog.ReplyTo) {}
func (m member) SenderID() string                          { return m.Actor.SenderID }
func (m member) RemoteAddr() netip.AddrPort                { return m.Addr }
