package server

import (
	"time"

	"ramai/internal/eventlog"
	"ramai/wire"
)

// minTallyWait is the shortest wait between two rounds of tallies.
const minTallyWait = 50 * time.Millisecond

// A tallier submits tallies when they are due.
type tallier struct {
	pending func() map[string]wire.Time // see eventlog.Store
	submit  func(eventlog.Submission, func()) error
	now     func() time.Time
	marked  <-chan struct{} // has a token after marks were stored
	leads   func() bool     // see member
}

func (s *Server) tally() {
	t := tallier{pending: s.store.PendingTallies, submit: s.eventlog.Submit, now: s.cfg.Now, marked: s.marked, leads: s.cfg.member.leads}
	t.run(s.quit)
}

// run submits tallies until quit is closed: of each room in which messages are pending, once the newest tally is old enough. The
// feed wakes it; while nothing is pending, it waits for that alone.
func (t *tallier) run(quit <-chan struct{}) {
	yielded := false // what is due was left to the leader, and is due still
	for {
		select {
		case <-quit:
			return
		default:
		}
		var due []eventlog.Command
		var wait time.Duration
		if pending := t.pending(); len(pending) > 0 {
			due, wait = dueTallies(pending, wire.TimeOf(t.now()))
		}
		if yielded = len(due) > 0 && !yielded && !t.leads(); yielded {
			wait = yieldTime
		} else if len(due) > 0 {
			// A failure is one of the log, which reports it, and everything stays pending.
			if _, err := runCommands(t.submit, quit, due...); err != nil {
				wait = eventlog.TallyInterval
			}
		}
		var timer <-chan time.Time
		marked := t.marked
		if wait > 0 {
			timer, marked = time.After(max(wait, minTallyWait)), nil
		}
		select {
		case <-quit:
			return
		case <-marked:
		case <-timer:
		}
	}
}

// dueTallies returns tallies for the rooms that may have one now, and how long it takes until there can be another; 0:
// nothing is pending.
func dueTallies(pending map[string]wire.Time, now wire.Time) (due []eventlog.Command, wait time.Duration) {
	for room, at := range pending {
		left := eventlog.TallyInterval - time.Duration(now-at)*time.Millisecond
		if at == 0 || at > now || left <= 0 {
			due = append(due, eventlog.Command{Kind: eventlog.Tally, Room: room})
			left = eventlog.TallyInterval
		}
		if wait == 0 || left < wait {
			wait = left
		}
	}
	return due, wait
}

// noteMarks wakes the tallier if outcomes may have made messages pending.
func (s *Server) noteMarks(outcomes []eventlog.Outcome) {
	for i := range outcomes {
		if k := outcomes[i].Command.Kind; k == eventlog.Mark || k == eventlog.Set {
			select {
			case s.marked <- struct{}{}:
			default:
			}
			return
		}
	}
}
