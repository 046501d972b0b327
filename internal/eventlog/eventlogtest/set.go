package eventlogtest

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"ramai/internal/eventlog"
	"ramai/wire"
)

// set gives a key of the lobby a value, which is JSON.
func set(by, id, key, value string) eventlog.Command {
	var v wire.Value
	if err := json.Unmarshal([]byte(value), &v); err != nil {
		panic(err)
	}
	return eventlog.Command{Kind: eventlog.Set, SenderID: by, Room: "lobby", ID: id, Body: eventlog.SetBody{Key: key, Value: v}}
}

// ask posts a question, a poll or a notice in the lobby.
func ask(by, id, as, text string, options ...string) eventlog.Command {
	c := say(by, "lobby", id, text)
	c.Body = eventlog.SayAs{As: as, Options: options}
	return c
}

// wantSettings compares the settings of a room, in their order.
func (j *tested) wantSettings(room string, want ...string) {
	j.t.Helper()
	all, n, more := j.Settings(room, "", "", math.MaxInt)
	var got []string
	for _, s := range all {
		value, err := json.Marshal(s.Value)
		if err != nil {
			j.t.Fatalf("%v", err)
		}
		got = append(got, s.Key+" "+string(value))
	}
	if !reflect.DeepEqual(got, want) || n != j.Bounds(room).Last || more {
		j.t.Fatalf("the settings of %s are %q of number %d (more: %v), want %q of %d", room, got, n, more, want, j.Bounds(room).Last)
	}
}

func testSet(t *testing.T, j *tested) {
	allowChanges(j)
	j.expect(commands(reserve("anna", "Anna"), say("anna", "lobby", "1", "one"), say("bert", "lobby", "2", "two")), "done", "saved 1", "saved 2")
	j.expect(commands(set("anna", "3", "topic", `"Tea"`), set("bert", "4", "pin", `[1,2]`), set("bert", "5", "stage", `2`)), "saved 3", "saved 4", "saved 5")
	j.wantSettings("lobby", "pin [1,2]", "stage 2", `topic "Tea"`)
	j.expect(commands(set("anna", "3", "topic", `"Tea"`), set("anna", "3", "topic", `"Coffee"`), say("anna", "lobby", "3", "Tea"), set("anna", "1", "topic", `"one"`)),
		"repeat 3", "refused id_reused", "refused id_reused", "refused id_reused")
	j.expect(commands(set("anna", "6", "topic", `"Coffee"`), set("anna", "7", "stage", `null`), set("anna", "8", "stage", `null`)), "saved 6", "saved 7", "saved 8")
	j.wantSettings("lobby", "pin [1,2]", `topic "Coffee"`)
	state := func(n uint64, by, name, id, key string, value wire.Value) wire.State {
		return wire.State{N: n, Key: key, Value: value, SenderID: by, DisplayName: name, ID: id}
	}
	j.wantFrames("lobby",
		wire.Message{N: 1, SenderID: "anna", DisplayName: "Anna", ID: "1", Text: "one"}, wire.Message{N: 2, SenderID: "bert", ID: "2", Text: "two"},
		state(3, "anna", "Anna", "3", "topic", wire.TextValue("Tea")), state(4, "bert", "", "4", "pin", wire.Value{Numbers: []uint64{1, 2}}),
		state(5, "bert", "", "5", "stage", wire.NumberValue(2)), state(6, "anna", "Anna", "6", "topic", wire.TextValue("Coffee")),
		state(7, "anna", "Anna", "7", "stage", wire.Value{}), state(8, "anna", "Anna", "8", "stage", wire.Value{}))
	if got := j.StartOf("lobby", 2); got != 0 {
		t.Errorf("the two newest messages begin after %d, want 0: settings are not messages", got)
	}
	j.wantSettings("cellar")
	// A room can have a topic before it has messages.
	topic := set("anna", "9", "topic", `"Tea"`)
	topic.Room = "cellar"
	j.expect(commands(topic), "saved 1")
	j.wantSettings("cellar", `role/anna "owner"`, `topic "Tea"`)
}

