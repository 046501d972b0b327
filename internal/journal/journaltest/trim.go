package journaltest

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ramai/internal/journal"
	"ramai/wire"
)

// numbers are those of a room's messages, as reading gives them from both ends.
func (j *journaled) numbers(room string) string {
	j.t.Helper()
	all := j.all(room)
	back, _, err := j.ReadBefore(room, 1<<40, journal.MaxRead)
	if err != nil || len(back) != len(all) {
		j.t.Fatalf("ReadBefore gives %d of %d messages, %v", len(back), len(all), err)
	}
	if len(all) == 0 {
		return "none"
	}
	return fmt.Sprintf("%d-%d", all[0].N, all[len(all)-1].N)
}

func (j *journaled) kept(room string, head journal.Head, numbers string) {
	j.t.Helper()
	if got := j.Head(room); got != head {
		j.t.Fatalf("the head of %s is %+v, want %+v", room, got, head)
	}
	if got := j.numbers(room); got != numbers {
		j.t.Fatalf("room %s has %s, want %s", room, got, numbers)
	}
}

func testTrim(t *testing.T, j *journaled) {
	for i := range 10 {
		j.apply(say("anna", "lobby", fmt.Sprint("a", i+1), "x"), once("bert", "cellar", fmt.Sprint(i), "y"))
	}
	j.expect(events(trim("lobby", 0), trim("nowhere", 5), trim("lobby", 3), trim("lobby", 2)), "from 1", "from 1", "from 4", "from 4")
	j.kept("lobby", journal.Head{First: 4, Last: 10}, "4-10")
	j.kept("cellar", journal.Head{First: 1, Last: 10}, "1-10")
	if j.Head("nowhere") != (journal.Head{First: 1}) || len(j.Heads()) != 2 {
		t.Errorf("a room was made by letting go: %v", j.Heads())
	}
	// What is said in the same batch can go in it; numbers go on.
	j.expect(events(say("anna", "lobby", "new", "x"), trim("lobby", 99), say("anna", "lobby", "newer", "x")), "saved 11", "from 12", "saved 12")
	j.kept("lobby", journal.Head{First: 12, Last: 12}, "12-12")
	j.expect(events(trim("lobby", 12)), "from 13")
	j.kept("lobby", journal.Head{First: 13, Last: 12}, "none")
	j.expect(events(say("anna", "lobby", "again", "x")), "saved 13")
	j.kept("lobby", journal.Head{First: 13, Last: 13}, "13-13")
}

// An id is kept for 30 days at least, and as long as its message.
func testIDsLiveOn(t *testing.T, j *journaled) {
	const day = 24 * hour
	old, young := say("anna", "lobby", "old", "x"), say("anna", "lobby", "young", "x")
	j.expect(events(old), "saved 1")
	j.at += 20 * day
	j.expect(events(young, say("anna", "lobby", "stays", "x")), "saved 2", "saved 3")
	j.expect(events(trim("lobby", 2)), "from 3")
	j.expect(events(old, young, say("anna", "lobby", "young", "y")), "repeat 1", "repeat 2", "refused id_reused")
	j.at += 10*day - 1
	j.expect(events(trim("lobby", 0), old), "from 3", "repeat 1")
	j.at++
	// Forgotten, and so new, in the same batch too.
	j.expect(events(trim("lobby", 0), old, young), "from 3", "saved 4", "repeat 2")
	j.expect(events(old), "repeat 4")
	j.at += 20 * day
	j.expect(events(trim("lobby", 2), young, say("anna", "lobby", "stays", "x")), "from 3", "saved 5", "repeat 3")
	// The id of a message that is older when it goes goes with the next batch that lets go of anything.
	j.at += 30 * day
	j.expect(events(trim("lobby", 4), old), "from 5", "repeat 4")
	j.expect(events(trim("lobby", 0), old), "from 5", "saved 6")
}

func testTrimSteps(t *testing.T, j *journaled) {
	const step = journal.TrimStep
	var all []journal.Event
	for i := range 2*step + 10 {
		all = append(all, say("anna", "lobby", fmt.Sprint(i), "x"))
	}
	j.apply(all...)
	j.expect(events(trim("lobby", 2*step+5)), fmt.Sprintf("from %d", step+1))
	j.expect(events(trim("lobby", 2*step+5)), fmt.Sprintf("from %d", 2*step+1))
	j.expect(events(trim("lobby", 2*step+5)), fmt.Sprintf("from %d", 2*step+6))
	j.kept("lobby", journal.Head{First: 2*step + 6, Last: 2*step + 10}, fmt.Sprintf("%d-%d", 2*step+6, 2*step+10))
	j.at += 31 * 24 * hour
	for range 2 {
		j.expect(events(all[2*step]), fmt.Sprintf("repeat %d", 2*step+1))
		j.expect(events(trim("lobby", 0)), fmt.Sprintf("from %d", 2*step+6))
	}
	j.expect(events(all[2*step-1], all[2*step]), "saved 1011", fmt.Sprintf("repeat %d", 2*step+1))
}

