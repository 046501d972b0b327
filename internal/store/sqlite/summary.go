package sqlite

import (
	"errors"
	"fmt"
	"os"
)

// Summary describes the content of a database.
type Summary struct {
	HistoryID string
	Rooms     int64
	Messages  int64
	Bytes     int64 // of the file
}

// examine checks a database that nobody uses, and describes its content. It needs the final name of the file, because
// SQLite would not find a journal under another.
func examine(path string) (*Summary, error) {
	found, err := checkFile(path)
	if err == nil && !found {
		err = fmt.Errorf("there is no file %s", path)
	}
	if err != nil {
		return nil, err
	}
	c, err := connect(path, "query_only=1")
	if err != nil {
		return nil, err
	}
	s := new(Summary)
	err = s.fill(c)
	if err := errors.Join(err, c.Close()); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	s.Bytes = info.Size()
	return s, nil
}

func (s *Summary) fill(c conn) error {
	if err := quickCheck(c); err != nil {
		return fmt.Errorf("it is damaged: %w", err)
	}
	var err error
	if s.HistoryID, err = c.text("SELECT log FROM meta"); err != nil {
		return err
	}
	v, err := c.ints("PRAGMA user_version")
	if err != nil {
		return err
	}
	row, err := c.ints("SELECT (SELECT count(*) FROM rooms), (SELECT count(*) FROM " + recordTableOf(v[0]).name + ")")
	if err != nil {
		return err
	}
	s.Rooms, s.Messages = row[0], row[1]
	return nil
}
