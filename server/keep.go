package server

import (
	"cmp"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"ramai/internal/journal"
)

const (
	sweepEvery  = time.Minute
	forgetEvery = time.Hour // that ids are let go of, in rooms where no message goes

	// sweepNames is how many rooms the line of a sweep in the log names.
	sweepNames = 10
)

// sweeper deletes messages that are not to be kept, a step at a time, so that saying goes on meanwhile.
type sweeper struct {
	keep   journal.Keep
	store  journal.Store
	submit func(journal.Event, func()) error
	now    func() time.Time
	log    *slog.Logger
	forgot time.Time // when ids were last let go of everywhere
}

// keepTidy sweeps now and then until the server stops.
func (s *Server) keepTidy() {
	w := &sweeper{keep: s.cfg.Keep, store: s.store, submit: s.orderer.Submit, now: s.cfg.Now, log: s.cfg.Log}
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	for {
		if err := w.sweep(s.quit); err != nil {
			s.cfg.Log.Error("retention failed; will retry", "err", err)
		}
		select {
		case <-s.quit:
			return
		case <-ticker.C:
		}
	}
}

// sweep goes through all rooms once. It ends early when quit is closed.
func (w *sweeper) sweep(quit <-chan struct{}) error {
	now := w.now()
	all := now.Sub(w.forgot) >= forgetEvery
	deleted := map[string]uint64{}
	defer func() { w.report(deleted) }()
	for room := range w.store.Heads() {
		cut, err := w.keep.Cut(w.store, room, now)
		if err != nil {
			return err
		}
		first := w.store.Head(room).First
		if cut < first && (!all || first == 1) { // no message goes, and no id can
			continue
		}
		for next := uint64(0); next <= cut; { // once for the ids, where no message goes
			o, err := w.trim(room, cut, quit)
			if err != nil || o == nil {
				return err
			}
			next = o.N
			if next > first {
				deleted[room] = next - first
			}
		}
	}
	if all {
		w.forgot = now
	}
	return nil
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
	w.log.Info("retention deleted messages", "keep", w.keep, "messages", total, "rooms", len(rooms), "by_room", counts(rooms, deleted))
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

// trim does one step and returns what became of it; nil if the server stops.
func (w *sweeper) trim(room string, cut uint64, quit <-chan struct{}) (*journal.Outcome, error) {
	done := make(chan *journal.Outcome, 1)
	space := make(chan struct{}, 1)
	e := journal.Event{Kind: journal.Trim, Room: room, To: cut, Origin: &journal.Origin{Deliver: func(o *journal.Outcome) { done <- o }}}
	for {
		switch err := w.submit(e, func() { space <- struct{}{} }); err {
		case nil:
		case journal.ErrBusy:
			select {
			case <-space:
				continue
			case <-quit:
				return nil, nil
			}
		default: // the server stops
			return nil, nil
		}
		select {
		case o := <-done:
			if o.Verdict == journal.Refused {
				return nil, o.Err
			}
			return o, nil
		case <-quit:
			return nil, nil
		}
	}
}
