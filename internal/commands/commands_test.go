package commands

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"ramai/wire"
)

func TestTable(t *testing.T) {
	names := map[string]bool{}
	for _, c := range Table() {
		for _, name := range append([]string{c.Name}, c.Also...) {
			if names[name] || name != strings.ToLower(name) || Find(name) == nil || Find(name).Name != c.Name {
				t.Errorf("the name %s is invalid, or used twice", name)
			}
			names[name] = true
		}
		if c.Help == "" || c.Run == nil || (c.Args == "") != (len(c.Takes) == 0) {
			t.Errorf("/%s lacks its help, its function, or the kinds of its arguments", c.Name)
		}
	}
	if Find("") != nil || Find("xyzzy") != nil {
		t.Error("a command is found that does not exist")
	}
}

func TestParseTime(t *testing.T) {
	for s, want := range map[string]time.Duration{
		"1s": time.Second, "10m": 10 * time.Minute, "1h30m": 90 * time.Minute, "2D": 48 * time.Hour, "1w": 7 * 24 * time.Hour, "90s": 90 * time.Second, "366d": MaxTime,
	} {
		if d, ok, err := ParseTime(s); d != want || !ok || err != nil {
			t.Errorf("%s: %v, %v, %v, want %v", s, d, ok, err, want)
		}
	}
	for _, s := range []string{"", "m", "10", "ten", "10x", "-5m", "1.5h", "10m x", "anna10m", "m10"} {
		if _, ok, _ := ParseTime(s); ok {
			t.Errorf("%q is taken for a time", s)
		}
	}
	for _, s := range []string{"0s", "0m", "367d", "99999999999999999999w", strings.Repeat("9", 400) + "s"} {
		if d, ok, err := ParseTime(s); !ok || err == nil || d != 0 {
			t.Errorf("%.30q is accepted as %v", s, d)
		}
	}
	for d, want := range map[time.Duration]string{
		0: "0 seconds", time.Millisecond: "1 second", 12 * time.Second: "12 seconds", time.Minute: "1 minute", 90 * time.Minute: "1 hour 30 minutes",
		24*time.Hour + time.Second: "1 day", 10 * 24 * time.Hour: "10 days", 49*time.Hour + time.Minute + time.Second: "2 days 1 hour",
	} {
		if got := Words(d); got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
	}
}

// TestFind: a command acts on one sender id, and asks if a name does not name one.
func TestFind(t *testing.T) {
	for words, want := range map[string]string{
		"budi": "idOfBudi00000000", "@BUDI": "idOfBudi00000000", "Anna Maria": "idOfAnnaMaria000", "anna maria": "idOfAnnaMaria000",
		"anna":             "idOfOther0000000 idOfAnna00000000", // it looks like another sender's name
		"аnna":             "idOfOther0000000 idOfAnna00000000",
		"#10":              "idOfBudi00000000",
		"10":               "idOfBudi00000000",
		"7":                "idOfSeven0000000", // a name, before a number
		"#7":               "",
		"guest gues":       "guestAbc00000000",
		"guest gue":        "",
		"guest":            "",
		"idOfBudi00000000": "idOfBudi00000000",
		"neverSeen0000000": "neverSeen0000000",
		"nobody":           "",
		"an":               "",
	} {
		var got []string
		for _, p := range find(newHost(), words) {
			got = append(got, p.ID)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q means %s, want %s", words, got, want)
		}
	}
}

func TestUnknownPerson(t *testing.T) {
	for words, want := range map[string]string{
		"bud":    "! nobody called bud has posted here lately; did you mean budi?",
		"xyzzyx": "! nobody called xyzzyx has posted here lately; #150 means the sender of message 150",
		"#99":    "! message 99 is not in memory",
	} {
		if got := newHost().run(t, "/whois "+words); got != want {
			t.Errorf("%s: %s, want %s", words, got, want)
		}
	}
}