func testRefusedSet(t *testing.T, j *tested) {
	for _, c := range []eventlog.Command{set("anna", "s", "topic", `"Tea"`), ask("anna", "s", wire.Question, "why?")} {
		if got := mustApply(j, c); len(got) != 0 {
			t.Errorf("below the level, a %v has the outcomes %v", c.Kind, got)
		}
	}
	allowChanges(j)
	j.expect(commands(say("anna", "lobby", "1", "one"), say("anna", "lobby", "2", "two"), say("anna", "lobby", "3", "three"), erase("anna", "c1", 3), say("anna", "lobby", "5", "five")),
		"saved 1", "saved 2", "saved 3", "saved 4", "saved 5")
	j.expect(commands(trim("lobby", 1)), "from 2")
	anonymous := wire.SenderIDOf("")
	for _, step := range []struct {
		command eventlog.Command
		want    string
	}{
		{set(anonymous, "a", "topic", `"Tea"`), "refused not_allowed"},
		{set("anna", "a", "pin", `[1,2]`), "refused gone"},        // trimmed
		{set("anna", "a", "pin", `[2,3]`), "refused gone"},        // deleted
		{set("anna", "a", "pin", `[2,4]`), "refused bad_request"}, // a change
		{set("anna", "a", "pin", `[2,6]`), "refused bad_request"}, // not there yet
		{set("anna", "a", "stage", `3`), "refused gone"},
		{set("anna", "a", "stage", `4`), "refused bad_request"},
		{set("anna", "a", "stage", `99`), "refused bad_request"},
		{set("anna", "a", "poll/2", `"closed"`), "refused bad_request"}, // a message
		{set("anna", "a", "question/3", `"answered"`), "refused gone"},
		{set("anna", "a", "question/9", `"answered"`), "refused bad_request"},
		{ask("anna", "a", wire.Notice, "Fire drill at ten"), "refused not_allowed"},
		{ask(anonymous, "a", wire.Notice, "Fire drill at ten"), "refused not_allowed"},
		{ask(eventlog.OperatorSender, "a", wire.Notice, "Fire drill at ten"), "saved 6"},
		{set(eventlog.OperatorSender, "b", "topic", `"Tea"`), "saved 7"},
		{set("anna", "a", "pin", `[2,5]`), "saved 8"}, // a refused set does not use its id up
		{erase("anna", "c2", 2), "saved 9"},
		{set("anna", "d", "pin", `[2,5,6]`), "saved 10"}, // what is pinned stays pinned when it is deleted
		{set("anna", "e", "pin", `[5]`), "saved 11"},
		{set("anna", "f", "pin", `[2,5]`), "refused gone"},
		{set("anna", "d", "pin", `[2,5,6]`), "repeat 10"},
	} {
		if got := summarize(j.apply(step.command)); got != step.want {
			t.Fatalf("%+v is %q, want %q", step.command, got, step.want)
		}
	}
	j.wantSettings("lobby", "pin [5]", `topic "Tea"`)
}

func testAsked(t *testing.T, j *tested) {
	allowChanges(j)
	poll := func(by, id string) eventlog.Command { return ask(by, id, wire.Poll, "Tea?", "yes", "no") }
	j.expect(commands(ask("anna", "1", wire.Question, "why?"), poll("anna", "2"), say("anna", "lobby", "3", "because"), ask("bert", "4", wire.Question, "how?")),
		"saved 1", "saved 2", "saved 3", "saved 4")
	j.wantSettings("lobby", `poll/2 "open"`, `question/1 "open"`, `question/4 "open"`)
	j.wantFrames("lobby",
		wire.Message{N: 1, SenderID: "anna", ID: "1", Text: "why?", As: wire.Question}, wire.Message{N: 2, SenderID: "anna", ID: "2", Text: "Tea?", As: wire.Poll, Options: []string{"yes", "no"}},
		wire.Message{N: 3, SenderID: "anna", ID: "3", Text: "because"}, wire.Message{N: 4, SenderID: "bert", ID: "4", Text: "how?", As: wire.Question})
	j.expect(commands(poll("anna", "2"), ask("anna", "2", wire.Poll, "Tea?", "yes", "never"), ask("anna", "2", wire.Question, "Tea?"), say("anna", "lobby", "2", "Tea?")),
		"repeat 2", "refused id_reused", "refused id_reused", "refused id_reused")
	for _, step := range []struct {
		command eventlog.Command
		want    string
	}{
		{set("bert", "a", "question/1", `"answered"`), "refused not_allowed"},
		{set("anna", "a", "question/2", `"answered"`), "refused bad_request"}, // a poll
		{set("anna", "a", "poll/1", `"closed"`), "refused bad_request"},       // a question
		{set("anna", "a", "question/1", `"answered"`), "saved 5"},
		{set("anna", "b", "poll/2", `"closed"`), "saved 6"},
		{set(eventlog.OperatorSender, "c", "question/4", `"answered"`), "saved 7"},
		{set("bert", "d", "question/4", `"open"`), "saved 8"},
	} {
		if got := summarize(j.apply(step.command)); got != step.want {
			t.Fatalf("%+v is %q, want %q", step.command, got, step.want)
		}
	}
	j.wantSettings("lobby", `poll/2 "closed"`, `question/1 "answered"`, `question/4 "open"`)
	// A deleted question is none any more; an edited one is.
	j.expect(commands(change("anna", "c1", 1, "why not?"), erase("bert", "c2", 4), set("bert", "e", "question/4", `"answered"`)), "saved 9", "saved 10", "refused gone")
	j.wantSettings("lobby", `poll/2 "closed"`, `question/1 "answered"`)
	if got := j.frames("lobby")[0].(wire.Message); got.As != wire.Question || got.Text != "why not?" {
		t.Errorf("the edited question is %+v", got)
	}
	// Settings of one batch.
	j.expect(commands(ask("anna", "5", wire.Question, "x"), erase("anna", "c3", 11), ask("anna", "6", wire.Question, "y"), set("anna", "g", "question/13", `"answered"`)),
		"saved 11", "saved 12", "saved 13", "saved 14")
	j.wantSettings("lobby", `poll/2 "closed"`, `question/1 "answered"`, `question/13 "answered"`)
	j.expect(commands(ask("anna", "7", wire.Question, "z"), trim("lobby", 2)), "saved 15", "from 3")
	j.wantSettings("lobby", `question/13 "answered"`, `question/15 "open"`)
	j.expect(commands(set("anna", "h", "topic", `"Tea"`), trim("lobby", 15)), "saved 16", "from 16")
	j.wantSettings("lobby", `topic "Tea"`)
}

