package sqlite

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"ramai/internal/eventlog"
)

// isClosed makes a folder look as if its server was started long ago, so that a backup does not wait.
func isClosed(t *testing.T, dir string) {
	t.Helper()
	if err := os.Chtimes(filepath.Join(dir, lockName), time.Time{}, time.Now().Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
}

// A leftover write-ahead log is never used for another database.
func TestWALWithoutDatabase(t *testing.T) {
	from, dir := t.TempDir(), t.TempDir()
	s := open(t, from, quiet)
	if _, err := s.Apply(batch(say("lobby", "1")), 1); err != nil {
		t.Fatal(err)
	}
	backup := filepath.Join(t.TempDir(), "backup.db")
	isClosed(t, from)
	if _, err := Backup(t.Context(), from, backup, false); err != nil {
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
	if _, _, err := restore(t, dir, backup, false); err == nil || !strings.Contains(err.Error(), "already") {
		t.Errorf("a restored database beside it: %v", err)
	}
	summary, was, err := restore(t, dir, backup, true)
	if err != nil {
		t.Fatal(err)
	}
	if kept, err := os.ReadFile(was + "-wal"); err != nil || len(kept) != len(log) {
		t.Errorf("the leftover log was not set aside: %d bytes, %v", len(kept), err)
	}
	restored := open(t, dir, quiet)
	if restored.HistoryID() != summary.HistoryID {
		t.Errorf("its log is %s, and restoring gave it %s", restored.HistoryID(), summary.HistoryID)
	}
	if n := restored.Bounds("lobby").Last; n != 1 {
		t.Errorf("the lobby ends with %d", n)
	}
	if n := restored.Bounds("later").Last; n != 0 {
		t.Errorf("a room that was not in the backup ends with %d", n)
	}
}

// A backup never replaces the server's own files.
func TestBackupIntoDataFolder(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, quiet)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Skip(err)
	}
	for _, file := range []string{s.path(), s.path() + "-wal", filepath.Join(link, FileName), filepath.Join(dir, "backup.db")} {
		if _, err := Backup(t.Context(), dir, file, true); err == nil || !strings.Contains(err.Error(), "data folder") {
			t.Errorf("%s: %v", file, err)
		}
	}
	if _, err := s.Apply(batch(say("lobby", "1")), 1); err != nil {
		t.Error(err)
	}
}