// TestChoose: a name of several senders is a question.
func TestChoose(t *testing.T) {
	h := newHost()
	if got, want := h.run(t, "/whois anna"), "? which anna?\n  аnna idOf · message 13, 14:02\n  anna idOf · message 11, 14:02"; got != want {
		t.Fatalf("%s, want %s", got, want)
	}
	h.said = nil
	h.choice.Do(h, 1)
	if got, want := strings.Join(h.said, "\n"), "anna\n   sender idOfAnna00000000\n   newest message 11, 14:02"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	h.people.Saw(wire.Message{N: 3, SenderID: "idOfMe0000000000", DisplayName: "I"})
	h.settings = []wire.Setting{{Key: "person/idOfMe0000000000", Value: wire.TextValue(wire.Mute), Until: wire.TimeOf(start.Add(time.Hour))}, {Key: "role/idOfMe0000000000", Value: wire.TextValue("trusted"), Until: wire.TimeOf(start)}}
	if got, want := h.run(t, "/whois me"), "me (you)\n   sender idOfMe0000000000\n   newest message 14, 14:02\n   also as I\n   is muted until 15:02"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestPeople(t *testing.T) {
	var p People
	for n := uint64(1); n <= 3*maxPeople; n++ {
		p.Saw(wire.Message{N: n, SenderID: fmt.Sprint(n % (maxPeople + 5)), DisplayName: "x"})
	}
	if len(p.all) != maxPeople || p.all[0].N != 3*maxPeople || !slices.IsSortedFunc(p.all, func(a, b Person) int { return int(b.N) - int(a.N) }) {
		t.Errorf("%d are remembered, the latest with message %d", len(p.all), p.all[0].N)
	}
	p = People{}
	for _, m := range []wire.Message{{N: 5, SenderID: "a", DisplayName: "anna"}, {N: 9, SenderID: "b", DisplayName: "budi"}, {N: 7, SenderID: "a", DisplayName: "ann"}, {N: 3, SenderID: "a", DisplayName: "anna"}, {N: 1}} {
		p.Saw(m) // an older page is loaded later
	}
	if got := fmt.Sprint(p.Names("")); got != "[budi ann anna]" {
		t.Errorf("the names are %s", got)
	}
	if got := p.With("a"); got.Name != "ann" || got.N != 7 {
		t.Errorf("a is %v", got)
	}
	if got := p.With("zzzzz").Label() + " " + (Person{ID: "z"}).Label(); got != "guest zzzz guest" {
		t.Errorf("the labels are %s", got)
	}
}

func TestComplete(t *testing.T) {
	h := newHost()
	c := Command{Takes: []Kind{PersonArg, TimeArg}}
	for args, want := range map[string]string{
		"":              " [7 аnna Anna Maria anna budi]",
		"bu":            " [budi]",
		"@BU":           " [@budi]",
		"an":            " [Anna Maria anna]",
		"anna ":         " [Anna Maria]",
		"anna m":        " [Anna Maria]",
		"anna maria ":   "anna maria  [10m 1h 1d 7d]",
		"anna maria 1":  "anna maria  [10m 1h 1d]",
		"budi  7":       "budi   [7d]",
		"budi 10m more": "budi 10m more []",
		"xyz":           " []",
	} {
		before, candidates := c.Complete(h, args)
		if got := fmt.Sprint(before, " ", candidates); got != want {
			t.Errorf("%q: %q, want %q", args, got, want)
		}
	}
}

// What moderators do is refused in the room of moderators, with the name of the room where it can be done.
func TestModeratorsRoom(t *testing.T) {
	for room, line := range map[string]string{"~class": "/lock 5m", "~~class": "/approve"} {
		h := newHost()
		h.room = room
		if got := h.run(t, line); !strings.HasPrefix(got, "! ") || !strings.HasSuffix(got, "/join class, and repeat it there") {
			t.Errorf("%s in %s: %s", line, room, got)
		}
	}
}
