package eventlogtest

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"ramai/internal/eventlog"
	"ramai/wire"
)

// change replaces the text of a message in the lobby.
func change(by, id string, of uint64, text string) eventlog.Command {
	return eventlog.Command{Kind: eventlog.Change, SenderID: by, Room: "lobby", ID: id, Body: eventlog.ChangeBody{Of: of, Text: &text}}
}

// erase deletes a message in the lobby.
func erase(by, id string, of uint64) eventlog.Command {
	return eventlog.Command{Kind: eventlog.Change, SenderID: by, Room: "lobby", ID: id, Body: eventlog.ChangeBody{Of: of}}
}

// allowChanges raises the level, and lets senders change their messages for 15 minutes.
func allowChanges(j *tested) {
	j.t.Helper()
	j.expect(commands(raiseLevel(eventlog.Current.Level())), "done")
	j.expect(commands(eventlog.Command{Kind: eventlog.Configure, Body: eventlog.ConfigureBody{Limits: eventlog.Limits{EditWindow: 15 * time.Minute}}}), "done")
}

// frames returns the frames of a room as clients receive them.
func (j *tested) frames(room string) (frames []wire.Frame) {
	j.t.Helper()
	for _, r := range j.all(room) {
		b, err := r.AppendFrame(nil)
		if err != nil {
			j.t.Fatalf("%v", err)
		}
		f, err := wire.ParseFrame(b)
		if err != nil {
			j.t.Fatalf("%v", err)
		}
		frames = append(frames, f)
	}
	return frames
}

// wantFrames compares the frames of a room, except their times. A message was edited at the time of its newest change.
func (j *tested) wantFrames(room string, want ...wire.Frame) {
	j.t.Helper()
	got := j.frames(room)
	changedAt := map[uint64]wire.Time{}
	for _, f := range got {
		if changed, ok := f.(wire.Changed); ok {
			changedAt[changed.N] = changed.At
		}
	}
	for i, f := range got {
		switch f := f.(type) {
		case wire.Message:
			if at := changedAt[f.Edited]; f.Text != "" && f.EditedAt != at {
				j.t.Fatalf("message %d was edited at %v, want %v", f.N, f.EditedAt, at)
			}
			f.Room, f.At, f.EditedAt = "", 0, 0
			got[i] = f
		case wire.Changed:
			f.Room, f.At = "", 0
			got[i] = f
		case wire.State:
			f.Room, f.At = "", 0
			got[i] = f
		}
	}
	if !reflect.DeepEqual(got, want) {
		j.t.Fatalf("the frames are\n%+v\nwant\n%+v", describe(got), describe(want))
	}
}

func describe(frames []wire.Frame) string {
	var b strings.Builder
	for _, f := range frames {
		b.Write(append(wire.Append(nil, f), 10))
	}
	return b.String()
}

func text(s string) *string { return &s }

