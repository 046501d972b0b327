package sqlite

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ramai/internal/eventlog"
)

// stepUpgrade upgrades a folder in steps of a few rows, and returns a copy of it as of after each transaction: what a
// process leaves that is killed there or in the next transaction.
func stepUpgrade(t *testing.T, dir string, rows int) (killed []string) {
	t.Helper()
	c, err := connect(filepath.Join(dir, FileName), "synchronous=FULL", "journal_mode=WAL")
	if err != nil {
		t.Fatal(err)
	}
	u := upgrader{conn: c, logger: slog.New(slog.DiscardHandler), step: rows}
	u.committed = func() { killed = append(killed, snapshot(t, dir)) }
	if err := errors.Join(u.run(), c.Close()); err != nil {
		t.Fatal(err)
	}
	return killed
}

// A server that is killed during an upgrade continues it at the next start, and loses nothing.
func TestUpgradeKilled(t *testing.T) {
	for schema, steps := range map[int]int{4: 9, 5: 6, 6: 6} {
		t.Run(fmt.Sprint("schema ", schema), func(t *testing.T) {
			t.Parallel()
			killed := stepUpgrade(t, fixture(t, schema), 2)
			if len(killed) < steps {
				t.Fatalf("the upgrade has %d transactions, want %d or more", len(killed), steps)
			}
			for i, dir := range killed {
				// Twice: it is killed again right after the first transaction of the second try.
				if again := stepUpgrade(t, snapshot(t, dir), 1); len(again) > 0 {
					checkUpgraded(t, again[0], schema)
				} else if i < len(killed)-2 { // the last two are those that drop the old table and give back its space
					t.Errorf("after transaction %d nothing is left to do", i+1)
				}
				checkUpgraded(t, dir, schema)
			}
		})
	}
}

func checkUpgraded(t *testing.T, dir string, schema int) {
	t.Helper()
	want := uint64(5)
	if schema < 5 {
		want = 7 // a room was not removed
	}
	if expired, all, err := CountExpired(dir, eventlog.Retention{Age: time.Hour}, time.Now().AddDate(100, 0, 0)); expired != want || all != want || err != nil {
		t.Errorf("before the upgrade is complete, %d of %d records are counted, %v; want %d of them", expired, all, err, want)
	}
	s := open(t, dir, quiet)
	checkFixture(t, s, schema)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Examine(t.Context(), dir, func(damage string) { t.Error(damage) }); err != nil {
		t.Error(err)
	}
}

