package journal_test

import (
	"fmt"
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

func (r *rows) Hold(journal.Holding) error { return nil }

func (r *rows) Drop(string) error { return nil }

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

// When all names are held that can be, whoever holds one can have another in its place, and one that has run out can be had.
func TestMostNames(t *testing.T) {
	var held []journal.Holding
	for i := range journal.MaxHeld - 1 {
		name := fmt.Sprint("name", i)
		held = append(held, journal.Holding{By: "by" + name, Name: name, Key: name, Used: 1000})
	}
	held[7].Used = 1
	var s journal.State
	s.Load(map[string]journal.Head{}, map[journal.Grave]uint64{}, map[string]wire.Time{}, held, nil, journal.IDs{Generation: 1}, nil, map[string][]journal.Span{})
	claim := func(by, name string) journal.Event {
		return journal.Event{Kind: journal.Claim, By: by, Name: name, Key: name}
	}
	b := &journal.Batch{At: 1001, Expiry: 1, Events: []journal.Event{
		claim("anna", "anna"), claim("bert", "bert"), claim("anna", "ann"), claim("bert", "name7"), claim("carl", "name8"),
		{Kind: journal.Release, By: "anna"}, claim("carl", "carl"), claim("dora", "dora"),
	}}
	change, outcomes, err := journal.Decide(&s, &rows{}, b)
	if err != nil {
		t.Fatal(err)
	}
	s.Commit(change)
	_, later, err := journal.Decide(&s, &rows{}, &journal.Batch{At: 1002, Expiry: 1, Events: []journal.Event{claim("dora", "dora"), {Kind: journal.Release, By: "carl"}, claim("dora", "dora")}})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, o := range append(outcomes, later...) {
		if o.Verdict == journal.Refused {
			got = append(got, string(o.Err.Code))
		} else {
			got = append(got, "done")
		}
	}
	want := "done not_allowed done done name_taken done done not_allowed not_allowed done done"
	if strings.Join(got, " ") != want {
		t.Errorf("it says %q, want %q", got, want)
	}
}
