package server

import (
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"ramai/internal/eventlog"
	"ramai/internal/store/sqlite"
	"ramai/wire"
)

// When the clock is trusted. A machine without a battery starts years in the past, one with a wrong time zone in its BIOS
// hours in the future, and most are corrected within minutes. Messages that a wrong clock deletes cannot be recovered.
const (
	trustAfter      = 10 * time.Minute // after the start, or after the clock was set
	trustAfterDoubt = time.Hour        // after a start at a time that does not match the stored data
	clockStep       = time.Minute      // a larger difference means that the clock was set
	maxPause        = 24 * time.Hour   // since the newest stored time; beyond that the server may have been off, or the clock is ahead
)

// earliest is before any time that a correct clock shows.
var earliest = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// clock decides whether the wall clock can be trusted to expire names and to delete old messages. Its fields belong to the
// goroutine that calls check.
type clock struct {
	now     func() time.Time
	elapsed func() time.Duration // monotonic
	logger  *slog.Logger
	stored  time.Time // modification time of the data before this start; zero: unknown
	newest  time.Time // time of the newest stored message, which a copied file keeps; zero: there is none

	checked     bool          // check was called
	last        time.Time     // now at the last check
	lastElapsed time.Duration // elapsed at the last check
	steadySince time.Duration // in terms of elapsed
	trustAfter  time.Duration // how long the clock must be steady
	set         int           // how many times it was set

	expiry atomic.Int64 // a wire.Time, see eventlog.ReserveNameBody; 0: the clock is not trusted
}

func newClock(cfg *Config) *clock {
	start := time.Now()
	c := &clock{now: cfg.Now, elapsed: func() time.Duration { return time.Since(start) }, logger: cfg.Logger}
	if !cfg.InMemory {
		c.stored = dataTime(cfg.Data)
	}
	return c
}

// check returns the time, and whether it can be trusted.
func (c *clock) check() (time.Time, bool) {
	now, at := c.now().Round(0), c.elapsed()
	step := now.Sub(c.last) - (at - c.lastElapsed)
	switch {
	case !c.checked:
		c.checked, c.steadySince, c.trustAfter = true, at, trustAfter
		if !plausible(now, c.stored) || !plausible(now, c.newest) {
			c.trustAfter = trustAfterDoubt
			c.logger.Warn("the clock does not match the stored data, or nothing was stored for more than a day; retention by age and name expiry are suspended until the clock has been steady for an hour",
				"clock", now, "stored", c.stored, "newest", c.newest)
		}
	case step.Abs() > clockStep:
		c.steadySince, c.trustAfter = at, trustAfter
		c.set++
		c.logger.Warn("the clock was set; retention by age and name expiry are suspended until it has been steady for 10 minutes", "clock", now, "step", step.Round(time.Second))
	}
	c.last, c.lastElapsed = now, at
	trusted := at-c.steadySince >= c.trustAfter && now.After(earliest)
	if trusted {
		c.expiry.Store(int64(wire.TimeOf(now.Add(-eventlog.NameLeaseTime))))
	} else {
		c.expiry.Store(0)
	}
	return now, trusted
}

// trusted reports the result of the last check. It is safe for concurrent use.
func (c *clock) trusted() bool { return c.expiry.Load() != 0 }

// plausible reports whether the clock can be at now if something was stored then; a zero then is always plausible.
func plausible(now, then time.Time) bool {
	pause := now.Sub(then)
	return then.IsZero() || pause >= -clockStep && pause <= maxPause
}

// newest returns the time of the newest message of all rooms; zero: there is none.
func newest(store eventlog.Store) (last time.Time) {
	for _, at := range store.NewestTimes() {
		if at := at.Std(); at.After(last) {
			last = at
		}
	}
	return last
}

// dataTime returns when the data in a folder was last modified; zero: there is none.
func dataTime(dir string) (last time.Time) {
	for _, suffix := range []string{"", "-wal"} {
		info, err := os.Stat(filepath.Join(dir, sqlite.FileName+suffix))
		if err == nil && info.Mode()&fs.ModeType == 0 && info.ModTime().After(last) {
			last = info.ModTime()
		}
	}
	return last
}
