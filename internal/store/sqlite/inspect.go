package sqlite

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"ramai/internal/eventlog"
)

// inspect checks what an earlier process left before anything is changed: whether the write-ahead log belongs to the
// database and, after an unclean stop or if thorough, whether the pages are intact. Opening a database for writing
// would apply any log beside it.
func inspect(path string, thorough bool) error {
	if err := checkWAL(path); err != nil {
		return err
	}
	info, err := os.Stat(path + "-wal")
	logged := err == nil && info.Size() > 0
	c, err := openAsLeft(path)
	if err != nil {
		return err
	}
	err = examinePages(c, thorough || logged)
	if err := errors.Join(err, c.Close()); err != nil {
		return damagedFileError(path, err)
	}
	return nil
}

// errReplaced means that the database is not the one that the server had open.
var errReplaced = errors.New("the file is not the one that the server had open; put that one back, or stop the server and use ramai restore")

// checkIdentity fails if the files are not those that this store had open, and does not change them. Opening the
// database for writing would apply the write-ahead log beside it and upgrade the schema.
func (s *Store) checkIdentity() error {
	if err := checkWAL(s.path()); err != nil {
		return err
	}
	c, err := openAsLeft(s.path())
	if err != nil {
		return err
	}
	row, _, err := metaOf(c)
	if err := errors.Join(err, c.Close()); err != nil {
		return err
	}
	if row.run != s.runID {
		return errReplaced
	}
	return nil
}

// damagedFileError adds what the operator can do about a damaged database.
func damagedFileError(path string, err error) error {
	if isTransient(err) {
		return err
	}
	return fmt.Errorf("%w: %w. \"ramai check %s\" lists the damage, \"ramai restore FILE --force\" restores a backup", eventlog.ErrDamaged, err, filepath.Dir(path))
}

func examinePages(c conn, thorough bool) error {
	if !thorough {
		column, err := c.text("SELECT name FROM pragma_table_info('meta') WHERE name = 'open'")
		if err != nil || column == "" {
			return err
		}
		row, err := c.ints("SELECT open FROM meta")
		if err != nil || len(row) == 1 && row[0] == 0 {
			return err
		}
	}
	return quickCheck(c)
}

// quickCheck makes SQLite check every page.
func quickCheck(c conn) error {
	found, err := c.text("PRAGMA quick_check(1)")
	if err == nil && found != "ok" {
		err = fmt.Errorf("%.200s", found)
	}
	return err
}
