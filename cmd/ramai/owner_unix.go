//go:build unix

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"time"
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
// by a server that does not run as root, and whoever owns the folder must not have root write elsewhere. It returns where
// the folder is from then on. The folder is entered before the rights are given up, and is the root of all paths then: its
// user may not reach it from outside, as with systemd's DynamicUser, where it is a link into a folder of root's alone. Where
// that is not allowed, such as in some containers, the folder stays where it is.
func asOwner(dir string) (entered string, err error) {
	if os.Geteuid() != 0 {
		return dir, nil
	}
	f, err := os.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return dir, nil
	}
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	owner := info.Sys().(*syscall.Stat_t)
	uid, gid := int(owner.Uid), int(owner.Gid)
	if uid == 0 || !info.IsDir() {
		return dir, nil
	}
	_, _ = time.Now().Zone() // loads the zone, which is out of reach after the chroot
	entered = dir
	if err := f.Chdir(); err != nil {
		return "", err
	}
	switch err := syscall.Chroot("."); {
	case err == nil:
		entered = "/"
	case !errors.Is(err, syscall.EPERM):
		return "", fmt.Errorf("enter the folder %s: %w", dir, err)
	}
	for _, become := range []func() error{
		func() error { return syscall.Setgroups([]int{gid}) },
		func() error { return syscall.Setgid(gid) },
		func() error { return syscall.Setuid(uid) },
	} {
		if err := become(); err != nil {
			return "", fmt.Errorf("become user %d, whom the folder %s belongs to: %w; run it as that user", uid, dir, err)
		}
	}
	return entered, nil
}
