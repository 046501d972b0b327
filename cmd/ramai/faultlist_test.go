//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"ramai/wire"
)

// A fault is something that happens to a cluster. It returns what it did.
type fault struct {
	name string
	run  func(run *faultRun) string
}

var faults = []fault{
	{"kill", func(run *faultRun) string {
		i, who := run.victim()
		run.members[i].signal(syscall.SIGKILL)
		run.grow("accepting without "+who, 1)
		run.members[i].start()
		return who
	}},
	{"kill-two", func(run *faultRun) string {
		i := run.random.IntN(3)
		for _, j := range []int{i, (i + 1) % 3} {
			run.members[j].signal(syscall.SIGKILL)
		}
		pause(run.ctx, time.Second)
		for _, j := range []int{i, (i + 1) % 3} {
			run.members[j].start()
		}
		run.grow("accepting again", 1)
		return "two members"
	}},
	{"stop", func(run *faultRun) string {
		i, who := run.victim()
		d := time.Duration(2+run.random.IntN(run.longest())) * time.Second
		run.members[i].cmd.Process.Signal(syscall.SIGSTOP)
		pause(run.ctx, d)
		run.members[i].cmd.Process.Signal(syscall.SIGCONT)
		run.grow("accepting again", 1)
		return fmt.Sprint(who, " for ", d)
	}},
	{"partition", func(run *faultRun) string {
		i, who := run.victim()
		d := time.Duration(2+run.random.IntN(run.longest())) * time.Second
		run.network.hold(slices.Concat(both(i, (i+1)%3), both(i, (i+2)%3))...)
		pause(run.ctx, d)
		run.grow("accepting without "+who, 1)
		run.network.heal()
		if run.random.IntN(2) == 0 {
			run.network.reset()
		}
		return fmt.Sprint(who, " for ", d)
	}},
	{"one-way", func(run *faultRun) string {
		i, who := run.victim()
		out := run.random.IntN(2) == 0
		for _, j := range []int{(i + 1) % 3, (i + 2) % 3} {
			if out {
				run.network.hold([2]int{i, j})
			} else {
				run.network.hold([2]int{j, i})
			}
		}
		d := time.Duration(2+run.random.IntN(run.longest())) * time.Second
		pause(run.ctx, d)
		run.network.heal()
		run.grow("accepting again", 1)
		return fmt.Sprintf("bytes %s %s for %v", map[bool]string{true: "from", false: "to"}[out], who, d)
	}},
	{"bridge", func(run *faultRun) string {
		i, who := run.victim()
		run.network.hold(both((i+1)%3, (i+2)%3)...)
		d := time.Duration(2+run.random.IntN(run.longest())) * time.Second
		pause(run.ctx, d)
		run.grow("accepting over a bridge", 1)
		run.network.heal()
		return fmt.Sprint("only ", who, " reaches the others for ", d)
	}},
	{"lagging", func(run *faultRun) string { // clients that were at other members come to one that is behind
		i, _ := run.victim()
		run.members[i].cmd.Process.Signal(syscall.SIGSTOP)
		run.grow("accepting without a member", 5)
		for _, c := range run.clients {
			if strings.HasPrefix(c.name, "reader") {
				c.mu.Lock()
				c.at = i + 2 // and then i
				c.mu.Unlock()
			}
		}
		http.DefaultClient.CloseIdleConnections()
		run.members[i].cmd.Process.Signal(syscall.SIGCONT)
		c := run.client(fmt.Sprint("resumes", len(run.clients)), i)
		from := run.clients[0]
		from.mu.Lock()
		c.notes, c.lastID, c.heard = slices.Clone(from.notes), from.lastID, from.heard
		from.mu.Unlock()
		for k := range c.notes {
			c.notes[k].Client = c.name
		}
		ctx, cancel := context.WithTimeout(run.ctx, clusterLimit)
		defer cancel()
		until := c.heard + 3
		for ctx.Err() == nil && c.count() < until {
			c.connection(ctx, until)
			pause(ctx, 20*time.Millisecond)
		}
		return "a client resumes there"
	}},
	{"rolling", func(run *faultRun) string {
		for _, m := range run.members {
			m.signal(syscall.SIGTERM)
			run.grow("accepting during an upgrade", 1)
			m.start()
			run.revive()
		}
		return "each member was restarted"
	}},
	{"erase", func(run *faultRun) string {
		i, who := run.victim()
		author := run.client(fmt.Sprint("author", len(run.clients)), i+1)
		n, err := author.say(run.ctx)
		if err != nil {
			run.t.Fatal(err)
		}
		pause(run.ctx, 300*time.Millisecond)
		run.network.hold(slices.Concat(both(i, (i+1)%3), both(i, (i+2)%3))...)
		if _, err := author.insist(run.ctx, http.MethodDelete, fmt.Sprint(faultRoom, "/messages/", n), "", "erase-"+author.name); err != nil {
			run.t.Fatal(err)
		}
		author.note(faultNote{Kind: "erased", N: n, Frame: fmt.Sprintf("text of %s-%d.", author.name, author.posted)})
		run.network.heal()
		return "while " + who + " is cut off"
	}},
	{"ban", func(run *faultRun) string {
		i, who := run.victim()
		banned := run.client(fmt.Sprint("banned", len(run.clients)), i+1)
		if _, err := banned.say(run.ctx); err != nil {
			run.t.Fatal(err)
		}
		run.network.hold(slices.Concat(both(i, (i+1)%3), both(i, (i+2)%3))...)
		owner := run.clients[0]
		key := "person/" + wire.SenderIDOf(banned.session)
		if _, err := owner.insist(run.ctx, http.MethodPut, faultRoom+"/state/"+key, `{"value":"ban"}`, "ban-"+banned.name, "Content-Type", "application/json"); err != nil {
			run.t.Fatal(err)
		}
		run.network.heal()
		for j := range run.members { // also at the one that has not heard of it
			banned.at = i + j
			status, _, err := banned.request(run.ctx, http.MethodPost, faultRoom+"/messages", "text of a banned sender", "Idempotency-Key", fmt.Sprint(banned.name, "-after-", j))
			if err == nil && status < 300 {
				banned.note(faultNote{Node: (i + j) % 3, Kind: "banned"})
			}
		}
		return "while " + who + " is cut off"
	}},
	{"clock", func(run *faultRun) string {
		i, who := run.victim()
		set := func(wrong string) {
			if err := os.WriteFile(run.members[i].ClockFile, []byte(wrong), 0o600); err != nil {
				run.t.Fatal(err)
			}
			run.members[i].cmd.Process.Signal(syscall.SIGUSR1)
		}
		wrong := []string{"960h", "-960h"}[run.random.IntN(2)]
		set(wrong)
		run.grow("accepting with a wrong clock", 10)
		set("0s")
		return fmt.Sprint("the clock of ", who, " jumps by ", wrong)
	}},
	{"disk-full", func(run *faultRun) string {
		disk, ok := run.members[2].Data, false
		if b, err := os.ReadFile("/proc/mounts"); err == nil {
			ok = bytes.Contains(b, []byte(" "+disk+" tmpfs"))
		}
		if !ok {
			return "skipped: only root can mount a small disk"
		}
		filler := filepath.Join(disk, "filler")
		f, err := os.Create(filler)
		if err != nil {
			run.t.Fatal(err)
		}
		for _, size := range []int{1 << 16, 1 << 12, 1} { // until nothing fits
			for err = nil; err == nil; {
				_, err = f.Write(make([]byte, size))
			}
		}
		f.Close()
		pause(run.ctx, 5*time.Second)
		run.grow("accepting with a full disk", 3)
		if err := os.Remove(filler); err != nil {
			run.t.Fatal(err)
		}
		pause(run.ctx, 2*time.Second)
		if st := run.members[0].status(); st == nil || !st.Healthy() { // the operator, who made space, restarts the member
			run.members[2].signal(syscall.SIGTERM)
			run.members[2].start()
			return "the disk of a member was full; it was restarted"
		}
		return "the disk of a member was full"
	}},
	{"set-back", func(run *faultRun) string {
		i := run.random.IntN(2) // the third may have a disk of its own
		m := run.members[i]
		m.signal(syscall.SIGTERM)
		old, newest := m.Data+".old", m.Data+".newest"
		if out, err := exec.Command("cp", "-a", m.Data, old).CombinedOutput(); err != nil {
			run.t.Fatalf("%v: %s", err, out)
		}
		m.start()
		run.revive()
		run.grow("accepting", 20)
		m.signal(syscall.SIGTERM)
		for _, move := range [][2]string{{m.Data, newest}, {old, m.Data}} {
			if err := os.Rename(move[0], move[1]); err != nil {
				run.t.Fatal(err)
			}
		}
		m.start()
		run.grow("accepting beside a member that was set back", 20)
		if !hasEnded(m.cmd) || !strings.Contains(m.logged(), "set back to an older copy") {
			run.t.Error("a member continues with an old folder")
		}
		m.signal(syscall.SIGTERM)
		if err := os.RemoveAll(m.Data); err != nil {
			run.t.Fatal(err)
		}
		if err := os.Rename(newest, m.Data); err != nil {
			run.t.Fatal(err)
		}
		m.start()
		return "a member refuses an old folder"
	}},
	{"stream-deleted", func(run *faultRun) string {
		for _, m := range run.members {
			m.signal(syscall.SIGTERM)
		}
		move := func(back bool) {
			for _, m := range run.members {
				replica, kept := filepath.Join(m.Data, "cluster", "replica", "jetstream"), filepath.Join(m.Data, "kept-jetstream")
				if back {
					if err := os.RemoveAll(replica); err != nil {
						run.t.Fatal(err)
					}
					replica, kept = kept, replica
				}
				if err := os.Rename(replica, kept); err != nil {
					run.t.Fatal(err)
				}
			}
		}
		move(false)
		for _, m := range run.members {
			m.start()
		}
		eventually(run.t, "a refusal to start without the stream", func() bool {
			return slices.ContainsFunc(run.members, func(m *faultProcess) bool { return hasEnded(m.cmd) })
		})
		pause(run.ctx, 2*time.Second)
		for _, m := range run.members {
			m.signal(syscall.SIGTERM)
		}
		move(true)
		for _, m := range run.members {
			m.start()
		}
		return "the members do not start without it"
	}},
}
