package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"ramai/internal/eventlog"
)

// A Copy is a backup to restore, or a database that was renamed or copied by hand: its file, and the write-ahead log
// beside it, if any.
type Copy struct {
	name string
	file *os.File
	log  *os.File // nil: there is none
}

// OpenCopy opens a file that no server uses.
func OpenCopy(file string) (*Copy, error) {
	if lock := filepath.Join(filepath.Dir(file), lockName); filepath.Base(file) == FileName {
		if _, err := os.Stat(lock); err == nil {
			leases, err := lockFolder(filepath.Dir(file))
			if err != nil {
				return nil, fmt.Errorf("%s is in use and cannot be restored from (make a copy with ramai backup): %w", file, err)
			}
			defer leases.Unlock()
		}
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	c := &Copy{name: file, file: f}
	if c.log, err = os.Open(file + "-wal"); err != nil {
		c.log = nil
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, errors.Join(err, f.Close())
		}
	}
	return c, nil
}

// Close closes the files.
func (c *Copy) Close() error {
	if c.log == nil {
		return c.file.Close()
	}
	return errors.Join(c.file.Close(), c.log.Close())
}

// into copies the database to a file, and its log to the log of that file.
func (c *Copy) into(ctx context.Context, to *os.File) error {
	if _, err := io.Copy(to, interruptible{ctx, c.file}); err != nil || c.log == nil {
		return err
	}
	log, err := os.OpenFile(to.Name()+"-wal", os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(log, interruptible{ctx, c.log})
	return errors.Join(err, log.Close())
}

// interruptible reads until ctx is canceled.
type interruptible struct {
	ctx context.Context
	io.Reader
}

func (r interruptible) Read(b []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	return r.Reader.Read(b)
}

// Restore copies a backup into a data folder that no server uses, and gives it a new history id: clients may have
// received messages after the backup was taken, and must not confuse them with new messages under the same numbers. A
// database in the folder is an error, unless keepOld is true; then it is renamed, and Restore returns its new name. If
// ctx is canceled, nothing has changed.
func Restore(ctx context.Context, dir string, from *Copy, keepOld bool, random io.Reader, now time.Time) (summary *Summary, was string, err error) {
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, "", err
	}
	if err := makeFolder(dir); err != nil {
		return nil, "", unusable(dir, err)
	}
	if err := checkMember(dir); err != nil {
		return nil, "", err
	}
	lock, err := lockFolder(dir)
	if err != nil {
		return nil, "", err
	}
	defer lock.Unlock()
	path := filepath.Join(dir, FileName)
	there := exists(path) // or a write-ahead log alone: SQLite would apply it to the new file
	if there && !keepOld {
		return nil, "", fmt.Errorf("%s has a database already, or a part of one; choose an empty folder, or rename the old database with --force", dir)
	}
	f, err := freshFile(path)
	if err != nil {
		return nil, "", unusable(dir, err)
	}
	unfinished := f.Name()
	defer discard(unfinished)
	if err := errors.Join(from.into(ctx, f), f.Close()); err != nil {
		return nil, "", err
	}
	if err := checkWAL(unfinished); err != nil {
		return nil, "", fmt.Errorf("%s is not a usable backup: %w", from.name, err)
	}
	if err := validate(ctx, unfinished); err != nil {
		return nil, "", fmt.Errorf("%s is not a usable backup: %w", from.name, err)
	}
	if summary, err = examine(unfinished); err != nil {
		return nil, "", fmt.Errorf("%s is not a usable backup: %w", from.name, err)
	}
	if summary.HistoryID, err = eventlog.NewHistoryID(random); err != nil {
		return nil, "", err
	}
	c, err := connect(unfinished, synchronous("FULL"))
	if err != nil {
		return nil, "", err
	}
	if err := errors.Join(c.exec("UPDATE meta SET log = ?, unsynced = 0", summary.HistoryID), c.Close(), finishCopy(unfinished)); err != nil {
		return nil, "", fmt.Errorf("set a new history id in the copy: %w", err)
	}
	if there {
		if was, err = renameOld(path, now); err != nil {
			return nil, "", fmt.Errorf("rename the old database: %w", err)
		}
	}
	return summary, was, moveIntoPlace(unfinished, path)
}

// suffixes are those of the files of a database. The database itself comes last, so that none of the others is ever
// beside a foreign database.
var suffixes = []string{"-wal", "-shm", ""}

// exists reports whether any file of a database exists.
func exists(path string) bool {
	return slices.ContainsFunc(suffixes, func(suffix string) bool {
		_, err := os.Lstat(path + suffix)
		return err == nil
	})
}

// renameOld renames a database to make way for a new one, and returns its new name. The old name remains as a second
// link until it is replaced, so an interruption changes nothing. A damaged database, whose write-ahead log cannot be
// checkpointed, is renamed together with that log.
func renameOld(path string, now time.Time) (was string, err error) {
	for i := 0; was == "" || exists(was); i++ {
		was = path + ".until-" + now.UTC().Format("20060102T150405Z")
		if i > 0 {
			was += fmt.Sprintf(".%d", i)
		}
	}
	switch err := checkpointFile(path); {
	case errors.Is(err, errInUseElsewhere):
		return "", err
	case err == nil:
		if err := os.Link(path, was); err == nil || errors.Is(err, fs.ErrExist) {
			return was, errors.Join(err, syncFolder(filepath.Dir(path)))
		} // some file systems have no hard links
	}
	for _, suffix := range suffixes {
		if err := os.Rename(path+suffix, was+suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
	return was, syncFolder(filepath.Dir(path))
}

// checkpointFile moves all data of a database into its main file. It fails with errInUseElsewhere if another process
// has it open.
func checkpointFile(path string) error {
	found, err := checkFile(path)
	if err != nil {
		return err
	}
	if !found {
		return fs.ErrNotExist
	}
	if err := checkWAL(path); err != nil {
		return err
	}
	c, err := connect(path)
	if err != nil {
		return err
	}
	w := writer{conn: c}
	if err := errors.Join(w.checkpoint(), c.Close()); err != nil {
		return err
	}
	if _, err := os.Lstat(path + "-wal"); err == nil { // the last process to close the database removes it
		return errInUseElsewhere
	}
	return nil
}
