package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"ramai/server"
)

// TestClusterGrows: a cluster of 3 grows to 5 while the first members run with the settings of 3. Then 3 of 5 are a majority, and 2 are not.
// Two members are removed, and 2 of the 3 that are left are a majority again. Nothing is lost on the way.
func TestClusterGrows(t *testing.T) {
	if *faultsFor == 0 {
		t.Skip("make faults runs it")
	}
	dir := t.TempDir()
	members := startMembers(t, filepath.Join(dir, "a"), filepath.Join(dir, "b"), filepath.Join(dir, "c"))
	awaitHealthy(t, members[0])
	setting := func(m *clusterMember, flag string) *string { return &m.args[slices.Index(m.args, flag)+1] }
	ctx, cancel := context.WithTimeout(t.Context(), 5*clusterLimit)
	defer cancel()
	writer := &clusterWriter{name: "writer", session: strings.Repeat("B", 21) + "A", members: members, acknowledged: map[string]int{}}
	say := func(ids ...string) {
		t.Helper()
		for _, id := range ids {
			if _, err := writer.post(ctx, id); err != nil {
				t.Fatal(err)
			}
		}
	}
	replicas := func(count int) {
		t.Helper()
		eventually(t, fmt.Sprint(count, " members with current replicas"), func() bool {
			st := members[0].status()
			return st != nil && len(st.Members) == count && st.Healthy() && !slices.ContainsFunc(st.Members, func(m server.MemberStatus) bool { return m.Replica != "current" })
		})
	}
	say("of-three")

	three := *setting(members[0], "--cluster")
	added := []string{reservedAddress(t), reservedAddress(t)}
	five := three + "," + strings.Join(added, ",")
	for i, address := range added {
		m := &clusterMember{t: t, data: filepath.Join(dir, fmt.Sprint("new", i)), address: reservedAddress(t), args: slices.Clone(members[0].args)}
		*setting(m, "--data"), *setting(m, "--listen"), *setting(m, "--cluster"), *setting(m, "--cluster-listen") = m.data, m.address, five, address
		m.start()
		t.Cleanup(func() {
			m.signal(syscall.SIGKILL)
			if t.Failed() {
				t.Logf("the log of %s:\n%s", m.data, m.logged())
			}
		})
		say(fmt.Sprint("beside-new-member-", i))
		eventually(t, "the addition of a member", func() bool {
			code, out := members[0].clusterCommand("add", address)
			return code == 0 || strings.Contains(out, "the address of a member already")
		})
		members = append(members, m)
		writer.members = members
	}
	replicas(5)
	if code, out := members[0].clusterCommand("add", reservedAddress(t)); code != exitRefused || !strings.Contains(out, "remove one first") {
		t.Errorf("a sixth member: exit code %d, %s", code, out)
	}

	for _, m := range members[1:3] { // of the first three, so the new ones vote
		m.signal(syscall.SIGKILL)
	}
	say("three-of-five")
	members[4].signal(syscall.SIGKILL)
	eventually(t, "a cluster without a majority", func() bool {
		st := members[0].status()
		return st != nil && !st.Majority
	})
	*setting(members[1], "--cluster") = five
	for _, m := range []*clusterMember{members[1], members[2], members[4]} {
		m.start()
	}
	replicas(5)
	say("five-again")

	for i, address := range []string{*setting(members[1], "--cluster-listen"), added[1]} {
		eventually(t, "the removal of a member", func() bool { // one may be behind for a moment
			code, _ := members[0].clusterCommand("remove", address)
			return code == 0
		})
		replicas(4 - i)
		say(fmt.Sprint("after-removal-", i))
	}
	members = []*clusterMember{members[0], members[2], members[3]}
	writer.members = members
	members[2].signal(syscall.SIGKILL)
	say("two-of-three")
	members[2].start()
	replicas(3)
	reader := &clusterReader{members: members[2:]}
	reading, stop := context.WithCancel(ctx)
	go reader.follow(reading)
	checkHeard(t, []*clusterWriter{writer}, []*clusterReader{reader})
	stop()
}
