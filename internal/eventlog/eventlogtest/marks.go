package eventlogtest

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"ramai/internal/eventlog"
	"ramai/wire"
)

// mark adds a mark to a message of the lobby.
func mark(by string, of uint64, key string) eventlog.Command {
	return markIn("lobby", by, of, key, true)
}

// unmark takes a mark of a message of the lobby away.
func unmark(by string, of uint64, key string) eventlog.Command {
	return markIn("lobby", by, of, key, false)
}

func markIn(room, by string, of uint64, key string, on bool) eventlog.Command {
	return eventlog.Command{Kind: eventlog.Mark, SenderID: by, Room: room, Body: eventlog.MarkBody{Of: of, Key: key, On: on}}
}

func tally(room string) eventlog.Command {
	return eventlog.Command{Kind: eventlog.Tally, Room: room}
}

func pruneMarks() eventlog.Command { return eventlog.Command{Kind: eventlog.PruneMarks} }

// wantTally applies a Tally, whose record has the given number and counts.
func (j *tested) wantTally(room string, n uint64, of map[uint64]wire.Counts) {
	j.t.Helper()
	o := j.apply(tally(room))[0]
	if !o.HasRecord() || o.N != n || len(o.Replaced) > 0 {
		j.t.Fatalf("the tally is %+v, want number %d", o, n)
	}
	r := o.Record()
	b, err := r.AppendFrame(nil)
	if err != nil {
		j.t.Fatalf("%v", err)
	}
	f, err := wire.ParseFrame(b)
	if got, ok := f.(wire.Tally); err != nil || !ok || !reflect.DeepEqual(got.Of, of) || len(b) > wire.StateBytes+200 {
		j.t.Fatalf("the tally is %.500s, %v, want %v", b, err, of)
	}
	for of, counts := range of {
		m, _, err := j.all(room)[of-j.Bounds(room).First].Message()
		if err != nil || (!reflect.DeepEqual(m.Tally, counts) && len(m.Tally)+len(counts) > 0) || m.Tallied != n {
			j.t.Fatalf("the row of message %d has the counts %v of %d, %v, want %v of %d", of, m.Tally, m.Tallied, err, counts, n)
		}
	}
}

// noTally applies a Tally, which does nothing.
func (j *tested) noTally(room string) {
	j.t.Helper()
	if o := j.apply(tally(room))[0]; o.Status == eventlog.Refused || o.HasRecord() {
		j.t.Fatalf("the tally is %+v, want nothing", o)
	}
}

func (j *tested) wantMine(by string, want wire.Mine) {
	j.t.Helper()
	if got, err := j.Marks("lobby", by, 0, eventlog.MaxNumber); err != nil || !reflect.DeepEqual(got, want) {
		j.t.Fatalf("the marks of %s are %v, %v, want %v", by, got, err, want)
	}
}

