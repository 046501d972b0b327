package server

import (
	"context"
	"errors"
	"os"
	"path/filepath"
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
	w := &scrubber{store: store, erased: func() room.Mark { return erased }, file: filepath.Join(t.TempDir(), scrubFile), clock: time.Now}
	if err := w.begin(); err != nil {
		t.Fatal(err)
	}
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

// A server that restarts every few minutes is scrubbed, too: once the last scrub is some hours ago, the next start does not
// wait. A time in the future, or one that cannot be read, is not believed.
func TestScrubOverRestarts(t *testing.T) {
	store := &scrubs{}
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	file := filepath.Join(t.TempDir(), scrubFile)
	start := func() {
		t.Helper()
		w := &scrubber{store: store, erased: func() room.Mark { return 0 }, file: file, clock: func() time.Time { return now }}
		if err := w.begin(); err != nil {
			t.Fatal(err)
		}
		for d := time.Duration(0); d < scrubDelay; d += scrubCheck {
			if err := w.run(t.Context(), d); err != nil {
				t.Fatal(err)
			}
		}
	}
	for day := 1; day <= 3; day++ {
		for range 24 * time.Hour / scrubDelay {
			start()
			now = now.Add(scrubDelay)
		}
		if want := day * int(24*time.Hour/scrubOverdue); store.count < want-1 || store.count > want {
			t.Errorf("after %d days of restarts it was scrubbed %d times, want %d", day, store.count, want)
		}
	}
	for _, content := range []string{now.Add(time.Hour).Format(time.RFC3339), "", "yesterday"} {
		before := store.count
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		start()
		start()
		if store.count != before+1 {
			t.Errorf("with the time %q, two starts scrub %d times, want once", content, store.count-before)
		}
	}
}