func testChange(t *testing.T, j *tested) {
	allowChanges(j)
	j.expect(commands(reserve("anna", "Anna"), say("anna", "lobby", "1", "one"), say("anna", "lobby", "2", "two")), "done", "saved 1", "saved 2")
	outcomes := j.apply(change("anna", "c1", 1, "first"))
	if got := summarize(outcomes); got != "saved 3" {
		t.Fatalf("an edit is %s", got)
	}
	one := j.all("lobby")[0]
	if got := outcomes[0].Replaced; len(got) != 1 || got[0] != one {
		t.Errorf("the edit replaces %+v, want the row %+v", got, one)
	}
	j.wantFrames("lobby",
		wire.Message{N: 1, SenderID: "anna", DisplayName: "Anna", ID: "1", Text: "first", Edited: 3}, wire.Message{N: 2, SenderID: "anna", DisplayName: "Anna", ID: "2", Text: "two"},
		wire.Changed{N: 3, Of: wire.Target(1), SenderID: "anna", DisplayName: "Anna", ID: "c1", Text: text("first")})

	// Another edit erases the first one, in one batch with a deletion that erases both texts of message 2.
	outcomes = j.apply(change("anna", "c2", 1, "1st"), change("anna", "c3", 2, "2nd"), erase("anna", "c4", 2))
	if got := summarize(outcomes); got != "saved 4\nsaved 5\nsaved 6" {
		t.Fatalf("edits are %s", got)
	}
	for i, want := range [][]uint64{{1, 3}, {2}, {2, 5}} {
		var got []uint64
		for _, r := range outcomes[i].Replaced {
			got = append(got, r.N)
		}
		if !slices.Equal(got, want) {
			t.Errorf("command %d replaces %v, want %v", i, got, want)
		}
	}
	superseded := func(n uint64, id string) wire.Changed {
		return wire.Changed{N: n, Of: wire.Targets{}, SenderID: "anna", DisplayName: "Anna", ID: id}
	}
	want := []wire.Frame{
		wire.Message{N: 1, SenderID: "anna", DisplayName: "Anna", ID: "1", Text: "1st", Edited: 4}, wire.Message{N: 2, SenderID: "anna", DisplayName: "Anna", ID: "2", Edited: 6, Gone: true},
		superseded(3, "c1"), wire.Changed{N: 4, Of: wire.Target(1), SenderID: "anna", DisplayName: "Anna", ID: "c2", Text: text("1st")},
		superseded(5, "c3"), wire.Changed{N: 6, Of: wire.Target(2), SenderID: "anna", DisplayName: "Anna", ID: "c4"},
	}
	j.wantFrames("lobby", want...)

	// A message can be changed in the batch in which it is posted.
	j.expect(commands(say("bert", "lobby", "3", "three"), erase("bert", "c5", 7)), "saved 7", "saved 8")
	j.wantFrames("lobby", append(want, wire.Message{N: 7, SenderID: "bert", ID: "3", Edited: 8, Gone: true}, wire.Changed{N: 8, Of: wire.Target(7), SenderID: "bert", ID: "c5"})...)
}

func testRefusedChange(t *testing.T, j *tested) {
	j.expect(commands(say("anna", "lobby", "1", "one"), say(wire.SenderIDOf(""), "lobby", "2", "two")), "saved 1", "saved 2")
	if got := mustApply(j, change("anna", "c1", 1, "x")); len(got) != 0 {
		t.Errorf("below the level, a change has the outcomes %v", got)
	}
	j.expect(commands(raiseLevel(eventlog.Current.Level())), "done")
	j.expect(commands(change("anna", "c1", 1, "x")), "refused not_allowed") // no edit window
	allowChanges(j)
	j.expect(commands(change("anna", "c1", 3, "x"), change("anna", "c2", 1<<39, "x"), change("bert", "c3", 1, "x"), change(wire.SenderIDOf(""), "c4", 2, "x")),
		"refused bad_request", "refused bad_request", "refused not_allowed", "refused not_allowed")
	j.expect(commands(change("anna", "c1", 1, "x"), change("anna", "c5", 3, "x")), "saved 3", "refused bad_request") // 3 is a change
	j.expect(commands(erase("anna", "c6", 1), change("anna", "c7", 1, "x"), erase("anna", "c8", 1)), "saved 4", "refused gone", "refused gone")
	j.expect(commands(say("anna", "lobby", "5", "x")), "saved 5")
	j.at += wire.Time(15 * time.Minute / time.Millisecond)
	j.expect(commands(change("anna", "c9", 5, "in time")), "saved 6")
	j.at++
	j.expect(commands(change("anna", "d1", 5, "late"), erase("anna", "d2", 5)), "refused not_allowed", "refused not_allowed")
	j.expect(commands(trim("lobby", 5)), "from 6")
	j.expect(commands(change("anna", "d3", 5, "x")), "refused gone")
	// A refused change does not use up its id, and a change that is too late now is a repeat if it was saved in time.
	j.expect(commands(say("anna", "lobby", "7", "x"), change("anna", "d2", 7, "y")), "saved 7", "saved 8")
	j.at += wire.Time(time.Hour / time.Millisecond)
	j.expect(commands(change("anna", "d2", 7, "y"), change("anna", "c9", 5, "in time")), "repeat 8", "repeat 6")
}

