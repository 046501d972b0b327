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

// Goes counts the messages of the database in dir that retention would delete at a given time, and all messages. It
// changes nothing. Without a database both counts are 0.
func Goes(dir string, keep eventlog.Retention, now time.Time) (goes, of uint64, err error) {
	path, err := filepath.Abs(filepath.Join(dir, FileName))
	if err != nil {
		return 0, 0, err
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return 0, 0, nil
	}
	logged, err := os.Stat(path + "-wal")
	c, err := openReadOnly(path, err != nil || logged.Size() == 0)
	if err != nil {
		return 0, 0, err
	}
	query, arg := "SELECT ifnull(sum(max(0, last - first + 1 - ?)), 0), ifnull(sum(last - first + 1), 0) FROM rooms", int64(keep.Newest)
	if keep.Age > 0 {
		query, arg = "SELECT count(*) FILTER (WHERE at < ?), count(*) FROM messages", int64(wire.TimeOf(now.Add(-keep.Age)))
	}
	row, err := c.ints(query, arg)
	if err := errors.Join(err, c.Close()); err != nil {
		return 0, 0, fmt.Errorf("count the messages of %s: %w", path, err)
	}
	return uint64(row[0]), uint64(row[1]), nil
}