func testMark(t *testing.T, j *tested) {
	if got := mustApply(j, mark("anna", 1, "👍")); len(got) != 0 {
		t.Errorf("below the level, a mark has the outcomes %v", got)
	}
	allowChanges(j)
	j.expect(commands(say("anna", "lobby", "1", "one"), say("bert", "lobby", "2", "two")), "saved 1", "saved 2")
	j.noTally("lobby")
	j.expect(commands(mark("anna", 1, "👍"), mark("anna", 1, "👍"), mark("bert", 1, "👍"), mark("bert", 1, "up"), unmark("bert", 2, "👍")), "done", "repeat", "done", "done", "repeat")
	j.expect(commands(mark("anna", 3, "👍"), mark(wire.SenderIDOf(""), 1, "👍"), mark("anna", 1, "0"), mark("anna", 1<<39, "👍")),
		"refused bad_request", "refused not_allowed", "refused bad_request", "refused bad_request")
	if got := j.PendingTallies(); !reflect.DeepEqual(got, map[string]wire.Time{"lobby": 0}) {
		t.Errorf("pending are %v", got)
	}
	j.wantMine("bert", wire.Mine{1: {"up", "👍"}})
	j.wantTally("lobby", 3, map[uint64]wire.Counts{1: {"👍": 2, "up": 1}})
	if got := j.PendingTallies(); len(got) > 0 {
		t.Errorf("pending are %v", got)
	}
	j.expect(commands(mark("anna", 3, "👍")), "refused bad_request") // a tally

	// Once a second, by the time of the batch.
	j.expect(commands(unmark("bert", 1, "👍"), unmark("bert", 1, "up"), mark("anna", 2, "up")), "done", "done", "done")
	j.at += 999
	j.noTally("lobby")
	j.at++
	j.wantTally("lobby", 4, map[uint64]wire.Counts{1: {"👍": 1}, 2: {"up": 1}})
	j.expect(commands(unmark("anna", 1, "👍")), "done")
	j.at -= 5000 // the clock was set back
	j.wantTally("lobby", 5, map[uint64]wire.Counts{1: {}})
	j.wantMine("anna", wire.Mine{2: {"up"}})

	// An edit keeps the counts, a deletion drops them, and what is pending.
	j.expect(commands(mark("anna", 1, "👍"), mark("bert", 2, "up"), change("anna", "c1", 1, "first"), erase("bert", "c2", 2)), "done", "done", "saved 6", "saved 7")
	j.expect(commands(mark("anna", 2, "👍"), unmark("anna", 2, "up")), "refused gone", "refused gone")
	j.at += 1000
	j.wantTally("lobby", 8, map[uint64]wire.Counts{1: {"👍": 1}})
	if m, _, _ := j.all("lobby")[1].Message(); !m.Gone || m.Tally != nil || m.Tallied != 0 {
		t.Errorf("the deleted message is %+v", m)
	}
	j.expect(commands(mark("bert", 1, "👍"), trim("lobby", 7)), "done", "from 8")
	if got := j.PendingTallies(); len(got) > 0 {
		t.Errorf("pending are %v", got)
	}
	j.expect(commands(mark("anna", 1, "👍")), "refused gone")
	if dropped, err := j.HasDroppedMarks(); err != nil || !dropped {
		t.Errorf("there are marks to be deleted: %v, %v", dropped, err)
	}
	j.apply(pruneMarks())
	if dropped, err := j.HasDroppedMarks(); err != nil || dropped {
		t.Errorf("there are marks to be deleted: %v, %v", dropped, err)
	}
	j.wantMine("anna", wire.Mine{})
}

// A message has marks with a limited number of keys, and a sender too.
func testMarkLimits(t *testing.T, j *tested) {
	allowChanges(j)
	j.expect(commands(say("anna", "lobby", "1", "one")), "saved 1")
	key := func(k int) string { return string(rune(0x1f400 + k)) }
	for k := range wire.MaxOwnKeys {
		j.expect(commands(mark("anna", 1, key(k))), "done")
	}
	j.expect(commands(mark("anna", 1, key(12)), mark("anna", 1, key(0)), unmark("anna", 1, key(0)), mark("anna", 1, key(12))), "refused not_allowed", "repeat", "done", "done")
	for k := 13; k <= wire.MaxKeys; k++ {
		j.expect(commands(mark("bert", 1, key(k))), "done")
	}
	j.expect(commands(mark("carl", 1, key(30)), mark("carl", 1, key(1)), unmark("bert", 1, key(20)), mark("carl", 1, key(30))), "refused not_allowed", "done", "done", "done")
}

