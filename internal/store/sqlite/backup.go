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

// Summary describes the content of a database.
type Summary struct {
	HistoryID string
	Rooms     int64
	Messages  int64
	Bytes     int64 // of the file
}

// Backup copies the database of a data folder into a new file, as of one moment: it contains everything acknowledged
// before the copy began, and only whole batches. A server may be running; its write-ahead log grows until the copy is
// complete. If a server starts meanwhile, the copy starts over. The file appears under its name once it is complete,
// checked and synced. An existing file of that name is an error, unless over is true. If ctx is canceled, nothing is
// left.
//
// Damaged data is an error; see BackupUndamaged.
func Backup(ctx context.Context, dir, file string, overwrite bool) (*Summary, error) {
	s, err := backup(ctx, dir, file, overwrite, func(ctx context.Context, from, to string) error {
		source, err := connect(from, "synchronous=OFF") // a sync of the copy cannot be interrupted; publish syncs
		if err != nil {
			return err
		}
		return errors.Join(source.execContext(ctx, "VACUUM INTO ?", to), source.Close())
	})
	if damaged := (damagedCopy{}); errors.As(err, &damaged) || isCorrupt(err) {
		err = fmt.Errorf("%w; \"ramai check %s\" lists the damage, \"ramai backup --skip-damaged\" copies the rest", err, dir)
	}
	return s, err
}

// damagedCopy is the error of a copy that could not be restored.
type damagedCopy struct{ error }

func (d damagedCopy) Unwrap() error { return d.error }

// backup is Backup with a function that copies one database file into another. It is called again if a server starts
// meanwhile.
func backup(ctx context.Context, dir, file string, overwrite bool, copy func(ctx context.Context, from, to string) error) (*Summary, error) {
	path, err := filepath.Abs(filepath.Join(dir, FileName))
	if err != nil {
		return nil, err
	}
	if file, err = filepath.Abs(file); err != nil {
		return nil, err
	}
	found, err := checkFile(path)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, fmt.Errorf("there is no database in %s; set --data to the data folder of the server", dir)
	}
	if err := checkStoppedWAL(dir, path); err != nil {
		return nil, err
	}
	switch within, err := sameFolder(filepath.Dir(file), dir); {
	case err != nil:
		return nil, err
	case within:
		return nil, fmt.Errorf("%s is in the data folder, among the server's own files; choose another folder for the backup", file)
	}
	if _, err := os.Lstat(file); err == nil && !overwrite {
		return nil, fmt.Errorf("%s exists already; choose another name, or use --force", file)
	}
	f, err := freshFile(file)
	if err != nil {
		return nil, err
	}
	unfinished := f.Name()
	defer discard(unfinished)
	if err := f.Close(); err != nil {
		return nil, err
	}
	err = copyUndisturbed(ctx, filepath.Join(filepath.Dir(path), lockName), serverStartTime, func(ctx context.Context) error {
		if err := os.Truncate(unfinished, 0); err != nil { // from an earlier try
			return err
		}
		return copy(ctx, path, unfinished)
	})
	if err != nil {
		return nil, fmt.Errorf("copy %s: %w", path, err)
	}
	if err := finishCopy(unfinished); err != nil {
		return nil, fmt.Errorf("finish the copy of %s: %w", path, err)
	}
	if err := validate(ctx, unfinished); err != nil { // the same check as in a restore
		return nil, damagedCopy{fmt.Errorf("the copy could not be restored: %w", err)}
	}
	summary, err := examine(unfinished)
	if err != nil {
		return nil, fmt.Errorf("the copy cannot be used: %w", err)
	}
	return summary, moveIntoPlace(unfinished, file)
}

// checkStoppedWAL is checkWAL for a database that no server uses. A running server has checked its log already, and
// changes both files meanwhile.
func checkStoppedWAL(dir, path string) error {
	if info, err := os.Stat(path + "-wal"); err != nil || info.Size() == 0 {
		return nil
	}
	if _, err := os.Stat(filepath.Join(dir, lockName)); err == nil {
		lock, err := lockFolder(dir)
		if errors.Is(err, ErrInUse) {
			return nil
		}
		if err != nil {
			return err
		}
		defer lock.Unlock()
	}
	return checkWAL(path)
}

