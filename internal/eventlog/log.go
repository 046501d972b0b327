package eventlog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"
)

// Options configure a Log.
type Options struct {
	Feed    Feed             // called in order, by one goroutine
	Now     func() time.Time // the clock of this node
	At      func() time.Time // the clock of Batch.At, on which the nodes of a cluster agree; nil: Now
	Logger  *slog.Logger
	Applied func(commands int, took time.Duration) // called for each batch that was applied; may be nil
	Queue   int                                    // submissions that may wait; 0: 8192
	Batch   int                                    // commands of one transaction; 0: 1024
	Node    string                                 // the name of this node; empty: LocalNode

	Program *Program // the version of the program; nil: Current

	// Start returns the Start that begins the node's next incarnation. It is ordered before everything else, and again if
	// another process starts under the same name. nil: no incarnation is begun, which is possible only with an exclusive
	// sequencer.
	Start func(after uint64) (Submission, error)
}

const (
	// gatherFor is how long a mark waits for others, so that they become one transaction.
	gatherFor = 50 * time.Millisecond
	// resubmitAfter is how long a batch may be in flight before it is submitted again.
	resubmitAfter = time.Second
	// unavailableAfter is how long a batch may be in flight before further submissions are refused.
	unavailableAfter = 5 * time.Second
)

// Log takes submissions, has a sequencer order them in batches, and applies the batches of the sequencer to a store. One
// batch of its own is in flight at a time; submissions that arrive meanwhile form the next.
type Log struct {
	store     Store
	sequencer Sequencer
	exclusive bool // see Sequencer
	program   *Program
	opt       Options
	intake

	inDoubt     atomic.Bool           // written by Step: the last step failed
	failure     atomic.Pointer[error] // written by Step: why a batch was not stored; nil: a message was stored since
	unavailable atomic.Pointer[error] // written by Step: why nothing is ordered; nil: batches are

	// Owned by Step.
	flights      []flight // the first is in flight if it has a batch
	started      bool     // the node's incarnation has begun
	levelSettled bool     // the level was raised, was high enough, or is decided by another node
	incarnation  uint64   // of this log; 0: it has not begun, or the sequencer is exclusive
	seq          uint64   // of the newest batch of this incarnation
	batch        *Batch   // taken from the sequencer and not applied yet
	position     uint64   // of batch
	lastApplied  uint64   // the store's position after the batch before
	unknown      bool     // whether batch is stored is unknown until the store is reopened
	lastLogged   string   // the last error that was logged; empty: a message was stored since
}

// NewLog returns a log with a store, in the order of seq. It does nothing until Run or Step is called.
func NewLog(store Store, seq Sequencer, opt Options) *Log {
	if opt.Queue == 0 {
		opt.Queue = 8192
	}
	if opt.Batch == 0 {
		opt.Batch = 1024
	}
	if opt.Node == "" {
		opt.Node = LocalNode
	}
	if opt.At == nil {
		opt.At = opt.Now
	}
	if opt.Program == nil {
		opt.Program = Current
	}
	l := &Log{store: store, sequencer: seq, exclusive: seq.Exclusive(), program: opt.Program, opt: opt, intake: intake{wake: make(chan struct{}, 1)}}
	l.started, l.levelSettled, l.lastApplied = opt.Start == nil, opt.Start == nil, store.Position()
	seq.Notify(l.signal)
	return l
}

// Run steps until Close was called and the queue is processed, or until ctx is done. What is left then is not answered. It
// returns an ErrLevel when the stored level is above that of the program.
func (l *Log) Run(ctx context.Context) error {
	const shortest, longest = 50 * time.Millisecond, time.Second
	pause := shortest
	for {
		l.gather(ctx)
		worked, err := l.Step()
		wake := l.wake
		var timer <-chan time.Time
		switch {
		case errors.Is(err, ErrLevel):
			return err
		case err != nil && !l.started && l.drained(): // the Start is refused, and nothing follows it
			return err
		case err != nil:
			if l.isNews(err) {
				l.opt.Logger.Error("cannot apply the next batch; nothing is stored until that succeeds", "err", err)
			}
			wake = nil // a retry helps only later
			timer = time.After(pause)
			pause = min(2*pause, longest)
		case worked && ctx.Err() == nil:
			pause = shortest
			continue
		case l.drained() && len(l.flights) == 0:
			return nil
		case len(l.flights) > 0:
			timer = time.After(resubmitAfter)
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-wake:
		case <-timer:
		}
	}
}

// gather waits for more marks while there is nothing but marks to do. When a whole class reacts, a transaction for each mark
// would cost many times more than sending the counts. Nothing waits for a mark: screens show it at once.
func (l *Log) gather(ctx context.Context) {
	if len(l.flights) > 0 || l.batch != nil || !l.onlyMarks() {
		return
	}
	timer := time.NewTimer(gatherFor)
	defer timer.Stop()
	for l.onlyMarks() {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			return
		case <-l.wake:
			if !l.exclusive { // there may be a batch of another node
				return
			}
		}
	}
}

// Step orders or applies one batch and feeds its outcomes. It returns whether there was anything to do. After an error it
// is unknown what is stored, or the batch cannot be applied yet: nothing was fed, and the next Step tries again. It is
// called by one goroutine.
func (l *Log) Step() (bool, error) {
	worked, err := l.step()
	l.inDoubt.Store(err != nil)
	return worked, err
}

