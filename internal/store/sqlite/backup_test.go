package sqlite

import (
	"context"
	"crypto/rand"
	"errors"
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

// A backup that is being taken gives way to a server that starts, and is taken then.
func TestBackupGivesWay(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, quiet)
	if _, err := s.Apply(batch(say("lobby", "1")), 1); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	reading, interrupted := make(chan struct{}), make(chan struct{})
	tries, done := 0, make(chan error, 1)
	go func() {
		done <- giveWay(filepath.Join(dir, lockName), time.Millisecond, func(ctx context.Context) error {
			if tries++; tries > 1 {
				return nil
			}
			c, err := connect(s.path(), "query_only=1")
			if err != nil {
				return err
			}
			if err := c.exec("BEGIN"); err != nil {
				return err
			}
			if _, err := c.ints("SELECT position FROM meta"); err != nil { // now the log cannot be emptied
				return err
			}
			close(reading)
			<-ctx.Done()
			close(interrupted)
			return errors.Join(ctx.Err(), c.Close())
		})
	}()
	<-reading
	open(t, dir, quiet)
	<-interrupted
	if err := <-done; err != nil || tries != 2 {
		t.Errorf("%v after %d tries", err, tries)
	}
	always := errors.New("the disk is full")
	if err := giveWay(filepath.Join(dir, lockName), time.Hour, func(context.Context) error { return always }); err != always {
		t.Errorf("what fails by itself is not tried again: %v", err)
	}
}

// What interrupts a copy interrupts SQLite.
func TestCopyIsInterrupted(t *testing.T) {
	s := open(t, t.TempDir(), quiet)
	c, err := connect(s.path())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	endless := "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) SELECT count(*) FROM n"
	if err := c.execContext(ctx, endless); err == nil {
		t.Error("it ended by itself")
	}
}

// Broken off before the new database has its name, a restore leaves the old one where it was.
func TestRestoreBrokenOff(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, quiet)
	if _, err := s.Apply(batch(say("lobby", "1")), 1); err != nil {
		t.Fatal(err)
	}
	log := s.Log()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	was := filepath.Join(dir, "was")
	if err := putAside(s.path(), was); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{s.path(), was} {
		found, err := examine(path)
		if err != nil || found.Log != log || found.Messages != 1 {
			t.Errorf("%s: %+v, %v", path, found, err)
		}
	}
}
