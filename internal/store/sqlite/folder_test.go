package sqlite

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"ramai/internal/eventlog"
)

func TestFolderCreated(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b? c%20#d", "ü")
	s := open(t, dir, quiet)
	if _, err := s.Apply(batch(say("lobby", "1")), 1); err != nil {
		t.Fatal(err)
	}
	header, err := os.ReadFile(filepath.Join(dir, FileName))
	if err != nil {
		t.Fatal(err)
	}
	if err := checkHeader(header); err != nil {
		t.Errorf("the file %v", err)
	}
	if vacuum, err := s.writer.ints("PRAGMA auto_vacuum"); err != nil || vacuum[0] != 2 {
		t.Errorf("auto_vacuum = %v, %v, want 2 (incremental)", vacuum, err)
	}
	if runtime.GOOS == "windows" {
		return
	}
	for path, want := range map[string]fs.FileMode{
		filepath.Dir(dir): 0o700, dir: 0o700,
		filepath.Join(dir, FileName): 0o600, filepath.Join(dir, FileName+"-wal"): 0o600, filepath.Join(dir, FileName+"-shm"): 0o600,
		filepath.Join(dir, lockName): 0o600,
	} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v, want mode %v", path, info.Mode().Perm(), err, want)
		}
	}
}

func TestInUse(t *testing.T) {
	dir := t.TempDir()
	first, err := Open(dir, quiet)
	if err != nil {
		t.Fatal(err)
	}
	if second, err := Open(dir, quiet); !errors.Is(err, ErrInUse) {
		t.Fatalf("the second server: %v, %v", second, err)
	}
	if _, err := first.Apply(batch(say("lobby", "1")), 1); err != nil {
		t.Errorf("the first server after that: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, dir, quiet)
}

// A copy made by SQLite is not in WAL mode.
func TestRestored(t *testing.T) {
	dir := t.TempDir()
	database(t, dir, "PRAGMA journal_mode=DELETE")
	s := open(t, dir, quiet)
	if _, err := s.Apply(batch(say("lobby", "1")), 1); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(s.path() + "-wal"); err != nil {
		t.Errorf("there is no write-ahead log: %v", err)
	}
}

// Incomplete files of an earlier process do no harm.
func TestUnfinished(t *testing.T) {
	dir := t.TempDir()
	for _, suffix := range []string{".new", ".new-journal", ".new-wal"} {
		if err := os.WriteFile(filepath.Join(dir, FileName+suffix), []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	open(t, dir, quiet)
	if left, err := filepath.Glob(filepath.Join(dir, "*.new*")); err != nil || len(left) > 0 {
		t.Errorf("left over: %v, %v", left, err)
	}
}

// contents reads everything below a folder.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			all[path] = "folder"
			return err
		}
		b, err := os.ReadFile(path)
		all[path] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// database creates a database in dir, runs query on it, and closes it.
func database(t *testing.T, dir, query string) {
	t.Helper()
	path := filepath.Join(dir, FileName)
	if err := create(path, "log"); err != nil {
		t.Fatal(err)
	}
	c, err := connect(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c.exec(query), c.Close()); err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestFolderOfAnotherProgram(t *testing.T) {
	for _, test := range []struct {
		name, want string
		prepare    func(dir string)
	}{
		{"another program's", "another program", func(dir string) { database(t, dir, "PRAGMA application_id=7") }},
		{"nobody's", "another program", func(dir string) { database(t, dir, "PRAGMA application_id=0") }},
		{"newer", "newer version", func(dir string) { database(t, dir, fmt.Sprintf("PRAGMA user_version=%d", version+1)) }},
		{"newer, used before", "newer version", func(dir string) {
			database(t, dir, fmt.Sprintf("PRAGMA user_version=%d", version+1))
			write(t, filepath.Join(dir, lockName), "")
		}},
		{"no version", "no version of this server", func(dir string) { database(t, dir, "PRAGMA user_version=0") }},
		{"text", "not a database", func(dir string) { write(t, filepath.Join(dir, FileName), strings.Repeat("text ", 100)) }},
		{"short", "not a database", func(dir string) { write(t, filepath.Join(dir, FileName), magic) }},
		{"empty", "not a database", func(dir string) { write(t, filepath.Join(dir, FileName), "") }},
		{"folder", "not a file", func(dir string) {
			if err := os.Mkdir(filepath.Join(dir, FileName), 0o700); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			test.prepare(dir)
			before := contents(t, dir)
			s, err := Open(dir, quiet)
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), dir) {
				t.Errorf("Open = %v, %v, want an error that says %q", s, err, test.want)
			}
			if after := contents(t, dir); !reflect.DeepEqual(before, after) {
				t.Errorf("the folder was touched; it has\n%q\nand had\n%q", after, before)
			}
		})
	}
}

func TestNotAFolder(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	write(t, file, "text")
	for _, dir := range []string{file, filepath.Join(file, "below"), filepath.Join(file, "far", "below")} {
		if s, err := Open(dir, quiet); err == nil || !strings.Contains(err.Error(), "must be writable") {
			t.Errorf("Open(%s) = %v, %v", dir, s, err)
		}
	}
}

func TestNoRandomness(t *testing.T) {
	dir := t.TempDir()
	opt := quiet
	opt.Random = strings.NewReader("too short")
	if _, err := Open(dir, opt); err == nil {
		t.Error("a store was opened without randomness for its history id")
	}
	open(t, dir, quiet) // and the lock was released
}

// A database of ours with internal damage causes an error, not a panic.
func TestDamaged(t *testing.T) {
	for _, query := range []string{"DROP TABLE meta", "DELETE FROM meta", "DROP TABLE records", "DROP TABLE names"} {
		dir := t.TempDir()
		database(t, dir, query)
		if s, err := Open(dir, quiet); err == nil {
			t.Errorf("after %s Open gave %v", query, s)
		}
	}
	dir := t.TempDir()
	database(t, dir, "PRAGMA optimize")
	if err := os.Truncate(filepath.Join(dir, FileName), 5000); err != nil {
		t.Fatal(err)
	}
	if s, err := Open(dir, quiet); err == nil {
		t.Errorf("with a truncated file, Open returned %v", s)
	}
}

func TestCheckLibrary(t *testing.T) {
	for number, good := range map[int]bool{3_050_004: false, 3_051_002: false, 3_051_003: true, 3_054_001: true, 4_000_000: true} {
		if err := checkLibrary(number); (err == nil) != good {
			t.Errorf("checkLibrary(%d) = %v", number, err)
		}
	}
}

func TestCheckHeader(t *testing.T) {
	header := func(change func(b []byte)) []byte {
		b := make([]byte, headerSize)
		copy(b, magic)
		binary.BigEndian.PutUint32(b[ownerOffset:], owner)
		binary.BigEndian.PutUint32(b[versionOffset:], version)
		change(b)
		return b
	}
	for name, test := range map[string]struct {
		header []byte
		good   bool
	}{
		"ours":     {header(func([]byte) {}), true},
		"magic":    {header(func(b []byte) { b[0]++ }), false},
		"owner":    {header(func(b []byte) { b[ownerOffset]++ }), false},
		"newer":    {header(func(b []byte) { b[versionOffset+3]++ }), false},
		"far away": {header(func(b []byte) { b[versionOffset] = 0xff }), false},
		"short":    {header(func([]byte) {})[:headerSize-1], false},
		"empty":    {nil, false},
	} {
		if err := checkHeader(test.header); (err == nil) != test.good {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// crash copies the folder of an open store, as a killed process would leave it.
func crash(t *testing.T, from string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return to
}

func TestKilled(t *testing.T) {
	for _, test := range []struct {
		first, then Durability
		sameLog     bool
	}{
		{Full, Full, true},
		{Full, Normal, true},
		{Normal, Normal, false},
		{Normal, Full, false},
	} {
		s := open(t, t.TempDir(), withDurability(test.first))
		if _, err := s.Apply(batch(say("lobby", "1"), say("cellar", "1")), 1); err != nil {
			t.Fatal(err)
		}
		dir := crash(t, s.dir)
		for start := range 3 {
			again, err := Open(dir, withDurability(test.then))
			if err != nil {
				t.Fatal(err)
			}
			same := again.HistoryID() == s.HistoryID()
			if same != test.sameLog {
				t.Errorf("%d after %d, start %d: the log is the same: %v", test.then, test.first, start, same)
			}
			if start == 0 && !same {
				s.historyID = again.HistoryID() // which a clean stop leaves alone
				test.sameLog = true
			}
			if messages, _, err := again.Read("lobby", 0, 10); err != nil || len(messages) != 1 || again.Position() != 1 {
				t.Errorf("after the crash: %v, %v, position %d", messages, err, again.Position())
			}
			if err := again.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// The flag for unsynced commits is on disk before the first of them, and each durability sets the right pragma.
func TestDurability(t *testing.T) {
	syncing = true
	defer func() { syncing = false }()
	// https://sqlite.org/pragma.html#pragma_synchronous
	for durability, want := range map[Durability]int64{Full: 2, Normal: 1} {
		s := open(t, t.TempDir(), withDurability(durability))
		check := func(when string) {
			t.Helper()
			if got, err := s.writer.ints("PRAGMA synchronous"); err != nil || got[0] != want {
				t.Errorf("%s: synchronous = %v, %v, want %d", when, got, err, want)
			}
			saved, err := s.reader.load()
			if err != nil || saved.unsynced != (durability == Normal) {
				t.Errorf("%s: unsynced is %v, %v", when, saved.unsynced, err)
			}
		}
		check("opened")
		s.failNext(failAfterCommit)
		if _, err := s.Apply(batch(say("lobby", "1")), 1); !errors.Is(err, errCommit) {
			t.Fatal(err)
		}
		if err := s.Reopen(); err != nil {
			t.Fatal(err)
		}
		check("opened anew")
	}
}

// A store that is closed while in doubt counts as not stopped cleanly.
func TestCloseInDoubt(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(dir, withDurability(Normal))
	if err != nil {
		t.Fatal(err)
	}
	s.failNext(loseCommit)
	if _, err := s.Apply(batch(say("lobby", "1")), 1); !errors.Is(err, errCommit) {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if again := open(t, dir, withDurability(Normal)); again.HistoryID() == s.HistoryID() || again.Bounds("lobby") != (eventlog.Bounds{First: 1}) {
		t.Errorf("the log is %q as before; the head %v", again.HistoryID(), again.Bounds("lobby"))
	}
}
