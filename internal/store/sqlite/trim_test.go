package sqlite

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"ramai/internal/eventlog"
	"ramai/wire"
)

// sayAll posts texts in a room, one batch at a time.
func sayAll(t *testing.T, s *Store, room, text string, n int, at wire.Time) {
	t.Helper()
	for said := 0; said < n; {
		b := &eventlog.Batch{At: at}
		for range min(1000, n-said) {
			said++
			b.Commands = append(b.Commands, eventlog.Command{Kind: eventlog.Say, SenderID: "anna", Room: room, ID: fmt.Sprint(said), Text: text})
		}
		if _, err := s.Apply(b, s.Position()+1); err != nil {
			t.Fatal(err)
		}
	}
}

func trimAll(t *testing.T, s *Store, room string, to uint64, at wire.Time) {
	t.Helper()
	for range to/eventlog.TrimStep + 1 {
		b := &eventlog.Batch{At: at, Commands: []eventlog.Command{{Kind: eventlog.Trim, Room: room, Body: eventlog.TrimBody{To: to}}}}
		if _, err := s.Apply(b, s.Position()+1); err != nil {
			t.Fatal(err)
		}
	}
}

// Deleted messages free space in the file system, before and after their ids may be deleted, too.
func TestFileShrinks(t *testing.T) {
	const day = wire.Time(24 * 3600 * 1000)
	dir := t.TempDir()
	s := open(t, dir, quiet)
	sayAll(t, s, "den", strings.Repeat("x", 1000), 5000, day)
	sayAll(t, s, "lobby", "stays", 10, day)
	size := func() int64 {
		t.Helper()
		if err := s.writer.checkpoint(); err != nil {
			t.Fatal(err)
		}
		return fileSize(t, dir)
	}
	full := size()
	trimAll(t, s, "den", 4990, 2*day)
	trimmed := size()
	if trimmed > full/8 { // ids stay
		t.Errorf("the file had %d bytes, and has %d", full, trimmed)
	}
	for _, e := range []eventlog.Command{{Kind: eventlog.RotateIDs, Body: eventlog.RotateIDsBody{Generation: 2}}, {Kind: eventlog.RotateIDs, Body: eventlog.RotateIDsBody{Generation: 3}}} {
		if _, err := s.Apply(&eventlog.Batch{At: 60 * day, Commands: []eventlog.Command{e}}, s.Position()+1); err != nil {
			t.Fatal(err)
		}
	}
	for range 5010/eventlog.PruneStep + 1 {
		if _, err := s.Apply(&eventlog.Batch{At: 60 * day, Commands: []eventlog.Command{{Kind: eventlog.PruneIDs}}}, s.Position()+1); err != nil {
			t.Fatal(err)
		}
	}
	if empty := size(); empty > 200<<10 {
		t.Errorf("when the ids are gone too it has %d", empty)
	}
	for room, first := range map[string]uint64{"den": 4991, "lobby": 1} {
		if got, _, err := s.Read(room, 0, 10); err != nil || len(got) != 10 || got[0].N != first {
			t.Errorf("of %s there are %d messages (%v), want 10 from %d", room, len(got), err, first)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// A folder of version 2 gets the new tables, and keeps its content.
func TestUpgradeFrom2(t *testing.T) {
	dir := t.TempDir()
	database(t, dir, older(2)+"INSERT INTO rooms VALUES(1, 'lobby', 1, 1);"+
		"INSERT INTO messages VALUES((1<<40)|1, 1000, 'anna', '', 'a', 'one'); UPDATE meta SET position = 1, at = 1000;")
	for range 2 {
		s := open(t, dir, quiet)
		if got, _, err := s.Read("lobby", 0, 10); err != nil || len(got) != 1 || messages(t, got)[0].Text != "one" {
			t.Errorf("read %v, %v", got, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	s := open(t, dir, quiet)
	trimAll(t, s, "lobby", 1, 2000)
	if h := s.Bounds("lobby"); h != (eventlog.Bounds{First: 2, Last: 1}) {
		t.Errorf("the head is %v", h)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// The count of --check is what retention would delete.
func TestCountExpired(t *testing.T) {
	dir := t.TempDir()
	if expired, all, err := CountExpired(dir, eventlog.Retention{Newest: 1}, time.Now()); expired != 0 || all != 0 || err != nil {
		t.Errorf("without a database %d of %d are expired, %v", expired, all, err)
	}
	s := open(t, dir, quiet)
	sayAll(t, s, "den", "x", 30, 1000)
	sayAll(t, s, "lobby", "x", 5, 2000)
	trimAll(t, s, "den", 10, 2000)
	for _, logged := range []bool{true, false} { // while there is a write-ahead log, and without one
		for _, c := range []struct {
			retention eventlog.Retention
			now       wire.Time
			want      uint64
		}{
			{eventlog.Retention{Newest: 7}, 0, 13}, {eventlog.Retention{Newest: 3}, 0, 19}, {eventlog.Retention{Newest: 100}, 0, 0},
			{eventlog.Retention{Age: time.Second}, 2001, 20}, {eventlog.Retention{Age: time.Second}, 2000, 0}, {eventlog.Retention{Age: time.Second}, 9000, 25},
		} {
			if expired, all, err := CountExpired(dir, c.retention, c.now.Std()); expired != c.want || all != 25 || err != nil {
				t.Errorf("%+v at %d: %d of %d are expired, %v, want %d (logged: %v)", c.retention, c.now, expired, all, err, c.want, logged)
			}
		}
		if logged {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// What is kept of the rooms of moderators does not depend on how much there is.
func TestCountExpiredLog(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, quiet)
	level := &eventlog.Batch{At: 1000, Commands: []eventlog.Command{{Kind: eventlog.Level, Body: eventlog.LevelBody{Level: eventlog.Current.Level()}}}}
	if _, err := s.Apply(level, s.Position()+1); err != nil {
		t.Fatal(err)
	}
	sayAll(t, s, "den", "x", 10, 1000)
	b := &eventlog.Batch{At: 1000}
	for i := range 5 {
		b.Commands = append(b.Commands, eventlog.Command{Kind: eventlog.Set, SenderID: "anna", Room: "den", ID: fmt.Sprint("slow", i), Body: eventlog.SetBody{Key: wire.SlowKey, Value: wire.NumberValue(uint64(5 + i))}})
	}
	if _, err := s.Apply(b, s.Position()+1); err != nil {
		t.Fatal(err)
	}
	life := wire.Time(eventlog.LogLife.Milliseconds())
	for now, want := range map[wire.Time]uint64{1000: 13, 1000 + life: 13, 1001 + life: 18} {
		if expired, all, err := CountExpired(dir, eventlog.Retention{Newest: 2}, now.Std()); expired != want || all != 20 || err != nil {
			t.Errorf("at %v, %d of %d are expired, %v; want %d of 20", now, expired, all, err, want)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
