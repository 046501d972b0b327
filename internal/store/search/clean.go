package search

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"ramai/internal/eventlog"
	"ramai/internal/sqlitepage"
	"ramai/internal/tokenize"
)

const (
	// cleanAfter is how long words of erased texts may stay in the file. Removing them merges the whole index, so it is not
	// done for each text.
	cleanAfter = 6 * time.Hour
	cleanRetry = time.Minute // while queries keep the write-ahead log in use
	cleanPages = 500         // pages of one step
)

// reindex replaces the words of changed messages by their present ones.
func reindex(tx *sql.Tx, w *batch, now time.Time) error {
	erased := false
	for ref, r := range w.changed {
		room := w.rooms[ref.room].id
		words := ""
		if r != nil {
			text, err := r.SearchText()
			if err != nil {
				return err
			}
			words = tokenize.Index(text)
		}
		var key int64
		err := tx.QueryRow("SELECT sort_key FROM messages WHERE room = ? AND n = ?", room, int64(ref.n)).Scan(&key)
		switch {
		case errors.Is(err, sql.ErrNoRows) && words == "":
			continue
		case errors.Is(err, sql.ErrNoRows): // it had no words before
			if err := insertRecords(tx, &batch{rooms: w.rooms, records: []eventlog.Record{*r}}); err != nil {
				return err
			}
			continue
		case err != nil:
			return err
		}
		erased = true
		if _, err := tx.Exec("DELETE FROM texts WHERE rowid = ?", key); err != nil {
			return err
		}
		if words == "" {
			_, err = tx.Exec("DELETE FROM messages WHERE sort_key = ?", key)
		} else {
			_, err = tx.Exec("INSERT INTO texts(rowid, words) VALUES(?, ?)", key, roomWord(room)+" "+words)
		}
		if err != nil {
			return err
		}
	}
	if !erased {
		return nil
	}
	_, err := tx.Exec("UPDATE meta SET erased = ? WHERE erased = 0", now.UnixMilli())
	return err
}

// cleanDue returns when the words of erased texts have to be removed from the file; zero: there are none.
func (x *Index) cleanDue() (time.Time, error) {
	if x.file.memory || !x.mayNeedClean {
		return time.Time{}, nil
	}
	var erased int64
	if err := x.file.db.QueryRow("SELECT erased FROM meta").Scan(&erased); err != nil || erased == 0 {
		x.mayNeedClean = err != nil
		return time.Time{}, err
	}
	due := time.UnixMilli(erased).Add(cleanAfter)
	if due.After(x.pace.now().Add(cleanAfter)) { // the clock was ahead
		due = x.pace.now()
	}
	if due.Before(x.cleanAgain) {
		due = x.cleanAgain
	}
	return due, nil
}

// clean removes the words of erased texts from the file. Queries run meanwhile.
func (x *Index) clean() error {
	c, err := x.file.db.Conn(x.ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	for first := true; ; first = false {
		merged, err := mergeStep(x.ctx, c, first)
		if err != nil {
			return err
		}
		if !merged {
			break
		}
		x.sleep(x.pace.pause())
		x.pace.begin(x.noted.Load())
	}
	pages := pageConn{x.ctx, c}
	for next := uint32(1); ; {
		if next, err = sqlitepage.Clean(pages, next, cleanPages); err != nil {
			return err
		}
		if next == 0 {
			break
		}
		x.sleep(x.pace.pause())
		x.pace.begin(x.noted.Load())
	}
	if _, err := c.ExecContext(x.ctx, "PRAGMA incremental_vacuum"); err != nil {
		return err
	}
	var busy, logged, moved int
	if err := c.QueryRowContext(x.ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &logged, &moved); err != nil {
		return err
	}
	if busy != 0 {
		return errBusy
	}
	_, err = c.ExecContext(x.ctx, "UPDATE meta SET erased = 0")
	return err
}

// errBusy means that queries use the write-ahead log.
var errBusy = errors.New("the write-ahead log is in use")

// isBusy reports whether err means that others use the file for a moment.
func isBusy(err error) bool {
	var e *sqlite.Error
	return errors.Is(err, errBusy) || errors.As(err, &e) && e.Code()&0xff == sqlite3.SQLITE_BUSY
}

// mergeStep does a part of merging all of the index into one segment, which has no deleted rows. It reports whether there was
// anything to do. See https://sqlite.org/fts5.html, section 6.9.
func mergeStep(ctx context.Context, c *sql.Conn, first bool) (bool, error) {
	pages := cleanPages
	if first { // mark all segments
		pages = -pages
	}
	var before, after int64
	if err := c.QueryRowContext(ctx, "SELECT total_changes()").Scan(&before); err != nil {
		return false, err
	}
	if _, err := c.ExecContext(ctx, "INSERT INTO texts(texts, rank) VALUES('merge', ?)", pages); err != nil {
		return false, err
	}
	err := c.QueryRowContext(ctx, "SELECT total_changes()").Scan(&after)
	return after-before >= 2, err
}

// pageConn implements sqlitepage.DB.
type pageConn struct {
	ctx context.Context
	c   *sql.Conn
}

func (p pageConn) Page(number uint32) (page []byte, err error) {
	err = p.c.QueryRowContext(p.ctx, "SELECT data FROM sqlite_dbpage WHERE pgno = ?", number).Scan(&page)
	return page, err
}

func (p pageConn) SetPages(numbers []uint32, edit func(uint32, []byte) bool) error {
	if _, err := p.c.ExecContext(p.ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	err := p.edit(numbers, edit)
	end := "COMMIT"
	if err != nil {
		end = "ROLLBACK"
	}
	_, failed := p.c.ExecContext(context.WithoutCancel(p.ctx), end)
	return errors.Join(err, failed)
}

func (p pageConn) edit(numbers []uint32, edit func(uint32, []byte) bool) error {
	for _, n := range numbers {
		page, err := p.Page(n)
		if err != nil {
			return err
		}
		if !edit(n, page) {
			continue
		}
		if _, err := p.c.ExecContext(p.ctx, "UPDATE sqlite_dbpage SET data = ? WHERE pgno = ?", page, n); err != nil {
			return err
		}
	}
	return nil
}
