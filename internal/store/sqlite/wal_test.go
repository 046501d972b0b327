package sqlite

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ramai/internal/eventlog"
)

// snapshot copies the files of a database that may be in use to a new folder, without closing files that SQLite has
// locked.
func snapshot(t *testing.T, dir string) string {
	t.Helper()
	to := t.TempDir()
	for _, suffix := range []string{"", "-wal"} {
		b, err := os.ReadFile(filepath.Join(dir, FileName+suffix)) // in tests no other process relies on the locks
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(to, FileName+suffix), string(b))
	}
	return to
}

// shuffleDamage creates a folder with the database of one folder and the write-ahead log of another.
func shuffleDamage(t *testing.T, file, historyID string) string {
	t.Helper()
	to := t.TempDir()
	for suffix, from := range map[string]string{"": file, "-wal": historyID} {
		b, err := os.ReadFile(filepath.Join(from, FileName+suffix))
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(to, FileName+suffix), string(b))
	}
	return to
}

// A write-ahead log is applied only if one server left it together with the database.
func TestForeignWAL(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, quiet)
	saySome(t, s, "lobby", 5)
	backup := filepath.Join(t.TempDir(), FileName)
	isClosed(t, dir)
	if _, err := Backup(t.Context(), dir, backup, false); err != nil {
		t.Fatal(err)
	}
	early := snapshot(t, dir)
	saySome(t, s, "lobby", 5)
	late := snapshot(t, dir)
	if err := s.writer.checkpoint(); err != nil {
		t.Fatal(err)
	}
	saySome(t, s, "lobby", 5)
	next := snapshot(t, dir)
	if err := s.writer.checkpoint(); err != nil {
		t.Fatal(err)
	}
	saySome(t, s, "lobby", 1)
	beyond := snapshot(t, dir)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, quiet)
	saySome(t, s, "lobby", 5)
	later := snapshot(t, dir)

	for name, c := range map[string]struct {
		file, historyID string
		last            uint64 // 0: is refused
	}{
		"as it was left":                     {early, early, 5},
		"later":                              {late, late, 10},
		"a file that was copied first":       {early, late, 10},
		"after a checkpoint":                 {next, next, 15},
		"of another run":                     {later, later, 21},
		"all of the log is in the file":      {next, late, 10},
		"a backup beside a newer log":        {filepath.Dir(backup), late, 0},
		"a file from before a checkpoint":    {early, next, 0},
		"a log that ends before the file":    {beyond, late, 0},
		"a file of the run before":           {next, later, 0},
		"a log of the run before":            {later, next, 0},
		"a log that ends before a newer one": {next, early, 0},
	} {
		t.Run(name, func(t *testing.T) {
			dir := shuffleDamage(t, c.file, c.historyID)
			before := contents(t, dir)
			if _, err := Check(dir); c.last == 0 && !errors.Is(err, errForeignWAL) || c.last > 0 && err != nil {
				t.Errorf("Check: %v", err)
			}
			_, err := Backup(t.Context(), dir, filepath.Join(t.TempDir(), "b"), false)
			if c.last == 0 && !errors.Is(err, errForeignWAL) || c.last > 0 && err != nil {
				t.Errorf("Backup: %v", err)
			}
			s, err := Open(dir, quiet)
			if c.last == 0 {
				if !errors.Is(err, errForeignWAL) || !strings.Contains(err.Error(), "ramai restore") {
					t.Fatalf("Open: %v, want an error that names ramai restore", err)
				}
				after := contents(t, dir)
				for _, suffix := range []string{"", "-wal"} {
					if path := filepath.Join(dir, FileName+suffix); before[path] != after[path] {
						t.Errorf("%s was touched", path)
					}
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if got := s.Bounds("lobby").Last; got != c.last {
				t.Errorf("the newest number is %d, want %d", got, c.last)
			}
		})
	}
}

// The log of a run that was killed before its first message begins with the run's own id.
func TestWALOfNewRun(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, quiet)
	saySome(t, s, "lobby", 3)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	w, err := openWriter(filepath.Join(dir, FileName), quiet.Logger)
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	first, _, _ := strings.Cut(s.runID, " ")
	if err := w.markOpen(s.historyID, "new "+first, false); err != nil {
		t.Fatal(err)
	}
	if s := open(t, snapshot(t, dir), quiet); s.Bounds("lobby").Last != 3 {
		t.Errorf("the head is %v", s.Bounds("lobby"))
	}
}

