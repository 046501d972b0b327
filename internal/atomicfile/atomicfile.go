// Package atomicfile writes small files that are for one user alone: secrets, and what a screen was like.
//
// github.com/google/renameio does most of this. It is not used because it does not build for Windows, makes no folders, and
// does not sync the folder, without which a power cut can undo the renaming.
package atomicfile

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
)

// Write writes a file with mode 0600, and creates the folder it is in with mode 0700 if there is none. The file has the old
// content or the new one, whatever happens meanwhile, and the new one for good when Write returns nil.
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
	return syncFolder(folder)
}

// syncFolder syncs the names in a folder. Windows has no such call, and needs none.
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
