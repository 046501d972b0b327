package eventlog

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"ramai/wire"
)

// MinFree is the space, in bytes, below which nothing more may be said. What makes room still works.
const MinFree = 16 << 20

// retryAfter is how long clients are asked to wait when the disk refuses.
const retryAfter = time.Second

// retryDamaged is the same when that will take somebody to mend the data.
const retryDamaged = 10 * time.Second

// Options are what a Local needs besides its store.
type Options struct {
	Feed     Feed             // called in order, by one goroutine
	Now      func() time.Time // the clock that At comes from
	Logger   *slog.Logger
	Applied  func(events int, took time.Duration) // hears of each batch that was stored; nil: nobody does
	Queue    int                                  // events that may wait; 0: 8192
	Batch    int                                  // events of one transaction; 0: 1024
	MaxRooms int                                  // rooms there may be
	Expiry   func() wire.Time                     // Batch.Expiry of the next batch; nil: NameLeaseTime before Now
}

// A Feed receives outcomes in the order of their commands. submissions[i] is what outcomes[i] answers; it is valid only
// during the call. There are no submissions for commands that were submitted to other nodes.
type Feed func(outcomes []Outcome, submissions []Submission)

// Local orders the events of one server: first come, first served. Everything that arrives while one commit runs is the
// next batch.
type Local struct {
	store Store
	opt   Options
	wake  chan struct{} // holds one token while there may be work

	mu      sync.Mutex
	queue   []Submission // guarded by mu
	waiting []func()     // guarded by mu: who found the queue full
	closed  bool         // guarded by mu

	anyDoubt atomic.Bool           // written by Step: whether there is a doubt
	failure  atomic.Pointer[error] // written by Step: why a batch was not stored; nil: something that was said is stored since

	// Owned by Step.
	spare      []Submission // the array that queue had before, to be filled again
	working    []Submission // events in work, in order
	parts      []part       // of those, what is to be stored yet
	inDoubt    bool         // it is unknown whether the first part is stored
	at         uint64       // its position
	results    []Outcome
	lastLogged string // the error that was logged last; empty: something that was said is stored since
}

// A part of the events in work is stored by itself.
type part struct {
	batch *Batch
	index []int // of its events among the events in work
}

// NewLocal returns an orderer over store. It does nothing until Run or Step is called.
func NewLocal(store Store, opt Options) *Local {
	if opt.Queue == 0 {
		opt.Queue = 8192
	}
	if opt.Batch == 0 {
		opt.Batch = 1024
	}
	return &Local{store: store, opt: opt, wake: make(chan struct{}, 1)}
}

// Submit puts e into the queue. It never blocks. It returns ErrBusy if the queue is full: then room, unless nil, is
// called once when it is not. It returns ErrClosed after Close.
func (l *Local) Submit(e Submission, room func()) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.closed:
		return ErrClosed
	case len(l.queue) >= l.opt.Queue:
		if room != nil {
			l.waiting = append(l.waiting, room)
		}
		return ErrBusy
	}
	l.queue = append(l.queue, e)
	if len(l.queue) == 1 {
		l.signal()
	}
	return nil
}

func (l *Local) signal() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// Close ends submitting. Run returns when everything in the queue is done.
func (l *Local) Close() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.signal()
}

// Run steps until Close was called and the queue is empty, or until ctx is done; then what waits is not stored, and
// nobody is told anything of it.
func (l *Local) Run(ctx context.Context) error {
	const shortest, longest = 50 * time.Millisecond, time.Second
	pause := shortest
	for {
		worked, err := l.Step()
		switch {
		case err != nil:
			if l.isNews(err) {
				l.opt.Logger.Error("the journal is in doubt, nothing is said until that is settled", "err", err)
			}
			select {
			case <-ctx.Done():
				return errors.Join(ctx.Err(), err)
			case <-time.After(pause):
			}
			pause = min(2*pause, longest)
		case worked:
			pause = shortest
		default:
			l.mu.Lock()
			done := l.closed && len(l.queue) == 0
			l.mu.Unlock()
			if done {
				return nil
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-l.wake:
			}
		}
	}
}

