package sqlite

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

// identity distinguishes the open files from others of the same name. What is written to a file that was deleted or moved
// is lost to the next server.
type identity struct {
	path  string
	files map[string]os.FileInfo // by suffix
	db    *os.File               // closed after all of SQLite's: closing takes away the locks that it has on the file
	root  int64                  // where the page of meta begins
	run   string

	mu   sync.Mutex
	page []byte    // guarded by mu
	read time.Time // guarded by mu: when the page was found to be right
}

// identify looks at the files that were just opened. The write-ahead log is empty, so the file has this run.
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

// metaReadInterval is how often the page of meta is read at most. What is written meanwhile is in the write-ahead log, whose name
// is looked at each time.
const metaReadInterval = time.Second

// metaReadTries is how often the page of meta is read before it counts: a checkpoint may be writing it.
const metaReadTries = 5

// check returns an error if a file has another one in its place, or another content than a server's.
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

// same returns an error if a name is no longer that of the open file.
func (id *identity) same(suffix string) error {
	got, err := os.Stat(id.path + suffix)
	if err == nil && os.SameFile(id.files[suffix], got) {
		return nil
	}
	if err == nil {
		err = errors.New("it is another file now")
	}
	return fmt.Errorf("%s was moved, deleted or replaced while the server has it open (%w); bring it back, or stop the server and use ramai restore", id.path+suffix, err)
}
