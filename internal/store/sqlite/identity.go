package sqlite

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

// identity distinguishes the open files from other files of the same names. Data written to a file that was deleted or
// moved is lost to the next server.
type identity struct {
	path  string
	files map[string]os.FileInfo // by suffix
	db    *os.File               // closed after SQLite's files: closing it releases the locks that SQLite holds
	root  int64                  // offset of the page of meta
	run   string

	mu   sync.Mutex
	page []byte    // guarded by mu
	read time.Time // guarded by mu: when the page was last verified
}

// identify records the files that were just opened. The write-ahead log is empty, so the main file has this run.
func identify(path, run string, c conn) (*identity, error) {
	_, root, err := metaOf(c)
	if err != nil {
		return nil, err
	}
	size, err := c.ints("PRAGMA page_size")
	if err != nil {
		return nil, err
	}
	db, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	id := &identity{path: path, db: db, root: int64(root-1) * size[0], run: run, page: make([]byte, size[0]), files: map[string]os.FileInfo{}}
	for _, suffix := range suffixes {
		if id.files[suffix], err = os.Stat(path + suffix); err != nil {
			return nil, errors.Join(err, db.Close())
		}
	}
	return id, id.check()
}

// metaReadInterval is the shortest interval between reads of the page of meta. Later changes are in the write-ahead
// log, whose name is checked each time.
const metaReadInterval = time.Second

// metaReadTries is how often the page of meta must be wrong to count as wrong: a checkpoint may be writing it.
const metaReadTries = 5

// check returns an error if a file was replaced, or has content that this server did not write.
func (id *identity) check() error {
	if err := errors.Join(id.same(""), id.same("-wal")); err != nil {
		return err
	}
	id.mu.Lock()
	defer id.mu.Unlock()
	if time.Since(id.read) < metaReadInterval {
		return nil
	}
	if err := id.same("-shm"); err != nil {
		return err
	}
	var row metaRow
	for try := range metaReadTries {
		if try > 0 {
			time.Sleep(time.Millisecond)
		}
		_, err := id.db.ReadAt(id.page, id.root)
		if errors.Is(err, os.ErrClosed) {
			return nil
		}
		if err == nil {
			row, err = decodeMeta(id.page)
		}
		if err == nil && row.run == id.run {
			id.read = time.Now()
			return nil
		}
	}
	id.read = time.Time{}
	return fmt.Errorf("%s was overwritten while the server has it open; stop the server and use ramai restore", id.path)
}

// same returns an error if a name no longer refers to the open file.
func (id *identity) same(suffix string) error {
	got, err := os.Stat(id.path + suffix)
	if err == nil && os.SameFile(id.files[suffix], got) {
		return nil
	}
	if err == nil {
		err = errors.New("it is a different file now")
	}
	return fmt.Errorf("%s was moved, deleted or replaced while the server has it open (%w); put it back, or stop the server and use ramai restore", id.path+suffix, err)
}
