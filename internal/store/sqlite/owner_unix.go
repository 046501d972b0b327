//go:build unix

package sqlite

import (
	"os"
	"syscall"
)

// own gives a file that root has made to whom its folder belongs: a server that does not run as root has to open it.
func own(path, dir string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	folder, err := os.Stat(dir)
	if err != nil {
		return err
	}
	file, err := os.Lstat(path)
	if err != nil {
		return err
	}
	want, has := folder.Sys().(*syscall.Stat_t), file.Sys().(*syscall.Stat_t)
	if has.Uid == want.Uid && has.Gid == want.Gid {
		return nil
	}
	return os.Lchown(path, int(want.Uid), int(want.Gid))
}
