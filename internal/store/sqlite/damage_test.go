package sqlite

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

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
