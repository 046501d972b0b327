package server

import (
	"reflect"
	"time"

	"ramai/internal/eventlog"
	"ramai/wire"
)

// eraseRetry is the wait after a step of an erasure has failed.
const eraseRetry = time.Second

// An eraser submits the steps of erasures, and of undoing them, until all are finished.
type eraser struct {
	steps  func(at wire.Time, expire bool) []eventlog.Command // see eventlog.Store
	submit func(eventlog.Submission, func()) error
	erased <-chan struct{} // has a token after an erasure was stored or undone
	leads  func() bool     // see member
}

func (s *Server) erase() {
	e := eraser{steps: s.store.ErasureSteps, submit: s.eventlog.Submit, erased: s.erased, leads: s.cfg.member.leads}
	e.run(s.quit)
}

// run submits steps until quit is closed: one of each erasure at a time, so that messages are accepted in between. The server
// continues in this way what it has not finished before it was stopped.
func (e *eraser) run(quit <-chan struct{}) {
	var last []eventlog.Command
	for {
		var retry <-chan time.Time
		if steps := e.steps(0, false); len(steps) > 0 && !e.leads() && !reflect.DeepEqual(steps, last) {
			last, retry = steps, time.After(yieldTime) // the leader takes them
		} else if len(steps) > 0 {
			progress := !reflect.DeepEqual(steps, last)
			last = steps
			began := time.Now()
			if _, err := runCommands(e.submit, quit, steps...); err == nil && progress {
				retry = time.After(time.Since(began)) // half of the time is left to posts, which do not all wait for a step
			} else {
				retry = time.After(eraseRetry) // the log reports a failure
			}
		}
		select {
		case <-quit:
			return
		case <-e.erased:
		case <-retry:
		}
	}
}

// noteErasures wakes the eraser if outcomes have begun an erasure, or have begun to undo one.
func (s *Server) noteErasures(outcomes []eventlog.Outcome) {
	for i := range outcomes {
		if k := outcomes[i].Command.Kind; k == eventlog.Erase || k == eventlog.Restore {
			select {
			case s.erased <- struct{}{}:
			default:
			}
			return
		}
	}
}

// expireErasures deletes the texts of erasures that can no longer be undone.
func (w *sweeper) expireErasures(now time.Time, quit <-chan struct{}) error {
	var last []eventlog.Command
	for {
		steps := w.store.ErasureSteps(wire.TimeOf(now), true)
		if len(steps) == 0 || reflect.DeepEqual(steps, last) { // the batches have another clock
			return nil
		}
		last = steps
		if _, err := w.run(quit, steps...); err != nil {
			return err
		}
	}
}
