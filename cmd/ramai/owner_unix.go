//go:build unix

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// ownerBesidesRoot returns whom a folder belongs to, if this is root and somebody else's folder; 0 otherwise.
func ownerBesidesRoot(dir string) (uid, gid int, err error) {
	if os.Geteuid() != 0 {
		return 0, 0, nil
	}
	info, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, 0, nil
	}
	if err != nil {
		return 0, 0, err
	}
	owner := info.Sys().(*syscall.Stat_t)
	return int(owner.Uid), int(owner.Gid), nil
}

// asOwner makes root the user that a folder belongs to, for the rest of this process: what is made there has to be opened
// by a server that does not run as root, and whoever owns the folder must not have root write elsewhere.
func asOwner(dir string) error {
	uid, gid, err := ownerBesidesRoot(dir)
	if err != nil || uid == 0 {
		return err
	}
	for _, become := range []func() error{
		func() error { return syscall.Setgroups([]int{gid}) },
		func() error { return syscall.Setgid(gid) },
		func() error { return syscall.Setuid(uid) },
	} {
		if err := become(); err != nil {
			return fmt.Errorf("become user %d, whom the folder %s belongs to: %w; run it as that user", uid, dir, err)
		}
	}
	return nil
}
