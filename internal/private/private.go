// Package private keeps small files that are for one user alone: secrets, and what a screen was like.
package private

import (
	"errors"
	"os"
	"path/filepath"
)

// Write writes a file with mode 0600, and the folder it is in with 0700 if that is not there. The file has the old content
// or the new one, whatever happens meanwhile.
func Write(file string, content []byte) error {
	folder := filepath.Dir(file)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(folder, "new-*") // made with 0600
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
