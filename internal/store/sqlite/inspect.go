package sqlite

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"ramai/internal/eventlog"
)

// inspect looks at what an earlier process left, before anything of it is changed: whether its write-ahead log is its own,
// and, after a stop that was not in good order, or if thorough, whether its pages are what they should be. Opened to be
// written to, a database would take over its log whatever that is.
func inspect(path string, thorough bool) error {
	if err := checkWAL(path); err != nil {
		return err
	}
	info, err := os.Stat(path + "-wal")
	logged := err == nil && info.Size() > 0
	c, err := openReadOnly(path, !logged)
	if err != nil {
		return err
	}
	err = examinePages(c, thorough || logged)
	if err := errors.Join(err, c.Close()); err != nil {
		return damagedFileError(path, err)
	}
	return nil
}

// errReplaced says that a database is not the one that the server had open.
var errReplaced = errors.New("the file is another one than the server had open; bring that back, or stop the server and use ramai restore")

// checkIdentity fails where the files are others than this store had open. Those are left as they are: opened to be written to, a
// database would take over the write-ahead log beside it and be upgraded.
func (s *Store) checkIdentity() error {
	if err := checkWAL(s.path()); err != nil {
		return err
	}
	c, err := openReadOnly(s.path(), true)
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

// damagedFileError says what to do about a database that is damaged.
func damagedFileError(path string, err error) error {
	if isTransient(err) {
		return err
	}
	return fmt.Errorf("%w: %w. \"ramai check %s\" says what is lost, \"ramai restore FILE --force\" brings back a backup", eventlog.ErrDamaged, err, filepath.Dir(path))
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