// A transaction of an upgrade that fails leaves everything as it was.
func TestUpgradeFails(t *testing.T) {
	for schema := range map[int]bool{5: true, 6: true} {
		dir := fixture(t, schema)
		path := filepath.Join(dir, FileName)
		c, err := connect(path, "synchronous=FULL", "journal_mode=WAL")
		if err != nil {
			t.Fatal(err)
		}
		u := upgrader{conn: c, logger: slog.New(slog.DiscardHandler), step: 2, committed: func() {}}
		if err := u.begin(int64(schema)); err != nil {
			t.Fatal(err)
		}
		rooms, err := c.roomNames()
		if err != nil {
			t.Fatal(err)
		}
		m := newMove("messages_6", rooms, 2)
		for step := 0; ; step++ {
			count := func() string {
				a, err1 := c.ints("SELECT count(*), ifnull(sum(key), 0) FROM messages_6")
				b, err2 := c.ints("SELECT count(*), ifnull(sum(key), 0) FROM records")
				return fmt.Sprint(a, b, err1, err2)
			}
			before := count()
			good := *m
			m.remove = "DELETE FROM no_such_table WHERE key <= ?" // after the rows were added
			more, err := u.moveSome(m)
			if *m = good; err == nil && more {
				t.Fatalf("step %d succeeded", step)
			}
			if after := count(); after != before {
				t.Fatalf("step %d failed and left %s, want %s", step, after, before)
			}
			if more, err := u.moveSome(m); err != nil {
				t.Fatal(err)
			} else if !more {
				break
			}
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		checkUpgraded(t, dir, schema)
	}
}

// Rows that were damaged before an upgrade are neither repaired nor lost by it: the room is damaged afterwards, at the same
// number, and all other messages can be read.
func TestUpgradeKeepsDamage(t *testing.T) {
	for name, c := range map[string]struct {
		script string
		found  []string
		team   uint64 // the highest number that can be read
	}{
		"a text":     {"UPDATE messages SET text = 'fvie' WHERE id = 'a3'", []string{"room lobby: record 5 is damaged"}, 1},
		"a number":   {"UPDATE messages SET sum = 7 WHERE id = 'a2'", []string{"room lobby: record 4 is damaged"}, 1},
		"missing":    {"DELETE FROM messages WHERE id = 'c1'", []string{"room lobby: records 3 to 3 are missing"}, 1},
		"of no room": {"DELETE FROM rooms WHERE name = 'team'; DELETE FROM spans WHERE room = 2", nil, 0},
		"everything": {"UPDATE messages SET at = at + 1", []string{"record 2 is", "record 3 is", "record 4 is", "record 5 is", "room team: record 1 is damaged"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			dir := fixture(t, 6)
			alter(t, dir, c.script)
			killed := append(stepUpgrade(t, dir, 2), dir)
			for _, dir := range killed {
				s := open(t, dir, quiet)
				n, err := readAll(s, "team")
				if n != c.team {
					t.Errorf("of the other room %d messages are read, %v, want %d", n, err, c.team)
				}
				if _, err := readAll(s, "lobby"); len(c.found) > 0 && !errors.Is(err, eventlog.ErrDamaged) {
					t.Errorf("the damaged room is read: %v", err)
				}
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				var found []string
				if _, err := Examine(t.Context(), dir, func(damage string) { found = append(found, damage) }); err != nil {
					t.Fatal(err)
				}
				for _, want := range c.found {
					if !slices.ContainsFunc(found, func(f string) bool { return strings.Contains(f, want) }) {
						t.Errorf("found %q, want %q", found, want)
					}
				}
				if len(found) != len(c.found) {
					t.Errorf("found %q, want %q", found, c.found)
				}
			}
			data, err := openReadOnly(filepath.Join(dir, FileName), false)
			if err != nil {
				t.Fatal(err)
			}
			defer data.Close()
			want := int64(5)
			if name == "missing" {
				want = 4
			}
			if rows, err := data.ints("SELECT count(*) FROM records"); err != nil || rows[0] != want {
				t.Errorf("there are %v records, want %d: %v", rows, want, err)
			}
		})
	}
}

// A page of an old table that cannot be read ends the upgrade. The rest of the data can then be examined and saved.
func TestUpgradeOfDamagedPage(t *testing.T) {
	dir := t.TempDir()
	database(t, dir, older(6)+`
INSERT INTO rooms(id, name, first, last, at) VALUES(1, 'den', 1, 400, 400);`)
	c, err := connect(filepath.Join(dir, FileName))
	if err != nil {
		t.Fatal(err)
	}
	for n := range 400 {
		m := messages(t, []eventlog.Record{{Room: "den", N: uint64(n) + 1, At: 400, SenderID: "annaannaannaanna", ID: fmt.Sprint(n), Kind: eventlog.Say, Body: "\x01" + fmt.Sprintf("den says %03d %s", n+1, strings.Repeat("x", 300))}})[0]
		sum, _ := messageChecksum(nil, &m)
		if err := c.exec("INSERT INTO messages VALUES(?, ?, ?, ?, ?, ?, ?)", []driver.Value{keyOf(1, m.N), int64(m.At), m.SenderID, m.DisplayName, m.ID, m.Text, sum}...); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	damage(t, dir, where(t, dir, "den says 251")/4096*4096, []byte(strings.Repeat("\xff", 4096)))
	_, err = Open(dir, quiet)
	if err == nil || !strings.Contains(err.Error(), "ramai backup --skip-damaged") {
		t.Fatalf("the upgrade: %v", err)
	}
	var found []string
	file := filepath.Join(t.TempDir(), "b")
	if _, err := BackupUndamaged(t.Context(), dir, file, false, strings.NewReader(strings.Repeat("random", 9)), func(d string) { found = append(found, d) }); err != nil {
		t.Fatal(err)
	}
	to := t.TempDir()
	if _, _, err := restore(t, to, file, false); err != nil {
		t.Fatal(err)
	}
	s := open(t, to, quiet)
	got, _, err := s.Read("den", 200, eventlog.MaxRead)
	if err != nil {
		t.Fatal(err)
	}
	placeholders := 0
	for _, m := range messages(t, got) {
		if m.Text == placeholderText {
			placeholders++
		}
	}
	if placeholders == 0 || placeholders > 20 || s.Bounds("den").Last != 400 || len(found) == 0 {
		t.Errorf("%d of %v messages were damaged, found %q", placeholders, s.Bounds("den"), found)
	}
}
