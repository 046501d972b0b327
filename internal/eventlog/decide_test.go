package eventlog_test

import (
	"fmt"
	"strings"
	"testing"

	"ramai/internal/eventlog"
	"ramai/wire"
)

// rows is an eventlog.Tx that keeps only the numbers of records.
type rows struct {
	eventlog.Tx
	numbers []uint64
}

func (r *rows) PutRecord(record *eventlog.Record) error {
	r.numbers = append(r.numbers, record.N)
	return nil
}

func (r *rows) PutLease(eventlog.NameLease) error { return nil }

func (r *rows) DeleteLease(string) error { return nil }

func (r *rows) PutBounds(string, eventlog.Bounds, wire.Time) error { return nil }

// TestLastNumber: a room that has used its last number refuses messages, and everything else in the batch is saved.
func TestLastNumber(t *testing.T) {
	var s eventlog.State
	heads := map[string]eventlog.Bounds{"old": {First: 1, Last: eventlog.MaxNumber - 1}, "lobby": {First: 1}}
	(&eventlog.Snapshot{Bounds: heads}).LoadInto(&s)
	say := func(room string) eventlog.Command {
		return eventlog.Command{Kind: eventlog.Say, SenderID: "anna", Room: room, ID: "x", Text: "x", Once: true}
	}
	var tx rows
	b := &eventlog.Batch{At: 1, Commands: []eventlog.Command{say("old"), say("old"), say("lobby")}}
	_, outcomes, err := eventlog.Decide(&s, &tx, b, 1)
	if err != nil {
		t.Fatal(err)
	}
	if o := outcomes[0]; o.Status != eventlog.Saved || o.N != eventlog.MaxNumber {
		t.Errorf("the outcome of the last number is %+v", o)
	}
	if o := outcomes[1]; o.Status != eventlog.Refused || o.Err.Code != wire.NotAllowed || !strings.Contains(o.Err.Reason, "last number, 1099511627775") {
		t.Errorf("the outcome after the last number is %+v, %v", o, o.Err)
	}
	if o := outcomes[2]; o.Status != eventlog.Saved || o.N != 1 || len(tx.numbers) != 2 {
		t.Errorf("the outcome in another room is %+v, and the rows are %v", o, tx.numbers)
	}
}

// entries is a recordsTx that also keeps entries, and finds its records.
type entries struct {
	recordsTx
	stored  map[string]string
	records map[string]eventlog.Record
}

func (e *entries) Entry(t eventlog.Table, room, key string) (string, bool, error) {
	value, found := e.stored[fmt.Sprint(t, room, key)]
	return value, found, nil
}

func (e *entries) PutEntry(one *eventlog.Entry) error {
	e.stored[fmt.Sprint(one.Table, one.Room, one.Key)] = one.Value
	return nil
}

func (e *entries) DeleteEntry(t eventlog.Table, room, key string) error {
	delete(e.stored, fmt.Sprint(t, room, key))
	return nil
}

func (e *entries) Record(room string, n uint64) (eventlog.Record, error) {
	return e.records[fmt.Sprint(room, n)], nil
}

func (e *entries) PutRecord(r *eventlog.Record) error {
	e.records[fmt.Sprint(r.Room, r.N)] = *r
	return nil
}

func (e *entries) ReplaceRecord(r *eventlog.Record) error { return e.PutRecord(r) }

// TestLastNumberApproved: of two messages that are approved when one number is left, the second is refused, as is repeating that later.
func TestLastNumberApproved(t *testing.T) {
	var s eventlog.State
	(&eventlog.Snapshot{
		Bounds: map[string]eventlog.Bounds{"old": {First: 1, Last: eventlog.MaxNumber - 1}}, Level: eventlog.Current.Level(),
		Settings: map[string][]eventlog.Setting{"old": {{Key: wire.HoldKey, Value: wire.TextValue(wire.HoldAll), N: 1}}},
	}).LoadInto(&s)
	tx := &entries{recordsTx: recordsTx{rows: &rows{}}, stored: map[string]string{}, records: map[string]eventlog.Record{}}
	say := func(id string) eventlog.Command {
		return eventlog.Command{Kind: eventlog.Say, SenderID: "anna", Room: "old", ID: id, Text: "x"}
	}
	approve := func(id string) eventlog.Command {
		return eventlog.Command{Kind: eventlog.Judge, SenderID: eventlog.OperatorSender, Room: "old", ID: "j", Body: eventlog.JudgeBody{SenderID: "anna", ID: id, Decision: eventlog.Approved}}
	}
	position := uint64(0)
	decide := func(commands ...eventlog.Command) (results []string) {
		t.Helper()
		position++
		change, outcomes, err := eventlog.Decide(&s, tx, &eventlog.Batch{At: 1, Commands: commands}, position)
		if err != nil {
			t.Fatal(err)
		}
		change.CommitTo(&s)
		for i := range commands {
			result := fmt.Sprint(outcomes[i].Status, " ", outcomes[i].N)
			if outcomes[i].Err != nil {
				result = string(outcomes[i].Err.Code)
			}
			results = append(results, result)
		}
		for _, o := range outcomes[len(commands):] {
			if o.Judged != nil && o.Judged.Err != nil {
				results = append(results, "judged "+o.Judged.ID+" "+string(o.Judged.Err.Code))
			}
		}
		return results
	}
	first := decide(say("one"), say("two"), approve("one"), approve("two"), approve("two"))
	if got, want := strings.Join(first, ", "), fmt.Sprint("held, held, ", eventlog.Saved, " 1099511627775, not_allowed, not_allowed, judged two not_allowed"); got != want {
		t.Errorf("the outcomes are %s, want %s", got, want)
	}
	if got, want := strings.Join(decide(approve("two"), say("two")), ", "), "gone, not_allowed"; got != want {
		t.Errorf("repeated: %s, want %s", got, want)
	}
}