// A tally has as many messages as fit, and the next one goes on where it ended.
func testLongTally(t *testing.T, j *tested) {
	allowChanges(j)
	const messages, keys = 40, 12 // of 64 bytes
	var all []eventlog.Command
	for n := range messages {
		all = append(all, say("anna", "lobby", fmt.Sprint(n), "x"))
	}
	key := func(k int) string {
		return fmt.Sprintf("%s%s", string(rune(0x1f400+k)), "️‍👩‍👩‍👩‍👩‍👩‍👩‍👩")
	}
	for n := range messages {
		for k := range keys {
			all = append(all, mark("anna", uint64(n)+1, key(k)))
		}
	}
	j.apply(all...)
	var got []uint64
	for j.PendingTallies() != nil {
		o := j.apply(tally("lobby"))[0]
		r := o.Record()
		b, err := r.AppendFrame(nil)
		if err != nil || len(b) > wire.StateBytes+200 {
			t.Fatalf("the tally has %d bytes, %v", len(b), err)
		}
		f, err := wire.ParseFrame(b)
		if err != nil {
			t.Fatal(err)
		}
		var numbers []uint64
		for n := range f.(wire.Tally).Of {
			numbers = append(numbers, n)
		}
		slices.Sort(numbers)
		got = append(got, numbers...)
		if o.N == messages+1 { // the first ones have waited already
			j.apply(unmark("anna", 1, key(0)))
		}
		j.at += wire.Time(eventlog.TallyInterval / time.Millisecond)
	}
	want := append(numbersTo(messages), 1)
	if !slices.Equal(got, want) || j.Bounds("lobby").Last < messages+2 {
		t.Errorf("the tallies have the messages %v, want %v", got, want)
	}
}

func numbersTo(last uint64) (all []uint64) {
	for n := range last {
		all = append(all, n+1)
	}
	return all
}

// Marks of deleted messages are deleted in steps, and what is left of them counts for no other message: rooms use the
// places of removed ones again.
func testDroppedMarks(t *testing.T, j *tested) {
	allowChanges(j)
	j.expect(commands(say("anna", "cellar", "1", "one"), say("anna", "cellar", "2", "two")), "saved 1", "saved 2")
	const senders = eventlog.PruneStep + 100
	var all []eventlog.Command
	for i := range senders {
		all = append(all, markIn("cellar", fmt.Sprint("sender", i), 1, "👍", true))
	}
	j.apply(all...)
	j.wantTally("cellar", 3, map[uint64]wire.Counts{1: {"👍": senders}})
	j.expect(commands(remove("cellar", 3), say("bert", "attic", "1", "x"), say("bert", "attic", "2", "x"), say("bert", "cellar", "4", "x")), "done", "saved 1", "saved 2", "saved 4")
	for _, room := range []string{"attic", "cellar"} {
		if mine, err := j.Marks(room, "sender7", 0, eventlog.MaxNumber); err != nil || len(mine) > 0 {
			t.Errorf("a sender has the marks %v in %s, %v", mine, room, err)
		}
	}
	j.expect(commands(markIn("attic", "sender7", 1, "👍", true)), "done")
	j.wantTally("attic", 3, map[uint64]wire.Counts{1: {"👍": 1}})
	steps := 0
	for dropped := true; dropped; steps++ {
		j.apply(pruneMarks())
		var err error
		if dropped, err = j.HasDroppedMarks(); err != nil {
			t.Fatal(err)
		}
	}
	if steps != 2 {
		t.Errorf("it takes %d steps, want 2", steps)
	}
	j.at += 1000
	j.expect(commands(markIn("attic", "sender8", 1, "👍", true)), "done")
	j.wantTally("attic", 4, map[uint64]wire.Counts{1: {"👍": 2}})
}

// However many senders react within 10 seconds, the room gets at most 11 tallies, and the last one counts them all.
func testStormOfMarks(t *testing.T, j *tested) {
	allowChanges(j)
	j.expect(commands(say("anna", "lobby", "1", "one")), "saved 1")
	const senders, batches = 10_000, 100
	tallies := 0
	for i := range batches {
		all := commands(tally("lobby"))
		for k := range senders / batches {
			all = append(all, mark(fmt.Sprint("sender", i, "-", k), 1, "❤️"))
		}
		for _, o := range j.apply(append(all, tally("lobby"))...) {
			if o.HasRecord() {
				tallies++
			}
		}
		j.at += wire.Time(10 * time.Second / batches / time.Millisecond)
	}
	j.wantTally("lobby", uint64(tallies)+2, map[uint64]wire.Counts{1: {"❤️": senders}})
	if tallies++; tallies > 11 {
		t.Errorf("there are %d tallies, want at most 11", tallies)
	}
}
