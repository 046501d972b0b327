package journal_test

import (
	"strings"
	"testing"

	"ramai/internal/journal"
	"ramai/wire"
)

// rows is a journal.Tx that keeps only what it is given as messages.
type rows struct {
	journal.Tx
	messages []uint64
}

func (r *rows) Message(m *wire.Message) error {
	r.messages = append(r.messages, m.N)
	return nil
}

func (r *rows) Head(string, journal.Head, wire.Time) error { return nil }

// TestLastNumber: a room that has had its last number refuses, and what else is in the batch is saved.
func TestLastNumber(t *testing.T) {
	var s journal.State
	heads := map[string]journal.Head{"old": {First: 1, Last: journal.MaxNumber - 1}, "lobby": {First: 1}}
	s.Load(heads, map[journal.Grave]uint64{}, map[string]wire.Time{}, nil, nil, journal.IDs{Generation: 1}, nil, map[string][]journal.Span{})
	say := func(room string) journal.Event {
		return journal.Event{Kind: journal.Say, By: "anna", Room: room, ID: "x", Text: "x", Once: true}
	}
	var tx rows
	b := &journal.Batch{At: 1, MaxRooms: 2, Events: []journal.Event{say("old"), say("old"), say("lobby")}}
	_, outcomes, err := journal.Decide(&s, &tx, b)
	if err != nil {
		t.Fatal(err)
	}
	if o := outcomes[0]; o.Verdict != journal.Saved || o.N != journal.MaxNumber {
		t.Errorf("the last is %+v", o)
	}
	if o := outcomes[1]; o.Verdict != journal.Refused || o.Err.Code != wire.NotAllowed || !strings.Contains(o.Err.Reason, "last number, 1099511627775") {
		t.Errorf("what comes after the last is %+v, %v", o, o.Err)
	}
	if o := outcomes[2]; o.Verdict != journal.Saved || o.N != 1 || len(tx.messages) != 2 {
		t.Errorf("in another room it is %+v, and the rows are %v", o, tx.messages)
	}
}

// An id has one key, and no other id has it.
func TestKeyOf(t *testing.T) {
	seen := map[journal.Key][3]string{}
	for _, id := range [][3]string{
		{"lobby", "anna", "1"}, {"lobby", "anna", "2"}, {"lobby", "ann", "a1"}, {"lobb", "yanna", "1"}, {"team", "anna", "1"}, {"lobby", "bert", "1"},
		{strings.Repeat("r", wire.MaxRoom), strings.Repeat("b", wire.ByLen), strings.Repeat("i", wire.MaxID)},
	} {
		k := journal.KeyOf(id[0], id[1], id[2])
		if k != journal.KeyOf(id[0], id[1], id[2]) {
			t.Errorf("%q has two keys", id)
		}
		if other, ok := seen[k]; ok {
			t.Errorf("%q has the key of %q", id, other)
		}
		seen[k] = id
	}
	a, b := journal.KeyOf("lobby", "anna", "1"), journal.KeyOf("lobby", "anna", "2")
	if string(a[:6]) != string(b[:6]) {
		t.Error("the ids of one sender in one room do not lie together")
	}
	long := strings.Repeat("i", wire.MaxID)
	if n := testing.AllocsPerRun(100, func() { journal.KeyOf("lobby", "0123456789abcdef", long) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
