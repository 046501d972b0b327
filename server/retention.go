package server

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"ramai/internal/chat"
	"ramai/internal/eventlog"
	"ramai/wire"
)

const (
	sweepInterval = time.Minute
	// sweepDelay postpones a first sweep that would delete more than half of the messages.
	sweepDelay = time.Hour
	// loggedRooms is how many rooms the log names after a sweep.
	loggedRooms = 10
	// futureInterval is how often the log reports stored times in the future.
	futureInterval = time.Hour
)

// sweeper deletes old messages, expired names and erasures, and ids and marks that are no longer needed. It works in small steps, so that messages
// are accepted meanwhile.
type sweeper struct {
	retention eventlog.Retention
	store     eventlog.Store
	submit    func(eventlog.Submission, func()) error
	random    io.Reader
	clock     *clock
	logger    *slog.Logger

	allowed     bool          // a sweep of messages has been allowed since the start, or since the clock was set
	clockSet    int           // clock.set at that time
	delayed     bool          // the first sweep is postponed
	delayedAt   time.Duration // when it was postponed, by clock.elapsed
	futureAt    time.Duration // when the log reported times in the future, by clock.elapsed
	futureRooms int           // rooms with such times at the last sweep
}

// sweep runs a sweeper until the server stops.
func (s *Server) sweep() {
	w := &sweeper{retention: s.cfg.Retention, store: s.store, submit: s.eventlog.Submit, random: s.cfg.Random, clock: s.clock, logger: s.cfg.Logger}
	ticker := time.NewTicker(sweepInterval)
	defer ticker.Stop()
	for {
		if !s.cfg.member.leads() {
			s.clock.check() // its result is also used for names
		} else if err := w.sweep(s.quit); err != nil {
			s.cfg.Logger.Error("retention failed; will retry", "err", err)
		}
		select {
		case <-s.quit:
			return
		case <-ticker.C:
		}
	}
}

// sweep sweeps once. It returns early when quit is closed. A failure in one room does not affect the others.
func (w *sweeper) sweep(quit <-chan struct{}) error {
	now, trusted := w.clock.check()
	w.logFuture(now)
	err := w.deleteMessages(now, trusted, quit)
	if trusted {
		err = errors.Join(err, w.expireNames(now, quit), w.rotateIDs(now, quit), w.rotateAddressKeys(now, quit), w.expireErasures(now, quit))
	}
	err = errors.Join(err, w.pruneIDs(quit), w.pruneMarks(quit), w.pruneRules(now, quit))
	if trusted {
		err = errors.Join(err, w.pruneEntries(now, quit))
	}
	if errors.Is(err, errStopping) {
		return nil
	}
	return err
}

// logFuture logs that rooms have times in the future: when that is found, and then from time to time.
func (w *sweeper) logFuture(now time.Time) {
	count, room, newest := 0, "", wire.TimeOf(now.Add(clockStep))
	limit := newest
	for name, at := range w.store.NewestTimes() {
		if at > limit {
			count++
			if at > newest || at == newest && name < room {
				room, newest = name, at
			}
		}
	}
	elapsed := w.clock.elapsed()
	if count > 0 && (count > w.futureRooms || elapsed-w.futureAt >= futureInterval) {
		w.futureAt = elapsed
		w.logger.Warn("stored messages have times in the future: the clock is behind, or was ahead; new messages in these rooms get the same time until the clock catches up",
			"rooms", count, "room", room, "newest", newest, "clock", now)
	}
	w.futureRooms = count
}

// deleteMessages deletes the messages that retention does not keep.
func (w *sweeper) deleteMessages(now time.Time, clockTrusted bool, quit <-chan struct{}) error {
	if w.retention == (eventlog.Retention{}) || w.retention.Age > 0 && !clockTrusted {
		return nil
	}
	plan, err := planSweep(w.retention, w.store, now, clockTrusted)
	if !w.allow(plan) {
		return err
	}
	deleted := map[string]uint64{}
	defer func() { w.logDeleted(deleted) }()
	for room, cut := range plan.cuts {
		first := w.store.Bounds(room).First
		for next := first; next <= cut; {
			o, trimErr := w.run(quit, eventlog.Command{Kind: eventlog.Trim, Room: room, Body: eventlog.TrimBody{To: cut}})
			if trimErr != nil {
				err = errors.Join(err, trimErr)
				break
			}
			next = o.N
			deleted[room] = next - first
		}
		if errors.Is(err, errStopping) {
			break
		}
	}
	return err
}

