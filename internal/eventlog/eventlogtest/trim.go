package eventlogtest

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ramai/internal/eventlog"
	"ramai/wire"
)

// numbers returns the numbers of a room's messages, read from both ends.
func (j *tested) numbers(room string) string {
	j.t.Helper()
	all := j.all(room)
	back, _, err := j.ReadBefore(room, 1<<40, eventlog.MaxRead)
	if err != nil || len(back) != len(all) {
		j.t.Fatalf("ReadBefore returns %d of %d messages, %v", len(back), len(all), err)
	}
	if len(all) == 0 {
		return "none"
	}
	return fmt.Sprintf("%d-%d", all[0].N, all[len(all)-1].N)
}

func (j *tested) wantRoom(room string, head eventlog.Bounds, numbers string) {
	j.t.Helper()
	if got := j.Bounds(room); got != head {
		j.t.Fatalf("the bounds of %s are %+v, want %+v", room, got, head)
	}
	if _, got, err := j.Read(room, 0, 1); err != nil || got != head {
		j.t.Fatalf("reading %s returns the bounds %+v, %v, want %+v", room, got, err, head)
	}
	if got := j.numbers(room); got != numbers {
		j.t.Fatalf("room %s has %s, want %s", room, got, numbers)
	}
}

func testTrim(t *testing.T, j *tested) {
	for i := range 10 {
		j.apply(say("anna", "lobby", fmt.Sprint("a", i+1), "x"), once("bert", "cellar", fmt.Sprint(i), "y"))
	}
	j.expect(commands(trim("lobby", 0), trim("nowhere", 5), trim("lobby", 3), trim("lobby", 2)), "from 1", "from 1", "from 4", "from 4")
	j.wantRoom("lobby", eventlog.Bounds{First: 4, Last: 10}, "4-10")
	j.wantRoom("cellar", eventlog.Bounds{First: 1, Last: 10}, "1-10")
	if j.Bounds("nowhere") != (eventlog.Bounds{First: 1}) || len(j.AllBounds()) != 2 {
		t.Errorf("trimming created a room: %v", j.AllBounds())
	}
	// Messages can be deleted in the batch that stores them; numbers continue.
	j.expect(commands(say("anna", "lobby", "new", "x"), trim("lobby", 99), say("anna", "lobby", "newer", "x")), "saved 11", "from 12", "saved 12")
	j.wantRoom("lobby", eventlog.Bounds{First: 12, Last: 12}, "12-12")
	j.expect(commands(trim("lobby", 12)), "from 13")
	j.wantRoom("lobby", eventlog.Bounds{First: 13, Last: 12}, "none")
	j.expect(commands(say("anna", "lobby", "again", "x")), "saved 13")
	j.wantRoom("lobby", eventlog.Bounds{First: 13, Last: 13}, "13-13")
}

// testIDsOutliveMessages: ids are kept for two generations, whether or not their messages are.
func testIDsOutliveMessages(t *testing.T, j *tested) {
	old, newer := say("anna", "lobby", "old", "x"), say("anna", "lobby", "young", "x")
	if got := j.IDGeneration(); got.Number != 1 {
		t.Fatalf("the first generation is %+v", got)
	}
	stale := func(want bool) {
		t.Helper()
		if got, err := j.HasStaleIDs(); err != nil || got != want {
			t.Fatalf("old ids remain: %v, %v", got, err)
		}
	}
	j.expect(commands(old, trim("lobby", 1), old, pruneIDs()), "saved 1", "from 2", "repeat 1", "done")
	j.at += 7 * 24 * hour
	// In one batch some commands use the generations before a rotation, and some those after.
	j.expect(commands(old, rotateIDs(2), old, newer, pruneIDs(), old), "repeat 1", "done", "repeat 1", "saved 2", "done", "repeat 1")
	if got := j.IDGeneration(); got != (eventlog.IDGeneration{Number: 2, Since: j.at}) {
		t.Errorf("after a rotation the generations are %+v", got)
	}
	j.expect(commands(rotateIDs(2), rotateIDs(4), rotateIDs(1), rotateIDs(0), old, say("anna", "lobby", "old", "y")), "done", "done", "done", "done", "repeat 1", "refused id_reused")
	if got := j.IDGeneration(); got != (eventlog.IDGeneration{Number: 2, Since: j.at}) {
		t.Errorf("after invalid rotations the generations are %+v", got)
	}
	stale(false)
	j.expect(commands(pruneIDs(), old), "done", "repeat 1")
	j.at -= hour // correcting the time of a generation deletes nothing
	j.expect(commands(rotateIDs(2), pruneIDs(), old), "done", "done", "repeat 1")
	if got := j.IDGeneration(); got != (eventlog.IDGeneration{Number: 2, Since: j.at}) {
		t.Errorf("with a corrected time the generations are %+v", got)
	}
	j.expect(commands(trim("lobby", 2), rotateIDs(3), pruneIDs(), old, newer), "from 3", "done", "done", "saved 3", "repeat 2")
	stale(true)
	j.expect(commands(pruneIDs(), old, newer), "done", "repeat 3", "repeat 2")
	stale(false)
}

