package server

import (
	"fmt"
	"testing"

	"ramai/internal/sequencer/jetstream"
)

// TestOutvoted: a member stops if a majority differs from it and agrees. It does not if it is unknown who is right.
func TestOutvoted(t *testing.T) {
	peer := func(name string, differs ...string) jetstream.Peer {
		return jetstream.Peer{Hello: jetstream.Hello{Name: name, Differs: differs}}
	}
	for name, c := range map[string]struct {
		members int
		differs []string
		peers   []jetstream.Peer
		want    bool
	}{
		"all are equal":                 {3, nil, []jetstream.Peer{peer("b"), peer("c")}, false},
		"this one differs":              {3, []string{"b", "c"}, []jetstream.Peer{peer("b"), peer("c")}, true},
		"the others have found it":      {3, nil, []jetstream.Peer{peer("b", "a"), peer("c", "a")}, true},
		"each has found one":            {3, []string{"b"}, []jetstream.Peer{peer("b"), peer("c", "a")}, true},
		"another one differs":           {3, []string{"c"}, []jetstream.Peer{peer("b", "c"), peer("c", "a", "b")}, false},
		"one of two that are there":     {3, []string{"b"}, []jetstream.Peer{peer("b", "a")}, false},
		"all three differ":              {3, []string{"b", "c"}, []jetstream.Peer{peer("b", "a", "c"), peer("c", "a", "b")}, false},
		"three of five":                 {5, []string{"b", "c", "d"}, []jetstream.Peer{peer("b"), peer("c"), peer("d"), peer("e")}, true},
		"two of five":                   {5, []string{"b", "c"}, []jetstream.Peer{peer("b"), peer("c"), peer("d"), peer("e")}, false},
		"one that is absent differs":    {3, []string{"b", "c"}, []jetstream.Peer{peer("b")}, false},
		"another differs from a fourth": {5, []string{"b", "c", "d"}, []jetstream.Peer{peer("b", "e"), peer("c"), peer("d"), peer("e", "b")}, true},
	} {
		if got := outvoted("a", c.members, c.differs, c.peers); got != c.want {
			t.Errorf("%s: outvoted: %t, want %t", name, got, c.want)
		}
	}
}

// TestStatusDiffers: the status says which members have stored something else than which, by what either of two has found, and is not
// healthy then.
func TestStatusDiffers(t *testing.T) {
	hello := func(name string, differs ...string) jetstream.Hello {
		return jetstream.Hello{Name: name, Address: name + ":1", Differs: differs}
	}
	for name, c := range map[string]struct {
		hellos []jetstream.Hello
		want   string
	}{
		"all are equal":     {[]jetstream.Hello{hello("a"), hello("b"), hello("c")}, "[] [] []"},
		"two have found it": {[]jetstream.Hello{hello("a", "c"), hello("b", "c"), hello("c")}, "[c:1] [c:1] [a:1 b:1]"},
		"it has found two":  {[]jetstream.Hello{hello("a"), hello("b"), hello("c", "a", "b")}, "[c:1] [c:1] [a:1 b:1]"},
		"both have":         {[]jetstream.Hello{hello("a", "b"), hello("b", "a"), hello("c")}, "[b:1] [a:1] []"},
	} {
		st := ClusterStatus{Majority: true}
		for _, h := range c.hellos {
			st.Members = append(st.Members, MemberStatus{Name: h.Name, Address: h.Address, State: stateServing, Replica: "current"})
		}
		st.compare(c.hellos)
		got := fmt.Sprint(st.Members[0].DiffersFrom, st.Members[1].DiffersFrom, st.Members[2].DiffersFrom)
		if got != c.want || st.Healthy() != (c.want == "[] [] []") {
			t.Errorf("%s: %s, healthy: %t; want %s", name, got, st.Healthy(), c.want)
		}
	}
}