// A plan is what a sweep would delete.
type plan struct {
	cuts    map[string]uint64 // by room: the last number to delete
	deletes uint64            // messages to delete
	stored  uint64            // all stored messages
}

// planSweep returns the plan of a sweep. If the clock is not trusted, nothing is deleted by age.
// It skips rooms that cannot be read, and returns their errors.
func planSweep(retention eventlog.Retention, store eventlog.Store, now time.Time, clockTrusted bool) (plan, error) {
	p := plan{cuts: map[string]uint64{}}
	var failed error
	for room, bounds := range store.AllBounds() {
		p.stored += bounds.Last + 1 - bounds.First
		if !clockTrusted {
			now = time.Time{}
		}
		cut, err := retention.TrimTo(store, room, now)
		if err != nil {
			failed = errors.Join(failed, err)
		} else if cut >= bounds.First {
			p.cuts[room] = cut
			p.deletes += cut + 1 - bounds.First
		}
	}
	return p, failed
}

// allow reports whether a sweep may run. It postpones the first one if that would delete more than half of all messages:
// the setting may be mistyped, or the clock may be wrong, and the operator needs time to react.
func (w *sweeper) allow(p plan) bool {
	elapsed := w.clock.elapsed()
	if w.retention.Age > 0 && w.clockSet != w.clock.set {
		w.clockSet, w.allowed, w.delayed = w.clock.set, false, false
	}
	switch {
	case w.allowed:
	case 2*p.deletes <= p.stored:
		w.allowed = true
	case !w.delayed:
		w.delayed, w.delayedAt = true, elapsed
		w.logger.Warn("retention would delete more than half of the messages, and starts in an hour; if that is not intended, stop the server and correct --retention or the clock",
			"retention", w.retention, "messages", p.deletes, "stored_messages", p.stored)
	default:
		w.allowed = elapsed-w.delayedAt >= sweepDelay
	}
	return w.allowed
}

// logDeleted logs what a sweep has deleted: the total, and the rooms that lost most.
func (w *sweeper) logDeleted(deleted map[string]uint64) {
	if len(deleted) == 0 {
		return
	}
	rooms := slices.SortedFunc(maps.Keys(deleted), func(a, b string) int {
		return cmp.Or(cmp.Compare(deleted[b], deleted[a]), strings.Compare(a, b))
	})
	total := uint64(0)
	for _, n := range deleted {
		total += n
	}
	w.logger.Info("retention deleted messages", "retention", w.retention, "messages", total, "rooms", len(rooms), "by_room", counts(rooms, deleted))
}

// counts formats the number of messages of the first few rooms.
func counts(rooms []string, messages map[string]uint64) string {
	var b strings.Builder
	for i, room := range rooms {
		if i == loggedRooms {
			fmt.Fprintf(&b, " … and %d more", len(rooms)-i)
			break
		}
		if i > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprintf(&b, "%s:%d", room, messages[room])
	}
	return b.String()
}

// run submits commands, and waits for the outcome of the last one.
func (w *sweeper) run(quit <-chan struct{}, events ...eventlog.Command) (*eventlog.Outcome, error) {
	return runCommands(w.submit, quit, events...)
}

// runCommands submits commands, and waits for the outcome of the last one, or until quit is closed.
func runCommands(submit func(eventlog.Submission, func()) error, quit <-chan struct{}, events ...eventlog.Command) (*eventlog.Outcome, error) {
	last, done := eventlog.ReplyOnce()
	space := make(chan struct{}, 1)
	for i, e := range events {
		s := eventlog.Submission{Command: e}
		if i == len(events)-1 {
			s.ReplyTo = last
		}
		for {
			err := submit(s, func() { space <- struct{}{} })
			if err == nil {
				break
			}
			if err != eventlog.ErrBusy {
				return nil, errStopping
			}
			select {
			case <-space:
			case <-quit:
				return nil, errStopping
			}
		}
	}
	if len(events) == 0 {
		return nil, nil
	}
	select {
	case o, known := <-done:
		if !known {
			return nil, chat.ErrUnknown
		}
		if o.Status == eventlog.Refused {
			return nil, o.Err
		}
		return o, nil
	case <-quit:
		return nil, errStopping
	}
}
