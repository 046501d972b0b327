package server

import (
	"context"
	"errors"
	"testing"
	"time"

	"ramai/internal/room"
)

// scrubs is a store that counts its scrubs.
type scrubs struct {
	count int
	err   error
}

func (s *scrubs) Scrub(context.Context) error {
	s.count++
	return s.err
}

// TestWhenToScrub: a store is scrubbed once after the start, then at most once an hour and only if something was erased,
// and again a minute after a failure, which is logged once.
func TestWhenToScrub(t *testing.T) {
	store := &scrubs{}
	var erased room.Mark
	w := &scrubber{store: store, erased: func() room.Mark { return erased }, due: scrubDelay}
	busy := errors.New("busy")
	for _, c := range []struct {
		after  time.Duration
		erased room.Mark
		err    error
		runs   bool
		news   bool
	}{
		{time.Minute, 0, nil, false, false},
		{scrubDelay, 0, nil, true, false},
		{scrubDelay + 2*time.Hour, 0, nil, false, false},
		{scrubDelay + 3*time.Hour, 1, busy, true, true},
		{scrubDelay + 3*time.Hour + time.Minute, 1, busy, true, false},
		{scrubDelay + 3*time.Hour + 2*time.Minute, 1, context.Canceled, true, false},
		{scrubDelay + 3*time.Hour + 3*time.Minute, 1, nil, true, false},
		{scrubDelay + 3*time.Hour + 4*time.Minute, 5, nil, false, false},
		{scrubDelay + 5*time.Hour, 5, busy, true, true},
	} {
		before := store.count
		erased, store.err = c.erased, c.err
		err := w.run(t.Context(), c.after)
		if ran := store.count > before; ran != c.runs || (err != nil) != c.news {
			t.Errorf("after %v: ran %v, want %v; error %v", c.after, ran, c.runs, err)
		}
	}
}
