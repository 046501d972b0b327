package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"time"

	"ramai/internal/sqlitepage"
)

const (
	scrubPages = 500 // pages of one step: some milliseconds
	scrubRest  = 3   // the rest after a step, as a multiple of its time

	// scrubWait is how long a step waits for locks. While the write-ahead log is emptied, Apply waits for that.
	scrubWait = 100 * time.Millisecond
)

// Scrub removes what is left in the files of records that were replaced or deleted: copies in unused parts of pages, free
// pages, and the write-ahead log. It works in steps, and records are stored meanwhile. After an error, the rest is left.
func (s *Store) Scrub(ctx context.Context) error {
	step := func(f func(c conn) (more bool, err error)) error {
		for more := true; more; {
			if err := ctx.Err(); err != nil {
				return err
			}
			begin := time.Now()
			var err error
			if more, err = s.scrubStep(f); err != nil {
				return err
			}
			if more {
				rest(ctx, scrubRest*time.Since(begin))
			}
		}
		return nil
	}
	next := uint32(1)
	err := step(func(c conn) (more bool, err error) {
		next, err = sqlitepage.Clean(pageConn{c}, next, scrubPages)
		return next != 0, err
	})
	if err != nil {
		return fmt.Errorf("clear unused parts of pages: %w", err)
	}
	if err := step(vacuumStep); err != nil {
		return fmt.Errorf("return free pages to the file system: %w", err)
	}
	if err := step(func(c conn) (bool, error) { return false, (&writer{conn: c}).checkpoint() }); err != nil {
		return fmt.Errorf("empty the write-ahead log: %w", err)
	}
	return nil
}

// rest waits for d, or until ctx ends.
func rest(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// scrubStep calls f with a connection of its own. Meanwhile the store is not reopened.
func (s *Store) scrubStep(f func(conn) (more bool, err error)) (more bool, err error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.writer == nil {
		return false, s.unavailable()
	}
	c, err := connect(s.path())
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	if err := c.exec(fmt.Sprintf("PRAGMA busy_timeout = %d", scrubWait.Milliseconds())); err != nil {
		return false, err
	}
	return f(c)
}

// vacuumStep returns some free pages to the file system, and reports whether there are more.
func vacuumStep(c conn) (more bool, err error) {
	if err := c.exec(fmt.Sprintf("PRAGMA incremental_vacuum(%d)", scrubPages)); err != nil {
		return false, err
	}
	free, err := c.ints("PRAGMA freelist_count")
	return err == nil && len(free) == 1 && free[0] > 0, err
}

// pageConn implements sqlitepage.DB.
type pageConn struct{ conn }

func (c pageConn) Page(number uint32) (page []byte, err error) {
	err = c.each("SELECT data FROM sqlite_dbpage WHERE pgno = ?", func(row []driver.Value) error {
		b, ok := row[0].([]byte)
		if !ok {
			return fmt.Errorf("page %d is %T, not bytes", number, row[0])
		}
		page = b
		return io.EOF
	}, int64(number))
	if errors.Is(err, io.EOF) {
		err = nil
	}
	if err == nil && page == nil {
		err = fmt.Errorf("page %d does not exist", number)
	}
	return page, err
}

func (c pageConn) SetPages(numbers []uint32, edit func(uint32, []byte) bool) (err error) {
	if err := c.exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.exec("ROLLBACK"))
		}
	}()
	for _, n := range numbers {
		page, err := c.Page(n)
		if err != nil {
			return err
		}
		if !edit(n, page) {
			continue
		}
		if err := c.exec("UPDATE sqlite_dbpage SET data = ? WHERE pgno = ?", page, int64(n)); err != nil {
			return err
		}
	}
	return c.exec("COMMIT")
}
