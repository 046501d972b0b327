package chat

import (
	"errors"
	"sync"
	"time"

	"ramai/internal/eventlog"
	"ramai/wire"
)

// ErrBehind is returned by Join for a position that this node does not know, but that another node of the cluster may have
// reached already. Join can be called again, with Judge set, when CatchUp is done.
var ErrBehind = errors.New("this node may be behind the position")

// errStillBehind is the answer to a position that cannot be judged because nothing is being ordered.
var errStillBehind = &wire.CodedError{
	Code: wire.Unavailable, RetryAfter: time.Second,
	Reason: "this server cannot tell yet whether it has everything up to your position; try again, or connect to another server of the cluster",
}

// catchUp waits until this node has applied everything ordered so far: it submits a barrier and waits for its outcome.
// There is one barrier at a time, however many positions wait for it.
type catchUp struct {
	mu      sync.Mutex
	ordered bool          // guarded by mu: a barrier is in flight
	next    []func(error) // guarded by mu: callbacks that wait for the next barrier
}

// behind reports whether another node may know a position that this one does not.
func (s *Service) behind(room string, p *wire.Position) bool {
	return s.cfg.Shared && p != nil && (p.HistoryID == s.cfg.Store.HistoryID() || p.HistoryID == "") && !s.cfg.Store.Contains(room, p)
}

// CatchUp calls done, on another goroutine or at once, when this node has applied everything that any node had applied when
// CatchUp was called. An error means that it is unknown when that will be.
func (s *Service) CatchUp(done func(error)) {
	c := &s.catchUp
	c.mu.Lock()
	c.next = append(c.next, done)
	begin := !c.ordered
	c.ordered = true
	c.mu.Unlock()
	if begin {
		s.orderBarrier()
	}
}

// orderBarrier submits a barrier for all that wait. The caller has set ordered.
func (s *Service) orderBarrier() {
	c := &s.catchUp
	c.mu.Lock()
	waiting := c.next
	c.next, c.ordered = nil, len(waiting) > 0
	c.mu.Unlock()
	if len(waiting) == 0 {
		return
	}
	settle := func(err error) {
		for _, done := range waiting {
			done(err)
		}
		s.orderBarrier()
	}
	to := &eventlog.ReplyTo{
		Deliver: func(_ *eventlog.Submission, o *eventlog.Outcome) {
			if o.Status == eventlog.Refused {
				settle(errStillBehind)
			} else {
				settle(nil)
			}
		},
		Lost: func() { settle(errStillBehind) },
	}
	if err := s.submit(eventlog.Command{Kind: eventlog.Barrier}, &Reply{To: to}); err != nil {
		settle(errStillBehind)
	}
}
