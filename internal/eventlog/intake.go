package eventlog

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"ramai/wire"
)

// MinFree is the free disk space, in bytes, below which messages are refused. Commands that free space still work.
const MinFree = 16 << 20

const (
	// retryAfter is when clients may retry after a refusal for lack of space or of a majority.
	retryAfter = time.Second
	// retryDamaged is the same for data that an operator has to repair.
	retryDamaged = 10 * time.Second
)

// An intake is the queue of submissions before they are ordered.
type intake struct {
	wake chan struct{} // holds one token while there may be work

	mu      sync.Mutex
	queue   []Submission // guarded by mu
	waiting []func()     // guarded by mu: callbacks of submitters that found the queue full
	urgent  bool         // guarded by mu: something in queue is not a Mark
	closed  bool         // guarded by mu

	spare []Submission // owned by Step: the former array of queue, to be reused
}

// Submit puts s into the queue. It never blocks. If the queue is full, it returns ErrBusy, and calls room once, unless it
// is nil, when there is space. It returns ErrClosed after Close.
func (l *Log) Submit(s Submission, room func()) error {
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
	l.queue = append(l.queue, s)
	first := s.Command.Kind != Mark && !l.urgent // ends the wait of gather
	l.urgent = l.urgent || first
	if len(l.queue) == 1 || first {
		l.signal()
	}
	return nil
}

// onlyMarks reports whether there is something in the queue, and nothing but marks. It reports false when the log is closed.
func (in *intake) onlyMarks() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return len(in.queue) > 0 && !in.urgent && !in.closed
}

func (in *intake) signal() {
	select {
	case in.wake <- struct{}{}:
	default:
	}
}

// Queued returns the number of submissions in the queue.
func (in *intake) Queued() int {
	in.mu.Lock()
	defer in.mu.Unlock()
	return len(in.queue)
}

// Close ends submitting. Run returns when everything in the queue is done.
func (in *intake) Close() {
	in.mu.Lock()
	in.closed = true
	in.mu.Unlock()
	in.signal()
}

// drained reports whether the log is closed and its queue empty.
func (in *intake) drained() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.closed && len(in.queue) == 0
}

// maxBatchBytes limits batches that are sent to other nodes: their encoding must stay below MaxBatchBytes.
const maxBatchBytes = MaxBatchBytes / 2

// pop takes up to most submissions from the queue. Unless local is set, it takes only as many as fit into a batch that is
// sent. They are valid until the next call.
func (in *intake) pop(most int, local bool) (popped []Submission) {
	in.mu.Lock()
	if !local {
		most = min(most, fitting(in.queue))
	}
	if len(in.queue) <= most {
		popped, in.queue, in.spare = in.queue, in.spare[:0], in.queue
	} else {
		popped = slices.Clone(in.queue[:most])
		in.queue = slices.Delete(in.queue, 0, most)
	}
	in.hasRoom()
	return popped
}

// fitting returns how many of the first submissions fit into a batch that is sent; at least 1.
func fitting(queue []Submission) int {
	bytes := 0
	for i := range queue {
		c := &queue[i].Command
		bytes += 64 + len(c.SenderID) + len(c.Room) + len(c.ID) + len(c.Text) + len(c.RegisterKey)
		if change, ok := c.Body.(ChangeBody); ok && change.Text != nil {
			bytes += len(*change.Text)
		} else if mark, ok := c.Body.(MarkBody); ok {
			bytes += len(mark.Key)
		} else if c.Body != nil {
			bytes += maxName + MaxNameKey
		}
		if bytes > maxBatchBytes && i > 0 {
			return i
		}
	}
	return len(queue)
}

// popAnswerable takes all submissions that somebody waits for from the queue.
func (in *intake) popAnswerable() (popped []Submission) {
	in.mu.Lock()
	if !in.closed { // clients of a stopping server send their commands again elsewhere
		in.queue = slices.DeleteFunc(in.queue, func(s Submission) bool {
			if s.ReplyTo != nil {
				popped = append(popped, s)
			}
			return s.ReplyTo != nil
		})
	}
	in.hasRoom()
	return popped
}

// hasRoom unlocks mu and calls the waiting callbacks, after submissions were taken from the queue.
func (in *intake) hasRoom() {
	in.urgent = slices.ContainsFunc(in.queue, func(s Submission) bool { return s.Command.Kind != Mark })
	waiting := in.waiting
	in.waiting = nil
	in.mu.Unlock()
	for _, room := range waiting {
		room()
	}
}

// A flight is a group of submissions that becomes one batch.
type flight struct {
	submissions []Submission
	refused     []Outcome // one for each submission; those that were not refused have no status. nil: none was refused
	batch       *Batch    // of the submissions that were not refused; nil: not submitted yet
	start       bool      // it is the node's Start
	skipped     bool      // the store was given a snapshot since batch was submitted
	since       time.Time // when the batch was first submitted
	last        time.Time // when the batch was last submitted
}

// nextFlights forms flights from the queue, and returns whether there was anything. The posts of clients form one flight.
// Maintenance commands follow in separate ones, so that no message fails with them.
func (l *Log) nextFlights() bool {
	popped := l.pop(l.opt.Batch, l.exclusive)
	if len(popped) == 0 {
		return false
	}
	if !slices.ContainsFunc(popped, func(s Submission) bool { return l.program.maintenance(s.Kind) }) {
		l.flights = append(l.flights, flight{submissions: popped})
		return true
	}
	var clients, expiries flight
	var others []flight
	for _, s := range popped {
		switch {
		case s.Kind == ExpireName:
			expiries.submissions = append(expiries.submissions, s)
		case l.program.maintenance(s.Kind):
			others = append(others, flight{submissions: []Submission{s}})
		default:
			clients.submissions = append(clients.submissions, s)
		}
	}
	for _, f := range slices.Concat([]flight{clients, expiries}, others) {
		if len(f.submissions) > 0 {
			l.flights = append(l.flights, f)
		}
	}
	return true
}

