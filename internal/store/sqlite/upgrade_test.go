package sqlite

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"ramai/internal/eventlog"
	"ramai/internal/names"
	"ramai/wire"
)

// older converts a database without messages to a version, and adds messages of two rooms to one of version 1.
func older(to int) string {
	script := ""
	for _, statement := range strings.Split(schema, "CREATE TABLE ")[1:] {
		script += "DROP TABLE " + statement[:strings.IndexByte(statement, '(')] + ";"
	}
	script += schemaOf(int64(to)) + metaOfVersion(to, 0)
	if to == 1 {
		script += `
INSERT INTO rooms VALUES(1, 'lobby', 1, 2), (2, 'team', 1, 1);
INSERT INTO messages VALUES(1, 1, 1000, 'anna', '', 'a', 'one'), (1, 2, 2000, 'ben', 'Ben', 'b', 'two'), (2, 1, 3000, 'anna', '', 'a', 'elsewhere');
UPDATE meta SET position = 3, at = 3000;`
	}
	return script + fmt.Sprintf("PRAGMA user_version=%d;", to)
}

// metaOfVersion returns a script that adds the row of the table meta.
func metaOfVersion(v, position int) string {
	if v < 5 {
		return fmt.Sprintf("INSERT INTO meta(one, log, position, at, unsynced) VALUES(1, 'log', %d, 2000, 0);", position)
	}
	return fmt.Sprintf("INSERT INTO meta(one, log, position, at, unsynced, open, run) VALUES(1, 'log', %d, 2000, 0, 0, '');", position)
}

// messages returns the messages among records.
func messages(t *testing.T, records []eventlog.Record) (all []wire.Message) {
	t.Helper()
	for i := range records {
		m, is, err := records[i].Message()
		if err != nil || !is {
			t.Fatalf("%+v is not a message: %v", records[i], err)
		}
		all = append(all, m)
	}
	return all
}

