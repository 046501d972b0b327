package sqlite

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ramai/internal/eventlog"
	"ramai/wire"
)

// fileOf creates a database as a given version made it, with two messages in the lobby, and runs a script in it.
func fileOf(t *testing.T, v int, script string) string {
	t.Helper()
	dir := t.TempDir()
	rows := rowsOfVersion(v)
	if v == 1 {
		rows = "DELETE FROM messages; DELETE FROM rooms;" + rows
	}
	database(t, dir, older(v)+"UPDATE meta SET position = 2;"+rows+script)
	return filepath.Join(dir, FileName)
}

// rowsOfVersion returns a script that adds a room, two messages and a name.
func rowsOfVersion(v int) string {
	script := "INSERT INTO rooms(id, name, first, last) VALUES(1, 'lobby', 4, 5);"
	if v >= 5 {
		script = "INSERT INTO rooms(id, name, first, last, at) VALUES(1, 'lobby', 4, 5, 2000);"
	}
	for _, m := range []wire.Message{
		{Room: "lobby", N: 4, At: 1000, SenderID: "anna", ID: "a", Text: "one"}, {Room: "lobby", N: 5, At: 2000, SenderID: "bert", DisplayName: "Bert", ID: "b", Text: "two"},
	} {
		r := eventlog.MessageRecord(&m)
		now, _ := checksum(nil, &r)
		sum, _ := messageChecksum(nil, &m)
		head := fmt.Sprintf("(1 << 40) | %d, %d, '%s', '%s', '%s', ", m.N, m.At, m.SenderID, m.DisplayName, m.ID)
		switch {
		case v == 1:
			script += "INSERT INTO messages(room, n, at, by, name, id, text) VALUES(" + strings.Replace(head, "(1 << 40) |", "1,", 1) + fmt.Sprintf("'%s');", m.Text)
		case v < 5:
			script += "INSERT INTO messages(key, at, by, name, id, text) VALUES(" + head + fmt.Sprintf("'%s');", m.Text)
		case v < 7:
			script += "INSERT INTO messages(key, at, by, name, id, text, sum) VALUES(" + head + fmt.Sprintf("'%s', %d);", m.Text, sum)
		default:
			script += "INSERT INTO records(key, at, by, name, id, kind, body, checksum) VALUES(" + head + fmt.Sprintf("%d, x'%x', %d);", r.Kind, r.Body, now)
		}
	}
	if v < 6 {
		return script + "INSERT INTO names(by, name, key, bound, used) VALUES('bert', 'Bert', 'bert', 0, 2000);"
	}
	return script + "INSERT INTO names(by, name, key, bound, used, node) VALUES('bert', 'Bert', 'bert', 0, 2000, 'local');"
}

// A backup of every version can be restored, and works.
func TestRestoreOfEveryVersion(t *testing.T) {
	for v := 1; v <= version; v++ {
		dir := t.TempDir()
		if _, _, err := restore(t, dir, fileOf(t, v, ""), false); err != nil {
			t.Errorf("of version %d: %v", v, err)
			continue
		}
		s := open(t, dir, quiet)
		if got := s.Bounds("lobby"); got != (eventlog.Bounds{First: 4, Last: 5}) || s.Name("bert") != "Bert" {
			t.Errorf("of version %d there is %v, and %q", v, got, s.Name("bert"))
		}
	}
}

