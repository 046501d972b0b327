package sqlite

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Check says what Open would find in the data folder dir, or why it would fail, and changes nothing.
func Check(dir string) (string, error) {
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "is not there yet, and will be made", nil
	case err == nil && !info.IsDir():
		err = errors.New("it is a file")
	}
	if err != nil {
		return "", unusable(dir, err)
	}
	lockPath := filepath.Join(dir, lockName)
	if _, err := os.Stat(lockPath); err == nil {
		lock, err := hold(dir)
		if err != nil {
			return "", err
		}
		defer lock.Unlock()
	}
	path := filepath.Join(dir, FileName)
	found, err := checkFile(path)
	if err != nil {
		return "", err
	}
	if !found {
		return "has no database yet; one will be made", nil
	}
	if info, err = os.Stat(path); err != nil {
		return "", err
	}
	return fmt.Sprintf("has a database of %d bytes", info.Size()), nil
}
