package journal

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

// Options are what a Local needs besides its store.
type Options struct {
	Feed     func([]Outcome)  // the outcome feed: called in order, by one goroutine
	Now      func() time.Time // the clock that At comes from
	Log      *slog.Logger
	Applied  func(events int, took time.Duration) // hears of each batch that was stored; nil: nobody does
	Queue    int                                  // events that may wait; 0: 8192
	Batch    int                                  // events of one transaction; 0: 1024
	MaxRooms int                                  // rooms there may be
	Expiry   func() wire.Time                     // Batch.Expiry of the next batch; nil: HoldName before Now
}

// Local orders the events of one server: first come, first served. Everything that arrives while one commit runs is the
// next batch.
type Local struct {
	store Store
	opt   Options
	wake  chan struct{} // holds one token while there may be work

	mu      sync.Mutex
	queue   []Event  // guarded by mu
	waiting []func() // guarded by mu: who found the queue full
	closed  bool     // guarded by mu

	doubtful atomic.Bool           // written by Step: whether there is a doubt
	failure  atomic.Pointer[error] // written by Step: why a batch was not stored; nil: something that was said is stored since

	// Owned by Step.
	spare   []Event // the array that queue had before, to be filled again
	taken   []Event // events in work, in order
	doubt   *Batch  // the batch of which it is unknown whether it is stored
	at      uint64  // its position
	results []Outcome
	told    string // the error that was logged last; empty: something that was said is stored since
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
func (l *Local) Submit(e Event, room func()) error {
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
		l.poke()
	}
	return nil
}

func (l *Local) poke() {
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
	l.poke()
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
			if l.news(err) {
				l.opt.Log.Error("the journal is in doubt, nothing is said until that is settled", "err", err)
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
	l.doubtful.Store(err != nil)
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

// news reports whether the log does not know of an error yet: the same one is logged once until something that was said is stored.
func (l *Local) news(err error) bool {
	known := l.told == err.Error()
	l.told = err.Error()
	return !known
}

// InDoubt tells whether it is unknown what is stored, so that nothing can be said for now.
func (l *Local) InDoubt() bool { return l.doubtful.Load() }

func (l *Local) step() (bool, error) {
	if l.doubt == nil && !l.take() {
		return false, nil
	}
	if l.doubt != nil {
		if err := l.store.Reopen(); err != nil {
			return true, err
		}
	} else {
		l.doubt, l.at = l.admit(), l.store.Position()+1
	}
	if len(l.doubt.Events) > 0 {
		if err := l.apply(); err != nil {
			return true, err
		}
	}
	l.doubt = nil
	l.opt.Feed(l.results)
	return true, nil
}

// take takes what waits, up to a batch, and wakes who waited for room.
func (l *Local) take() bool {
	l.mu.Lock()
	if len(l.queue) <= l.opt.Batch {
		l.taken, l.queue, l.spare = l.queue, l.spare[:0], l.queue
	} else {
		l.taken = append(l.taken[:0:0], l.queue[:l.opt.Batch]...)
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
	return len(l.taken) > 0
}

// admit sorts out what is refused without asking the store, and makes a batch of the rest. It leaves a refusal in
// results for each event that is out, and room for an outcome for each that is in.
func (l *Local) admit() *Batch {
	free, err := l.store.Free()
	full := err == nil && free < MinFree
	b := &Batch{At: wire.TimeOf(l.opt.Now()), MaxRooms: l.opt.MaxRooms, Events: make([]Event, 0, len(l.taken))}
	if l.opt.Expiry != nil {
		b.Expiry = l.opt.Expiry()
	} else {
		b.Expiry = b.At - wire.Time(HoldName/time.Millisecond)
	}
	l.results = make([]Outcome, len(l.taken))
	for i, e := range l.taken {
		switch {
		case e.Kind == Say && e.Origin != nil && e.Epoch < e.Origin.barred:
			l.refuse(i, "one before it was refused; send that first, then this")
		case e.Kind == Say && full:
			l.refuse(i, "the server's disk is full; nothing more can be said until there is room")
		default:
			b.Events = append(b.Events, e)
		}
	}
	return b
}

func (l *Local) refuse(i int, reason string) {
	e := l.taken[i]
	l.results[i] = Outcome{Event: e, Verdict: Refused, Err: &wire.Error{Code: wire.Unavailable, Reason: reason, RetryAfter: retryAfter}}
	if e.Kind == Say && e.Origin != nil {
		e.Origin.barred = max(e.Origin.barred, e.Epoch+1)
	}
}

// apply stores the batch and fills in its outcomes.
func (l *Local) apply() error {
	begun := time.Now()
	outcomes, err := l.store.Apply(l.doubt, l.at)
	if err == nil && l.opt.Applied != nil {
		l.opt.Applied(len(outcomes), time.Since(begun))
	}
	if err != nil && !errors.Is(err, ErrRolledBack) {
		return err
	}
	if err != nil {
		l.failure.Store(&err)
		if l.news(err) {
			l.opt.Log.Error("a batch was not stored", "events", len(l.doubt.Events), "err", err)
		}
	} else if slices.ContainsFunc(l.doubt.Events, func(e Event) bool { return e.Kind == Say }) { // others may need no space
		l.failure.Store(nil)
		l.told = ""
	}
	next := 0
	for i := range l.results {
		switch {
		case l.results[i].Verdict != 0:
		case err != nil:
			l.refuse(i, "the server could not write to its disk; nothing was stored, so send it again")
		default:
			l.results[i] = outcomes[next]
			next++
		}
	}
	return nil
}
