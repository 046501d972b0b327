package server

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"ramai/internal/eventlog"
	"ramai/wire"
)

const (
	sweepEvery = time.Minute
	// holdBack is how long a first sweep waits that would take more than half of the messages.
	holdBack = time.Hour
	// sweepNames is how many rooms the line of a sweep in the log names.
	sweepNames = 10
	// aheadEvery is how often the log says that stored times are ahead.
	aheadEvery = time.Hour
)

// sweeper lets go of what is not to be kept, a step at a time, so that saying goes on meanwhile: messages, names that have
// run out, and ids that nobody sends again.
type sweeper struct {
	keep   eventlog.Retention
	store  eventlog.Store
	submit func(eventlog.Submission, func()) error
	clock  *clock
	logger *slog.Logger

	begun    bool          // a sweep of messages has been allowed since the start, or since the clock was set
	set      int           // how many times the clock had been set then
	held     bool          // the first sweep waits
	heldAt   time.Duration // since then, by clock.elapsed
	aheadAt  time.Duration // when the log said that times are ahead
	aheadEnd int           // in how many rooms
}

// keepTidy sweeps now and then until the server stops.
func (s *Server) keepTidy() {
	w := &sweeper{keep: s.cfg.Retention, store: s.store, submit: s.eventlog.Submit, clock: s.clock, logger: s.cfg.Logger}
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	for {
		if err := w.sweep(s.quit); err != nil {
			s.cfg.Logger.Error("retention failed; will retry", "err", err)
		}
		select {
		case <-s.quit:
			return
		case <-ticker.C:
		}
	}
}

// errStopped says that the server stops, and nothing more.
var errStopped = errors.New("the server stops")

// sweep sweeps once. It ends early when quit is closed. What fails in one place does not keep the others from it.
func (w *sweeper) sweep(quit <-chan struct{}) error {
	now, steady := w.clock.check()
	w.tellAhead(now)
	err := w.messages(now, steady, quit)
	if steady {
		err = errors.Join(err, w.names(now, quit), w.turn(now, quit))
	}
	err = errors.Join(err, w.ids(quit))
	if errors.Is(err, errStopped) {
		return nil
	}
	return err
}

// tellAhead logs that rooms have times in the future, at first and then now and then.
func (w *sweeper) tellAhead(now time.Time) {
	count, room, most := 0, "", wire.TimeOf(now.Add(clockStep))
	limit := most
	for name, at := range w.store.NewestTimes() {
		if at > limit {
			count++
			if at > most || at == most && name < room {
				room, most = name, at
			}
		}
	}
	at := w.clock.elapsed()
	if count > 0 && (count > w.aheadEnd || at-w.aheadAt >= aheadEvery) {
		w.aheadAt = at
		w.logger.Warn("stored messages have times in the future: the clock is behind now, or was ahead; new messages of these rooms get the same time until the clock has caught up",
			"rooms", count, "room", room, "time", most, "clock", now)
	}
	w.aheadEnd = count
}

// messages deletes the messages of all rooms that are not to be kept.
func (w *sweeper) messages(now time.Time, steady bool, quit <-chan struct{}) error {
	if w.keep == (eventlog.Retention{}) || w.keep.Age > 0 && !steady {
		return nil
	}
	plan, err := planSweep(w.keep, w.store, now)
	if !w.allowed(plan) {
		return err
	}
	deleted := map[string]uint64{}
	defer func() { w.report(deleted) }()
	for room, cut := range plan.cuts {
		first := w.store.Bounds(room).First
		for next := first; next <= cut; {
			o, trimming := w.do(quit, eventlog.Command{Kind: eventlog.Trim, Room: room, To: cut})
			if trimming != nil {
				err = errors.Join(err, trimming)
				break
			}
			next = o.N
			deleted[room] = next - first
		}
		if errors.Is(err, errStopped) {
			break
		}
	}
	return err
}

// A plan is what a sweep would delete.
type plan struct {
	cuts map[string]uint64 // of each room that loses any: up to which number
	goes uint64            // how many messages
	of   uint64            // of how many that are stored
}

