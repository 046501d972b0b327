package eventlog

import (
	"errors"
	"math"
	"slices"
	"time"
)

// endFlight removes the first flight.
func (l *Log) endFlight() {
	l.flights = slices.Delete(l.flights, 0, 1)
}

func (l *Log) applied(outcomes []Outcome, took time.Duration) {
	if l.opt.Applied != nil {
		l.opt.Applied(min(len(outcomes), len(l.batch.Commands)), took)
	}
	if slices.ContainsFunc(l.batch.Commands, func(c Command) bool { return c.Kind.isPost() }) { // other commands may need no space
		l.failure.Store(nil)
		l.lastLogged = ""
	}
	if l.isOwn() {
		l.settle(outcomes, l.store.Incarnation(l.opt.Node))
	} else if len(outcomes) > 0 {
		l.opt.Feed(outcomes, nil)
	}
}

// isOwn reports whether the batch that was taken from the sequencer is the one in flight, or a copy of it.
func (l *Log) isOwn() bool {
	if len(l.flights) == 0 || l.flights[0].batch == nil {
		return false
	}
	f, b := &l.flights[0], l.batch
	switch own := f.batch; {
	case b == own:
		return true
	case l.exclusive || b.Node != own.Node || b.Incarnation != own.Incarnation || b.Seq != own.Seq:
		return false
	case f.start:
		return len(b.Commands) == 1 && b.Commands[0].Kind == Start && b.Commands[0].Body == own.Commands[0].Body
	}
	return true
}

// settle ends the batch in flight, which was applied. current is the node's incarnation now.
func (l *Log) settle(outcomes []Outcome, current uint64) {
	if l.Unavailable() != nil {
		l.opt.Logger.Info("the sequencer orders again")
		l.unavailable.Store(nil)
	}
	f := l.flights[0]
	switch {
	case len(outcomes) == 0 && (f.skipped || current == l.incarnation):
		l.loseFlight(f) // the snapshot may contain the batch
	case len(outcomes) == 0:
		l.startAnew()
		return
	case f.start && outcomes[0].Status == Refused && !l.exclusive: // another process started under the same name
		l.opt.Feed(outcomes, nil)
	default:
		if f.start && outcomes[0].Status != Refused {
			l.started = true
			if !l.exclusive {
				l.incarnation, l.seq = current, 0
			}
		}
		l.opt.Feed(f.results(outcomes))
	}
	l.endFlight()
}

// startAnew begins another incarnation, because another process has started under the same name. The batch in flight is
// fenced and cannot count any more, so its commands are submitted again.
func (l *Log) startAnew() {
	l.opt.Logger.Warn("another process started with the name of this node; starting again", "node", l.opt.Node)
	l.started = false
	l.flights[0].batch = nil
}

// loseFlight ends a flight whose outcomes are unknown.
func (l *Log) loseFlight(f flight) {
	var refused []Outcome
	var submissions []Submission
	for i, s := range f.submissions {
		switch {
		case f.isRefused(i):
			refused, submissions = append(refused, f.refused[i]), append(submissions, s)
		case s.ReplyTo != nil:
			// Later submissions must not overtake it: it may have to be sent again.
			s.ReplyTo.fencedBelow = math.MaxUint64
			if s.ReplyTo.Lost != nil {
				s.ReplyTo.Lost()
			}
		}
	}
	if len(refused) > 0 {
		l.opt.Feed(refused, submissions)
	}
}

// withdraw handles the rollback of a batch that no other node applies. If the disk is not full, its commands are tried one
// by one, so that one bad command does not cause others to be refused.
func (l *Log) withdraw(cause error) {
	f := l.flights[0]
	commands := len(f.batch.Commands)
	if commands > 1 && !errors.Is(cause, ErrFull) && l.store.Health().Err == nil {
		if l.isNews(cause) {
			l.opt.Logger.Error("a batch was not stored; its commands are tried one by one", "commands", commands, "err", cause)
		}
		l.flights = append(f.split(), l.flights[1:]...)
		return
	}
	l.failure.Store(&cause)
	if l.isNews(cause) {
		l.opt.Logger.Error("a batch was not stored", "commands", commands, "err", cause)
	}
	f.refuseRest("the server could not write to its disk; nothing was stored, so send it again", retryAfter)
	l.opt.Feed(f.refused, f.submissions)
	l.endFlight()
}

// split returns a flight for each submission.
func (f *flight) split() []flight {
	singles := make([]flight, len(f.submissions))
	for i := range singles {
		singles[i].submissions = f.submissions[i : i+1]
		if f.isRefused(i) {
			singles[i].refused = f.refused[i : i+1]
		}
	}
	return singles
}