// Two files that begin at the same position are distinguished: the log of one is rejected beside the other.
func TestWALOfCopy(t *testing.T) {
	made := t.TempDir()
	saySome(t, open(t, made, quiet), "lobby", 3)
	isClosed(t, made)
	for name, fresh := range map[string]func() string{
		"new": func() string {
			path := filepath.Join(t.TempDir(), FileName)
			if err := create(path, "log"); err != nil {
				t.Fatal(err)
			}
			return filepath.Dir(path)
		},
		"upgraded": func() string {
			path := fileOf(t, 4, "")
			w, err := openWriter(path, quiet.Logger)
			if err := errors.Join(err, w.checkpoint(), w.close()); err != nil {
				t.Fatal(err)
			}
			return filepath.Dir(path)
		},
		"a backup": func() string {
			path := filepath.Join(t.TempDir(), FileName)
			if _, err := Backup(t.Context(), made, path, false); err != nil {
				t.Fatal(err)
			}
			return filepath.Dir(path)
		},
	} {
		t.Run(name, func(t *testing.T) {
			one, twin := fresh(), fresh()
			path := filepath.Join(one, FileName)
			w, err := openWriter(path, quiet.Logger)
			if err != nil {
				t.Fatal(err)
			}
			before, err := w.text("SELECT run FROM meta")
			if err := errors.Join(err, w.markOpen("log", "first "+before, false)); err != nil { // as start does, and is killed then
				t.Fatal(err)
			}
			for _, to := range []string{one + "/copy", twin} {
				if err := os.MkdirAll(to, 0o700); err != nil {
					t.Fatal(err)
				}
				for _, suffix := range []string{"", "-wal"} {
					if to == twin && suffix == "" {
						continue
					}
					b, err := os.ReadFile(path + suffix)
					if err := errors.Join(err, os.WriteFile(filepath.Join(to, FileName+suffix), b, 0o600)); err != nil {
						t.Fatal(err)
					}
				}
			}
			if err := w.close(); err != nil {
				t.Fatal(err)
			}
			open(t, one+"/copy", quiet)
			if _, err := Open(twin, quiet); !errors.Is(err, errForeignWAL) {
				t.Errorf("Open: %v, want %v", err, errForeignWAL)
			}
		})
	}
}

// Writes to deleted files are not acknowledged, including the batch during which they were deleted.
func TestFilesDeletedWhileOpen(t *testing.T) {
	for name, corrupt := range map[string]func(path string) (back func() error, err error){
		"moved": func(path string) (func() error, error) {
			return func() error { return os.Rename(path+".away", path) }, os.Rename(path, path+".away")
		},
		"its log moved": func(path string) (func() error, error) {
			return func() error { return os.Rename(path+".away", path+"-wal") }, os.Rename(path+"-wal", path+".away")
		},
		"replaced": func(path string) (func() error, error) {
			b, err := os.ReadFile(path)
			err = errors.Join(err, os.Rename(path, path+".away"), os.WriteFile(path, b, 0o600))
			return func() error { return os.Rename(path+".away", path) }, err
		},
		"overwritten": func(path string) (func() error, error) {
			b, err := os.ReadFile(path)
			err = errors.Join(err, os.WriteFile(path, make([]byte, len(b)), 0o600))
			return func() error { return os.WriteFile(path, b, 0o600) }, err
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, t.TempDir(), quiet)
			saySome(t, s, "lobby", 3)
			if err := s.Health().Err; err != nil {
				t.Fatal(err)
			}
			var back func() error
			s.files.Load().read = time.Time{} // the page is looked at once a second
			s.failNext(func(commit func() error) error {
				err := commit()
				if err == nil {
					back, err = corrupt(s.path())
				}
				if err != nil {
					t.Fatal(err)
				}
				return nil
			})
			b := batch(say("lobby", "in flight"))
			if _, err := s.Apply(b, 4); err == nil || errors.Is(err, eventlog.ErrRolledBack) {
				t.Errorf("Apply: %v, want that it is unknown what is stored", err)
			}
			if s.Health().Err == nil {
				t.Error("nothing is known to be wrong")
			}
			if err := back(); err != nil {
				t.Fatal(err)
			}
			if err := s.Reopen(); err != nil {
				t.Fatal(err)
			}
			if outcomes, err := s.Apply(b, 4); err != nil || outcomes[0].N != 4 || s.Health().Err != nil {
				t.Errorf("brought back: %v, %v, %v", outcomes, err, s.Health().Err)
			}
		})
	}
}

