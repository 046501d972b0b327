package server

import (
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ramai/internal/eventlog"
	"ramai/internal/sequencer/jetstream"
	"ramai/internal/store/sqlite"
)

// until waits for a condition, generously.
func until(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for begun := time.Now(); !condition(); time.Sleep(20 * time.Millisecond) {
		if time.Since(begun) > 2*time.Minute {
			t.Fatalf("%s did not happen within two minutes", what)
		}
	}
}

// knows waits until a member knows how many members there are, and returns their names by address.
func (m *runningMember) knows(t *testing.T, count int) map[string]string {
	t.Helper()
	var names map[string]string
	until(t, "a list of all members", func() bool {
		members, err := m.server.cfg.member.members()
		if err != nil {
			t.Fatal(err)
		}
		names = map[string]string{}
		for _, info := range members {
			if !info.Gone() {
				names[info.Address] = info.Name
			}
		}
		return len(names) == count
	})
	return names
}

// stopped stops a member, and waits until it has stopped.
func (m *runningMember) stopped(t *testing.T) {
	t.Helper()
	m.stop()
	if err := <-m.done; err != nil {
		t.Errorf("an orderly stop: %v", err)
	}
}

// current waits until a member sees that all serve, and that none is behind.
func (m *runningMember) current(t *testing.T) {
	t.Helper()
	until(t, "a cluster whose members are current", func() bool {
		st := m.server.cfg.member.status(t.Context())
		return st.refusedChange("") == nil
	})
}

// TestMembers: all members know each other. A folder that was set back to an older copy is refused, and so is a member in the place
// of another one, until that one is removed. The new member copies the data, and replaces the replica. A member that was removed stops,
// and does not start again. One whose batches the stream does not have any more copies the data, and nothing of the former is left.
// One whose data differs stops, too.
func TestMembers(t *testing.T) {
	configs := testCluster(t)
	members := startMembers(t, configs...)
	names := members[0].knows(t, 3)
	for _, m := range members {
		if got := m.knows(t, 3); len(got) != 3 || got[m.server.cfg.member.own] != m.server.cfg.member.name {
			t.Errorf("a member knows %v, and another %v", got, names)
		}
	}
	members[0].say(t, "m1")
	address := configs[2].Cluster.Listen

	members[2].stopped(t)
	copied := t.TempDir()
	if err := os.CopyFS(copied, os.DirFS(configs[2].Data)); err != nil {
		t.Fatal(err)
	}
	refused := func(what string, cfg Config, want ...string) {
		t.Helper()
		joined, err := Join(t.Context(), cfg)
		if err == nil {
			joined.Leave()
		}
		for _, part := range append(want, address) {
			if !errors.Is(err, jetstream.ErrForeign) || !strings.Contains(err.Error(), part) {
				t.Errorf("%s: %v, want ErrForeign with %q", what, err, part)
			}
		}
	}
	setBack := configs[2]
	setBack.Data = copied
	started, err := Join(t.Context(), configs[2]) // its replica can vote, and the data stays as it is
	if err != nil {
		t.Fatal(err)
	}
	until(t, "the count of its starts", func() bool {
		node := members[0].server.cfg.member.node
		return node.Reached(started.member.name).Starts > 1
	})
	started.Leave()
	refused("a folder from before the newest start", setBack, "set back to an older copy", "after 1 starts", "empty folder")
	members[2] = startMembers(t, configs[2])[0]
	members[2].say(t, "m2")
	if err := members[0].server.removeMember(t.Context(), members[0].server.cfg.member.own); !errors.Is(err, errMembers) || !strings.Contains(err.Error(), "another one") {
		t.Errorf("a member removes itself: %v", err)
	}
	if err := members[0].server.removeMember(t.Context(), "10.0.0.1:7"); !errors.Is(err, errMembers) || !strings.Contains(err.Error(), "10.0.0.1:7") || !strings.Contains(err.Error(), address) {
		t.Errorf("an unknown member is removed: %v", err)
	}
	until(t, "the position of the member", func() bool {
		return members[0].server.cfg.member.node.Reached(names[address]).Position >= members[2].server.store.Position()
	})
	members[2].stopped(t)

	refused("a folder that was set back", setBack, "set back to an older copy", "ramai cluster remove", "empty folder")
	fresh := configs[2]
	fresh.Data = t.TempDir()
	refused("a new member in the place of another", fresh, "remove it first")
	if err := members[0].server.removeMember(t.Context(), members[1].server.cfg.member.own); !errors.Is(err, errMembers) || !strings.Contains(err.Error(), "the member "+address+" is ") {
		t.Errorf("a member is removed while another is absent: %v", err)
	}
	members[2] = startMembers(t, configs[2])[0]
	members[0].current(t)

	if err := members[0].server.removeMember(t.Context(), address); err != nil {
		t.Fatal(err)
	}
	if err := members[0].server.removeMember(t.Context(), address); err != nil {
		t.Errorf("the same removal again: %v", err)
	}
	if err := <-members[2].done; !errors.Is(err, ErrRemoved) {
		t.Errorf("the member that was removed: %v, want ErrRemoved", err)
	}
	refused("the member that was removed", configs[2], "was removed", "empty folder")
	members[2] = startMembers(t, fresh)[0]
	if got := members[0].knows(t, 3)[address]; got != members[2].server.cfg.member.name || got == names[address] {
		t.Errorf("the new member is %s, and the list has %s", members[2].server.cfg.member.name, got)
	}
	members[0].current(t)

	members[1].stopped(t) // now the new member's replica is needed
	members[0].say(t, "m3")
	s := members[0].server
	until(t, "a stream that is trimmed completely", func() bool {
		whole, err := s.cfg.member.stream.TrimWhole(t.Context(), func(last uint64) bool {
			return s.store.Position() >= last && members[2].server.store.Position() >= last
		})
		return err == nil && whole
	})
	before, err := os.Stat(filepath.Join(configs[1].Data, sqlite.FileName))
	if err != nil {
		t.Fatal(err)
	}
	members[1] = startMembers(t, configs[1])[0]
	if after, err := os.Stat(filepath.Join(configs[1].Data, sqlite.FileName)); err != nil || os.SameFile(before, after) {
		t.Errorf("a member that was absent for too long has kept its database: %v", err)
	}
	if n := members[1].say(t, "m3"); n != 3 {
		t.Errorf("a repetition at that member has the number %d, want 3", n)
	}
	testDiffers(t, members, configs[1])
}

// testDiffers: a member whose data differs stops, and the others go on. Its configuration is that of members[1].
func testDiffers(t *testing.T, members []*runningMember, cfg Config) {
	members[0].current(t)
	members[1].stopped(t)
	db, err := sql.Open("sqlite", "file:"+filepath.Join(cfg.Data, sqlite.FileName))
	if err != nil {
		t.Fatal(err)
	}
	result, err := db.Exec("UPDATE entries SET value = zeroblob(16) WHERE tab = ?", eventlog.HashChain)
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	if changed, err := result.RowsAffected(); err != nil || changed != 1 {
		t.Fatalf("%d links were changed, %v", changed, err)
	}
	members[1] = startMembers(t, cfg)[0]
	if err := <-members[1].done; !errors.Is(err, ErrDiffers) {
		t.Errorf("a member whose data differs: %v, want ErrDiffers", err)
	}
	members[0].say(t, "m4")
	if a, b := members[0].server.store.NewestLink(), members[2].server.store; a.Position == 0 {
		t.Error("the members have no hash chain")
	} else {
		until(t, "the same link on both others", func() bool { l, known := b.LinkAt(a.Position); return known && l == a })
	}
}