// finishCopy gives a copied database a run of its own, because its source may be in use. If someone puts the copy
// beside a write-ahead log by hand, that log belongs to another file.
func finishCopy(copied string) error {
	c, err := connect(copied, "synchronous=OFF")
	if err != nil {
		return err
	}
	_, root, err := metaOf(c)
	if err == nil && root != 0 {
		err = c.exec("UPDATE meta SET open = 0, run = " + newRun)
	}
	return errors.Join(err, c.Close())
}

// How a backup yields to a server that starts.
const (
	serverPollInterval = 100 * time.Millisecond
	announceEvery      = time.Second     // while a server starts
	serverStartTime    = 3 * time.Second // after the last announcement, the server has started
	copyTries          = 5
)

// copyUndisturbed calls copy until it completes without a server starting meanwhile. A server that starts needs the
// database for itself for a moment (see connect), and announces that by touching its lock file. The context of copy is
// then canceled, and copy is called again when the lock file has not been touched for pause.
func copyUndisturbed(ctx context.Context, lock string, pause time.Duration, copy func(context.Context) error) error {
	for range copyTries {
		before, err := awaitIdle(ctx, lock, pause)
		if err != nil {
			return err
		}
		inner, cancel := context.WithCancel(ctx)
		done := make(chan error, 1)
		go func() { done <- copy(inner) }()
		poll := time.NewTicker(serverPollInterval)
		for copying := true; copying; {
			select {
			case err = <-done:
				copying = false
			case <-poll.C:
				if now, bad := lockModTime(lock); bad != nil || !now.Equal(before) {
					cancel()
				}
			}
		}
		poll.Stop()
		interrupted := inner.Err() != nil
		cancel()
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err == nil || !interrupted:
			return err
		}
	}
	return errors.New("a server was started on the folder repeatedly during the copy; try again later")
}

// awaitIdle waits until the lock file has not been touched for pause, and returns when it was last touched.
func awaitIdle(ctx context.Context, lock string, pause time.Duration) (time.Time, error) {
	for {
		at, err := lockModTime(lock)
		wait := pause - time.Since(at)
		if err != nil || wait <= 0 {
			return at, err
		}
		select {
		case <-time.After(min(wait, pause)): // a time in the future comes from another clock
		case <-ctx.Done():
			return at, context.Cause(ctx)
		}
		if again, err := lockModTime(lock); err != nil || again.Equal(at) {
			return at, err
		}
	}
}

// lockModTime returns when a lock file was last touched; the zero time if there is none.
func lockModTime(lock string) (time.Time, error) {
	info, err := os.Stat(lock)
	if errors.Is(err, fs.ErrNotExist) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, err
	}
	return info.ModTime(), nil
}

// sameFolder reports whether two names refer to the same folder.
func sameFolder(a, b string) (bool, error) {
	x, err := os.Stat(a)
	if err != nil {
		return false, err
	}
	y, err := os.Stat(b)
	if err != nil {
		return false, err
	}
	return os.SameFile(x, y), nil
}

// freshFile creates an empty temporary file beside the file that it will replace. Only this user may read it.
func freshFile(path string) (*os.File, error) {
	clearOut(path)
	return os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
}

// abandoned is the age at which a file from freshFile is no longer in use.
const abandoned = 24 * time.Hour

// clearOut removes temporary files of earlier runs that were killed.
func clearOut(path string) {
	left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".*"))
	for _, path := range left {
		if info, err := os.Lstat(path); err == nil && info.Mode().IsRegular() && time.Since(info.ModTime()) > abandoned {
			_ = os.Remove(path)
		}
	}
}

// discard removes an unfinished file and SQLite's files beside it. It does nothing after publish.
func discard(unfinished string) {
	for _, suffix := range []string{"", "-journal", "-wal", "-shm"} {
		_ = os.Remove(unfinished + suffix)
	}
}

// moveIntoPlace gives a file its final name once all of it is on disk.
func moveIntoPlace(unfinished, name string) error {
	f, err := os.OpenFile(unfinished, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(unfinished, name); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(name))
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
// database in the folder is an error, unless aside is true; then it is renamed, and Restore returns its new name. If
// ctx is canceled, nothing has changed.
func Restore(ctx context.Context, dir string, from *Copy, keepOld bool, random io.Reader, now time.Time) (summary *Summary, was string, err error) {
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, "", err
	}
	if err := makeFolder(dir); err != nil {
		return nil, "", unusable(dir, err)
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
