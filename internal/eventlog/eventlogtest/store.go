package eventlogtest

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"ramai/internal/eventlog"
	"ramai/wire"
)

func testStore(t *testing.T, fresh func(t *testing.T) Location) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, j *tested)
	}{
		{"empty", testEmpty},
		{"numbers", testNumbers},
		{"ids", testIDs},
		{"rows", testRows},
		{"time", testTime},
		{"names", testNames},
		{"connection names", testBoundNames},
		{"owned names", testRegisteredNames},
		{"clashing names", testClashingNames},
		{"rooms", testRooms},
		{"removed rooms", testRemove},
		{"large rooms", testRemoveLarge},
		{"limit of rooms", testRoomLimit},
		{"reading", testReading},
		{"long texts", testLongTexts},
		{"applied twice", testAppliedTwice},
		{"trim", testTrim},
		{"bounds of one moment", testBounds},
		{"changes", testChange},
		{"refused changes", testRefusedChange},
		{"marks", testMark},
		{"limits of marks", testMarkLimits},
		{"long tallies", testLongTally},
		{"dropped marks", testDroppedMarks},
		{"storm of marks", testStormOfMarks},
		{"replies", testReplies},
		{"erasures", testErase},
		{"origins", testOrigins},
		{"refused rules about addresses", testRefusedAddressRules},
		{"muted addresses", testMutedAddress},
		{"banned addresses", testBannedAddress},
		{"ends of rules about addresses", testAddressRuleEnds},
		{"pages of rules about addresses", testAddressPages},
		{"erasures in steps", testEraseSteps},
		{"erasures of ranges", testEraseRanges},
		{"erasures and deletions", testEraseAndDelete},
		{"erasures of polls", testEraseStatus},
		{"expired erasures", testEraseExpires},
		{"refused erasures", testRefusedErase},
		{"erasures and roles", testEraseRoles},
		{"settings", testSet},
		{"who may act", testWhoMayAct},
		{"rules", testRules},
		{"rules of acts", testRulesOfActs}, {"remembered decisions", testRememberedDecisions},
		{"claims", testClaims},
		{"derived commands", testDerived},
		{"recorded claims", testClaimsLogged},
		{"rooms of moderators", testModeratorsRoom},
		{"actions of moderators", testActions},
		{"held messages", testHeld},
		{"held and decided at once", testHeldAtOnce},
		{"approved and repeated at once", testHeldRepeatAtOnce},
		{"erased held messages", testEraseHeld},
		{"held once", testHeldOnce},
		{"origins of held messages", testHeldOrigin},
		{"no orphans", testNoOrphans},
		{"limits of held messages", testHeldLimits},
		{"expired held messages", testHeldExpires},
		{"reports", testReports},
		{"own case", testOwnCase},
		{"flood of reports", testFloodOfReports},
		{"flood from an address", testFloodFromAnAddress},
		{"votes", testVotes},
		{"hidden votes", testHiddenVotes},
		{"limits of votes", testVoteLimits},
		{"refused settings", testRefusedSet},
		{"invites", testInvites},
		{"refused invites", testRefusedInvites},
		{"recovery", testRecovery},
		{"repeated invites", testInviteRepeated},
		{"most invites", testMostInvites},
		{"passwords", testPasswords},
		{"questions and polls", testAsked},
		{"pages of settings", testSettingPages},
		{"most settings", testMostSettings},
		{"reserved settings", testReservedSettings},
		{"settings rolled back", testSetRolledBack},
		{"ids of changes", testChangeIDs},
		{"rolled back changes", testChangeRolledBack},
		{"numbers that are not messages", testOthers},
		{"ids outlive their messages", testIDsOutliveMessages},
		{"forget by steps", testPruneSteps},
		{"expired names", testExpire},
		{"trim by steps", testTrimSteps},
		{"keep", testRetention},
		{"rolled back", testRolledBack},
		{"free", testFree},
		{"signing in", testSignIn},
		{"signing out", testSignOut},
		{"unused sessions", testPruneSessions},
		{"roles of tokens", testClaimedRoles},
		{"members", testMembers},
		{"forgotten senders", testForget},
		{"forgetting others", testForgetOthers},
		{"names and sessions", testSignInNames},
		{"limit of sessions", testSessionLimit},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, open(t, fresh(t))) })
	}
	t.Run("held messages, opened again", func(t *testing.T) { testHeldReopened(t, fresh(t)) })
	t.Run("opened again", func(t *testing.T) { testReopened(t, fresh(t)) })
	t.Run("erasures, opened again", func(t *testing.T) { testEraseReopened(t, fresh(t)) })
	t.Run("changes, opened again", func(t *testing.T) { testChangeReopened(t, fresh(t)) })
	t.Run("settings, opened again", func(t *testing.T) { testSetReopened(t, fresh(t)) })
	t.Run("sessions, opened again", func(t *testing.T) { testSessionsReopened(t, fresh(t)) })
	t.Run("invites, opened again", func(t *testing.T) { testInvitesReopened(t, fresh(t)) })
	t.Run("starts", func(t *testing.T) { testStarts(t, fresh(t)) })
	t.Run("epochs", func(t *testing.T) { testEpochs(t, fresh(t)) })
	t.Run("epochs of removed rooms", func(t *testing.T) { testEpochsOfRemoved(t, fresh(t)) })
	t.Run("many epochs", func(t *testing.T) { testManyEpochs(t, fresh(t)) })
	t.Run("hash chain", func(t *testing.T) { testChain(t, fresh) })
	t.Run("logs", func(t *testing.T) { testLogs(t, fresh) })
	t.Run("pure", func(t *testing.T) { testPure(t, fresh) })
}

