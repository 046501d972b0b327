package sqlite

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"ramai/internal/eventlog"
	"ramai/wire"
)

// Check returns what Open would find in the data folder dir, or why it would fail. It changes nothing.
func Check(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	info, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		if err := probe(existing(dir)); err != nil {
			return "", unusable(dir, err)
		}
		return "is not there yet, and will be made", nil
	}
	if err == nil && !info.IsDir() {
		err = errors.New("it is a file")
	}
	if err == nil {
		err = probe(dir)
	}
	if err != nil {
		return "", unusable(dir, err)
	}
	lockPath := filepath.Join(dir, lockName)
	if _, err := os.Stat(lockPath); err == nil {
		lock, err := lockFolder(dir)
		if err != nil {
			return "", err
		}
		defer lock.Unlock()
	}
	path := filepath.Join(dir, FileName)
	header, size, err := readHeader(path)
	if err != nil {
		return "", err
	}
	if header == nil {
		if err := checkLeftover(path); err != nil {
			return "", err
		}
		return "has no database yet; one will be made", nil
	}
	if err := inspect(path, true); err != nil {
		return "", err
	}
	found := fmt.Sprintf("has a database of %d bytes", size)
	if v := binary.BigEndian.Uint32(header[versionOffset:]); v != version {
		found += fmt.Sprintf(", of version %d; it will be upgraded to version %d", v, version)
	}
	return found, nil
}

// existing returns the nearest parent folder of dir that exists.
func existing(dir string) string {
	for {
		dir = filepath.Dir(dir)
		if _, err := os.Stat(dir); err == nil || dir == filepath.Dir(dir) {
			return dir
		}
	}
}

// CountExpired counts the records of the database in dir that retention would delete at a given time, and all records. It
// changes nothing. Without a database both counts are 0.
func CountExpired(dir string, retention eventlog.Retention, now time.Time) (expired, all uint64, err error) {
	path, err := filepath.Abs(filepath.Join(dir, FileName))
	if err != nil {
		return 0, 0, err
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return 0, 0, nil
	}
	c, err := openAsLeft(path)
	if err != nil {
		return 0, 0, err
	}
	expired, all, err = countExpired(c, retention, now)
	if err := errors.Join(err, c.Close()); err != nil {
		return 0, 0, fmt.Errorf("count the messages of %s: %w", path, err)
	}
	return expired, all, nil
}

func countExpired(c conn, retention eventlog.Retention, now time.Time) (expired, all uint64, err error) {
	tables, err := c.recordTables()
	if err != nil {
		return 0, 0, err
	}
	if retention.Age <= 0 {
		row, err := c.ints("SELECT ifnull(sum(max(0, last - first + 1 - ?)) FILTER (WHERE name NOT LIKE '~%'), 0), ifnull(sum(last - first + 1), 0) FROM rooms", int64(retention.Newest))
		if err != nil {
			return 0, 0, err
		}
		expired, all = uint64(row[0]), uint64(row[1])
		if retention.Newest == 0 {
			return expired, all, nil
		}
		old := "0"
		for _, t := range tables {
			old += " + (SELECT count(*) FROM " + t.name + " WHERE at < ?1 AND key BETWEEN r.id << 40 AND (r.id << 40) + ?2)"
		}
		row, err = c.ints("SELECT ifnull(sum(max(last - first + 1 - ?3, "+old+")), 0) FROM rooms r WHERE name LIKE '~%'",
			int64(wire.TimeOf(now.Add(-eventlog.LogLife))), int64(eventlog.MaxNumber), int64(eventlog.LogMax))
		if err != nil {
			return 0, 0, err
		}
		expired += uint64(row[0])
		return expired, all, nil
	}
	for _, t := range tables {
		row, err := c.ints("SELECT count(*) FILTER (WHERE at < ?), count(*) FROM "+t.name, int64(wire.TimeOf(now.Add(-retention.Age))))
		if err != nil {
			return 0, 0, err
		}
		expired, all = expired+uint64(row[0]), all+uint64(row[1])
	}
	return expired, all, nil
}