// Files with a schema or content that no server writes are rejected, and the error says where.
func TestRestoreRefuses(t *testing.T) {
	for _, c := range []struct{ script, reason string }{
		{"CREATE TRIGGER t AFTER INSERT ON records BEGIN UPDATE records SET name = 'x'; END;", `the trigger "t"`},
		{"CREATE VIEW v AS WITH RECURSIVE k(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM k) SELECT n FROM k;", `the view "v"`},
		{"ALTER TABLE records RENAME TO m; CREATE VIEW records AS SELECT * FROM m;", `"m"`},
		{"CREATE INDEX i ON records(body);", `the index "i"`},
		{"CREATE TABLE more(x);", `the table "more"`},
		{"DROP TABLE registrations;", "lacks a table"},
		{"DROP TABLE registrations; CREATE TABLE registrations(key TEXT NOT NULL PRIMARY KEY, name TEXT NOT NULL, by TEXT NOT NULL, since INTEGER NOT NULL CHECK(since < 1)) STRICT, WITHOUT ROWID;", `the table "registrations"`},
		{"CREATE TABLE messages_4(x);", "its upgrade is incomplete"},

		{"UPDATE records SET body = x'01611b' WHERE id = 'b';", "record 5 of the room lobby: the text has the control character U+001B"},
		{"UPDATE records SET body = CAST(char(1) || printf('%.*c', 1 << 17, 'x') AS BLOB) WHERE id = 'a';", "record 4 of the room lobby: the text has 131072 bytes"},
		{"UPDATE records SET body = x'01ff';", "record 4 of the room lobby: a say command has a text that is not UTF-8"},
		{"UPDATE records SET at = 253402300799000 WHERE id = 'b';", "record 5 of the room lobby: its time is 9999"},
		{"UPDATE records SET at = -1;", "record 4 of the room lobby: its time is not after"},
		{"UPDATE records SET name = 'server';", `record 4 of the room lobby: the name "server" is reserved`},
		{"UPDATE records SET name = 'a: b';", "record 4 of the room lobby: the name"},
		{"UPDATE records SET id = 'a b' WHERE id = 'b';", "record 5 of the room lobby: an id has"},
		{"UPDATE records SET by = '';", "record 4 of the room lobby: \"\" is not a sender id"},
		{"UPDATE records SET body = x'0174766f' WHERE id = 'b';", "room lobby: record 5 is damaged"},
		{"UPDATE records SET by = 'berta' WHERE id = 'b';", "room lobby: record 5 is damaged"},
		{"UPDATE records SET checksum = checksum + (1 << 32) WHERE id = 'a';", "room lobby: record 4 is damaged"},
		{"UPDATE rooms SET name = 'den';", "room den: record 4 is damaged"},
		{"UPDATE records SET key = key + 1 WHERE id = 'b';", "has record 6 instead of number 5 of 4 to 5"},
		{"DELETE FROM records WHERE id = 'b';", "lacks the records 5 to 5"},
		{"DELETE FROM records WHERE id = 'a';", "has record 5 instead of number 4"},
		{"UPDATE records SET kind = 5 WHERE id = 'b';", "record 5 of the room lobby: record 5 has the kind trim, which adds no records"},
		{"UPDATE records SET kind = 200 WHERE id = 'b';", "unknown kind 200"},
		{"UPDATE records SET kind = 257 WHERE id = 'b';", "a column has the wrong type"},
		{"UPDATE records SET body = CAST(x'09' || body AS BLOB) WHERE id = 'b';", "unknown version"},
		{"UPDATE records SET body = x'' WHERE id = 'b';", "is empty"},
		{"DELETE FROM rooms;", "does not belong to any room"},
		{"UPDATE rooms SET name = 'A b';", `the room 1, "A b"`},
		{"UPDATE rooms SET last = 1 << 41;", "the room 1"},
		{"UPDATE rooms SET first = -5;", "the room 1"},
		{"UPDATE names SET name = 'admin';", `the name "admin"`},
		{"UPDATE names SET name = 'a' || char(10);", "is invalid"},
		{"INSERT INTO registrations(key, name, by, since) VALUES('k', 'server', 'anna', 1);", `the name "server"`},
	} {
		dir := t.TempDir()
		if _, _, err := restore(t, dir, fileOf(t, version, c.script), false); err == nil || !strings.Contains(err.Error(), c.reason) {
			t.Errorf("after %.80s: %v, want %q", c.script, err, c.reason)
		}
		if exists(filepath.Join(dir, FileName)) {
			t.Errorf("after %.80s: something is left", c.script)
		}
	}
}

// Checking the rows of a long file stops when the context is canceled.
func TestValidateEnds(t *testing.T) {
	path := fileOf(t, version, "")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := validate(ctx, path); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// Imported messages have to satisfy the rules for posted ones.
func TestImportRefuses(t *testing.T) {
	good := wire.Message{Room: "team", N: 7, At: 1000, SenderID: "0123456789abcdef", DisplayName: "Anna", ID: "x", Text: "hello"}
	dir := t.TempDir()
	one := func(m wire.Message) error {
		next := []*Imported{{Message: m}}
		_, err := Import(dir, m.Room, rand.Reader, quiet.Logger, func() (*Imported, error) {
			if len(next) == 0 {
				return nil, io.EOF
			}
			m := next[0]
			next = nil
			return m, nil
		})
		return err
	}
	for reason, change := range map[string]func(m *wire.Message){
		"a room name has":                      func(m *wire.Message) { m.Room = "A" },
		"at most 549755813887 can be imported": func(m *wire.Message) { m.N = eventlog.MaxNumber - 1 },
		"is not a message number":              func(m *wire.Message) { m.N = 1 << 40 },
		"0 is not a message number":            func(m *wire.Message) { m.N = 0 },
		"which is in the future":               func(m *wire.Message) { m.At = wire.TimeOf(time.Now().Add(48 * time.Hour)) },
		"time is not after 1970":               func(m *wire.Message) { m.At = -1 },
		"the text has 16385 bytes":             func(m *wire.Message) { m.Text = strings.Repeat("x", 16<<10+1) },
		"U+001B":                               func(m *wire.Message) { m.Text = "\x1b[2J" },
		"is reserved for the server":           func(m *wire.Message) { m.DisplayName = "server" },
		"is not a valid name":                  func(m *wire.Message) { m.DisplayName = " Anna" },
		"is not a sender id":                   func(m *wire.Message) { m.SenderID = "anna" },
		"an id has":                            func(m *wire.Message) { m.ID = "a b" },
	} {
		m := good
		change(&m)
		if err := one(m); err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("%+v: %v, want %q", m, err, reason)
		}
	}
	m := good
	m.Text = "\ufeffone\r\ntwo"
	if err := one(m); err != nil {
		t.Fatal(err)
	}
	s := open(t, dir, quiet)
	if got, _, err := s.Read("team", 0, 10); err != nil || len(got) != 1 || messages(t, got)[0].Text != "one\ntwo" || got[0].N != 7 {
		t.Errorf("imported are %+v, %v", got, err)
	}
	// The clock of imported messages affects that room only, and their ids are known.
	again := eventlog.Command{Kind: eventlog.Say, SenderID: m.SenderID, Room: "team", ID: "x", Text: "one\ntwo"}
	outcomes, err := s.Apply(batch(again, say("lobby", "1")), s.Position()+1)
	if err != nil || outcomes[0].Status != eventlog.Repeat || outcomes[0].N != 7 || outcomes[1].At != 1000 {
		t.Errorf("said again: %+v, %v", outcomes, err)
	}
}
