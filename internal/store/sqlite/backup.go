package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Backup copies the database of a data folder into a new file, as of one moment: it contains everything acknowledged
// before the copy began, and only whole batches. A server may be running; its write-ahead log grows until the copy is
// complete. If a server starts meanwhile, the copy starts over. The file appears under its name once it is complete,
// checked and synced. An existing file of that name is an error, unless overwrite is true. If ctx is canceled, nothing is
// left.
//
// Damaged data is an error; see BackupUndamaged.
func Backup(ctx context.Context, dir, file string, overwrite bool) (*Summary, error) {
	s, err := backup(ctx, dir, file, overwrite, func(ctx context.Context, from, to string) error {
		source, err := connect(from, "synchronous=OFF") // a sync of the copy cannot be interrupted; moveIntoPlace syncs
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
