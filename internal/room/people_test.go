package room

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"ramai/internal/eventlog"
	"ramai/wire"
)

// TestPeopleModel compares people with a list that is sorted for each question.
func TestPeopleModel(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var p people
	type guest struct {
		name        string
		connections int
	}
	here := map[string]guest{}
	var spoke []string // the latest last
	name := func() string {
		return []string{"", "Ann", "ánn", "bo", "Émile", "zoe", "山田"}[random.IntN(7)] + fmt.Sprint(random.IntN(2000))
	}
	for range 20_000 {
		by := fmt.Sprint("by", random.IntN(1500))
		g, present := here[by]
		switch n := random.IntN(10); {
		case n < 6:
			if !present {
				g.name = name()
			}
			g.connections++
			here[by] = g
			p.enter(keyOf(by), g.name, nil)
		case n == 6 && present:
			p.exit(keyOf(by), nil)
			if g.connections--; g.connections == 0 {
				delete(here, by)
			} else {
				here[by] = g
			}
		case n == 7:
			to := name()
			if p.rename(keyOf(by), to) != (present && g.name != to) {
				t.Fatalf("rename of %s to %s: wrong result", by, to)
			}
			if present {
				g.name = to
				here[by] = g
			}
		case n == 8:
			p.spoke(keyOf(by))
			if spoke = slices.DeleteFunc(spoke, func(s string) bool { return s == by }); len(spoke) == maxSpeakers {
				spoke = spoke[1:]
			}
			spoke = append(spoke, by)
		case n == 9:
			prefix := []string{"", "a", "AN", "Ann1", "é", "山", "nobody"}[random.IntN(7)]
			limit := 1 + random.IntN(150)
			want := map[string]bool{}
			for _, g := range here {
				if strings.HasPrefix(fold(g.name), fold(prefix)) && g.name != "" {
					want[g.name] = true
				}
			}
			matching, names := p.search(prefix, limit)
			seen := map[string]bool{}
			for _, name := range names {
				if !want[name] {
					t.Fatalf("%q lists %q", prefix, name)
				}
				seen[name] = true
			}
			var first []string
			for _, by := range slices.Backward(spoke) {
				if g := here[by]; want[g.name] && len(first) < limit {
					first = append(first, g.name)
				}
			}
			if !slices.Equal(names[:len(first)], first) {
				t.Fatalf("%q begins with %q, want %q", prefix, names, first)
			}
			if rest := names[len(first):]; !slices.IsSortedFunc(rest, func(a, b string) int { return cmp.Or(cmp.Compare(fold(a), fold(b)), cmp.Compare(a, b)) }) {
				t.Fatalf("%q goes on with %q", prefix, rest)
			}
			if matching < len(want) || len(names) < min(len(want), limit) {
				t.Fatalf("%q with limit %d: %d names, %d matching; %d are here", prefix, limit, len(names), matching, len(want))
			}
		}
		if len(p.present) != len(here) {
			t.Fatalf("%d people, want %d", len(p.present), len(here))
		}
	}
}

// TestOneSenderInTwoTabs counts people in presence, in Who and in the answer to a join.
func TestOneSenderInTwoTabs(t *testing.T) {
	st := newHarness(t, 1<<20)
	first := st.Join("den", JSON, &countingMember{by: "ann"})
	second := st.Join("den", Events, &countingMember{by: "ann"})
	st.Join("den", Text, &countingMember{by: "somebody else"})
	st.Tick(start)
	if p := string(first.State().Presence); second.Count() != 2 || st.Count("den") != 2 || !strings.Contains(p, `"count":2`) {
		t.Errorf("%d and %d people, presence %s; want 2", second.Count(), st.Count("den"), p)
	}
	version := first.State().PresenceVersion
	second.Leave()
	st.Tick(start)
	if w := st.Who(wire.Who{Room: "den"}); w.Count != 2 || first.State().PresenceVersion != version {
		t.Errorf("after one tab is closed: %d people, presence version %d, was %d", w.Count, first.State().PresenceVersion, version)
	}
}

// TestWho lists the latest speakers first, by prefix, with names that were changed since the last tick.
func TestWho(t *testing.T) {
	st := newHarness(t, 1<<20)
	name := func(by, name string) {
		st.Feed(st.apply(eventlog.Command{Kind: eventlog.ReserveName, SenderID: by, Body: eventlog.ReserveNameBody{Name: name, Key: name}}), nil)
	}
	for i, n := range []string{"Siti", "Ani", "Sari", "budi", "Élodie"} {
		by := fmt.Sprint("by", i)
		name(by, n)
		st.Join("den", JSON, &countingMember{by: by})
	}
	st.Join("den", JSON, &countingMember{by: "a guest"})
	say := func(by string) {
		c := st.command("den", "hi")
		c.SenderID = by
		st.Feed(st.apply(c), nil)
	}
	say("by3")
	say("by0")
	say("somebody who is not here")
	say("by3")
	for _, c := range []struct {
		prefix   string
		limit    int
		matching int
		names    string
	}{
		{"", 0, 5, "budi Siti Ani Élodie Sari"},
		{"", 3, 5, "budi Siti Ani"},
		{"s", 0, 2, "Siti Sari"},
		{"SA", 0, 1, "Sari"},
		{"elo", 0, 1, "Élodie"},
		{"él", 0, 1, "Élodie"},
		{"x", 0, 0, ""},
	} {
		w := st.Who(wire.Who{Room: "den", Prefix: c.prefix, Limit: c.limit})
		if w.Count != 6 || w.Matching != c.matching || strings.Join(w.Names, " ") != c.names {
			t.Errorf("%q: %+v, want %+v", c.prefix, w, c)
		}
	}
	name("by1", "Zahra")
	if w := st.Who(wire.Who{Room: "den", Prefix: "z"}); len(w.Names) != 1 {
		t.Errorf("right after a change of name: %+v", w)
	}
}

// BenchmarkWho asks for names by prefix in a room of 10,000 people.
func BenchmarkWho(b *testing.B) {
	st := newHarness(b, 1<<20)
	for i := range 10_000 {
		by := fmt.Sprintf("%016d", i)
		st.Feed(st.apply(eventlog.Command{Kind: eventlog.ReserveName, SenderID: by, Body: eventlog.ReserveNameBody{Name: "siswa " + by, Key: by}}), nil)
		st.Join("den", Text, &countingMember{by: by})
		if i%100 == 0 {
			c := st.command("den", "hi")
			c.SenderID = by
			st.Feed(st.apply(c), nil)
		}
	}
	st.Tick(start)
	for b.Loop() {
		st.Who(wire.Who{Room: "den", Prefix: "s", Limit: 20})
	}
}

// BenchmarkJoinAndLeave joins a room of 10,000 people.
func BenchmarkJoinAndLeave(b *testing.B) {
	st := newHarness(b, 1<<20)
	for i := range 10_000 {
		by := fmt.Sprintf("%016d", i)
		st.Feed(st.apply(eventlog.Command{Kind: eventlog.ReserveName, SenderID: by, Body: eventlog.ReserveNameBody{Name: "siswa " + by, Key: by}}), nil)
		st.Join("den", Text, &countingMember{by: by})
	}
	by := "joins and leaves"
	st.Feed(st.apply(eventlog.Command{Kind: eventlog.ReserveName, SenderID: by, Body: eventlog.ReserveNameBody{Name: "siswa 0000000000005000x", Key: by}}), nil)
	st.Tick(start)
	for b.Loop() {
		st.Join("den", Text, &countingMember{by: by}).Leave()
	}
}