// Step stores one batch and feeds its outcomes. It returns whether there was one. An error means that it is not known
// what is stored: nobody has been told anything, and the next Step goes on with finding out. Called by one goroutine.
func (l *Local) Step() (bool, error) {
	worked, err := l.step()
	l.anyDoubt.Store(err != nil)
	return worked, err
}

// Queued is how many events wait.
func (l *Local) Queued() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.queue)
}

// Failure is why a batch was not stored, so that all that was in it was refused; nil when something that was said is stored
// since then.
func (l *Local) Failure() error {
	if err := l.failure.Load(); err != nil {
		return *err
	}
	return nil
}

// isNews reports whether the log does not know of an error yet: the same one is logged once until something that was said is stored.
func (l *Local) isNews(err error) bool {
	known := l.lastLogged == err.Error()
	l.lastLogged = err.Error()
	return !known
}

// InDoubt tells whether it is unknown what is stored, so that nothing can be said for now.
func (l *Local) InDoubt() bool { return l.anyDoubt.Load() }

func (l *Local) step() (bool, error) {
	if len(l.parts) == 0 {
		if !l.nextCommands() {
			return false, nil
		}
		l.parts = l.admit()
	}
	for len(l.parts) > 0 {
		if l.inDoubt {
			if err := l.store.Reopen(); err != nil {
				return true, err
			}
		} else {
			l.at = l.store.Position() + 1
		}
		if err := l.apply(&l.parts[0]); err != nil {
			l.inDoubt = true
			return true, err
		}
		l.inDoubt = false
	}
	l.parts = nil
	l.opt.Feed(l.results, l.working)
	return true, nil
}

// nextCommands takes what waits, up to a batch, and wakes who waited for room.
func (l *Local) nextCommands() bool {
	l.mu.Lock()
	if len(l.queue) <= l.opt.Batch {
		l.working, l.queue, l.spare = l.queue, l.spare[:0], l.queue
	} else {
		l.working = append(l.working[:0:0], l.queue[:l.opt.Batch]...)
		rest := copy(l.queue, l.queue[l.opt.Batch:])
		clear(l.queue[rest:])
		l.queue = l.queue[:rest]
	}
	waiting := l.waiting
	l.waiting = nil
	l.mu.Unlock()
	for _, room := range waiting {
		room()
	}
	return len(l.working) > 0
}

// admit sorts out what is refused without asking the store, and makes batches of the rest: one of what clients want, and
// others of what keeps the data tidy, so that nothing that is said fails with that. It leaves a refusal in results for each event that is
// out, and room for an outcome for each that is in.
func (l *Local) admit() []part {
	free, err := l.store.Free()
	full := err == nil && free < MinFree
	health := l.store.Health()
	if health.Err == nil {
		health.Err = err // the disk is not what it was
	}
	l.results = make([]Outcome, len(l.working))
	said, expiries, parts := l.part(len(l.working)), l.part(0), []part(nil)
	for i, e := range l.working {
		switch reason := health.refuses(&e.Command); {
		case fenced(&e):
			l.refuse(i, refusedBefore, retryAfter)
		case reason != "":
			l.refuse(i, reason, retryDamaged)
		case e.Kind == Say && full:
			l.refuse(i, "the server's disk is full; nothing more can be said until there is room", retryAfter)
		case e.Kind == ExpireName:
			expiries.add(i, e.Command)
		case e.maintenance():
			parts = append(parts, l.one(i))
		default:
			said.add(i, e.Command)
		}
	}
	parts = append([]part{said, expiries}, parts...)
	return slices.DeleteFunc(parts, func(p part) bool { return len(p.index) == 0 })
}