// testPruneSteps: ids are deleted in steps.
func testPruneSteps(t *testing.T, j *tested) {
	var all []eventlog.Command
	for i := range eventlog.PruneStep + 10 {
		all = append(all, say("anna", "lobby", fmt.Sprint(i), "x"))
	}
	j.apply(all...)
	j.apply(rotateIDs(2))
	j.apply(rotateIDs(3))
	steps := 0
	for {
		stale, err := j.HasStaleIDs()
		if err != nil {
			t.Fatal(err)
		}
		if !stale {
			break
		}
		j.apply(pruneIDs())
		steps++
	}
	if steps < 1 || steps > 2 {
		t.Errorf("it took %d steps", steps)
	}
}

// testExpire: an expired name is freed by a command; the store finds the names.
func testExpire(t *testing.T, j *tested) {
	day := wire.Time(eventlog.NameLeaseTime / time.Millisecond)
	wantExpired := func(want ...string) {
		t.Helper()
		got := j.ExpiredNames(j.at-day, j.at+1000, 10)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Fatalf("the names of %q have expired, want those of %q", got, want)
		}
	}
	j.apply(reserve("anna", "Anna"), reserve("bert", "Bert"), bound("carl", "Carl"))
	j.at += 12 * hour
	j.apply(say("bert", "lobby", "1", "x"))
	j.at += 12*hour - 1
	wantExpired()
	j.expect(commands(expire("anna"), expire("nobody")), "done", "done")
	j.at++
	wantExpired("anna")
	freed := j.apply(expire("anna"), expire("bert"), expire("carl"))
	if !slices.Equal(freed[0].Renamed, []string{"anna"}) || freed[1].Renamed != nil || freed[2].Renamed != nil {
		t.Errorf("renamed are %q %q %q", freed[0].Renamed, freed[1].Renamed, freed[2].Renamed)
	}
	wantExpired()
	if a, b, c := j.Name("anna"), j.Name("bert"), j.Name("carl"); a != "" || b != "Bert" || c != "Carl" {
		t.Errorf("the names are %q, %q, %q", a, b, c)
	}
	if got := j.ExpiredNames(j.at+100*hour, j.at+1000, 1); len(got) != 1 {
		t.Errorf("%q are more than requested", got)
	}

	// While the clock is not trusted, nothing expires.
	j.at += 1000 * hour
	uncertain := eventlog.Batch{At: j.at, Node: eventlog.LocalNode, Commands: commands(expire("bert"), reserve("dora", "Bert"))}
	outcomes, err := j.Apply(&uncertain, j.Position()+1)
	if err != nil || summarize(outcomes) != "done\nrefused name_taken" {
		t.Errorf("with an untrusted clock: %s, %v", summarize(outcomes), err)
	}

	// A name that was used while the clock was ahead expires a day after the clock is right again.
	j.apply(reserve("eva", "Eva"), say("bert", "lobby", "2", "x"))
	j.at -= 500 * hour
	wantExpired("bert", "eva")
	j.expect(commands(say("bert", "lobby", "3", "x"), expire("eva")), "saved 3", "done")
	wantExpired()
	j.at += day - 1
	j.expect(commands(reserve("fritz", "Eva"), reserve("fritz", "Bert")), "refused name_taken", "refused name_taken")
	j.at++
	wantExpired("bert", "eva")
	j.expect(commands(reserve("fritz", "Eva"), expire("bert")), "done", "done")
	wantExpired()
}