func testKeep(t *testing.T, j *journaled) {
	for range 10 { // one an hour
		j.apply(once("anna", "lobby", "x", "x"))
		j.at += hour
	}
	j.apply(trim("lobby", 2))
	now := func(ago wire.Time) time.Time { return (j.at - ago).Std() } // the newest is an hour old at 0
	for _, c := range []struct {
		keep string
		now  time.Time
		want uint64
	}{
		{"all", now(0), 0}, {"3 messages", now(0), 7}, {"8 messages", now(0), 2}, {"10 messages", now(0), 0}, {"1000 messages", now(0), 0},
		{"1h", now(0), 9}, {"2h", now(0), 8}, {"8h", now(0), 0}, {"7h", now(0), 3}, {"100h", now(0), 0}, {"1h", now(-100 * hour), 10},
	} {
		keep, err := journal.ParseKeep(c.keep)
		if err != nil || keep.String() != c.keep {
			t.Fatalf("%s: %v, %v", c.keep, keep, err)
		}
		if got, err := keep.Cut(j, "lobby", c.now); err != nil || got != c.want {
			t.Errorf("to keep %s, %d goes (%v), want %d", c.keep, got, err, c.want)
		}
	}
	if got, err := (journal.Keep{Age: time.Hour}).Cut(j, "nowhere", now(0)); err != nil || got != 0 {
		t.Errorf("of no room %d goes, %v", got, err)
	}
	for _, s := range []string{
		"", "0", "0d", "0 messages", "-1", "x", "d", "1.5h", "30m", "30D", "30 d", "30  messages", "99999999999999999999", "99999999999999999999 messages", "36501d",
	} {
		if keep, err := journal.ParseKeep(s); err == nil {
			t.Errorf("%q is to keep %v", s, keep)
		}
	}
	// Days that were meant and messages that were read would take nearly everything.
	if keep, err := journal.ParseKeep("30"); err == nil || !strings.Contains(err.Error(), "30d") || !strings.Contains(err.Error(), `"30 messages"`) {
		t.Errorf("30 is %v, %v, want an error that tells both units", keep, err)
	}
	for _, s := range []string{"1000messages", "1000 messages"} {
		if keep, err := journal.ParseKeep(s); err != nil || keep.Newest != 1000 {
			t.Errorf("%q is %v, %v", s, keep, err)
		}
	}
	if keep, err := journal.ParseKeep("48h"); err != nil || keep.String() != "2d" {
		t.Errorf("48h is %v, %v", keep, err)
	}
}

// testBounds reads pages while retention and talk go on: what a page has follows from its bounds, whatever happens
// between one call and the next.
func testBounds(t *testing.T, j *journaled) {
	const step, pages = 20, 300
	apply := func(i int) { // of each twenty that are said, twenty go
		var batch []journal.Event
		for k := range step {
			batch = append(batch, once("anna", "lobby", fmt.Sprint(i, "-", k), "x"))
		}
		j.apply(append(batch, trim("lobby", uint64(step*i)))...)
	}
	apply(0)
	var readers sync.WaitGroup
	for i := range pages {
		readers.Go(func() {
			from := uint64(0)
			if i%2 == 1 { // near what is about to go
				from = j.Head("lobby").First
			}
			messages, h, err := j.Read("lobby", from, 50)
			whole(t, numbers(messages), h, max(h.First, from+1), h.Last, err)
			messages, h, err = j.ReadBefore("lobby", math.MaxUint64-from, 50)
			whole(t, numbers(messages), h, h.First, h.Last, err)
		})
		if i%4 == 0 {
			apply(i/4 + 1)
		}
	}
	readers.Wait()
}

// whole sees to it that a page of fewer messages than were asked for has all from first to last.
func whole(t *testing.T, got []uint64, h journal.Head, first, last uint64, err error) {
	var want []uint64
	for n := first; n <= last; n++ {
		want = append(want, n)
	}
	if err != nil || h.First > h.Last+1 || !slices.Equal(got, want) {
		t.Errorf("with the bounds %+v there are %v, want %v; %v", h, got, want, err)
	}
}