func testReplies(t *testing.T, j *tested) {
	reply := func(id string, re uint64) eventlog.Command {
		c := say("anna", "lobby", id, "yes")
		c.Re = re
		return c
	}
	j.expect(commands(say("anna", "lobby", "1", "one")), "saved 1")
	if got := mustApply(j, reply("2", 1)); len(got) != 0 {
		t.Errorf("below the level, a reply has the outcomes %v", got)
	}
	allowChanges(j)
	j.expect(commands(reply("2", 1), reply("3", 3), reply("4", 9)), "saved 2", "refused bad_request", "refused bad_request")
	j.expect(commands(erase("anna", "c1", 1), reply("3", 1), reply("5", 3)), "saved 3", "saved 4", "refused bad_request")
	j.expect(commands(reply("2", 1), reply("2", 2), say("anna", "lobby", "2", "yes")), "repeat 2", "refused id_reused", "refused id_reused")
	j.expect(commands(change("anna", "c2", 2, "no")), "saved 5")
	j.wantFrames("lobby",
		wire.Message{N: 1, SenderID: "anna", ID: "1", Edited: 3, Gone: true}, wire.Message{N: 2, SenderID: "anna", ID: "2", Text: "no", Re: 1, Edited: 5},
		wire.Changed{N: 3, Of: wire.Target(1), SenderID: "anna", ID: "c1"}, wire.Message{N: 4, SenderID: "anna", ID: "3", Text: "yes", Re: 1},
		wire.Changed{N: 5, Of: wire.Target(2), SenderID: "anna", ID: "c2", Text: text("no")})
	j.expect(commands(trim("lobby", 2), reply("6", 1)), "from 3", "saved 6")
}

// testChangeIDs: changes and messages share their ids. A replaced text is no longer compared with anything.
func testChangeIDs(t *testing.T, j *tested) {
	allowChanges(j)
	j.expect(commands(say("anna", "lobby", "1", "one"), say("anna", "lobby", "2", "two")), "saved 1", "saved 2")
	j.expect(commands(change("anna", "1", 1, "x"), change("anna", "c1", 1, "x"), say("anna", "lobby", "c1", "x"), change("anna", "c1", 1, "y"), change("anna", "c1", 2, "x"), erase("anna", "c1", 1)),
		"refused id_reused", "saved 3", "refused id_reused", "refused id_reused", "refused id_reused", "refused id_reused")
	j.expect(commands(change("anna", "c1", 1, "x"), say("anna", "lobby", "1", "one"), say("anna", "lobby", "1", "anything")), "repeat 3", "repeat 1", "repeat 1")
	j.expect(commands(rotateIDs(2)), "done")
	j.expect(commands(erase("anna", "c2", 1)), "saved 4")
	j.expect(commands(change("anna", "c1", 1, "x"), change("anna", "c1", 1, "anything"), erase("anna", "c2", 1), change("anna", "c2", 1, "x")), "repeat 3", "repeat 3", "repeat 4", "refused id_reused")
	if got := j.Bounds("lobby"); got.Last != 4 {
		t.Errorf("the last number is %d, want 4", got.Last)
	}
}

func testChangeRolledBack(t *testing.T, j *tested) {
	allowChanges(j)
	j.expect(commands(say("anna", "lobby", "1", "one"), change("anna", "c1", 1, "uno"), say("anna", "lobby", "2", "two")), "saved 1", "saved 2", "saved 3")
	before := j.all("lobby")
	broken := eventlog.Command{Kind: eventlog.Trim, Room: "lobby"} // it has no body
	if _, err := j.Apply(j.batch(change("anna", "c2", 1, "x"), erase("anna", "c3", 3), broken), j.Position()+1); err == nil {
		t.Fatal("a batch with an invalid command is applied")
	}
	if after := j.all("lobby"); !slices.Equal(before, after) {
		t.Fatalf("after a rollback the room is\n%+v\nwant\n%+v", after, before)
	}
	j.expect(commands(change("anna", "c1", 1, "uno"), change("anna", "c1", 1, "x"), change("anna", "c2", 1, "y")), "repeat 2", "refused id_reused", "saved 4")
}