// testSettingPages reads settings page by page, and what a client is told when it joins.
func testSettingPages(t *testing.T, j *tested) {
	allowChanges(j)
	var all []eventlog.Command
	for i := range 30 {
		if i%2 == 0 {
			all = append(all, ask("anna", fmt.Sprint(i), wire.Question, "?"))
		} else {
			all = append(all, ask("anna", fmt.Sprint(i), wire.Poll, "?", "yes", "no"))
		}
	}
	j.apply(all...)
	j.apply(set("anna", "t", "topic", `"Tea"`), set("anna", "q", "question/3", `"answered"`), set("anna", "p", "poll/10", `"closed"`), set("anna", "h", "poll/4", `"hidden"`))
	keys := func(settings []wire.Setting) (keys []string) {
		for _, s := range settings {
			keys = append(keys, s.Key)
		}
		return keys
	}
	whole, _, _ := j.Settings("lobby", "", "", math.MaxInt)
	if got := keys(whole); len(got) != 31 || got[0] != "poll/2" || got[1] != "poll/4" || got[15] != "question/1" || got[30] != "topic" {
		t.Fatalf("the keys are %q", got)
	}
	var pages []wire.Setting
	for after, more := "", true; more; after = pages[len(pages)-1].Key {
		var page []wire.Setting
		page, _, more = j.Settings("lobby", "", after, 7)
		pages = append(pages, page...)
	}
	if !reflect.DeepEqual(pages, whole) {
		t.Errorf("page by page the settings are %q, want %q", keys(pages), keys(whole))
	}
	for _, c := range []struct {
		prefix, after string
		limit         int
		want          string
		more          bool
	}{
		{"poll/", "", 3, "poll/2 poll/4 poll/6", true}, {"poll/1", "", 9, "poll/10 poll/12 poll/14 poll/16 poll/18", false}, {"to", "", 9, "topic", false},
		{"topic", "", 1, "topic", false}, {"topics", "", 1, "", false}, {"question/", "question/27", 9, "question/29", false}, {"poll/", "zzz", 9, "", false}, {"", "poll/31", 1, "question/1", true},
	} {
		page, _, more := j.Settings("lobby", c.prefix, c.after, c.limit)
		if got := strings.Join(keys(page), " "); got != c.want || more != c.more {
			t.Errorf("the settings %q after %q are %q (more: %v), want %q", c.prefix, c.after, got, more, c.want)
		}
	}
	joined := func(limit int) string {
		bounds, state := j.Joined("lobby", limit, 0)
		b, err := json.Marshal(state)
		if err != nil || bounds != j.Bounds("lobby") || len(b) > limit+2 {
			t.Fatalf("a client that joins is told %s (%d bytes, %v) of %+v", b, len(b), err, bounds)
		}
		return string(b)
	}
	if got, want := joined(1000), `{"poll/10":"closed","poll/4":"hidden","question/3":"answered","topic":"Tea"}`; got != want {
		t.Errorf("a client that joins is told %s, want %s", got, want)
	}
	if got, want := joined(50), `{"poll/10":"closed","topic":"Tea"}`; got != want { // the newest that fit
		t.Errorf("a client that joins is told %s in 50 bytes, want %s", got, want)
	}
	for _, c := range []struct {
		as     string
		before uint64
		limit  int
		want   string
		more   bool
	}{
		{wire.Question, math.MaxUint64, 3, "[25 27 29]", true}, {wire.Question, 27, 3, "[21 23 25]", true}, {wire.Poll, 5, 3, "[2 4]", false}, {wire.Poll, 0, 3, "[]", false},
		{wire.Poll, 1, 3, "[]", false}, {wire.Poll, math.MaxUint64, 100, "[2 4 6 8 10 12 14 16 18 20 22 24 26 28 30]", false},
	} {
		if got, more := j.Asked("lobby", c.as, c.before, c.limit); fmt.Sprint(got) != c.want || more != c.more {
			t.Errorf("%d of %s below %d: %v (more: %v), want %s (%v)", c.limit, c.as, c.before, got, more, c.want, c.more)
		}
	}
}