// If another database replaces the open one beside the old write-ahead log, the new database is not changed: it may be
// a backup to restore.
func TestForeignFileUnchanged(t *testing.T) {
	for name, drop := range map[string]bool{"beside the log": false, "without the log": true} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, dir, quiet)
			saySome(t, s, "lobby", 3)
			isClosed(t, dir)
			backup := filepath.Join(t.TempDir(), FileName)
			if drop {
				backup = fileOf(t, 4, "") // would be upgraded
			} else if _, err := Backup(t.Context(), dir, backup, false); err != nil {
				t.Fatal(err)
			}
			saySome(t, s, "lobby", 3)
			s.files.Load().read = time.Time{}
			want, err := os.ReadFile(backup)
			if err := errors.Join(err, os.WriteFile(backup+".copy", want, 0o600), os.Rename(backup+".copy", s.path())); err != nil {
				t.Fatal(err)
			}
			if drop {
				if err := os.Remove(s.path() + "-wal"); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := s.Apply(batch(say("lobby", "in flight")), 7); err == nil {
				t.Error("applied")
			}
			for range 2 {
				if err := s.Reopen(); err == nil || !strings.Contains(err.Error(), "ramai restore") {
					t.Errorf("Reopen: %v, want an error that names ramai restore", err)
				}
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			if got, err := os.ReadFile(s.path()); err != nil || !bytes.Equal(got, want) {
				t.Errorf("the file that was put there was changed (%v)", err)
			}
		})
	}
}

// The content of a leftover write-ahead log is in the file, and synced, before any of it is read: after the start, and
// after a commit in doubt.
func TestCheckpointAtOpen(t *testing.T) {
	inFile := func(s *Store) int64 {
		t.Helper()
		c, err := openReadOnly(s.path(), true)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		row, _, err := metaOf(c)
		if err != nil {
			t.Fatal(err)
		}
		return row.position
	}
	dir := t.TempDir()
	s := open(t, dir, quiet)
	saySome(t, s, "lobby", 3)
	if got := inFile(s); got != 0 {
		t.Fatalf("the file is already at %d", got)
	}
	killed := open(t, snapshot(t, dir), quiet)
	if got := inFile(killed); got != 3 || killed.Bounds("lobby").Last != 3 {
		t.Errorf("after the start the file is at %d, and %d is told", got, killed.Bounds("lobby").Last)
	}
	s.failNext(failAfterCommit)
	if _, err := s.Apply(batch(say("lobby", "doubtful")), 4); err == nil {
		t.Fatal("the commit did not fail")
	}
	if err := s.Reopen(); err != nil {
		t.Fatal(err)
	}
	if got := inFile(s); got != 4 || s.Bounds("lobby").Last != 4 {
		t.Errorf("after the doubt the file is at %d, and %d is told", got, s.Bounds("lobby").Last)
	}
}

// A checkpoint that was interrupted, as by a full disk, has left pages in the file that only the write-ahead log makes whole. What is read
// before the store is opened, and before it is opened again, is read with that log.
func TestInterruptedCheckpoint(t *testing.T) {
	interrupt := func(path string) {
		t.Helper()
		wal, err := os.ReadFile(path + "-wal")
		if err != nil {
			t.Fatal(err)
		}
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		size := int(binary.BigEndian.Uint32(wal[8:]))
		torn := 0
		for frames := wal[32:]; len(frames) >= 24+size; frames = frames[24+size:] {
			if page := int64(binary.BigEndian.Uint32(frames)); page > 1 { // SQLite reads the file's first page to find the log
				torn++
				if _, err := f.WriteAt(bytes.Repeat([]byte{0xff}, size), (page-1)*int64(size)); err != nil {
					t.Fatal(err)
				}
			}
		}
		if torn == 0 {
			t.Fatal("the write-ahead log has no pages")
		}
	}
	dir := t.TempDir()
	s := open(t, dir, quiet)
	saySome(t, s, "lobby", 3)
	left := snapshot(t, dir)
	interrupt(filepath.Join(left, FileName))
	if id, err := HistoryIDOf(left); err != nil || id != s.HistoryID() {
		t.Errorf("the history is %q, %v; want %q", id, err, s.HistoryID())
	}
	s.failNext(failAfterCommit)
	if _, err := s.Apply(batch(say("lobby", "doubtful")), 4); err == nil {
		t.Fatal("the commit did not fail")
	}
	interrupt(s.path())
	if err := s.Reopen(); err != nil || s.Position() != 4 {
		t.Errorf("opened again: position %d, %v; want 4", s.Position(), err)
	}
}
