package server

import (
	"time"

	"ramai/internal/journal"
)

const (
	sweepEvery  = time.Minute
	forgetEvery = time.Hour // that ids are let go of, in rooms where no message goes
)

// sweeper lets go of what is not to be kept any more, a step at a time, so that saying goes on meanwhile.
type sweeper struct {
	keep   journal.Keep
	store  journal.Store
	submit func(journal.Event, func()) error
	now    func() time.Time
	forgot time.Time // when ids were last let go of everywhere
}

// keepTidy sweeps now and then until the server stops.
func (s *Server) keepTidy() {
	w := &sweeper{keep: s.cfg.Keep, store: s.store, submit: s.orderer.Submit, now: s.cfg.Now}
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	for {
		if err := w.sweep(s.quit); err != nil {
			s.cfg.Log.Error("what is not to be kept any more could not be let go; that is tried again", "err", err)
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
	for room := range w.store.Heads() {
		cut, err := w.keep.Cut(w.store, room, now)
		if err != nil {
			return err
		}
		if first := w.store.Head(room).First; cut < first && (!all || first == 1) { // no message goes, and no id can
			continue
		}
		for first := uint64(0); first <= cut; { // once for the ids, where no message goes
			o, err := w.trim(room, cut, quit)
			if err != nil || o == nil {
				return err
			}
			first = o.N
		}
	}
	if all {
		w.forgot = now
	}
	return nil
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