// admit refuses submissions of f that must not be ordered now, and forms a batch of the rest. There is no batch if nothing
// is left.
func (l *Log) admit(f *flight) {
	free, err := l.store.Free()
	full := err == nil && free < MinFree
	health, level := l.store.Health(), l.store.Level()
	if health.Err == nil {
		health.Err = err // a disk that does not report its free space is not trusted
	}
	commands := make([]Command, 0, len(f.submissions))
	for i := range f.submissions {
		s := &f.submissions[i]
		kind, _ := l.program.kind(s.Kind) // of level 0 if it is unknown, and unfit where that matters
		switch reason, invalid := health.refuses(&s.Command, l.program.maintenance(s.Kind)), l.checkEncodable(&s.Command); {
		case f.isRefused(i): // when it was admitted earlier
		case !f.since.IsZero(): // admitted earlier: refusals since then are of later submissions
			commands = append(commands, s.Command)
		case invalid != nil:
			f.refuseForGood(i, invalid)
		case kind.levelOf(&s.Command) > level:
			f.refuse(i, fmt.Sprintf("the command %v needs level %d, and the stored level is %d: it is raised when all servers have been upgraded", s.Kind, kind.levelOf(&s.Command), level), retryDamaged)
		case s.fenced():
			f.refuse(i, refusedBefore, retryAfter)
		case reason != "":
			f.refuse(i, reason, retryDamaged)
		case s.Kind.grows() && full:
			f.refuse(i, "the server's disk is full; new messages are rejected until there is space", retryAfter)
		default:
			commands = append(commands, s.Command)
		}
	}
	if len(commands) > 0 {
		f.batch = l.newBatch(commands, f.start)
	}
}

// checkEncodable returns why a command cannot be encoded; nil: it can, or need not be. In a batch it would block all others
// forever.
func (l *Log) checkEncodable(c *Command) error {
	if l.exclusive {
		return nil
	}
	d, err := l.program.kind(c.Kind)
	if err != nil {
		return err
	}
	return d.check(c)
}

func (l *Log) newBatch(commands []Command, start bool) *Batch {
	b := l.program.NewBatch(Batch{At: wire.TimeOf(l.opt.At()), Node: l.opt.Node, Commands: commands})
	if !start && !l.exclusive {
		l.seq++
		b.Incarnation, b.Seq = l.incarnation, l.seq
	}
	return b
}

// refuses returns why a command must not be applied to data in this state; empty: it may. Maintenance continues.
func (h Health) refuses(c *Command, maintenance bool) string {
	if maintenance && !c.Kind.grows() || c.Kind == Start || c.Kind == Barrier || c.Kind == Level || c.Kind == Configure || c.Kind == Member {
		return ""
	}
	room := ""
	if c.Kind.grows() {
		room = c.Room
	}
	if err := h.Of(room); err != nil {
		return err.Error()
	}
	return ""
}

const refusedBefore = "a message before it was refused; send that first, then this"

// fenced reports whether s was submitted after a message that was refused and must be sent again first.
func (s *Submission) fenced() bool {
	return s.Kind.isPost() && s.ReplyTo != nil && s.Fence < s.ReplyTo.fencedBelow
}

// refuse refuses the i-th submission temporarily.
func (f *flight) refuse(i int, reason string, retry time.Duration) {
	if f.refused == nil {
		f.refused = make([]Outcome, len(f.submissions))
	}
	s := &f.submissions[i]
	f.refused[i] = Outcome{Command: &s.Command, Status: Refused, Err: &wire.CodedError{Code: wire.Unavailable, Reason: reason, RetryAfter: retry}}
	if s.Kind.isPost() && s.ReplyTo != nil {
		s.ReplyTo.fencedBelow = max(s.ReplyTo.fencedBelow, s.Fence+1)
	}
}

// refuseForGood permanently refuses the i-th submission, which can never be ordered.
func (f *flight) refuseForGood(i int, cause error) {
	if f.refused == nil {
		f.refused = make([]Outcome, len(f.submissions))
	}
	f.refused[i] = Outcome{Command: &f.submissions[i].Command, Status: Refused, Err: &wire.CodedError{Code: wire.Internal, Reason: cause.Error()}}
}

// isRefused reports whether the i-th submission is refused.
func (f *flight) isRefused(i int) bool { return f.refused != nil && f.refused[i].Status != 0 }

// refuseRest refuses every submission that is not refused yet.
func (f *flight) refuseRest(reason string, retry time.Duration) {
	for i := range f.submissions {
		if !f.isRefused(i) {
			f.refuse(i, reason, retry)
		}
	}
}

// results returns an outcome for each submission, given those of the batch, and then those of derived commands, which have
// zero submissions.
func (f *flight) results(outcomes []Outcome) ([]Outcome, []Submission) {
	own, submissions := len(f.batch.Commands), f.submissions
	if derived := len(outcomes) - own; derived > 0 {
		submissions = append(submissions[:len(submissions):len(submissions)], make([]Submission, derived)...)
	}
	if f.refused == nil {
		return outcomes, submissions
	}
	all := slices.Clone(f.refused)
	next := 0
	for i := range all {
		if all[i].Status == 0 {
			all[i] = outcomes[next]
			next++
		}
	}
	return append(all, outcomes[own:]...), submissions
}
