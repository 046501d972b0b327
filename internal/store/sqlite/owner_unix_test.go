//go:build unix

package sqlite

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// What root makes in the folder of a server that runs as somebody else is that server's.
func TestRootGivesFilesAway(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	const somebody = 61234
	from := t.TempDir()
	if _, err := open(t, from, quiet).Apply(batch(say("lobby", "1")), 1); err != nil {
		t.Fatal(err)
	}
	backup := filepath.Join(t.TempDir(), "backup.db")
	if _, err := Backup(from, backup, false); err != nil {
		t.Fatal(err)
	}
	restored, opened := t.TempDir(), t.TempDir()
	for _, dir := range []string{restored, opened} {
		if err := os.Chown(dir, somebody, somebody); err != nil {
			t.Skip(err)
		}
	}
	if _, _, err := Restore(restored, backup, false, rand.Reader, time.Now()); err != nil {
		t.Fatal(err)
	}
	s, err := Open(opened, quiet)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Apply(batch(say("lobby", "1")), 1); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{restored, opened} {
		files, err := os.ReadDir(dir)
		if err != nil || len(files) < 2 {
			t.Errorf("%s has %v, %v", dir, files, err)
		}
		for _, f := range files {
			info, err := f.Info()
			if err != nil {
				t.Fatal(err)
			}
			if of := info.Sys().(*syscall.Stat_t); of.Uid != somebody || of.Gid != somebody {
				t.Errorf("%s is of %d:%d", f.Name(), of.Uid, of.Gid)
			}
		}
	}
}