func testEmpty(t *testing.T, j *tested) {
	if got := j.Position(); got != 0 {
		t.Errorf("Position() = %d", got)
	}
	if got, want := j.Bounds("lobby"), (eventlog.Bounds{First: 1}); got != want {
		t.Errorf("Head = %+v, want %+v", got, want)
	}
	if got := j.Name("anna"); got != "" {
		t.Errorf("Name = %q", got)
	}
	if after, _, err := j.Read("lobby", 0, 10); err != nil || len(after) > 0 {
		t.Errorf("Read = %v, %v", after, err)
	}
	if before, _, err := j.ReadBefore("lobby", 10, 10); err != nil || len(before) > 0 {
		t.Errorf("ReadBefore = %v, %v", before, err)
	}
	for _, position := range []uint64{0, 2, math.MaxUint64} {
		if _, err := j.Apply(&eventlog.Batch{}, position); err == nil {
			t.Errorf("Apply at position %d of an empty store was no error", position)
		}
	}
}

func testNumbers(t *testing.T, j *tested) {
	j.expect(commands(say("anna", "lobby", "a1", "x"), say("bert", "lobby", "b1", "x"), say("anna", "cellar", "a1", "x")),
		"saved 1", "saved 2", "saved 1")
	j.expect(commands(say("bert", "cellar", "b1", "x"), say("anna", "lobby", "a2", "x"), once("anna", "lobby", "a3", "x")),
		"saved 2", "saved 3", "saved 4")
	for room, last := range map[string]uint64{"lobby": 4, "cellar": 2, "attic": 0} {
		if got, want := j.Bounds(room), (eventlog.Bounds{First: 1, Last: last}); got != want {
			t.Errorf("Bounds(%s) = %+v, want %+v", room, got, want)
		}
	}
	heads := j.AllBounds()
	if want := (map[string]eventlog.Bounds{"lobby": {First: 1, Last: 4}, "cellar": {First: 1, Last: 2}}); !reflect.DeepEqual(heads, want) {
		t.Errorf("AllBounds() = %v, want %v", heads, want)
	}
	clear(heads)
	if got := j.Bounds("lobby").Last; got != 4 {
		t.Errorf("after the returned map was cleared, the lobby is at %d", got)
	}
	if j.Position() != 2 {
		t.Errorf("Position() = %d after two batches", j.Position())
	}
}

