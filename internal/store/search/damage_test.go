package search

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ramai/internal/eventlog"
)

// TestAnyDamagedPageIsRepaired: whichever page of an index is damaged, and whether or not a query reads it, all messages
// are found again after a restart.
func TestAnyDamagedPageIsRepaired(t *testing.T) {
	dir := t.TempDir()
	p := newTestLog(t)
	for i := range 4 {
		var texts []string
		for k := range 250 {
			texts = append(texts, fmt.Sprintf("hit number%d of%d", k, i))
		}
		p.publishAt(p.at, fmt.Sprint("room", i), texts...)
	}
	x := open(t, filepath.Join(dir, FileName), p)
	x.fill()
	x.close()
	whole, err := os.ReadFile(x.path)
	if err != nil {
		t.Fatal(err)
	}
	const page = 4096
	for at := 0; at < len(whole); at += page {
		path := filepath.Join(dir, fmt.Sprint(at/page, ".db"))
		bad := bytes.Clone(whole)
		copy(bad[at:], bytes.Repeat([]byte{0xff}, page))
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		y := open(t, path, p)
		y.fill()
		if found := y.search(Query{Words: "hit", Limit: 100}); len(found.Hits) != 100 || found.Behind != 0 {
			t.Errorf("page %d: %d hits, behind %d; the log has %q", at/page, len(found.Hits), found.Behind, y.logged)
		}
		if err := y.file.verify(t.Context()); err != nil {
			t.Errorf("page %d: afterwards %v", at/page, err)
		}
		y.close()
	}
}

// TestCheckWritesNothing: Check changes no file, whether the index was closed or its server was killed.
func TestCheckWritesNothing(t *testing.T) {
	p := newTestLog(t)
	p.publishAt(p.at, "lobby", "one word", "two words")
	x := open(t, filepath.Join(t.TempDir(), FileName), p)
	x.fill()
	copied := func() string {
		dir := t.TempDir()
		for _, suffix := range []string{"", "-wal"} {
			b, err := os.ReadFile(x.path + suffix)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err := errors.Join(err, os.WriteFile(filepath.Join(dir, FileName+suffix), b, 0o600)); err != nil {
				t.Fatal(err)
			}
		}
		return dir
	}
	killed := copied()
	x.close()
	closed := copied()
	damaged := copied()
	b, err := os.ReadFile(filepath.Join(damaged, FileName))
	copy(b[4096:], bytes.Repeat([]byte{0xff}, 4096))
	if err := errors.Join(err, os.WriteFile(filepath.Join(damaged, FileName), b, 0o600)); err != nil {
		t.Fatal(err)
	}
	for dir, bad := range map[string]bool{killed: false, closed: false, damaged: true} {
		before := contents(t, dir)
		if err := Check(t.Context(), filepath.Join(dir, FileName)); err == nil == bad {
			t.Errorf("Check: %v, damaged: %v", err, bad)
		}
		if len(before) == 1 == (dir == killed) {
			t.Errorf("%s has %d files", dir, len(before))
		}
		after := contents(t, dir)
		if dir == killed {
			delete(after, FileName+"-shm") // locks of SQLite, which a server creates again
		}
		if !maps.Equal(before, after) {
			t.Errorf("Check left the files %v, want %v", slices.Collect(maps.Keys(after)), slices.Collect(maps.Keys(before)))
		}
	}
}

// contents returns the contents of the files in a folder, by name.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name()] = string(b)
	}
	return files
}

// damagedLog cannot read one room.
type damagedLog struct {
	*testLog
	room string
}

func (d damagedLog) Read(room string, after uint64, limit int) ([]eventlog.Record, eventlog.Bounds, error) {
	if room == d.room {
		return nil, d.Bounds(room), fmt.Errorf("%w: in a test", eventlog.ErrDamaged)
	}
	return d.testLog.Read(room, after, limit)
}

// TestDamagedRoomIsSkipped: a room that cannot be read does not prevent the indexing of others, and is logged once.
func TestDamagedRoomIsSkipped(t *testing.T) {
	p := newTestLog(t)
	for _, room := range []string{"a", "bad", "c"} {
		p.publishAt(p.at, room, slices.Repeat([]string{"hit"}, turnRows)...)
	}
	x := open(t, "", damagedLog{p, "bad"})
	for worked := true; worked; {
		var err error
		if worked, err = x.turn(); err != nil {
			t.Fatal(err)
		}
	}
	for _, room := range []string{"a", "c"} {
		if found := x.search(Query{Words: "hit", Room: room, Limit: 1}); len(found.Hits) != 1 || found.Behind != 0 {
			t.Errorf("of %s: %+v", room, found)
		}
	}
	if got := strings.Count(x.logged.String(), "room damaged"); got != 1 || !strings.Contains(x.logged.String(), "room=bad") {
		t.Errorf("the log has %q", x.logged)
	}
}