// guestSettings is how many settings a room can have before its guests cannot add more.
const guestSettings = eventlog.MaxSettings - eventlog.ReservedSettings

// fill makes a sender ask questions until a room has a number of settings.
func (j *tested) fill(by, room string, count int) {
	have, _, _ := j.Settings(room, "", "", math.MaxInt)
	var questions []eventlog.Command
	for i := len(have); i < count; i++ {
		q := ask(by, fmt.Sprint("fill", i), wire.Question, "?")
		q.Room = room
		questions = append(questions, q)
	}
	for some := range slices.Chunk(questions, 2000) {
		j.apply(some...)
	}
	if have, _, _ = j.Settings(room, "", "", math.MaxInt); len(have) != count {
		j.t.Fatalf("the room %s has %d settings, want %d", room, len(have), count)
	}
}

// testMostSettings: a room that has as many settings as its guests can add refuses new ones, and changes those that it has.
func testMostSettings(t *testing.T, j *tested) {
	allowChanges(j)
	j.fill("anna", "lobby", guestSettings)
	j.expect(commands(say("anna", "lobby", "s", "x"), ask("anna", "q", wire.Question, "?"), ask("anna", "q", wire.Poll, "?", "a", "b"), set("anna", "t", "topic", `"Tea"`), set("anna", "a", "question/7", `"answered"`)),
		"saved 9001", "refused not_allowed", "refused not_allowed", "refused not_allowed", "saved 9002")
	j.expect(commands(erase("anna", "c", 1), set("anna", "t", "topic", `"Tea"`), ask("anna", "q", wire.Question, "?")), "saved 9003", "saved 9004", "refused not_allowed")
	j.expect(commands(trim("lobby", 100), ask("anna", "q", wire.Question, "?")), "from 101", "saved 9005")
	all, _, _ := j.Settings("lobby", "", "", math.MaxInt)
	if len(all) != guestSettings-98 { // 100 are deleted; the topic and a question are new
		t.Errorf("the room has %d settings", len(all))
	}
}