func testIDs(t *testing.T, j *tested) {
	first := say("anna", "lobby", "a1", "hello")
	j.expect(commands(first), "saved 1")
	j.at += 1000
	outcomes := j.apply(first)
	if o := outcomes[0]; o.Status != eventlog.Repeat || o.N != 1 || o.At != start {
		t.Errorf("the repeat is %+v, want number 1 at %v", o, start)
	}
	j.expect(commands(
		say("anna", "lobby", "a1", "goodbye"), // another text
		say("anna", "lobby", "a2", "hello"),
		say("anna", "lobby", "a2", "hello"), // in the same batch
		say("anna", "lobby", "a2", "again"),
		say("bert", "lobby", "a1", "goodbye"),  // another sender's id
		say("anna", "cellar", "a1", "goodbye"), // another room's
		once("anna", "lobby", "a1", "hello"),   // never compared
		first,
	), "refused id_reused", "saved 2", "repeat 2", "refused id_reused", "saved 3", "saved 1", "saved 4", "repeat 1")
	if got := len(j.all("lobby")); got != 4 {
		t.Errorf("the lobby has %d messages, want 4", got)
	}
}

func testRows(t *testing.T, j *tested) {
	j.apply(reserve("anna", "Anna"), say("anna", "lobby", "a1", "one\ntwo\tthree ü 👩"), say("bert", "lobby", "b1", ""))
	j.at += 5
	outcomes := j.apply(once("anna", "lobby", "a2", "x"), reserve("bert", "Bert"), say("bert", "lobby", "b2", "x"))
	var want []eventlog.Record
	for _, m := range []wire.Message{
		{Room: "lobby", N: 1, At: start, SenderID: "anna", DisplayName: "Anna", ID: "a1", Text: "one\ntwo\tthree ü 👩"},
		{Room: "lobby", N: 2, At: start, SenderID: "bert", ID: "b1"},
		{Room: "lobby", N: 3, At: start + 5, SenderID: "anna", DisplayName: "Anna", ID: "a2", Text: "x"},
		{Room: "lobby", N: 4, At: start + 5, SenderID: "bert", DisplayName: "Bert", ID: "b2", Text: "x"},
	} {
		want = append(want, eventlog.MessageRecord(&m))
	}
	if got := j.all("lobby"); !reflect.DeepEqual(got, want) {
		t.Errorf("the rows are\n%+v, want\n%+v", got, want)
	}
	if got := outcomes[2].Record(); got != want[3] {
		t.Errorf("the outcome has the row\n%+v, want\n%+v", got, want[3])
	}
}

func testTime(t *testing.T, j *tested) {
	var got []wire.Time
	for i, at := range []wire.Time{start, start - 5000, start + 1, start} {
		j.at = at
		got = append(got, j.apply(say("anna", "lobby", fmt.Sprint(i), "x"))[0].At)
	}
	if want := []wire.Time{start, start, start + 1, start + 1}; !reflect.DeepEqual(got, want) {
		t.Errorf("the times are %v, want %v", got, want)
	}
	// A clock that was ahead once affects that room only.
	j.at = start + 1000*hour
	j.apply(say("anna", "ahead", "1", "x"), reserve("anna", "Anna"))
	j.at = start + 5
	said := j.apply(say("bert", "lobby", "5", "x"), say("bert", "ahead", "2", "x"), say("bert", "new", "1", "x"), reserve("bert", "Bert"))
	for i, want := range []wire.Time{start + 5, start + 1000*hour, start + 5, start + 5} {
		if said[i].At != want {
			t.Errorf("after the clock was ahead, message %d has the time %v, want %v", i, said[i].At, want)
		}
	}
	// A room does not lose its time when its messages are deleted.
	j.apply(trim("ahead", 2))
	if got := j.apply(say("bert", "ahead", "3", "x"))[0].At; got != start+1000*hour {
		t.Errorf("the time in the emptied room is %v", got)
	}
	if got, want := j.NewestTimes(), map[string]wire.Time{"lobby": start + 5, "ahead": start + 1000*hour, "new": start + 5}; !reflect.DeepEqual(got, want) {
		t.Errorf("the times of the rooms are %v, want %v", got, want)
	}
}