func TestUpgrade(t *testing.T) {
	dir := t.TempDir()
	database(t, dir, older(1))
	for range 2 { // the second time there is nothing to do
		s := open(t, dir, quiet)
		lobby, _, err1 := s.Read("lobby", 0, 10)
		team, _, err2 := s.ReadBefore("team", 2, 10)
		if err := errors.Join(err1, err2); err != nil {
			t.Fatal(err)
		}
		want := []wire.Message{
			{Room: "lobby", N: 1, At: 1000, SenderID: "anna", ID: "a", Text: "one"},
			{Room: "lobby", N: 2, At: 2000, SenderID: "ben", DisplayName: "Ben", ID: "b", Text: "two"},
			{Room: "team", N: 1, At: 3000, SenderID: "anna", ID: "a", Text: "elsewhere"},
		}
		if got := messages(t, append(lobby, team...)); !reflect.DeepEqual(got, want) {
			t.Errorf("after the upgrade: %v", got)
		}
		// Messages from before epochs count for any epoch.
		if p := (wire.Position{HistoryID: s.HistoryID(), Epoch: "one", N: 2}); s.Epoch().Name == "" {
			for _, nonce := range []string{"one", "two"} {
				start := eventlog.Command{Kind: eventlog.Start, Body: eventlog.StartBody{Node: eventlog.LocalNode, After: s.Incarnation(eventlog.LocalNode), Nonce: nonce}}
				if _, err := s.Apply(batch(start), s.Position()+1); err != nil {
					t.Error(err)
				}
			}
			if !s.Contains("lobby", &p) {
				t.Errorf("after the upgrade, what was received up to %+v is unknown", p)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	header, err := os.ReadFile(filepath.Join(dir, FileName))
	if err != nil || binary.BigEndian.Uint32(header[versionOffset:]) != version {
		t.Errorf("the header does not say the new version (%v)", err)
	}
}

// Each version's additions are added to older databases.
func TestUpgradeAdds(t *testing.T) {
	for before := 2; before < version; before++ {
		dir := t.TempDir()
		database(t, dir, older(before))
		s := open(t, dir, quiet)
		own := []eventlog.Command{
			{Kind: eventlog.ReserveName, SenderID: "anna", Body: eventlog.ReserveNameBody{Name: "Queen", Key: "queen"}}, {Kind: eventlog.Say, SenderID: "anna", Room: "lobby", ID: "1", Text: "x", RegisterKey: "queen"},
			{Kind: eventlog.Trim, Room: "lobby", Body: eventlog.TrimBody{To: 1}}, {Kind: eventlog.UnregisterName, Body: eventlog.UnregisterNameBody{Name: "Queen", Key: "queen"}},
		}
		outcomes, err := s.Apply(&eventlog.Batch{At: 1, Commands: own}, 1)
		if err != nil {
			t.Fatalf("after version %d: %v", before, err)
		}
		for _, o := range outcomes {
			if o.Status != eventlog.Saved {
				t.Errorf("after version %d: %+v", before, o)
			}
		}
	}
}

// An upgrade is logged once at its beginning and once at its end, and takes no space permanently.
func TestUpgradeGivesSpaceBack(t *testing.T) {
	dir := t.TempDir()
	database(t, dir, older(1)+many)
	before := fileSize(t, dir)
	var log bytes.Buffer
	opt := quiet
	opt.Logger = slog.New(slog.NewTextHandler(&log, nil))
	for range 2 {
		s := open(t, dir, opt)
		if got, _, err := s.Read("lobby", 5000, 1); err != nil || len(got) != 1 || got[0].ID != "5001" {
			t.Errorf("read %v, %v", got, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if after := fileSize(t, dir); after > before+before/20 {
		t.Errorf("the file had %d bytes, and has %d", before, after)
	}
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	if len(lines) != 2 || !strings.Contains(lines[0], "upgrading") || !strings.Contains(lines[1], fmt.Sprintf("to_version=%d", version)) {
		t.Errorf("the log has %q, want its beginning and its end", lines)
	}
}

// many is added to version1 for a larger file.
const many = `
WITH RECURSIVE k(n) AS (SELECT 3 UNION ALL SELECT n + 1 FROM k WHERE n < 10000)
INSERT INTO messages SELECT 1, n, n, 'anna', '', n, printf('%.*c', 200, 'x') FROM k;
UPDATE rooms SET last = 10000 WHERE id = 1;`

func fileSize(t *testing.T, dir string) int64 {
	t.Helper()
	info, err := os.Stat(filepath.Join(dir, FileName))
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// An interrupted upgrade continues where it stopped: every row is there once, with its checksum.
func TestUpgradeResumes(t *testing.T) {
	dir := t.TempDir()
	database(t, dir, older(1)+many)
	c, err := connect(filepath.Join(dir, FileName), "synchronous=FULL", "journal_mode=WAL")
	if err != nil {
		t.Fatal(err)
	}
	u := upgrader{conn: c, committed: func() {}}
	if err := u.begin(1); err != nil {
		t.Fatal(err)
	}
	rooms, err := c.roomNames()
	if err != nil {
		t.Fatal(err)
	}
	m := newMove("messages_1", rooms, moveStep)
	for range 2 {
		if more, err := u.moveSome(m); err != nil || !more {
			t.Fatal(more, err)
		}
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Examine(t.Context(), dir, func(damage string) { t.Error(damage) }); err == nil || !strings.Contains(err.Error(), "upgrade") {
		t.Errorf("Examine amid the upgrade: %v", err)
	}
	s := open(t, dir, quiet)
	n := uint64(0)
	for {
		page, _, err := s.Read("lobby", n, eventlog.MaxRead)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		for i := range page {
			if n++; page[i].N != n {
				t.Fatalf("number %d follows number %d", page[i].N, n-1)
			}
		}
	}
	if n != 10000 {
		t.Errorf("there are %d messages, want 10000", n)
	}
}

// Names are compared by the current rules of package names.
func TestNameKeysRecomputed(t *testing.T) {
	dir := t.TempDir()
	database(t, dir, `INSERT INTO registrations(key, name, by, since) VALUES('old', 'Queen', 'key', 1), ('king', 'King', 'key', 1), ('other', 'KING', 'key2', 1);
INSERT INTO names(by, name, key, bound, used, node) VALUES('bert', 'Rook', 'rook', 1, 1, 'local')`)
	for range 2 {
		s := open(t, dir, quiet)
		queen := names.Key("Queen")
		if renewed := eventlog.RenewedKeys(s, names.Key); len(renewed) > 0 {
			if _, err := s.Apply(&eventlog.Batch{At: 1, Commands: renewed}, s.Position()+1); err != nil {
				t.Fatal(err)
			}
		}
		outcomes, err := s.Apply(&eventlog.Batch{At: 1, Commands: []eventlog.Command{
			{Kind: eventlog.ReserveName, SenderID: "anna", Body: eventlog.ReserveNameBody{Name: "QUEEN", Key: queen}}, {Kind: eventlog.ReserveName, SenderID: "anna", Body: eventlog.ReserveNameBody{Name: "King", Key: names.Key("King")}},
			{Kind: eventlog.ReserveName, SenderID: "anna", Body: eventlog.ReserveNameBody{Name: "ROOK", Key: names.Key("ROOK")}},
		}}, s.Position()+1)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range outcomes {
			if o.Status != eventlog.Refused {
				t.Errorf("%+v was reserved", o.Command.Body)
			}
		}
		if got := s.RegisteredNames(); len(got) != 3 || !slices.ContainsFunc(got, func(o eventlog.NameRegistration) bool { return o.Key == queen && o.SenderID == "key" }) {
			t.Errorf("owned are %+v", got)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
