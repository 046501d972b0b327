package server

import (
	"time"

	"ramai/internal/eventlog"
	"ramai/wire"
)

// minTallyWait is the shortest wait between two rounds of tallies.
const minTallyWait = 50 * time.Millisecond

// tally submits tallies until the server stops: of each room in which messages are pending, once the newest tally is old
// enough. The feed wakes it; while nothing is pending, it waits for that alone.
func (s *Server) tally() {
	for {
		select {
		case <-s.quit:
			return
		default:
		}
		due, wait := dueTallies(s.store.PendingTallies(), wire.TimeOf(s.cfg.Now()))
		if len(due) > 0 {
			// A failure is one of the log, which reports it, and everything stays pending.
			if _, err := runCommands(s.eventlog.Submit, s.quit, due...); err != nil {
				wait = eventlog.TallyInterval
			}
		}
		var timer <-chan time.Time
		var marked <-chan struct{} = s.marked
		if wait > 0 {
			timer, marked = time.After(max(wait, minTallyWait)), nil
		}
		select {
		case <-s.quit:
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

// noteMarks wakes tally if outcomes may have made messages pending.
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
