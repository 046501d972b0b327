package server

import (
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
