// Package atomicfile writes small files for one user alone, such as secrets and the state of the terminal client.
//
// github.com/google/renameio does most of this. It is not used because it does not build for Windows, creates no
// folders, and does not sync the folder, so a power failure can undo the rename.
package atomicfile

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
)

// Write writes a file with mode 0600, and creates its folder with mode 0700 if there is none. The file always has
// either the old content or the new one. When Write returns nil, the new content is durable.
func Write(file string, content []byte) error {
	folder := filepath.Dir(file)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(folder, "new-*") // created with mode 0600
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
	return syncFolder(folder)
}

// syncFolder syncs a folder's directory entries. Windows neither has such a call nor needs it.
func syncFolder(folder string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	f, err := os.Open(folder)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