// A running backup yields to a server that starts, and completes afterwards.
func TestBackupRestartsForServer(t *testing.T) {
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
		done <- copyUndisturbed(t.Context(), filepath.Join(dir, lockName), time.Millisecond, func(ctx context.Context) error {
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
	if err := copyUndisturbed(t.Context(), filepath.Join(dir, lockName), 0, func(context.Context) error { return always }); err != always {
		t.Errorf("an error of the copy itself is not retried: %v", err)
	}
}

// Canceling a copy interrupts SQLite.
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

// restore calls Restore with a file.
func restore(t *testing.T, dir, file string, keepOld bool) (*Summary, string, error) {
	t.Helper()
	from, err := OpenCopy(file)
	if err != nil {
		return nil, "", err
	}
	defer from.Close()
	return Restore(t.Context(), dir, from, keepOld, rand.Reader, time.Unix(1000, 0))
}

// storedMessages creates the folder of a stopped server, with a number of messages in a room.
func storedMessages(t *testing.T, room string, messages int) (dir, historyID string) {
	t.Helper()
	dir = t.TempDir()
	s := open(t, dir, quiet)
	for i := range messages {
		if _, err := s.Apply(batch(say(room, strconv.Itoa(i))), uint64(i)+1); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return dir, s.HistoryID()
}

// A restore that is interrupted before the new database has its name leaves the old one in place.
func TestRestoreBrokenOff(t *testing.T) {
	dir, historyID := storedMessages(t, "lobby", 1)
	path := filepath.Join(dir, FileName)
	was, err := renameOld(path, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{path, was} {
		found, err := examine(path)
		if err != nil || found.HistoryID != historyID || found.Messages != 1 {
			t.Errorf("%s: %+v, %v", path, found, err)
		}
	}
}

// Renamed databases are never overwritten, however often and however quickly.
func TestRestoreTwice(t *testing.T) {
	dir, historyID := storedMessages(t, "precious", 3)
	other, _ := storedMessages(t, "lobby", 1)
	_, first, err := restore(t, dir, filepath.Join(other, FileName), true)
	if err != nil {
		t.Fatal(err)
	}
	_, second, err := restore(t, dir, filepath.Join(other, FileName), true)
	if err != nil || first == second {
		t.Fatalf("%s, then %s, %v", first, second, err)
	}
	if found, err := examine(first); err != nil || found.HistoryID != historyID || found.Messages != 3 {
		t.Errorf("the first database: %+v, %v", found, err)
	}
}

// A database in use by a reader is not renamed, because its write-ahead log could not be checkpointed.
func TestRestoreWithReaders(t *testing.T) {
	dir, historyID := storedMessages(t, "lobby", 1)
	other, _ := storedMessages(t, "lobby", 1)
	c, err := connect(filepath.Join(dir, FileName), "query_only=1", "journal_mode=WAL")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.exec("BEGIN"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.ints("SELECT position FROM meta"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := restore(t, dir, filepath.Join(other, FileName), true); !errors.Is(err, errInUseElsewhere) {
		t.Errorf("%v", err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if s := open(t, dir, quiet); s.HistoryID() != historyID || s.Bounds("lobby").Last != 1 {
		t.Errorf("afterwards there is the log %s with %v", s.HistoryID(), s.Bounds("lobby"))
	}
}

// A database that was copied with its write-ahead log is restored with it.
func TestRestoreWithLog(t *testing.T) {
	dir, copied := t.TempDir(), t.TempDir()
	s := open(t, dir, quiet)
	if _, err := s.Apply(batch(say("lobby", "1")), 1); err != nil {
		t.Fatal(err)
	}
	if _, _, err := restore(t, t.TempDir(), s.path(), false); !errors.Is(err, ErrInUse) {
		t.Errorf("from the folder of a running server: %v", err)
	}
	for _, suffix := range []string{"", "-wal"} {
		b, err := os.ReadFile(s.path() + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(copied, FileName+suffix), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	to := t.TempDir()
	summary, _, err := restore(t, to, filepath.Join(copied, FileName), false)
	if err != nil || summary.Messages != 1 {
		t.Fatalf("%+v, %v", summary, err)
	}
	files, err := os.ReadDir(to)
	if err != nil || len(files) != 2 {
		t.Errorf("in the folder there are %v, %v", files, err)
	}
	if r := open(t, to, quiet); r.Bounds("lobby").Last != 1 {
		t.Errorf("the lobby ends with %d", r.Bounds("lobby").Last)
	}
}

// An interrupted backup leaves nothing, and the leftovers of a killed run are removed in time.
func TestNoFilesLeft(t *testing.T) {
	dir, _ := storedMessages(t, "lobby", 1)
	to := t.TempDir()
	old := filepath.Join(to, ".backup.db.123")
	for _, path := range []string{old, old + "-journal"} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, time.Time{}, time.Now().Add(-2*abandoned)); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Backup(ctx, dir, filepath.Join(to, "backup.db"), false); !errors.Is(err, context.Canceled) {
		t.Errorf("a backup that is broken off: %v", err)
	}
	from, err := OpenCopy(filepath.Join(dir, FileName))
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	fresh := t.TempDir()
	if _, _, err := Restore(ctx, fresh, from, false, rand.Reader, time.Now()); !errors.Is(err, context.Canceled) {
		t.Errorf("a restore that is broken off: %v", err)
	}
	for folder, most := range map[string]int{to: 0, fresh: 1} { // the lock
		if files, err := os.ReadDir(folder); err != nil || len(files) > most {
			t.Errorf("there are %v, %v", files, err)
		}
	}
}

// A backup that could not be restored is detected when it is made, not when it is needed.
func TestBackupOfDamagedRows(t *testing.T) {
	dir := twoRooms(t)
	isClosed(t, dir)
	damage(t, dir, where(t, dir, "den says 051"), []byte("Den"))
	file := filepath.Join(t.TempDir(), "b")
	if _, err := Backup(t.Context(), dir, file, false); err == nil || !strings.Contains(err.Error(), "room den: record 51 is damaged") {
		t.Errorf("%v", err)
	}
	if left, err := os.ReadDir(filepath.Dir(file)); err != nil || len(left) > 0 {
		t.Errorf("%v is left, %v", left, err)
	}
}

// Undamaged data can be backed up and restored; damage is reported, and the copy has another history id.
func TestBackupUndamaged(t *testing.T) {
	for name, c := range map[string]struct {
		corrupt func(t *testing.T, dir string)
		found   []string // what each is about
		den     eventlog.Bounds
		blank   []uint64
		page    bool // more is found, and more may be blank
	}{
		"nothing": {corrupt: func(*testing.T, string) {}, den: eventlog.Bounds{First: 1, Last: 100}},
		"a text": {
			corrupt: func(t *testing.T, dir string) { damage(t, dir, where(t, dir, "den says 051"), []byte("Den")) },
			found:   []string{"room den: record 51 is damaged"}, den: eventlog.Bounds{First: 1, Last: 100}, blank: []uint64{51},
		},
		"the first": {
			corrupt: func(t *testing.T, dir string) {
				alter(t, dir, "UPDATE records SET at = at + 1 WHERE CAST(substr(body, 2) AS TEXT) LIKE 'den says 001%'")
			},
			found: []string{"room den: record 1 is damaged"}, den: eventlog.Bounds{First: 2, Last: 100},
		},
		"missing": {
			corrupt: func(t *testing.T, dir string) {
				alter(t, dir, "DELETE FROM records WHERE CAST(substr(body, 2) AS TEXT) LIKE 'den says %' AND CAST(substr(body, 2) AS TEXT) >= 'den says 098'")
			},
			found: []string{"room den: records 98 to 100 are missing"}, den: eventlog.Bounds{First: 1, Last: 100}, blank: []uint64{98, 99, 100},
		},
		"very many": {
			corrupt: func(t *testing.T, dir string) { alter(t, dir, "UPDATE rooms SET last = 20000 WHERE name = 'den'") },
			found:   []string{"room den: records 101 to 20000 are missing", "room den: records 1 to 100 are left out"}, den: eventlog.Bounds{First: 20001, Last: 20000},
		},
		"a room": {
			corrupt: func(t *testing.T, dir string) { alter(t, dir, "UPDATE rooms SET first = -7 WHERE name = 'den'") },
			found:   []string{"the room 1, \"den\", with the numbers -7 to 100, is invalid", "100 records do not belong to any room"}, den: eventlog.Bounds{First: 1},
		},
		"a page": {
			corrupt: func(t *testing.T, dir string) {
				damage(t, dir, where(t, dir, "den says 051")/4096*4096, []byte(strings.Repeat("\xff", 4096)))
			},
			found: []string{"the database: "}, den: eventlog.Bounds{First: 1, Last: 100}, blank: []uint64{51}, page: true,
		},
		"a name": {
			corrupt: func(t *testing.T, dir string) {
				alter(t, dir, "INSERT INTO names(by, name, key, bound, used, node) VALUES('bert', 'Be:rt', 'bert', 0, 2000, 'local')")
			},
			found: []string{"the table names: the name \"Be:rt\""}, den: eventlog.Bounds{First: 1, Last: 100},
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := twoRooms(t)
			isClosed(t, dir)
			c.corrupt(t, dir)
			file := filepath.Join(t.TempDir(), "b")
			var found []string
			made, err := BackupUndamaged(t.Context(), dir, file, false, rand.Reader, func(d string) { found = append(found, d) })
			if err != nil {
				t.Fatal(err)
			}
			for i, want := range c.found {
				if len(found) != len(c.found) && !c.page || !strings.Contains(found[i], want) {
					t.Fatalf("found %q, want %q", found, c.found)
				}
			}
			data, err := openReadOnly(filepath.Join(dir, FileName), true)
			if err != nil {
				t.Fatal(err)
			}
			was, err := data.text("SELECT log FROM meta")
			if err := errors.Join(err, data.Close()); err != nil {
				t.Fatal(err)
			}
			if same := made.HistoryID == was; same != (len(c.found) == 0) {
				t.Errorf("the log is %s and was %s", made.HistoryID, was)
			}
			to := t.TempDir()
			if _, _, err := restore(t, to, file, false); err != nil {
				t.Fatal(err)
			}
			s := open(t, to, quiet)
			if h := s.Bounds("den"); h != c.den {
				t.Errorf("the den has %v, want %v", h, c.den)
			}
			if h := s.Bounds("lobby"); h != (eventlog.Bounds{First: 1, Last: 100}) {
				t.Errorf("the lobby has %v", h)
			}
			blanks := 0
			for room, h := range s.AllBounds() {
				got, _, err := s.Read(room, h.First-1, eventlog.MaxRead)
				if err != nil || len(got) != int(h.Last+1-h.First) {
					t.Fatalf("%s: %d messages of %v, %v", room, len(got), h, err)
				}
				for _, m := range messages(t, got) {
					want := fmt.Sprintf("%s says %03d", room, m.N)
					if room == "den" && (slices.Contains(c.blank, m.N) || c.page && m.Text == placeholderText) {
						want = placeholderText
						blanks++
					}
					if !strings.HasPrefix(m.Text, want) {
						t.Errorf("message %d of %s is %q, want %q", m.N, room, m.Text, want)
					}
				}
			}
			if blanks > 20 {
				t.Errorf("%d messages are blank", blanks)
			}
			if outcomes, err := s.Apply(batch(say("den", "another")), s.Position()+1); err != nil || outcomes[0].N != c.den.Last+1 {
				t.Errorf("the next message: %v, %v", outcomes, err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if _, err := Examine(t.Context(), to, func(d string) { t.Errorf("the restored file is damaged: %s", d) }); err != nil {
				t.Error(err)
			}
		})
	}
}