// planSweep makes the plan of a sweep. Rooms that cannot be read are left out, and are in the error.
func planSweep(keep eventlog.Retention, store eventlog.Store, now time.Time) (plan, error) {
	p := plan{cuts: map[string]uint64{}}
	var failed error
	for room, head := range store.AllBounds() {
		p.of += head.Last + 1 - head.First
		cut, err := keep.TrimTo(store, room, now)
		if err != nil {
			failed = errors.Join(failed, err)
		} else if cut >= head.First {
			p.cuts[room] = cut
			p.goes += cut + 1 - head.First
		}
	}
	return p, failed
}

// allowed holds back the first sweep if it would take more than half of all messages: a setting may be mistyped, or the
// clock be wrong, and there is time to say so. After that the server has been told.
func (w *sweeper) allowed(p plan) bool {
	at := w.clock.elapsed()
	if w.keep.Age > 0 && w.set != w.clock.set {
		w.set, w.begun, w.held = w.clock.set, false, false
	}
	switch {
	case w.begun:
	case 2*p.goes <= p.of:
		w.begun = true
	case !w.held:
		w.held, w.heldAt = true, at
		w.logger.Warn("retention would delete more than half of the messages; it waits for an hour, and then goes on: if that is not meant, stop the server and correct --retention, or the clock",
			"keep", w.keep, "messages", p.goes, "of", p.of)
	default:
		w.begun = at-w.heldAt >= holdBack
	}
	return w.begun
}

// names frees the names that have run out.
func (w *sweeper) names(now time.Time, quit <-chan struct{}) error {
	for {
		senders := w.store.ExpiredNames(wire.Time(w.clock.expiry.Load()), wire.TimeOf(now.Add(clockStep)), eventlog.TrimStep)
		all := make([]eventlog.Command, len(senders))
		for i, by := range senders {
			all[i] = eventlog.Command{Kind: eventlog.ExpireName, SenderID: by}
		}
		if _, err := w.do(quit, all...); err != nil || len(senders) < eventlog.TrimStep {
			return err
		}
	}
}

// turn begins a new generation of ids when the newest is old enough. One that begins at a time to come was begun while the
// clock was ahead, and one of no time is a new server's: it is dated anew, and so kept the longer.
func (w *sweeper) turn(now time.Time, quit <-chan struct{}) error {
	ids := w.store.IDGeneration()
	began := ids.Since.Std()
	to := ids.Number
	switch {
	case ids.Since == 0 || began.After(now.Add(clockStep)):
	case now.Sub(began) >= eventlog.MinIDLife:
		to++
	default:
		return nil
	}
	_, err := w.do(quit, eventlog.Command{Kind: eventlog.RotateIDs, To: to})
	return err
}

// ids lets go of the ids of generations that nobody asks for any more.
func (w *sweeper) ids(quit <-chan struct{}) error {
	for {
		stale, err := w.store.HasStaleIDs()
		if err != nil || !stale {
			return err
		}
		if _, err := w.do(quit, eventlog.Command{Kind: eventlog.PruneIDs}); err != nil {
			return err
		}
	}
}

// report logs what a sweep has deleted: the total, and the rooms that lost most.
func (w *sweeper) report(deleted map[string]uint64) {
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
	w.logger.Info("retention deleted messages", "keep", w.keep, "messages", total, "rooms", len(rooms), "by_room", counts(rooms, deleted))
}

// counts writes how many messages of each room, of the first few.
func counts(rooms []string, messages map[string]uint64) string {
	var b strings.Builder
	for i, room := range rooms {
		if i == sweepNames {
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

// do submits events, and returns what became of the last of them, when it is known.
func (w *sweeper) do(quit <-chan struct{}, events ...eventlog.Command) (*eventlog.Outcome, error) {
	done := make(chan *eventlog.Outcome, 1)
	space := make(chan struct{}, 1)
	for i, e := range events {
		s := eventlog.Submission{Command: e}
		if i == len(events)-1 {
			s.ReplyTo = &eventlog.ReplyTo{Deliver: func(_ *eventlog.Submission, o *eventlog.Outcome) { done <- o }}
		}
		for {
			err := w.submit(s, func() { space <- struct{}{} })
			if err == nil {
				break
			}
			if err != eventlog.ErrBusy {
				return nil, errStopped
			}
			select {
			case <-space:
			case <-quit:
				return nil, errStopped
			}
		}
	}
	if len(events) == 0 {
		return nil, nil
	}
	select {
	case o := <-done:
		if o.Status == eventlog.Refused {
			return nil, o.Err
		}
		return o, nil
	case <-quit:
		return nil, errStopped
	}
}
