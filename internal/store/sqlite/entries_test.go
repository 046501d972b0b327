package sqlite

import (
	"crypto/rand"
	"reflect"
	"testing"

	"ramai/internal/eventlog"
)

// Entries are stored, replaced, deleted, and read in the order of their keys, whatever bytes these have, before and after
// the commit.
func TestEntries(t *testing.T) {
	s := open(t, t.TempDir(), quiet)
	defer s.Close()
	tx := s.newTx()
	key := make([]byte, 16)
	rand.Read(key)
	put := func(table eventlog.Table, room, key, value string) eventlog.Entry {
		e := eventlog.Entry{Table: table, Room: room, Key: key, Value: value}
		if err := tx.PutEntry(&e); err != nil {
			t.Fatal(err)
		}
		return e
	}
	if _, err := s.writer.begin.exec(); err != nil {
		t.Fatal(err)
	}
	put(eventlog.Invites, "lobby", "a", "old")
	a, ff := put(eventlog.Invites, "lobby", "a", "new"), put(eventlog.Invites, "lobby", "\xff", "\x00")
	ab, random := put(eventlog.Invites, "lobby", "ab\x00", "1"), put(eventlog.Invites, "", string(key), "1")
	put(eventlog.Invites, "team", "a", "1")
	put(eventlog.Held, "lobby", "a", "1")
	put(eventlog.Invites, "lobby", "gone", "1")
	if err := tx.DeleteEntry(eventlog.Invites, "lobby", "gone"); err != nil {
		t.Fatal(err)
	}
	check := func(what string, r eventlog.EntryReader) {
		for _, c := range []struct {
			room, prefix, after string
			limit               int
			want                []eventlog.Entry
		}{
			{"lobby", "", "", 10, []eventlog.Entry{a, ab, ff}},
			{"lobby", "", "a", 10, []eventlog.Entry{ab, ff}},
			{"lobby", "a", "", 10, []eventlog.Entry{a, ab}},
			{"lobby", "", "", 1, []eventlog.Entry{a}},
			{"lobby", "\xff", "", 0, []eventlog.Entry{ff}},
			{"lobby", "b", "", 10, nil},
			{"", "", "", 10, []eventlog.Entry{random}},
		} {
			got, err := r.Entries(eventlog.Invites, c.room, c.prefix, c.after, c.limit)
			if err != nil || !reflect.DeepEqual(got, c.want) {
				t.Errorf("%s, room %q, prefix %q, after %q: %q, %v, want %q", what, c.room, c.prefix, c.after, got, err, c.want)
			}
		}
		for _, e := range []eventlog.Entry{a, ab, ff, random} {
			if value, found, err := r.Entry(e.Table, e.Room, e.Key); value != e.Value || !found || err != nil {
				t.Errorf("%s: %q has the value %q, %v, %v", what, e.Key, value, found, err)
			}
		}
		if value, found, err := r.Entry(eventlog.Invites, "lobby", "gone"); found || err != nil {
			t.Errorf("%s: a deleted entry has the value %q, %v", what, value, err)
		}
	}
	check("in the transaction", tx)
	if _, err := s.writer.commit.exec(); err != nil {
		t.Fatal(err)
	}
	check("committed", s)
	if _, err := s.writer.entries.deleteAll.exec("lobby"); err != nil {
		t.Fatal(err)
	}
	if left, err := s.writer.ints("SELECT count(*) FROM entries"); err != nil || left[0] != 2 {
		t.Errorf("%v entries are left, %v, want those of another room and of none", left, err)
	}
}