const hour = wire.Time(time.Hour / time.Millisecond)

func testRooms(t *testing.T, j *tested) {
	j.apply(limitRooms(2))
	j.expect(commands(say("anna", "one", "a1", "x"), say("anna", "two", "a1", "x"), say("anna", "three", "a1", "x"), say("anna", "one", "a2", "x")),
		"saved 1", "saved 1", "refused not_allowed", "saved 2")
	j.expect(commands(say("anna", "three", "a1", "x"), say("anna", "two", "a2", "x")), "refused not_allowed", "saved 2")
	j.apply(limitRooms(3))
	j.expect(commands(say("anna", "three", "a1", "x"), say("anna", "four", "a1", "x")), "saved 1", "refused not_allowed")
	if got, want := j.Bounds("four"), (eventlog.Bounds{First: 1}); got != want {
		t.Errorf("Bounds of a room that was refused = %+v", got)
	}
}

func testReading(t *testing.T, j *tested) {
	const last = 2*eventlog.MaxRead + 7
	var batch []eventlog.Command
	for i := range last {
		batch = append(batch, once("anna", "lobby", fmt.Sprint(i), "x"))
	}
	j.apply(say("anna", "cellar", "a1", "x"))
	j.apply(batch...)
	j.apply(say("anna", "attic", "a1", "x"))
	for _, test := range []struct {
		back       bool
		n          uint64
		limit      int
		from, upto uint64 // of the result; upto 0: empty
	}{
		{false, 0, 3, 1, 3},
		{false, 5, 1, 6, 6},
		{false, 5, 0, 6, 6},
		{false, 5, -1, 6, 6},
		{false, 5, math.MinInt, 6, 6},
		{false, 7, eventlog.MaxRead, 8, 7 + eventlog.MaxRead},
		{false, 7, eventlog.MaxRead + 1, 8, 7 + eventlog.MaxRead},
		{false, 7, math.MaxInt, 8, 7 + eventlog.MaxRead},
		{false, last - 2, 10, last - 1, last},
		{false, last, 10, 0, 0},
		{false, last + 1, 10, 0, 0},
		{false, math.MaxInt64, 10, 0, 0},
		{false, math.MaxInt64 + 1, 10, 0, 0},
		{false, math.MaxUint64, 10, 0, 0},
		{true, 0, 10, 0, 0},
		{true, 1, 10, 0, 0},
		{true, 2, 10, 1, 1},
		{true, 9, 3, 6, 8},
		{true, 9, 0, 8, 8},
		{true, last, math.MaxInt, last - eventlog.MaxRead, last - 1},
		{true, last + 1, 2, last - 1, last},
		{true, math.MaxInt64, 2, last - 1, last},
		{true, math.MaxInt64 + 1, 2, last - 1, last},
		{true, math.MaxUint64, 2, last - 1, last},
	} {
		read, name := j.Read, "Read"
		if test.back {
			read, name = j.ReadBefore, "ReadBefore"
		}
		var want []uint64
		for n := test.from; n <= test.upto && test.upto > 0; n++ {
			want = append(want, n)
		}
		got, _, err := read("lobby", test.n, test.limit)
		if err != nil || !reflect.DeepEqual(numbers(got), want) {
			t.Errorf("%s(%d, %d) = %v, %v, want %v", name, test.n, test.limit, numbers(got), err, want)
		}
	}
}

func numbers(messages []eventlog.Record) (n []uint64) {
	for _, m := range messages {
		n = append(n, m.N)
	}
	return n
}