// testReservedSettings: however many questions guests ask, a moderator can lock the room and ban somebody, and a message that waits is approved. A poll
// or a question that waits, waits on until there is space for its status.
func testReservedSettings(t *testing.T, j *tested) {
	holding(j)
	guest, moderator := sender("guest"), sender("moderator")
	poll := say(guest, "den", "poll", "which?")
	poll.Body = eventlog.SayAs{As: wire.Poll, Options: []string{"tea", "rice"}}
	j.expect(commands(poll, say(guest, "den", "text", "words"), say(sender("reader"), "den", "r", "x")), "held", "held", "refused not_allowed")
	j.fill(sender("owner"), "den", guestSettings)
	approve := judge(moderator, guest, "poll", eventlog.Approved)
	o := j.apply(approve)[0]
	if o.Status != eventlog.Refused || o.Err.Code != wire.NotAllowed || !strings.Contains(o.Err.Reason, "waits on") || len(j.waiting()) != 2 {
		t.Fatalf("approving a poll is %s: %v, and %v wait", summary(o), o.Err, j.waiting())
	}
	last := j.Bounds("den").Last
	j.expect(commands(judge(moderator, guest, "text", eventlog.Approved), poll,
		ruled(moderator, "lock", wire.LockKey, wire.TextValue(wire.LockOn), 0), ruled(moderator, "ban", wire.PersonPrefix+sender("guest2"), wire.TextValue(wire.Ban), 0)),
		fmt.Sprint("saved ", last+3), "held", fmt.Sprint("saved ", last+1), fmt.Sprint("saved ", last+2))
	if !j.saves(ruled(moderator, "open", wire.LockKey, wire.Value{}, 0)) || !j.saves(ruled(moderator, "unban", wire.PersonPrefix+sender("guest2"), wire.Value{}, 0)) {
		t.Fatal("the rules cannot be unset")
	}
	first, _, _ := j.Settings("den", wire.QuestionPrefix, "", 1)
	of, _ := wire.KeyNumber(first[0].Key, wire.QuestionPrefix)
	remove := erase(sender("owner"), "e", of)
	remove.Room = "den"
	j.saves(remove)
	last = j.Bounds("den").Last
	j.expect(commands(approve), fmt.Sprint("saved ", last+1))
	if status, _, _ := j.Settings("den", wire.PollPrefix, "", 2); len(status) != 1 || status[0].Key != fmt.Sprint(wire.PollPrefix, last+1) || len(j.waiting()) != 0 {
		t.Errorf("the poll has the status %+v, and waiting are %v", status, j.waiting())
	}

	j.fill(sender("owner"), "den", eventlog.MaxSettings)
	j.expect(commands(ruled(moderator, "lock2", wire.LockKey, wire.TextValue(wire.LockOn), 0)), "refused not_allowed")
}

func testSetRolledBack(t *testing.T, j *tested) {
	allowChanges(j)
	j.expect(commands(set("anna", "1", "topic", `"Tea"`), ask("anna", "2", wire.Question, "?")), "saved 1", "saved 2")
	broken := eventlog.Command{Kind: eventlog.Trim, Room: "lobby"} // it has no body
	if _, err := j.Apply(j.batch(set("anna", "3", "topic", `"Coffee"`), erase("anna", "4", 2), broken), j.Position()+1); err == nil {
		t.Fatal("a batch with a broken command is applied")
	}
	j.wantSettings("lobby", `question/2 "open"`, `topic "Tea"`)
	j.expect(commands(set("anna", "3", "topic", `"Milk"`)), "saved 3")
}

// testSetReopened: settings are there after the store was closed, and none of a removed room are.
func testSetReopened(t *testing.T, location Location) {
	if !location.Persistent {
		t.Skip("this store keeps nothing")
	}
	j := open(t, location)
	allowChanges(j)
	other := func(c eventlog.Command, room string) eventlog.Command { c.Room = room; return c }
	j.expect(commands(set("anna", "1", "topic", `"Tea"`), ask("anna", "2", wire.Question, "?"), set("anna", "3", "pin", `[2]`), set("anna", "4", "stage", `2`), ask("anna", "5", wire.Poll, "?", "a", "b"), erase("anna", "c", 5)),
		"saved 1", "saved 2", "saved 3", "saved 4", "saved 5", "saved 6")
	j.expect(commands(other(set("anna", "1", "topic", `"Tea"`), "cellar"), other(ask("anna", "2", wire.Question, "?"), "cellar"), remove("cellar", 2), other(set("anna", "6", "topic", `"Milk"`), "cellar"), remove("cellar", 3),
		other(say("anna", "lobby", "1", "x"), "attic"), other(ask("anna", "7", wire.Question, "?"), "cellar")),
		"saved 1", "saved 2", "done", "saved 3", "done", "saved 1", "saved 4")
	want := viewOf(t, j.Store)
	for range 2 {
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		j.Store = location.Open()
		want.compare(t, "opened again it has", viewOf(t, j.Store))
	}
	j.wantSettings("lobby", "pin [2]", `question/2 "open"`, "stage 2", `topic "Tea"`)
	j.wantSettings("cellar", `question/4 "open"`, `role/anna "owner"`)
	j.wantSettings("attic", `role/anna "owner"`)
	j.at += wire.Time(time.Minute / time.Millisecond)
	j.expect(commands(set("anna", "1", "topic", `"Tea"`), set("anna", "1", "topic", `"Milk"`)), "repeat 1", "refused id_reused")
}
