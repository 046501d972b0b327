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

// FileName is the name of the database in a data folder.
const FileName = "ramai.db"

const lockName = "ramai.lock"

// Fields of the header of a database file (https://sqlite.org/fileformat.html, section 1.3).
const (
	headerSize    = 100
	magic         = "SQLite format 3\x00"
	versionOffset = 60
	ownerOffset   = 68

	owner = 0x52414d41 // application_id: "RAMA"

	// version is the user_version: the version of the schema, see upgrade.
	version = 10
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

// prepare locks the folder for this process, and creates what is missing. It changes nothing in a folder that cannot be
// used.
func prepare(dir string, random io.Reader) (*flock.Flock, error) {
	if err := checkLibrary(sqlite3.SQLITE_VERSION_NUMBER); err != nil {
		return nil, err
	}
	if err := makeFolder(dir); err != nil {
		return nil, unusable(dir, err)
	}
	path, lockPath := filepath.Join(dir, FileName), filepath.Join(dir, lockName)
	// If there is no lock file yet, create one only beside a database of ours. If there is one, lock it before reading
	// the database: closing a file releases the locks that SQLite holds on it anywhere in this process.
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

// lockFolder acquires the lock of a folder.
func lockFolder(dir string) (*flock.Flock, error) {
	lock := flock.New(filepath.Join(dir, lockName))
	switch ok, err := lock.TryLock(); {
	case err != nil:
		return nil, unusable(dir, err)
	case !ok:
		return nil, fmt.Errorf("%s: %w; stop it first, or choose another folder", dir, ErrInUse)
	}
	return lock, nil
}

// announce tells current and coming backups that a server is starting, until stop is called: see copyUndisturbed.
// Backups are all that depends on it, so errors are ignored.
func announce(dir string) (stop func()) {
	markUsed := func() { _ = os.Chtimes(filepath.Join(dir, lockName), time.Time{}, time.Now()) }
	markUsed()
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		again := time.NewTicker(announceEvery)
		defer again.Stop()
		for {
			select {
			case <-again.C:
				markUsed()
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
		return fmt.Errorf("create the database %s: %w", path, err)
	}
	return syncFolder(dir)
}

// checkLeftover detects a write-ahead log without a database: SQLite would apply it to a new database.
func checkLeftover(path string) error {
	if _, err := os.Lstat(path + "-wal"); err == nil {
		return fmt.Errorf("%s-wal exists without its database %s: put the database back beside it, or move the log away", path, path)
	}
	return nil
}

// probe creates a file in a folder. SQLite has to do the same, and its own error would not name the cause.
func probe(dir string) error {
	f, err := os.CreateTemp(dir, ".ramai-*")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

func unusable(dir string, err error) error {
	return fmt.Errorf("the data folder %s must be writable for this user: %w", dir, err)
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

// syncFolder syncs the directory entries of a folder.
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

// checkFile reports whether there is a database of ours at path that can be written to. It returns false without an
// error if there is no file.
func checkFile(path string) (bool, error) {
	header, _, err := readHeader(path)
	return header != nil, err
}

// readHeader is checkFile that returns the beginning of the file, or nil, and its size in bytes.
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
		return nil, 0, fmt.Errorf("the database must be writable for this user: %w", err)
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

// checkHeader reports whether the first bytes of a file belong to a database of ours.
func checkHeader(b []byte) error {
	if len(b) < headerSize || string(b[:len(magic)]) != magic {
		return errors.New("is not a database; move it away, or choose another data folder")
	}
	if id := binary.BigEndian.Uint32(b[ownerOffset:]); id != owner {
		return fmt.Errorf("is the database of another program (application_id %#x); choose another data folder", id)
	}
	switch v := binary.BigEndian.Uint32(b[versionOffset:]); {
	case v > version:
		return fmt.Errorf("was written by a newer version of this server (its schema is %d, this server knows %d); start the newer version, or choose another data folder", v, version)
	case v < 1:
		return fmt.Errorf("has a schema of version %d, which no version of this server has used; choose another data folder", v)
	}
	return nil
}
