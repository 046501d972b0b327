package eventlogtest

import (
	"fmt"
	"strings"
	"testing"

	"ramai/internal/eventlog"
)

// announce returns the command with which a member of a cluster of three says what it is.
func announce(name, address string, applied uint64) eventlog.Command {
	return eventlog.Command{Kind: eventlog.Member, Body: eventlog.MemberBody{Name: name, Address: address, Version: "1", Level: 6, Size: 3, Applied: applied, Starts: applied}}
}

// testMembers: the members of a cluster are what they announced themselves. One that was removed never returns, another can take its
// address, and there are no more than their settings say.
// One of the last two cannot be removed, unless the data has left its cluster.
func testMembers(t *testing.T, j *tested) {
	allowChanges(j)
	as := func(node string, c eventlog.Command, want string) {
		t.Helper()
		b := j.batch(c)
		b.Node = node
		outcomes, err := j.Apply(b, j.Position()+1)
		if err != nil {
			t.Fatal(err)
		}
		if o := outcomes[0]; want == "" && o.Err != nil || want != "" && (o.Err == nil || !strings.Contains(o.Err.Reason, want)) {
			t.Errorf("%+v: %v, want %q", c.Body, o.Err, want)
		}
	}
	members := func(want string) {
		t.Helper()
		all, err := eventlog.MembersOf(j)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, m := range all {
			got += fmt.Sprintf("%s %s %d/%d gone=%t; ", m.Name, m.Address, m.Applied, m.Starts, m.Gone())
		}
		if got != want {
			t.Errorf("the members are %q, want %q", got, want)
		}
	}
	remove := func(name string) eventlog.Command {
		return eventlog.Command{Kind: eventlog.Member, Body: eventlog.MemberBody{Name: name, Gone: true}}
	}
	as("a", announce("a", "a:1", 5), "")
	as("b", announce("b", "b:1", 0), "")
	as("a", announce("a", "a:1", 3), "") // a late copy
	as("b", announce("c", "c:1", 3), "announces itself")
	as("d", announce("d", "b:1", 3), "ramai cluster remove b:1")
	as("a", remove("c"), "no member with the name c")
	members("a a:1 5/5 gone=false; b b:1 0/0 gone=false; ")
	as("c", announce("c", "c:1", 7), "")
	as("d", announce("d", "d:1", 7), "has 3 members")
	as("a", remove("b"), "")
	as("a", remove("b"), "")
	as("b", announce("b", "b:1", 9), "empty folder")
	as("d", announce("d", "b:1", 8), "")
	members("a a:1 5/5 gone=false; b b:1 0/0 gone=true; c c:1 7/7 gone=false; d b:1 8/8 gone=false; ")
	grown := eventlog.MemberBody{Name: "a", Address: "a:1", Level: 6, Size: 5, Applied: 9}
	as("e", announce("e", "e:1", 7), "has 3 members")
	as("a", eventlog.Command{Kind: eventlog.Member, Body: grown}, "")
	as("e", announce("e", "e:1", 7), "")
	as("a", remove("c"), "")
	as("d", remove("e"), "")
	as("a", remove("d"), "has only 2 members left")
	as("d", remove("a"), "has only 2 members left")
	as(eventlog.LocalNode, remove("d"), "")
	as(eventlog.LocalNode, remove("a"), "")
	members("a a:1 9/5 gone=true; b b:1 0/0 gone=true; c c:1 7/7 gone=true; d b:1 8/8 gone=true; e e:1 7/7 gone=true; ")
}

// testChain: once a cluster has members, equal batches add equal links, and after one difference all links differ. Stores that are opened
// again continue the chain.
func testChain(t *testing.T, fresh func(t *testing.T) Location) {
	locations := []Location{fresh(t), fresh(t)}
	stores := []*tested{open(t, locations[0]), open(t, locations[1])}
	say := func(store int, text string) {
		t.Helper()
		stores[store].apply(eventlog.Command{Kind: eventlog.Say, SenderID: "anna", Room: "lobby", ID: text, Text: text})
	}
	both := func(text string) {
		t.Helper()
		say(0, text)
		say(1, text)
	}
	equal := func(what string, want bool) {
		t.Helper()
		one, other := stores[0].NewestLink(), stores[1].NewestLink()
		if one.Position != stores[0].Position() || (one == other) != want {
			t.Errorf("%s: the links after batch %d are %+v and %+v, equal: %t, want %t", what, stores[0].Position(), one, other, one == other, want)
		}
	}
	for _, s := range stores {
		allowChanges(s)
	}
	both("before")
	if l := stores[0].NewestLink(); l.Position != 0 {
		t.Errorf("a server without members has the link %+v", l)
	}
	for _, s := range stores {
		b := s.batch(announce("a", "a:1", 5))
		b.Node = "a"
		if _, err := s.Apply(b, s.Position()+1); err != nil {
			t.Fatal(err)
		}
	}
	both("one")
	first := stores[0].NewestLink()
	equal("the first batch", true)
	for i, s := range stores {
		if err := s.Reopen(); err != nil {
			t.Fatalf("store %d: %v", i, err)
		}
	}
	both("two")
	equal("opened again", true)
	if l, known := stores[1].LinkAt(first.Position); !known || l != first {
		t.Errorf("the link of an earlier batch is %+v, %t, want %+v", l, known, first)
	}
	if _, known := stores[1].LinkAt(first.Position + 10); known {
		t.Error("the link of a batch is known that was not applied")
	}
	say(0, "three")
	say(1, "throe")
	equal("a difference of one byte", false)
	both("four")
	equal("after that", false)
}
