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
		for first := w.store.Head(room).First; all && first > 1 || cut >= first; first = w.store.Head(room).First {
			if done, err := w.trim(room, cut, quit); err != nil || !done {
				return err
			}
			if cut < w.store.Head(room).First {
				break
			}
		}
	}
	if all {
		w.forgot = now
	}
	return nil
}

// trim does one step, and returns whether it was done: not if the server stops, or cannot now.
func (w *sweeper) trim(room string, cut uint64, quit <-chan struct{}) (bool, error) {
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
				return false, nil
			}
		default: // the server stops
			return false, nil
		}
		select {
		case o := <-done:
			if o.Verdict == journal.Refused {
				return false, o.Err
			}
			return true, nil
		case <-quit:
			return false, nil
		}
	}
}