// Failure returns why the last batch was not stored and everything in it was refused; nil once a message is stored.
func (l *Log) Failure() error { return loadError(&l.failure) }

// Unavailable returns why the sequencer orders nothing at present; nil if it does.
func (l *Log) Unavailable() error { return loadError(&l.unavailable) }

func loadError(p *atomic.Pointer[error]) error {
	if err := p.Load(); err != nil {
		return *err
	}
	return nil
}

// InDoubt reports whether the next batch cannot be applied, or whether it is unknown if the last one is stored.
func (l *Log) InDoubt() bool { return l.inDoubt.Load() }

// isNews reports whether an error differs from the one logged last. The same error is logged once until a message is
// stored.
func (l *Log) isNews(err error) bool {
	known := l.lastLogged == err.Error()
	l.lastLogged = err.Error()
	return !known
}

func (l *Log) step() (worked bool, err error) {
	if err := l.program.CheckLevel(l.store.Level()); err != nil {
		return false, err
	}
	if l.batch == nil {
		if at := l.store.Position(); at != l.lastApplied {
			l.lastApplied = at
			if len(l.flights) > 0 && l.flights[0].batch != nil {
				l.flights[0].skipped = true
			}
		}
		if worked, err = l.submitNext(); err != nil {
			return worked, err
		}
		if l.batch, l.position, err = l.sequencer.Next(l.store.Position()); l.batch == nil {
			return worked, err
		}
	}
	if l.unknown {
		if err := l.store.Reopen(); err != nil {
			return true, err
		}
	} else if next := l.store.Position() + 1; l.position > next {
		return true, fmt.Errorf("%w: the store needs batch %d next, but the sequencer continues with %d", ErrGap, next, l.position)
	} else if l.position < next { // a snapshot contains it
		l.batch = nil
		return true, nil
	}
	return true, l.apply()
}

// submitNext submits the next batch, or again the one in flight. It returns whether it did anything.
func (l *Log) submitNext() (bool, error) {
	if !l.started && (len(l.flights) == 0 || !l.flights[0].start) {
		s, err := l.opt.Start(l.store.Incarnation(l.opt.Node))
		if err != nil {
			return false, fmt.Errorf("start: %w", err)
		}
		l.flights = slices.Insert(l.flights, 0, flight{submissions: []Submission{s}, start: true})
	}
	if l.started && !l.levelSettled {
		l.raiseLevel()
	}
	if len(l.flights) == 0 && !l.nextFlights() {
		return false, nil
	}
	f := &l.flights[0]
	now := l.opt.Now()
	switch {
	case f.batch == nil:
		l.admit(f)
		if f.batch == nil {
			l.opt.Feed(f.refused, f.submissions)
			l.endFlight()
			return true, nil
		}
		f.since = now
	case now.Sub(f.last) < resubmitAfter:
		return l.Unavailable() != nil && l.refuseQueue(), nil
	case now.Sub(f.since) >= unavailableAfter && l.Unavailable() == nil:
		l.setUnavailable(fmt.Errorf("%w: the sequencer has not delivered a batch for %v", ErrUnavailable, unavailableAfter))
	}
	f.last = now
	if err := l.sequencer.Submit(f.batch); err != nil {
		l.setUnavailable(err)
	}
	if l.Unavailable() != nil {
		l.refuseQueue()
	}
	return true, nil
}

// raiseLevel submits the program's level before anything else, if no other node can be too old for it.
func (l *Log) raiseLevel() {
	l.levelSettled = true
	if own := l.program.Level(); l.exclusive && own > l.store.Level() {
		s := Submission{Command: Command{Kind: Level, Body: LevelBody{Level: own}}}
		l.flights = slices.Insert(l.flights, 0, flight{submissions: []Submission{s}})
	}
}

func (l *Log) setUnavailable(err error) {
	if l.Unavailable() == nil {
		l.opt.Logger.Error("the sequencer orders nothing; messages are refused", "err", err)
	}
	l.unavailable.Store(&err)
}

// refuseQueue refuses submissions that wait behind a batch that is not ordered, and returns whether there were any. The
// commands of that batch are not refused: a copy of it may have been ordered.
func (l *Log) refuseQueue() bool {
	f := flight{submissions: l.popAnswerable()}
	if len(f.submissions) == 0 {
		return false
	}
	f.refuseRest("the server cannot order messages now: "+l.Unavailable().Error(), retryAfter)
	l.opt.Feed(f.refused, f.submissions)
	return true
}

// apply applies the batch that was taken from the sequencer, and feeds its outcomes.
func (l *Log) apply() error {
	begun := time.Now()
	outcomes, err := l.store.Apply(l.batch, l.position)
	switch {
	case err == nil:
		l.applied(outcomes, time.Since(begun))
	case !errors.Is(err, ErrRolledBack):
		l.unknown = true
		return err
	case !l.exclusive || !l.isOwn(): // other nodes have applied it, so this one must, too
		l.unknown = false
		return fmt.Errorf("apply batch %d of the sequence: %w", l.position, err)
	default:
		start := l.flights[0].start
		l.withdraw(err)
		l.batch, l.unknown = nil, false
		if start { // it is retried, but not at once
			return fmt.Errorf("start: %w", err)
		}
	}
	l.batch, l.unknown, l.lastApplied = nil, false, l.store.Position()
	return nil
}
