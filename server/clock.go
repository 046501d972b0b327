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

// When the clock is believed. A machine without a battery starts years ago, one with a wrong time zone in its BIOS starts
// hours ahead, and most are set right within minutes. What a wrong clock deletes does not come back.
const (
	steadyAfter  = 10 * time.Minute // after the start, or after the clock was set
	doubtedAfter = time.Hour        // after a start at a time that does not fit what is stored
	clockStep    = time.Minute      // a clock that differs by more was set
	longPause    = 24 * time.Hour   // since the last time that is stored: the server may have been off, or the clock is ahead
)

// earliest is before any clock that is right.
var earliest = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// clock tells whether the time of day can be relied on, so that names may run out and messages may be too old. Its fields
// belong to the goroutine that calls check.
type clock struct {
	now     func() time.Time
	elapsed func() time.Duration // since some moment, whatever the time of day is set to
	logger  *slog.Logger
	stored  time.Time // when something was stored last, before this start, by the file's own time; zero: unknown
	newest  time.Time // when the newest of the stored messages was said, which a copied file keeps; zero: there is none

	begun  bool
	last   time.Time     // what now was at the last check
	lastAt time.Duration // and what elapsed was
	since  time.Duration // when the clock began to be steady
	wait   time.Duration // how long it has to be
	set    int           // how many times it was set

	expiry atomic.Int64 // a wire.Time for Batch.Expiry
}

func newClock(cfg *Config) *clock {
	start := time.Now()
	c := &clock{now: cfg.Now, elapsed: func() time.Duration { return time.Since(start) }, logger: cfg.Logger}
	if !cfg.InMemory {
		c.stored = modified(cfg.Data)
	}
	return c
}

// check looks at the clock. It returns the time, and whether it can be relied on.
func (c *clock) check() (time.Time, bool) {
	now, at := c.now().Round(0), c.elapsed()
	step := now.Sub(c.last) - (at - c.lastAt)
	switch {
	case !c.begun:
		c.begun, c.since, c.wait = true, at, steadyAfter
		if !fits(now, c.stored) || !fits(now, c.newest) {
			c.wait = doubtedAfter
			c.logger.Warn("the clock does not fit the stored data, or nothing was said for more than a day; nothing is deleted by age, and no name runs out, until it has been steady for an hour",
				"clock", now, "stored", c.stored, "newest", c.newest)
		}
	case step.Abs() > clockStep:
		c.since, c.wait = at, steadyAfter
		c.set++
		c.logger.Warn("the clock was set; nothing is deleted by age, and no name runs out, until it has been steady for 10 minutes", "clock", now, "by", step.Round(time.Second))
	}
	c.last, c.lastAt = now, at
	steady := at-c.since >= c.wait && now.After(earliest)
	if steady {
		c.expiry.Store(int64(wire.TimeOf(now.Add(-eventlog.NameLeaseTime))))
	} else {
		c.expiry.Store(0)
	}
	return now, steady
}

// steady tells what the last check has found: whether the clock can be relied on. Any goroutine may call it.
func (c *clock) steady() bool { return c.expiry.Load() != 0 }

// fits tells whether the clock can be at now where something happened then; the zero time: nothing did.
func fits(now, then time.Time) bool {
	away := now.Sub(then)
	return then.IsZero() || away >= -clockStep && away <= longPause
}

// newest is when the newest message of all rooms was said; zero: there is none.
func newest(store eventlog.Store) (last time.Time) {
	for _, at := range store.NewestTimes() {
		if at := at.Std(); at.After(last) {
			last = at
		}
	}
	return last
}

// modified is when the data of a folder were written last; zero: there are none.
func modified(dir string) (last time.Time) {
	for _, suffix := range []string{"", "-wal"} {
		info, err := os.Stat(filepath.Join(dir, sqlite.FileName+suffix))
		if err == nil && info.Mode()&fs.ModeType == 0 && info.ModTime().After(last) {
			last = info.ModTime()
		}
	}
	return last
}
