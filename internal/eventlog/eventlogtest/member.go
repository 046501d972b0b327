package eventlogtest

import (
	"fmt"
	"strings"
	"testing"

	"ramai/internal/eventlog"
)

// announce returns the command with which a member of a cluster of three says what it is.
func announce(name, address string, applied uint64) eventlog.Command {
	return eventlog.Command{Kind: eventlog.Member, Body: eventlog.MemberBody{Name: name, Address: address, Version: "1", Level: 6, Size: 3, Applied: applied}}
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
			got += fmt.Sprintf("%s %s %d gone=%t; ", m.Name, m.Address, m.Applied, m.Gone())
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
	members("a a:1 5 gone=false; b b:1 0 gone=false; ")
	as("c", announce("c", "c:1", 7), "")
	as("d", announce("d", "d:1", 7), "has 3 members")
	as("a", remove("b"), "")
	as("a", remove("b"), "")
	as("b", announce("b", "b:1", 9), "empty folder")
	as("d", announce("d", "b:1", 8), "")
	members("a a:1 5 gone=false; b b:1 0 gone=true; c c:1 7 gone=false; d b:1 8 gone=false; ")
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
	members("a a:1 9 gone=true; b b:1 0 gone=true; c c:1 7 gone=true; d b:1 8 gone=true; e e:1 7 gone=true; ")
}
