package sqlite

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"ramai/internal/eventlog"
)

// saySome posts n messages of one size in a room, one in each batch.
func saySome(t *testing.T, s *Store, room string, n int) {
	t.Helper()
	for range n {
		e := say(room, fmt.Sprint(s.Position()))
		e.Text = strings.Repeat("x", 1000)
		if _, err := s.Apply(batch(e), s.Position()+1); err != nil {
			t.Fatal(err)
		}
	}
}

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

// damage makes page k of a table's root, or a leaf below it, unreadable, like a bad disk.
func damage(t *testing.T, dir string, offset int64, b []byte) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(dir, FileName), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(b, offset); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// alter changes a database that nobody uses.
func alter(t *testing.T, dir, script string) {
	t.Helper()
	c, err := connect(filepath.Join(dir, FileName))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c.exec(script), c.Close()); err != nil {
		t.Fatal(err)
	}
}

// where finds the first occurrence of a text in the database.
func where(t *testing.T, dir, text string) int64 {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, FileName))
	if err != nil {
		t.Fatal(err)
	}
	i := strings.Index(string(b), text)
	if i < 0 {
		t.Fatalf("there is no %q", text)
	}
	return int64(i)
}

// twoRooms fills a folder with two rooms of 100 messages, and stops cleanly.
func twoRooms(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	s := open(t, dir, quiet)
	for _, room := range []string{"den", "lobby"} {
		for n := range 100 {
			e := say(room, fmt.Sprint(room, n))
			e.Text = fmt.Sprintf("%s says %03d %s", room, n+1, strings.Repeat("x", 300))
			if _, err := s.Apply(batch(e), s.Position()+1); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

// readAll reads a room from the beginning to the end.
func readAll(s *Store, room string) (n uint64, err error) {
	for {
		page, _, err := s.Read(room, n, 10)
		if err != nil || len(page) == 0 {
			return n, err
		}
		n = page[len(page)-1].N
	}
}

// A message that was changed on disk is not delivered, and a missing row does not end a room: the messages before it
// are read, and the room is recorded as damaged. The other room is not affected.
func TestDamagedRows(t *testing.T) {
	for name, corrupt := range map[string]func(t *testing.T, dir string){
		"a text": func(t *testing.T, dir string) { damage(t, dir, where(t, dir, "den says 051"), []byte("Den")) },
		"missing": func(t *testing.T, dir string) {
			alter(t, dir, "DELETE FROM records WHERE CAST(substr(body, 2) AS TEXT) LIKE 'den says 051%'")
		},
		"in another's place": func(t *testing.T, dir string) {
			alter(t, dir, `DELETE FROM records WHERE CAST(substr(body, 2) AS TEXT) LIKE 'den says 051%';
UPDATE records SET key = (1 << 40) | 51 WHERE CAST(substr(body, 2) AS TEXT) LIKE 'lobby says 100%'; UPDATE rooms SET last = 99 WHERE name = 'lobby'`)
		},
		"of another time": func(t *testing.T, dir string) {
			alter(t, dir, "UPDATE records SET at = at + 1 WHERE CAST(substr(body, 2) AS TEXT) LIKE 'den says 051%'")
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := twoRooms(t)
			corrupt(t, dir)
			s := open(t, dir, quiet)
			if h := s.Health(); h.Err != nil || len(h.Rooms) > 0 {
				t.Fatalf("before anything was read: %+v", h)
			}
			n, err := readAll(s, "den")
			if n != 50 || !errors.Is(err, eventlog.ErrDamaged) || !strings.Contains(err.Error(), "record 51") {
				t.Errorf("read up to %d, then %v; want 50, and an error that names record 51", n, err)
			}
			back, _, err := s.ReadBefore("den", 101, 60)
			if err != nil || len(back) == 0 || back[0].N <= 51 {
				t.Errorf("backwards: %d messages, %v", len(back), err)
			}
			if last := s.Bounds("lobby").Last; last < 99 {
				t.Errorf("the lobby ends at %d", last)
			} else if n, err := readAll(s, "lobby"); n != last || err != nil {
				t.Errorf("the other room: up to %d, %v", n, err)
			}
			h := s.Health()
			if h.Err != nil || len(h.Rooms) != 1 || h.Of("den") == nil || h.Of("lobby") != nil {
				t.Errorf("the health is %+v", h)
			}
		})
	}
}

// An unreadable page is detected by the first read. The error names its room, no message is acknowledged in any room,
// and the next server checks every page before it starts.
func TestDamagedPage(t *testing.T) {
	dir := twoRooms(t)
	at := where(t, dir, "den says 051") / 4096 * 4096
	damage(t, dir, at, []byte(strings.Repeat("\xff", 4096)))
	s := open(t, dir, quiet)
	if n, err := readAll(s, "lobby"); n != 100 || err != nil {
		t.Errorf("the other room: up to %d, %v", n, err)
	}
	if h := s.Health(); h.Err != nil {
		t.Errorf("before anything was read there: %v", h.Err)
	}
	n, err := readAll(s, "den")
	if n < 20 || n > 50 || !errors.Is(err, eventlog.ErrDamaged) {
		t.Errorf("read up to %d, then %v", n, err)
	}
	if h := s.Health(); h.Err == nil || h.Of("den") == nil || h.Of("lobby") == nil {
		t.Errorf("after it: %+v", h)
	}
	if n, err := readAll(s, "lobby"); n != 100 || err != nil {
		t.Errorf("the other room: up to %d, %v", n, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, quiet); !errors.Is(err, eventlog.ErrDamaged) || !strings.Contains(err.Error(), "ramai check") || !strings.Contains(err.Error(), "ramai restore") {
		t.Errorf("Open afterwards: %v", err)
	}
	if _, err := Check(dir); !errors.Is(err, eventlog.ErrDamaged) {
		t.Errorf("Check: %v", err)
	}
}

// The same if a write meets the page.
func TestDamagedPageIsWrittenTo(t *testing.T) {
	dir := twoRooms(t)
	damage(t, dir, where(t, dir, "den says 001")/4096*4096, []byte(strings.Repeat("\xff", 4096)))
	s := open(t, dir, quiet)
	trim := batch(eventlog.Command{Kind: eventlog.Trim, Room: "den", Body: eventlog.TrimBody{To: 10}})
	if _, err := s.Apply(trim, s.Position()+1); !errors.Is(err, eventlog.ErrRolledBack) || !errors.Is(err, eventlog.ErrDamaged) {
		t.Errorf("Apply: %v", err)
	}
	if h := s.Health(); h.Err == nil {
		t.Error("nothing is known to be wrong")
	}
}

// After a kill, every page of the database is checked at the next start; after a clean stop it is not.
func TestPagesCheckedAfterKill(t *testing.T) {
	dir := twoRooms(t)
	damage(t, dir, where(t, dir, "den says 051")/4096*4096, []byte(strings.Repeat("\xff", 4096)))
	s := open(t, dir, quiet)
	killed := snapshot(t, dir)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(killed, quiet); !errors.Is(err, eventlog.ErrDamaged) {
		t.Errorf("Open after a kill: %v", err)
	}
	open(t, dir, quiet)
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

func BenchmarkThere(b *testing.B) {
	s, err := Open(b.TempDir(), quiet)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	b.ReportAllocs()
	for b.Loop() {
		if err := s.checkFiles(); err != nil {
			b.Fatal(err)
		}
	}
}

// The page of meta is decoded as SQLite does.
func TestDecodeMeta(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, quiet)
	saySome(t, s, "lobby", 300) // a position of two bytes
	want, root, err := metaOf(s.writer.conn)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.writer.checkpoint(); err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(s.path())
	if err != nil {
		t.Fatal(err)
	}
	page := file[4096*(root-1):][:4096]
	if got, err := decodeMeta(page); err != nil || got != want || got.position != 300 {
		t.Errorf("decoded %+v, %v; SQLite says %+v", got, err, want)
	}
	for i := range page { // whatever is there, it is an error or a row, and no panic
		bad := append([]byte(nil), page...)
		bad[i] ^= 0xff
		_, _ = decodeMeta(bad)
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
		t.Fatalf("the file is at %d already", got)
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

// Examine reports all damage and nothing else, and changes nothing.
func TestExamine(t *testing.T) {
	for name, c := range map[string]struct {
		corrupt func(t *testing.T, dir string)
		want    []string // parts of lines
	}{
		"nothing": {func(*testing.T, string) {}, nil},
		"texts": {func(t *testing.T, dir string) {
			damage(t, dir, where(t, dir, "den says 051"), []byte("Den"))
			damage(t, dir, where(t, dir, "lobby says 090"), []byte("L"))
		}, []string{"room den: record 51 is damaged", "room lobby: record 90 is damaged"}},
		"missing": {func(t *testing.T, dir string) {
			alter(t, dir, "DELETE FROM records WHERE CAST(substr(body, 2) AS TEXT) LIKE 'den says 05%' OR CAST(substr(body, 2) AS TEXT) LIKE 'lobby says 100%'")
		}, []string{"room den: records 50 to 59 are", "room lobby: records 100 to 100 are"}},
		"a page": {func(t *testing.T, dir string) {
			damage(t, dir, where(t, dir, "den says 051")/4096*4096, []byte(strings.Repeat("\xff", 4096)))
		}, []string{"the database: ", "room den: records "}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := twoRooms(t)
			c.corrupt(t, dir)
			before := contents(t, dir)
			var found []string
			s, err := Examine(t.Context(), dir, func(damage string) { found = append(found, damage) })
			if err != nil || s.Rooms != 2 || s.Messages < 150 {
				t.Errorf("%+v, %v", s, err)
			}
			for _, want := range c.want {
				if !strings.Contains(strings.Join(found, "\n"), want) {
					t.Errorf("found %q, and not %q", found, want)
				}
			}
			if len(found) > 0 && len(c.want) == 0 || name != "a page" && len(found) != len(c.want) {
				t.Errorf("found %q", found)
			}
			if after := contents(t, dir); !reflect.DeepEqual(before, after) {
				t.Error("the folder was touched")
			}
		})
	}
}
