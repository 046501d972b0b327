package sqlite

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A write-ahead log that was left behind is never taken for another database's.
func TestLogLeftBehind(t *testing.T) {
	from, dir := t.TempDir(), t.TempDir()
	s := open(t, from, quiet)
	if _, err := s.Apply(batch(say("lobby", "1")), 1); err != nil {
		t.Fatal(err)
	}
	backup := filepath.Join(t.TempDir(), "backup.db")
	if _, err := Backup(from, backup, false); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Apply(batch(say("later", "2"), say("later", "3")), 2); err != nil {
		t.Fatal(err)
	}
	log, err := os.ReadFile(s.path() + "-wal") // as a killed server leaves it
	if err != nil || len(log) == 0 {
		t.Fatalf("a log of %d bytes: %v", len(log), err)
	}
	left := filepath.Join(dir, FileName+"-wal")
	if err := os.WriteFile(left, log, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, quiet); err == nil || !strings.Contains(err.Error(), "without its database") {
		t.Errorf("a new database beside it: %v", err)
	}
	if _, _, err := Restore(dir, backup, false, rand.Reader, time.Now()); err == nil || !strings.Contains(err.Error(), "already") {
		t.Errorf("a restored database beside it: %v", err)
	}
	summary, was, err := Restore(dir, backup, true, rand.Reader, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if kept, err := os.ReadFile(was + "-wal"); err != nil || len(kept) != len(log) {
		t.Errorf("what was left behind was not put aside: %d bytes, %v", len(kept), err)
	}
	restored := open(t, dir, quiet)
	if restored.Log() != summary.Log {
		t.Errorf("its log is %s, and restoring gave it %s", restored.Log(), summary.Log)
	}
	if n := restored.Head("lobby").Last; n != 1 {
		t.Errorf("the lobby ends with %d", n)
	}
	if n := restored.Head("later").Last; n != 0 {
		t.Errorf("a room that was not in the backup ends with %d", n)
	}
}

// A backup never takes the place of the server's own files.
func TestBackupAmongTheServersFiles(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, quiet)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Skip(err)
	}
	for _, file := range []string{s.path(), s.path() + "-wal", filepath.Join(link, FileName), filepath.Join(dir, "backup.db")} {
		if _, err := Backup(dir, file, true); err == nil || !strings.Contains(err.Error(), "data folder") {
			t.Errorf("%s: %v", file, err)
		}
	}
	if _, err := s.Apply(batch(say("lobby", "1")), 1); err != nil {
		t.Error(err)
	}
}
