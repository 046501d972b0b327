package server

import (
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"ramai/internal/journal"
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
	log     *slog.Logger
	stored  time.Time // when something was stored last, before this start; zero: unknown

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
	c := &clock{now: cfg.Now, elapsed: func() time.Duration { return time.Since(start) }, log: cfg.Log}
	if !cfg.Memory {
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
		if away := now.Sub(c.stored); !c.stored.IsZero() && (away < -clockStep || away > longPause) {
			c.wait = doubtedAfter
			c.log.Warn("the clock does not fit the stored data; nothing is deleted by age, and no name runs out, until it has been steady for an hour", "clock", now, "stored", c.stored)
		}
	case step.Abs() > clockStep:
		c.since, c.wait = at, steadyAfter
		c.set++
		c.log.Warn("the clock was set; nothing is deleted by age, and no name runs out, until it has been steady for 10 minutes", "clock", now, "by", step.Round(time.Second))
	}
	c.last, c.lastAt = now, at
	steady := at-c.since >= c.wait && now.After(earliest)
	if steady {
		c.expiry.Store(int64(wire.TimeOf(now.Add(-journal.HoldName))))
	} else {
		c.expiry.Store(0)
	}
	return now, steady
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
