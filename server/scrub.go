package server

import (
	"context"
	"errors"
	"time"

	"ramai/internal/room"
)

const (
	// scrubInterval is the shortest time between two scrubs. Each reads every page of the file.
	scrubInterval = time.Hour
	// scrubDelay postpones the first one: an earlier run may have left something to remove, and a start has more urgent work.
	scrubDelay = 10 * time.Minute
	scrubCheck = time.Minute
)

// scrubbed is a store that keeps traces of erased records in files.
type scrubbed interface {
	// Scrub removes what is left of them. It takes a while, and records are stored meanwhile.
	Scrub(context.Context) error
}

// scrubber decides when a store is scrubbed: soon after the start, and then when something was erased since.
type scrubber struct {
	store  scrubbed
	erased func() room.Mark

	due    time.Duration // after the start
	ran    bool          // once at least
	since  room.Mark     // erased before the last scrub began
	failed string        // the error of the last attempt; empty: it succeeded
}

// scrub scrubs the store until the server stops.
func (s *Server) scrub() {
	store, ok := s.store.(scrubbed)
	if !ok {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	s.background.Go(func() {
		<-s.quit
		cancel()
	})
	w := &scrubber{store: store, erased: s.hub.Mark, due: scrubDelay}
	begin := time.Now()
	ticker := time.NewTicker(scrubCheck)
	defer ticker.Stop()
	for {
		select {
		case <-s.quit:
			return
		case <-ticker.C:
			if err := w.run(ctx, time.Since(begin)); err != nil {
				s.cfg.Logger.Warn("traces of deleted messages could not be removed from the data folder; will retry", "err", err)
			}
		}
	}
}

// run scrubs if it is due at now, the time since the start. It returns an error if it is a new one.
func (w *scrubber) run(ctx context.Context, now time.Duration) error {
	since := w.erased()
	if now < w.due || w.ran && since == w.since {
		return nil
	}
	err := w.store.Scrub(ctx)
	if err == nil {
		w.ran, w.since, w.due, w.failed = true, since, now+scrubInterval, ""
		return nil
	}
	if errors.Is(err, context.Canceled) || err.Error() == w.failed {
		return nil
	}
	w.failed = err.Error()
	return err
}