// testOthers compares the counts of messages with counts of all records.
func testOthers(t *testing.T, j *tested) {
	allowChanges(j)
	var messages []uint64
	check := func() {
		t.Helper()
		bounds := j.Bounds("lobby")
		for _, k := range []int{-1, 0, 1, 2, 3, 49, 50, 499, 500, 501} {
			kept := slices.DeleteFunc(slices.Clone(messages), func(n uint64) bool { return n < bounds.First })
			want := bounds.Last
			if k = min(k, eventlog.MaxCounted); k > len(kept) {
				want = bounds.First - 1
			} else if k > 0 {
				want = kept[len(kept)-k] - 1
			}
			after := j.StartOf("lobby", k)
			count := 0
			for _, n := range kept {
				if n > after {
					count++
				}
			}
			if exact := k > len(kept); after != want && (!exact || count != len(kept)) {
				t.Fatalf("with %+v, the newest %d messages begin after %d, want %d", bounds, k, after, want)
			}
			if got := j.CountAfter("lobby", after); got != count {
				t.Fatalf("with %+v there are %d messages after %d, want %d", bounds, got, after, count)
			}
		}
		if got := j.CountAfter("lobby", bounds.Last+5); got != 0 {
			t.Fatalf("%d messages after the last number", got)
		}
	}
	check()
	post := func(k int) {
		var all []eventlog.Command
		for range k {
			all = append(all, say("anna", "lobby", fmt.Sprint("m", j.Bounds("lobby").Last, "-", len(all)), "x"))
		}
		for _, o := range j.apply(all...) {
			messages = append(messages, o.N)
		}
	}
	edit := func(k int) {
		var all []eventlog.Command
		for range k {
			all = append(all, change("anna", fmt.Sprint("c", j.Bounds("lobby").Last, "-", len(all)), messages[len(messages)-1], "y"))
		}
		for _, o := range j.apply(all...) {
			if o.Status != eventlog.Saved {
				t.Fatalf("the outcome of an edit is %+v, %v", o, o.Err)
			}
		}
	}
	for _, step := range []struct{ post, edit int }{{1, 0}, {1, 1}, {1, 3}, {60, 700}, {1, 1}, {0, 1}, {300, 5}, {199, 1}, {1, 0}, {1, 0}, {505, 0}, {0, 2}} {
		post(step.post)
		check()
		edit(step.edit)
		check()
	}
	j.apply(trim("lobby", 300))
	check()
	for j.Bounds("lobby").First < j.Bounds("lobby").Last-20 {
		j.apply(trim("lobby", j.Bounds("lobby").Last-20))
		check()
	}
}

// testChangeReopened: changes are still there after the store was closed and opened.
func testChangeReopened(t *testing.T, location Location) {
	if !location.Persistent {
		t.Skip("this store is not persistent")
	}
	j := open(t, location)
	allowChanges(j)
	j.expect(commands(say("anna", "lobby", "1", "one"), change("anna", "c1", 1, "uno"), say("anna", "lobby", "2", "two"), say("bert", "den", "3", "three"), erase("anna", "c2", 3)), "saved 1", "saved 2", "saved 3", "saved 1", "saved 4")
	want := viewOf(t, j.Store)
	for range 2 {
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		j.Store = location.Open()
		want.compare(t, "opened again it has", viewOf(t, j.Store))
	}
	if got := j.StartOf("lobby", 1); got != 2 {
		t.Errorf("the newest message begins after %d, want 2", got)
	}
	j.expect(commands(change("anna", "c1", 1, "uno"), change("anna", "c3", 1, "eins")), "repeat 2", "saved 5")
}

// mustApply applies commands, all of which may be ignored.
func mustApply(j *tested, commands ...eventlog.Command) []eventlog.Outcome {
	j.t.Helper()
	outcomes, err := j.Apply(j.batch(commands...), j.Position()+1)
	if err != nil {
		j.t.Fatalf("Apply: %v", err)
	}
	return outcomes
}