func testTrimSteps(t *testing.T, j *tested) {
	const step = eventlog.TrimStep
	var all []eventlog.Command
	for i := range 2*step + 10 {
		all = append(all, say("anna", "lobby", fmt.Sprint(i), "x"))
	}
	j.apply(all...)
	j.expect(commands(trim("lobby", 2*step+5)), fmt.Sprintf("from %d", step+1))
	j.expect(commands(trim("lobby", 2*step+5)), fmt.Sprintf("from %d", 2*step+1))
	j.expect(commands(trim("lobby", 2*step+5)), fmt.Sprintf("from %d", 2*step+6))
	j.wantRoom("lobby", eventlog.Bounds{First: 2*step + 6, Last: 2*step + 10}, fmt.Sprintf("%d-%d", 2*step+6, 2*step+10))
	j.expect(commands(all[0], all[2*step]), "repeat 1", fmt.Sprintf("repeat %d", 2*step+1))
}

func testRetention(t *testing.T, j *tested) {
	for range 10 { // one per hour
		j.apply(once("anna", "lobby", "x", "x"))
		j.at += hour
	}
	j.apply(trim("lobby", 2))
	now := func(ago wire.Time) time.Time { return (j.at - ago).Std() } // at 0, the newest is an hour old
	for _, c := range []struct {
		keep string
		now  time.Time
		want uint64
	}{
		{"all", now(0), 0}, {"3 messages", now(0), 7}, {"8 messages", now(0), 2}, {"10 messages", now(0), 0}, {"1000 messages", now(0), 0},
		{"1h", now(0), 9}, {"2h", now(0), 8}, {"8h", now(0), 0}, {"7h", now(0), 3}, {"100h", now(0), 0}, {"1h", now(-100 * hour), 10},
	} {
		keep, err := eventlog.ParseRetention(c.keep)
		if err != nil || keep.String() != c.keep {
			t.Fatalf("%s: %v, %v", c.keep, keep, err)
		}
		if got, err := keep.TrimTo(j, "lobby", c.now); err != nil || got != c.want {
			t.Errorf("with retention %s, the cut is %d (%v), want %d", c.keep, got, err, c.want)
		}
	}
	if got, err := (eventlog.Retention{Age: time.Hour}).TrimTo(j, "nowhere", now(0)); err != nil || got != 0 {
		t.Errorf("for no room the cut is %d, %v", got, err)
	}
	for _, s := range []string{
		"", "0", "0d", "0 messages", "-1", "x", "d", "1.5h", "30m", "30D", "30 d", "30  messages", "99999999999999999999", "99999999999999999999 messages", "36501d",
	} {
		if keep, err := eventlog.ParseRetention(s); err == nil {
			t.Errorf("%q is parsed as %v", s, keep)
		}
	}
	// If "30" meant messages instead of days, nearly everything would be deleted.
	if keep, err := eventlog.ParseRetention("30"); err == nil || !strings.Contains(err.Error(), "30d") || !strings.Contains(err.Error(), `"30 messages"`) {
		t.Errorf("30 is %v, %v, want an error that names both units", keep, err)
	}
	for _, s := range []string{"1000messages", "1000 messages"} {
		if keep, err := eventlog.ParseRetention(s); err != nil || keep.Newest != 1000 {
			t.Errorf("%q is %v, %v", s, keep, err)
		}
	}
	if keep, err := eventlog.ParseRetention("48h"); err != nil || keep.String() != "2d" {
		t.Errorf("48h is %v, %v", keep, err)
	}
}

// testBounds reads pages while retention and posting continue: the content of a page follows from its bounds, whatever
// happens between two calls.
func testBounds(t *testing.T, j *tested) {
	const step, pages = 20, 300
	apply := func(i int) { // after twenty messages, twenty are deleted
		var batch []eventlog.Command
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
			if i%2 == 1 { // near the messages that will be deleted next
				from = j.Bounds("lobby").First
			}
			messages, h, err := j.Read("lobby", from, 50)
			wantPage(t, numbers(messages), h, max(h.First, from+1), h.Last, err)
			messages, h, err = j.ReadBefore("lobby", math.MaxUint64-from, 50)
			wantPage(t, numbers(messages), h, h.First, h.Last, err)
		})
		if i%4 == 0 {
			apply(i/4 + 1)
		}
	}
	readers.Wait()
}

// wantPage checks that a page with fewer messages than requested has all from first to last.
func wantPage(t *testing.T, got []uint64, h eventlog.Bounds, first, last uint64, err error) {
	var want []uint64
	for n := first; n <= last; n++ {
		want = append(want, n)
	}
	if err != nil || h.First > h.Last+1 || !slices.Equal(got, want) {
		t.Errorf("with the bounds %+v the numbers are %v, want %v; %v", h, got, want, err)
	}
}
