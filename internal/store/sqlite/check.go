package sqlite

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Check says what Open would find in the data folder dir, or why it would fail, and leaves everything as it is.
func Check(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	info, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		if err := probe(existing(dir)); err != nil {
			return "", unusable(dir, err)
		}
		return "is not there yet, and will be made", nil
	}
	if err == nil && !info.IsDir() {
		err = errors.New("it is a file")
	}
	if err == nil {
		err = probe(dir)
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
	header, size, err := readHeader(path)
	if err != nil {
		return "", err
	}
	if header == nil {
		if err := checkLeftover(path); err != nil {
			return "", err
		}
		return "has no database yet; one will be made", nil
	}
	if err := inspect(path, true); err != nil {
		return "", err
	}
	found := fmt.Sprintf("has a database of %d bytes", size)
	if v := binary.BigEndian.Uint32(header[versionOffset:]); v != version {
		found += fmt.Sprintf(", of version %d; it will be upgraded to version %d", v, version)
	}
	return found, nil
}

// existing is the nearest folder above dir that is there.
func existing(dir string) string {
	for {
		dir = filepath.Dir(dir)
		if _, err := os.Stat(dir); err == nil || dir == filepath.Dir(dir) {
			return dir
		}
	}
}
