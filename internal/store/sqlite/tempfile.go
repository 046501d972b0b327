package sqlite

import (
	"errors"
	"os"
	"path/filepath"
	"time"
)

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

// discard removes an unfinished file and SQLite's files beside it. It does nothing after moveIntoPlace.
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
