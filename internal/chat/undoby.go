package chat

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"ramai/internal/eventlog"
	"ramai/internal/fairqueue"
	"ramai/wire"
)

// Limits of one request that undoes what a moderator did.
const (
	maxUndoSteps    = 1000
	maxUndoErasures = 10 // each hides messages until it is done, and all reads of the room consult it
	undoBatch       = 32 // steps that are submitted at once
	maxUndoing      = 2  // requests that are carried out at once
	maxUndoWaiting  = 64 // requests that wait for their turn, of all senders
	undoTimeout     = 20 * time.Second
)

// undoing carries out requests that undo what a moderator did, one of each sender at a time.
type undoing struct {
	turns *fairqueue.Queue
	ctx   context.Context // ends when the server stops
	stop  func()

	mu     sync.Mutex
	active map[string]bool // guarded by mu: senders with a request that has not ended
}

func newUndoing() undoing {
	ctx, stop := context.WithCancel(context.Background())
	return undoing{turns: fairqueue.New(maxUndoing), ctx: ctx, stop: stop, active: make(map[string]bool)}
}

// begin notes that a request of a sender has begun. It returns an error if the sender has another one, or too many wait.
func (u *undoing) begin(senderID string) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	switch {
	case u.active[senderID]:
		return &wire.CodedError{Code: wire.RateLimited, RetryAfter: time.Second, Reason: "your last request to undo what a moderator did is not finished; wait for its answer"}
	case len(u.active) == maxUndoWaiting:
		return &wire.CodedError{Code: wire.Unavailable, RetryAfter: time.Second, Reason: "too many owners undo what a moderator did; try again in a moment"}
	}
	u.active[senderID] = true
	return nil
}

func (u *undoing) end(senderID string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.active, senderID)
}

// UndoBy undoes what a moderator did, for an owner of the room, in the background, and calls done on another goroutine. If it returns an
// error, done is not called. It submits an ordinary command for each setting and erasure, so that each is decided and recorded like those
// of clients. Repeating it undoes what is left.
func (s *Service) UndoBy(a *Actor, m *wire.Moderate, done func(wire.Undone, error)) error {
	if wait := s.rates.Take(s.cfg.Now(), a.SenderID, a.Addr.Addr(), readCost); wait > 0 {
		return rateLimited(wait)
	}
	if err := s.mayUndoBy(a.sender(), m.Room); err != nil {
		return err
	}
	if err := s.undoing.begin(a.sender()); err != nil {
		return err
	}
	actor := Actor{SenderID: a.SenderID, Addr: a.Addr}
	s.jobs.Add(1)
	s.undoing.turns.Go(Network(a.Addr.Addr()), func() {
		defer s.jobs.Done()
		undone, err := s.undoBy(&actor, m)
		s.undoing.end(actor.sender()) // before the answer, after which the client may send the next one
		done(undone, err)
	})
	return nil
}

// mayUndoBy refuses senders who are not owners of a room.
func (s *Service) mayUndoBy(senderID, room string) error {
	if base, _ := wire.BaseRoom(room); base != room {
		return &wire.CodedError{Code: wire.BadRequest, Reason: fmt.Sprintf("what was done in %s is undone there; send this for the room %s", base, base)}
	}
	if role, _ := s.cfg.Store.Role(room, senderID, wire.TimeOf(s.cfg.Now())); role >= wire.RoleOwner {
		return nil
	}
	return &wire.CodedError{
		Code: wire.NotAllowed, Reason: fmt.Sprintf("only owners of the room %s undo what a moderator did", room),
		Rule: wire.RuleRole, Params: wire.Params{wire.ParamRole: wire.TextValue(wire.RoleOwner.String())},
	}
}

func (s *Service) undoBy(a *Actor, m *wire.Moderate) (wire.Undone, error) {
	ctx, cancel := context.WithTimeout(s.undoing.ctx, undoTimeout)
	defer cancel()
	plan := newUndoPlan(s.cfg.Store, m, a.sender(), wire.TimeOf(s.cfg.Now()))
	err := plan.make(ctx)
	s.rates.Worked(s.cfg.Now(), key(a.SenderID), a.Addr.Addr(), plan.looked/recordsPerWork)
	if err != nil && Refusal(err) == nil {
		s.cfg.Logger.Error("cannot read what a moderator did", "room", m.Room, "err", err)
		err = s.Unreadable(m.Room)
	}
	if err == nil {
		err = s.mayUndoBy(a.sender(), m.Room) // after reading, so that nothing is shown to a former owner
	}
	if err == nil {
		err = s.MayRead(a, m.Room)
	}
	if err != nil {
		return wire.Undone{}, err
	}
	u := wire.Undone{Room: m.Room, ID: m.ID, Dry: m.Dry, To: plan.to, Rest: sample(plan.rest), RestCount: plan.restCount}
	if m.Dry {
		u.Count = len(plan.steps)
		for i := range plan.steps[:min(len(plan.steps), wire.UndoSample)] {
			u.Steps = append(u.Steps, plan.steps[i].UndoStep)
		}
		return u, nil
	}
	steps := plan.portion()
	taken, err := s.takeSteps(ctx, a, m, steps, &u)
	if left := plan.steps[taken:]; len(left) > 0 {
		u.Next = left[0].first + 1
	}
	if refused := Refusal(err); refused != nil {
		if taken == 0 && u.Unknown == 0 {
			return wire.Undone{}, err
		}
		u.Code, u.Reason = refused.Code, refused.Reason
	}
	return u, nil
}

// sample returns the first steps of a list.
func sample(steps []wire.UndoStep) []wire.UndoStep { return steps[:min(len(steps), wire.UndoSample)] }

// takeSteps submits commands, a few at a time, and notes their outcomes. It returns how many it has dealt with before it had to stop: the
// outcomes of all these are known, and the next ones are not, or were not submitted.
// Each is charged like a request of its own, once the outcome is known, so that nobody changes more in this way than by hand.
func (s *Service) takeSteps(ctx context.Context, a *Actor, m *wire.Moderate, steps []undoStep, u *wire.Undone) (taken int, err error) {
	for some := range slices.Chunk(steps, undoBatch) {
		var decided []<-chan *eventlog.Outcome
		for i := range some {
			to, outcome := eventlog.ReplyOnce()
			if err = s.submit(s.withOrigin(a, undoCommand(a.sender(), m, &some[i])), &Reply{Fence: 1, To: to}); err != nil {
				break
			}
			decided = append(decided, outcome)
		}
		s.rates.Charge(s.cfg.Now(), a.SenderID, a.Addr.Addr(), float64(len(decided)))
		for i, outcome := range decided {
			var o *eventlog.Outcome
			select {
			case o = <-outcome: // nil: it is not known
			case <-ctx.Done():
			}
			if o == nil {
				u.Unknown = len(decided) - i
				return taken, errUndoStopped
			}
			noteOutcome(u, &some[i].UndoStep, o)
			taken++
		}
		if err != nil {
			return taken, errUndoStopped
		}
	}
	return taken, nil
}

var errUndoStopped = &wire.CodedError{
	Code: wire.Unavailable, RetryAfter: time.Second, Reason: "the server is busy, stopping, or cannot write to its disk now; send the same again for what is left",
}
