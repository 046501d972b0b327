package sqlite

import (
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Modes do not limit root, so this thread alone drops its privileges during a test.
func TestReadOnly(t *testing.T) {
	const nobody = 65534
	for name, test := range map[string]struct {
		database bool
		folder   os.FileMode
		file     os.FileMode
		want     string
	}{
		"empty folder":    {false, 0o555, 0, "the data folder"},
		"folder":          {true, 0o555, 0o666, "the data folder"},
		"file":            {true, 0o777, 0o444, "the database"},
		"folder and file": {true, 0o555, 0o444, "the database"},
		"unreadable":      {true, 0o555, 0o000, "must be writable"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
				t.Fatal(err)
			}
			if test.database {
				database(t, dir, "PRAGMA user_version=1")
				write(t, filepath.Join(dir, lockName), "")
				for _, name := range []string{FileName, lockName} {
					if err := os.Chmod(filepath.Join(dir, name), test.file); err != nil {
						t.Fatal(err)
					}
				}
			}
			before := contents(t, dir)
			if err := os.Chmod(dir, test.folder); err != nil {
				t.Fatal(err)
			}
			opened := make(chan error)
			go func() {
				runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
				if err := unix.Setfsuid(nobody); err != nil {
					t.Error(err)
				}
				_, err := Open(dir, quiet)
				opened <- err
			}()
			if err := <-opened; err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Open: %v", err)
			}
			if err := os.Chmod(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			if after := contents(t, dir); !reflect.DeepEqual(before, after) {
				t.Errorf("the folder was touched; it has\n%q\nand had\n%q", after, before)
			}
		})
	}
}
