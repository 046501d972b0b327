package sqlite

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/gofrs/flock"
	sqlite3 "modernc.org/sqlite/lib"

	"ramai/internal/eventlog"
)

// FileName is what the database of a data folder is called.
const FileName = "ramai.db"

const lockName = "ramai.lock"

// What the header of a database file says (https://sqlite.org/fileformat.html, section 1.3).
const (
	headerSize    = 100
	magic         = "SQLite format 3\x00"
	versionOffset = 60
	ownerOffset   = 68

	owner = 0x52414d41 // application_id: "RAMA"

	// version is the user_version, of the schema; see upgrade.
	version = 6
)

// oldestSQLite is the first SQLite that cannot corrupt a database when it resets the write-ahead log
// (https://sqlite.org/releaselog/3_51_3.html).
const oldestSQLite = 3_051_003

func checkLibrary(number int) error {
	if number < oldestSQLite {
		return fmt.Errorf("this server was built with SQLite %d, which can corrupt its data; build it with %d or later", number, oldestSQLite)
	}
	return nil
}

// prepare makes the folder ready to be opened by this process alone, and makes what is missing. It leaves no trace in a
// folder that cannot be used.
func prepare(dir string, random io.Reader) (*flock.Flock, error) {
	if err := checkLibrary(sqlite3.SQLITE_VERSION_NUMBER); err != nil {
		return nil, err
	}
	if err := makeFolder(dir); err != nil {
		return nil, unusable(dir, err)
	}
	path, lockPath := filepath.Join(dir, FileName), filepath.Join(dir, lockName)
	// Where there is no lock file yet, one is made only beside a database that is ours. Where there is one, looking has to
	// wait for the lock: closing a file takes away the locks that SQLite has on it anywhere in this process.
	if _, err := os.Stat(lockPath); errors.Is(err, fs.ErrNotExist) {
		if _, err := checkFile(path); err != nil {
			return nil, err
		}
	}
	lock, err := lockFolder(dir)
	if err != nil {
		return nil, err
	}
	if err := ensureDatabase(dir, path, random); err != nil {
		return nil, errors.Join(err, lock.Unlock())
	}
	return lock, nil
}

// lockFolder takes the lock of a folder.
func lockFolder(dir string) (*flock.Flock, error) {
	lock := flock.New(filepath.Join(dir, lockName))
	switch ok, err := lock.TryLock(); {
	case err != nil:
		return nil, unusable(dir, err)
	case !ok:
		return nil, fmt.Errorf("%s: %w; stop that one first, or choose another folder", dir, ErrInUse)
	}
	return lock, nil
}

// announce tells a backup that is being taken, or is about to be, that a server starts, until it is stopped: see copyUndisturbed.
// It is a courtesy: where it does not work, nothing else suffers.
func announce(dir string) (stop func()) {
	touch := func() { _ = os.Chtimes(filepath.Join(dir, lockName), time.Time{}, time.Now()) }
	touch()
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		again := time.NewTicker(announceEvery)
		defer again.Stop()
		for {
			select {
			case <-again.C:
				touch()
			case <-quit:
				return
			}
		}
	}()
	return func() {
		close(quit)
		<-done
	}
}

// ensureDatabase checks a locked folder, and creates a database if there is none.
func ensureDatabase(dir, path string, random io.Reader) error {
	found, err := checkFile(path)
	if err != nil {
		return err
	}
	if err := probe(dir); err != nil {
		return unusable(dir, err)
	}
	if found {
		return nil
	}
	if err := checkLeftover(path); err != nil {
		return err
	}
	historyID, err := eventlog.NewHistoryID(random)
	if err != nil {
		return err
	}
	if err := create(path, historyID); err != nil {
		return fmt.Errorf("make the database %s: %w", path, err)
	}
	return syncFolder(dir)
}

// checkLeftover finds a write-ahead log that was left behind: SQLite would take it for that of a new database.
func checkLeftover(path string) error {
	if _, err := os.Lstat(path + "-wal"); err == nil {
		return fmt.Errorf("%s-wal is there without its database %s: bring that back beside it, or move both away", path, path)
	}
	return nil
}

// probe tries whether files can be made in a folder. SQLite has to, and its own error, if it cannot, does not say so.
func probe(dir string) error {
	f, err := os.CreateTemp(dir, ".ramai-*")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

func unusable(dir string, err error) error {
	return fmt.Errorf("the data folder %s has to be one that this user may write to: %w", dir, err)
}

// makeFolder is os.MkdirAll that survives a power cut.
func makeFolder(dir string) error {
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	parent := filepath.Dir(dir)
	if parent == dir {
		return os.Mkdir(dir, 0o700)
	}
	if err := makeFolder(parent); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncFolder(parent)
}

// syncFolder syncs the names in a folder.
func syncFolder(dir string) error {
	if runtime.GOOS == "windows" || !syncing { // Windows has no such call, and needs none
		return nil
	}
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// checkFile reports whether there is a database of ours at path, and that it can be written to. It returns false without
// an error if there is nothing.
func checkFile(path string) (bool, error) {
	header, _, err := readHeader(path)
	return header != nil, err
}

// readHeader is checkFile, and returns what the file begins with, or nil, and its size in bytes.
func readHeader(path string) (header []byte, size int64, err error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	if !info.Mode().IsRegular() {
		return nil, 0, fmt.Errorf("%s is not a file; move it away, or choose another data folder", path)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, 0, fmt.Errorf("the database has to be one that this user may write to: %w", err)
	}
	header = make([]byte, headerSize)
	n, err := io.ReadFull(f, header)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, 0, err
	}
	if err := checkHeader(header[:n]); err != nil {
		return nil, 0, fmt.Errorf("%s %w", path, err)
	}
	return header, info.Size(), nil
}

// checkHeader reports whether the first bytes of a file are those of a database of ours.
func checkHeader(b []byte) error {
	if len(b) < headerSize || string(b[:len(magic)]) != magic {
		return errors.New("is not a database; move it away, or choose another data folder")
	}
	if id := binary.BigEndian.Uint32(b[ownerOffset:]); id != owner {
		return fmt.Errorf("is the database of another program (application_id %#x); choose another data folder", id)
	}
	switch v := binary.BigEndian.Uint32(b[versionOffset:]); {
	case v > version:
		return fmt.Errorf("was written by a newer version of this server (its schema is %d, this server knows %d); start that one, or choose another data folder", v, version)
	case v < 1:
		return fmt.Errorf("has a schema of version %d, which never was one of this server; choose another data folder", v)
	}
	return nil
}
