package server

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"ramai/internal/atomicfile"
	"ramai/internal/room"
)

const (
	// scrubInterval is the shortest time between two scrubs. Each reads every page of the file.
	scrubInterval = time.Hour
	// scrubDelay postpones the first one: an earlier run may have left something to remove, and a start has more urgent work.
	scrubDelay = 10 * time.Minute
	// scrubOverdue is the age of the last scrub from which on a start does not wait, so that a server that restarts often
	// is scrubbed, too.
	scrubOverdue = 6 * time.Hour
	scrubCheck   = time.Minute

	// scrubFile is the file in the data folder that has the time of the last scrub.
	scrubFile = "scrubbed"
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
	file   string // has the time of the last scrub, over restarts
	clock  func() time.Time

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
	w := &scrubber{store: store, erased: func() room.Mark { return s.hub.Mark() + room.Mark(s.forgotten.Load()) }, file: filepath.Join(s.cfg.Data, scrubFile), clock: s.cfg.Now}
	logged := func(err error) {
		if err != nil {
			s.cfg.Logger.Warn("traces of deleted messages could not be removed from the data folder; will retry", "err", err)
		}
	}
	begin := time.Now()
	logged(w.begin())
	ticker := time.NewTicker(scrubCheck)
	defer ticker.Stop()
	for {
		logged(w.run(ctx, time.Since(begin)))
		select {
		case <-s.quit:
			return
		case <-ticker.C:
		}
	}
}

// begin decides when the first scrub is due. A folder without a time gets the present one.
func (w *scrubber) begin() error {
	now := w.clock()
	w.due = scrubDelay
	b, err := os.ReadFile(w.file)
	if errors.Is(err, os.ErrNotExist) {
		return w.note(now)
	}
	last, parseErr := time.Parse(time.RFC3339, strings.TrimSpace(string(b)))
	if age := now.Sub(last); err != nil || parseErr != nil || age < -clockStep || age >= scrubOverdue {
		w.due = 0
	}
	return err
}

// note stores the time of a scrub.
func (w *scrubber) note(at time.Time) error {
	return atomicfile.Write(w.file, []byte(at.UTC().Format(time.RFC3339)+"\n"))
}

// run scrubs if it is due at now, the time since the start. It returns an error if it is a new one.
func (w *scrubber) run(ctx context.Context, now time.Duration) error {
	since := w.erased()
	if now < w.due || w.ran && since == w.since {
		return nil
	}
	begin := w.clock()
	err := w.store.Scrub(ctx)
	if err == nil {
		err = w.note(begin)
	}
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