func testLongTexts(t *testing.T, j *tested) {
	// The fourth alone exceeds the limit of one read; the bodies of the first three match it exactly.
	empty := eventlog.MessageRecord(&wire.Message{})
	third := strings.Repeat("x", eventlog.ReadBytes/3-len(empty.Body))
	j.apply(
		say("anna", "lobby", "a1", third), say("anna", "lobby", "a2", third), say("anna", "lobby", "a3", third+strings.Repeat("x", eventlog.ReadBytes%3)),
		say("anna", "lobby", "a4", strings.Repeat("y", eventlog.ReadBytes+1)), say("anna", "lobby", "a5", "x"),
	)
	for _, test := range []struct {
		back bool
		n    uint64
		want []uint64
	}{
		{false, 0, []uint64{1, 2, 3}},
		{false, 2, []uint64{3}},
		{false, 3, []uint64{4}},
		{false, 4, []uint64{5}},
		{true, 6, []uint64{5}},
		{true, 5, []uint64{4}},
		{true, 4, []uint64{1, 2, 3}},
	} {
		read := j.Read
		if test.back {
			read = j.ReadBefore
		}
		if got, _, err := read("lobby", test.n, 10); err != nil || !reflect.DeepEqual(numbers(got), test.want) {
			t.Errorf("back=%v from %d: %v, %v, want %v", test.back, test.n, numbers(got), err, test.want)
		}
	}
}

func testAppliedTwice(t *testing.T, j *tested) {
	batch := &eventlog.Batch{At: start, Commands: commands(
		reserve("anna", "Anna"), say("anna", "lobby", "a1", "x"), say("anna", "lobby", "a1", "x"),
		once("anna", "lobby", "a2", "x"), say("anna", "lobby", "a1", "y"), say("anna", "cellar", "a1", "x"),
	)}
	first, err := j.Apply(batch, 1)
	if err != nil {
		t.Fatal(err)
	}
	second, err := j.Apply(batch, 1)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(first, second) {
		t.Errorf("applied again, the outcomes are\n%s\nwant\n%s", summarize(second), summarize(first))
	}
	if got := numbers(j.all("lobby")); !reflect.DeepEqual(got, []uint64{1, 2}) || j.Position() != 1 {
		t.Errorf("then the numbers are %v at position %d, want 1 and 2 at 1", got, j.Position())
	}
	if err := j.Reopen(); err != nil {
		t.Fatalf("Reopen with nothing in doubt: %v", err)
	}
	j.expect(commands(say("anna", "lobby", "a3", "x")), "saved 3")
}

func testRolledBack(t *testing.T, j *tested) {
	j.apply(reserve("anna", "Anna"), say("anna", "lobby", "a1", "x"))
	_, err := j.Apply(&eventlog.Batch{At: start + 9, Commands: commands(
		release("anna"), say("anna", "lobby", "a2", "x"), say("anna", "cellar", "a1", "x"), eventlog.Command{Kind: eventlog.Trim, Room: "lobby"}, // without a body
	)}, 2)
	if !errors.Is(err, eventlog.ErrRolledBack) {
		t.Fatalf("Apply of a batch that cannot be decided: %v, want ErrRolledBack", err)
	}
	if j.Position() != 1 || j.Name("anna") != "Anna" || j.Bounds("cellar").Last != 0 || len(j.all("lobby")) != 1 {
		t.Errorf("a part of it is stored: position %d, name %q", j.Position(), j.Name("anna"))
	}
	o := j.apply(say("anna", "lobby", "a2", "other"))[0]
	if o.Status != eventlog.Saved || o.N != 2 || o.At != start || o.DisplayName != "Anna" {
		t.Errorf("the next outcome is %+v", o)
	}
}

func testFree(t *testing.T, j *tested) {
	if n, err := j.Free(); err != nil || n == 0 {
		t.Errorf("Free() = %d, %v", n, err)
	}
}
