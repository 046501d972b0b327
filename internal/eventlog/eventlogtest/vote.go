package eventlogtest

import (
	"fmt"
	"testing"

	"ramai/internal/eventlog"
	"ramai/wire"
)

// testVotes: a sender has one vote in a poll, until the poll is closed.
func testVotes(t *testing.T, j *tested) {
	allowChanges(j)
	j.expect(commands(ask("anna", "1", wire.Poll, "Tea?", "yes", "no", "later"), say("anna", "lobby", "2", "x"), ask("anna", "3", wire.Question, "why?")), "saved 1", "saved 2", "saved 3")
	j.expect(commands(mark("bert", 1, "3"), mark("bert", 1, "11"), mark("bert", 2, "0"), mark("bert", 3, "0"), mark(wire.SenderIDOf(""), 1, "0")),
		"refused bad_request", "refused bad_request", "refused bad_request", "refused bad_request", "refused not_allowed")
	j.expect(commands(change("anna", "c1", 1, "Tea now?")), "saved 4") // nobody has voted yet
	j.expect(commands(mark("bert", 1, "0"), mark("carl", 1, "0"), mark("carl", 1, "👍"), mark("anna", 1, "2"), mark("bert", 1, "0")), "done", "done", "done", "done", "repeat")
	j.wantTally("lobby", 5, map[uint64]wire.Counts{1: {"0": 2, "2": 1, "👍": 1}})
	outcomes := j.apply(mark("carl", 1, "1"), unmark("anna", 1, "2"), unmark("anna", 1, "2"), unmark("anna", 1, "1"))
	if got := summarize(outcomes); got != "done\ndone\nrepeat\nrepeat" || outcomes[0].FormerVote != "0" || outcomes[1].FormerVote != "" {
		t.Fatalf("another vote is %q, in place of %q and %q", got, outcomes[0].FormerVote, outcomes[1].FormerVote)
	}
	j.wantMine("carl", wire.Mine{1: {"1", "👍"}})
	j.wantMine("anna", wire.Mine{})
	j.at += 1000
	j.wantTally("lobby", 6, map[uint64]wire.Counts{1: {"0": 1, "1": 1, "👍": 1}})
	j.expect(commands(change("anna", "c2", 1, "Coffee?")), "refused not_allowed")

	j.expect(commands(set("anna", "s1", "poll/1", `"closed"`)), "saved 7")
	j.expect(commands(mark("anna", 1, "0"), mark("bert", 1, "1"), unmark("bert", 1, "0"), mark("bert", 1, "0"), unmark("bert", 1, "1"), mark("bert", 1, "up"), mark("bert", 1, "7")),
		"refused closed", "refused closed", "refused closed", "repeat", "repeat", "done", "refused bad_request")
	j.expect(commands(set("anna", "s2", "poll/1", `"open"`), mark("bert", 1, "1")), "saved 8", "done")
	j.at += 1000
	j.wantTally("lobby", 9, map[uint64]wire.Counts{1: {"1": 2, "👍": 1, "up": 1}})
	j.expect(commands(erase("anna", "c3", 1), mark("anna", 1, "0")), "saved 10", "refused gone")
}

// testHiddenVotes: the counts of a hidden poll are in no tally and in no row until it is opened or closed.
func testHiddenVotes(t *testing.T, j *tested) {
	allowChanges(j)
	j.expect(commands(ask("anna", "1", wire.Poll, "Tea?", "yes", "no"), mark("bert", 1, "0")), "saved 1", "done")
	j.wantTally("lobby", 2, map[uint64]wire.Counts{1: {"0": 1}})
	j.expect(commands(set("anna", "s1", "poll/1", `"hidden"`)), "saved 3")
	j.at += 1000
	j.wantTally("lobby", 4, map[uint64]wire.Counts{1: {}}) // what was known is not shown any more
	j.expect(commands(mark("carl", 1, "1"), mark("bert", 1, "1")), "done", "done")
	if got := j.PendingTallies(); len(got) > 0 {
		t.Errorf("votes in a hidden poll are pending: %v", got)
	}
	j.expect(commands(mark("carl", 1, "👍")), "done")
	j.at += 1000
	j.wantTally("lobby", 5, map[uint64]wire.Counts{1: {"👍": 1}})
	j.wantMine("carl", wire.Mine{1: {"1", "👍"}})
	j.expect(commands(set("anna", "s2", "poll/1", `"closed"`)), "saved 6")
	j.at += 1000
	j.wantTally("lobby", 7, map[uint64]wire.Counts{1: {"1": 2, "👍": 1}})
	j.expect(commands(set("anna", "s3", "poll/1", `"open"`)), "saved 8") // nothing to show that was not
	j.at += 1000
	j.noTally("lobby")
}

// testVoteLimits: reactions keep nobody from voting.
func testVoteLimits(t *testing.T, j *tested) {
	allowChanges(j)
	j.expect(commands(ask("anna", "1", wire.Poll, "?", "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l")), "saved 1")
	key := func(k int) string { return string(rune(0x1f400 + k)) }
	for k := range wire.MaxKeys {
		j.expect(commands(mark([]string{"anna", "bert"}[k%2], 1, key(k))), "done")
	}
	j.expect(commands(mark("anna", 1, key(2)), mark("anna", 1, key(1)), mark("anna", 1, key(3))), "repeat", "done", "done")
	j.expect(commands(mark("anna", 1, key(5))), "refused not_allowed") // its thirteenth
	for option := range wire.MaxOptions {
		j.expect(commands(mark("anna", 1, fmt.Sprint(option)), mark(fmt.Sprint("sender", option), 1, fmt.Sprint(option))), "done", "done")
	}
	j.expect(commands(mark("carl", 1, key(21))), "refused not_allowed")
	if got, _ := j.Marks("lobby", "anna", 0, eventlog.MaxNumber); len(got[1]) != wire.MaxOwnKeys+1 {
		t.Errorf("the marks of one sender are %v", got)
	}
}