// TestKeyOf: an id has one key, and no other id has the same.
func TestKeyOf(t *testing.T) {
	seen := map[eventlog.IDKey][3]string{}
	for _, id := range [][3]string{
		{"lobby", "anna", "1"}, {"lobby", "anna", "2"}, {"lobby", "ann", "a1"}, {"lobb", "yanna", "1"}, {"team", "anna", "1"}, {"lobby", "bert", "1"},
		{strings.Repeat("r", wire.MaxRoom), strings.Repeat("b", wire.SenderIDLen), strings.Repeat("i", wire.MaxID)},
	} {
		k := eventlog.IDKeyOf(id[0], id[1], id[2])
		if k != eventlog.IDKeyOf(id[0], id[1], id[2]) {
			t.Errorf("%q has two keys", id)
		}
		if other, ok := seen[k]; ok {
			t.Errorf("%q has the key of %q", id, other)
		}
		seen[k] = id
	}
	a, b := eventlog.IDKeyOf("lobby", "anna", "1"), eventlog.IDKeyOf("lobby", "anna", "2")
	if string(a[:6]) != string(b[:6]) {
		t.Error("the keys of one sender's ids in one room are not adjacent")
	}
	long := strings.Repeat("i", wire.MaxID)
	if n := testing.AllocsPerRun(100, func() { eventlog.IDKeyOf("lobby", "0123456789abcdef", long) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestMostNames: when the maximum number of names is held, a holder can still replace its name, and an expired name can be
// replaced.
func TestMostNames(t *testing.T) {
	var held []eventlog.NameLease
	for i := range eventlog.MaxNameLeases - 1 {
		name := fmt.Sprint("name", i)
		held = append(held, eventlog.NameLease{SenderID: "by" + name, Name: name, Key: name, Used: 1000})
	}
	held[7].Used = 1
	var s eventlog.State
	(&eventlog.Snapshot{Leases: held}).LoadInto(&s)
	claim := func(by, name string) eventlog.Command {
		return eventlog.Command{Kind: eventlog.ReserveName, SenderID: by, Body: eventlog.ReserveNameBody{Name: name, Key: name, Expiry: 1}}
	}
	b := &eventlog.Batch{At: 1001, Commands: []eventlog.Command{
		claim("anna", "anna"), claim("bert", "bert"), claim("anna", "ann"), claim("bert", "name7"), claim("carl", "name8"),
		{Kind: eventlog.ReleaseName, SenderID: "anna"}, claim("carl", "carl"), claim("dora", "dora"),
	}}
	change, outcomes, err := eventlog.Decide(&s, &rows{}, b, 1)
	if err != nil {
		t.Fatal(err)
	}
	change.CommitTo(&s)
	_, later, err := eventlog.Decide(&s, &rows{}, &eventlog.Batch{At: 1002, Commands: []eventlog.Command{claim("dora", "dora"), {Kind: eventlog.ReleaseName, SenderID: "carl"}, claim("dora", "dora")}}, 2)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, o := range append(outcomes, later...) {
		if o.Status == eventlog.Refused {
			got = append(got, string(o.Err.Code))
		} else {
			got = append(got, "done")
		}
	}
	want := "done not_allowed done done name_taken done done not_allowed not_allowed done done"
	if strings.Join(got, " ") != want {
		t.Errorf("the outcomes are %q, want %q", got, want)
	}
}