// maintenance tells whether an event is one of those that keep the data tidy, which nobody waits for.
func (e *Command) maintenance() bool {
	return e.Kind == Trim || e.Kind == ExpireName || e.Kind == RotateIDs || e.Kind == PruneIDs
}

// part returns a part without events, with room for some.
func (l *Local) part(events int) part {
	b := &Batch{At: wire.TimeOf(l.opt.Now()), MaxRooms: l.opt.MaxRooms, Commands: make([]Command, 0, events)}
	if l.opt.Expiry != nil {
		b.Expiry = l.opt.Expiry()
	} else {
		b.Expiry = b.At - wire.Time(NameLeaseTime/time.Millisecond)
	}
	return part{batch: b, index: make([]int, 0, events)}
}

func (p *part) add(i int, e Command) {
	p.batch.Commands, p.index = append(p.batch.Commands, e), append(p.index, i)
}

// one makes a part of one event in work.
func (l *Local) one(i int) part {
	p := l.part(1)
	p.add(i, l.working[i].Command)
	return p
}

// refuses says why an event is not for the store as it is; empty: it is. What the server itself wants goes on.
func (h Health) refuses(e *Command) string {
	if e.maintenance() || e.Kind == Restart {
		return ""
	}
	room := ""
	if e.Kind == Say {
		room = e.Room
	}
	if err := h.Of(room); err != nil {
		return err.Error()
	}
	return ""
}

const refusedBefore = "a message before it was refused; send that first, then this"

// barred tells whether an event came behind one that was refused and has to come first.
func fenced(e *Submission) bool {
	return e.Kind == Say && e.ReplyTo != nil && e.Fence < e.ReplyTo.fencedBelow
}

func (l *Local) refuse(i int, reason string, retry time.Duration) {
	e := l.working[i]
	l.results[i] = Outcome{Command: e.Command, Status: Refused, Err: &wire.CodedError{Code: wire.Unavailable, Reason: reason, RetryAfter: retry}}
	if e.Kind == Say && e.ReplyTo != nil {
		e.ReplyTo.fencedBelow = max(e.ReplyTo.fencedBelow, e.Fence+1)
	}
}

// apply stores the first part and fills in its outcomes. A part that fails for another reason than a full disk is stored
// event by event, so that what is wrong with one of them refuses no other.
func (l *Local) apply(p *part) error {
	if i := p.index[0]; len(p.index) == 1 && !l.inDoubt && fenced(&l.working[i]) { // since it was admitted
		l.refuse(i, refusedBefore, retryAfter)
		l.parts = l.parts[1:]
		return nil
	}
	begun := time.Now()
	outcomes, err := l.store.Apply(p.batch, l.at)
	switch {
	case err == nil:
		if l.opt.Applied != nil {
			l.opt.Applied(len(outcomes), time.Since(begun))
		}
		for k, i := range p.index {
			l.results[i] = outcomes[k]
		}
		if slices.ContainsFunc(p.batch.Commands, func(e Command) bool { return e.Kind == Say }) { // others may need no space
			l.failure.Store(nil)
			l.lastLogged = ""
		}
	case !errors.Is(err, ErrRolledBack):
		return err
	case len(p.index) > 1 && !errors.Is(err, ErrFull) && l.store.Health().Err == nil:
		if l.isNews(err) {
			l.opt.Logger.Error("a batch was not stored; its events are stored one by one", "events", len(p.index), "err", err)
		}
		var singles []part
		for _, i := range p.index {
			singles = append(singles, l.one(i))
		}
		l.parts = append(singles, l.parts[1:]...)
		return nil
	default:
		l.failure.Store(&err)
		if l.isNews(err) {
			l.opt.Logger.Error("a batch was not stored", "events", len(p.index), "err", err)
		}
		for _, i := range p.index {
			l.refuse(i, "the server could not write to its disk; nothing was stored, so send it again", retryAfter)
		}
	}
	l.parts = l.parts[1:]
	return nil
}
