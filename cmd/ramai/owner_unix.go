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

// ownerBesidesRoot returns the owner of a folder if the process runs as root and the folder belongs to another user; otherwise
// 0.
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

// asOwner drops the privileges of root for the rest of the process, and becomes the owner of a folder: a server that does not
// run as root must be able to open new files there, and the owner must not be able to redirect writes of root elsewhere. It
// returns the path of the folder from then on. It enters the folder with chroot first, because the owner may have no access
// to it from outside, as with systemd's DynamicUser. If chroot is not permitted, as in some containers, the path stays the same.
func asOwner(dir string) (path string, err error) {
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
	_, _ = time.Now().Zone() // loads the time zone, which cannot be read after chroot
	path = dir
	if err := f.Chdir(); err != nil {
		return "", err
	}
	switch err := syscall.Chroot("."); {
	case err == nil:
		path = "/"
	case !errors.Is(err, syscall.EPERM):
		return "", fmt.Errorf("enter the folder %s: %w", dir, err)
	}
	for _, become := range []func() error{
		func() error { return syscall.Setgroups([]int{gid}) },
		func() error { return syscall.Setgid(gid) },
		func() error { return syscall.Setuid(uid) },
	} {
		if err := become(); err != nil {
			return "", fmt.Errorf("become user %d, the owner of %s: %w; run the command as that user", uid, dir, err)
		}
	}
	return path, nil
}
