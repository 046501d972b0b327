//go:build linux

package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"ramai/server"
)

var (
	faultsFor = flag.Duration("faults", 0, "how long TestFaults runs; 0: not at all")
	faultSeed = flag.Uint64("fault-seed", 0, "seed of TestFaults; 0: one that it prints")
	faultOnly = flag.String("fault", "", "run this fault of TestFaults alone")
)

// A faultRun is a cluster of processes, clients that use it, and what they have written down.
type faultRun struct {
	t       *testing.T
	ctx     context.Context
	random  *rand.Rand
	network *faultNetwork
	members []*faultProcess
	clients []*faultClient
	pace    time.Duration // between messages of a writer
}

// A faultProcess is a member.
type faultProcess struct {
	*clusterMember
	faultMember
}

func (p *faultProcess) start() {
	env, err := json.Marshal(p.faultMember)
	if err != nil {
		p.t.Fatal(err)
	}
	p.cmd = exec.Command("ramai-faulty")
	p.cmd.Env = append(os.Environ(), faultEnv+"="+string(env))
	p.cmd.Stderr, p.cmd.Stdout = p.clusterMember, io.Discard
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
}

// newFaultRun starts a cluster, and waits until all members serve.
func newFaultRun(t *testing.T, random *rand.Rand, folders ...string) *faultRun {
	run := &faultRun{t: t, ctx: t.Context(), random: random, network: newFaultNetwork(t), pace: 100 * time.Millisecond}
	secret, addresses := clusterSettings(t, len(folders))
	for i, folder := range folders {
		m := &clusterMember{t: t, data: folder, address: reservedAddress(t)}
		reach := map[string]string{addresses[i]: "127.0.0.1:1"} // others connect through the links alone
		for j, a := range addresses {
			if j != i {
				reach[a] = run.network.link(t, i, j, a)
			}
		}
		p := &faultProcess{m, faultMember{Data: folder, Listen: m.address, ClockFile: filepath.Join(t.TempDir(), "clock"),
			Cluster: server.Cluster{Members: addresses, Listen: addresses[i], SecretFile: secret, Reach: reach}}}
		p.start()
		t.Cleanup(func() {
			m.cmd.Process.Signal(syscall.SIGCONT)
			m.signal(syscall.SIGKILL)
			if t.Failed() {
				t.Logf("the log of %s:\n%s", m.data, m.logged())
			}
		})
		run.members = append(run.members, p)
	}
	awaitHealthy(t, run.members[0].clusterMember)
	return run
}

// A faultClient posts or follows the room, and writes down what it sees.
type faultClient struct {
	run     *faultRun
	name    string
	session string
	at      int // the member to try
	posted  int

	mu     sync.Mutex
	notes  []faultNote // guarded by mu
	lastID string      // guarded by mu: for Last-Event-ID
	heard  int         // guarded by mu
}

func (c *faultClient) note(n faultNote) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n.Client = c.name
	c.notes = append(c.notes, n)
	if n.Kind == "heard" {
		c.heard = max(c.heard, n.N)
	}
}

func (c *faultClient) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.heard
}

// client adds a client whose first member is at.
func (run *faultRun) client(name string, at int) *faultClient {
	c := &faultClient{run: run, name: name, at: at, session: fmt.Sprintf("%021dA", len(run.clients)+1)}
	run.clients = append(run.clients, c)
	return c
}

const faultRoom = "/api/v1/rooms/den"

// request makes a request at the client's present member. A member that does not answer within a while is left.
func (c *faultClient) request(ctx context.Context, method, path, body string, header ...string) (status int, answer string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, "http://"+c.run.members[c.at%len(c.run.members)].address+path, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	r.Header.Set("Authorization", "Bearer "+c.session)
	r.Header.Set("Content-Type", "text/plain")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

// insist repeats a request at one member after the other until it is answered as done. It returns the number in the answer.
func (c *faultClient) insist(ctx context.Context, method, path, body, id string, header ...string) (n int, err error) {
	for ctx.Err() == nil {
		status, answer, err := c.request(ctx, method, path, body, append(header, "Idempotency-Key", id)...)
		var saved struct{ N int }
		if err == nil && (status == http.StatusOK || status == http.StatusCreated) && json.Unmarshal([]byte(answer), &saved) == nil && saved.N > 0 {
			return saved.N, nil
		}
		if err == nil && status >= 400 && status < 500 && status != http.StatusTooManyRequests && status != http.StatusNotFound {
			return 0, fmt.Errorf("%s %s: %d %s", method, path, status, answer)
		}
		c.at++
		pause(ctx, 50*time.Millisecond)
	}
	return 0, ctx.Err()
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// say posts a message until it is acknowledged.
func (c *faultClient) say(ctx context.Context) (n int, err error) {
	c.posted++
	id := fmt.Sprint(c.name, "-", c.posted)
	n, err = c.insist(ctx, http.MethodPost, faultRoom+"/messages", "text of "+id+".", id)
	if err == nil {
		c.note(faultNote{Node: c.at % len(c.run.members), Kind: "ack", ID: id, N: n})
	}
	return n, err
}

// follow follows the room, over one connection after the other, each to the next member, until ctx ends or, if until is not 0, it
// has heard that number.
func (c *faultClient) follow(ctx context.Context, until int, stay bool) {
	c.note(faultNote{Kind: "begin"})
	for ctx.Err() == nil && (until == 0 || c.count() < until) {
		c.connection(ctx, until)
		if !stay {
			c.at++
		}
		pause(ctx, 50*time.Millisecond)
	}
}

// connection reads one stream until it ends, or nothing was heard on it for a while.
func (c *faultClient) connection(ctx context.Context, until int) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	const quiet = 10 * time.Second // a member that is stopped or alone is silent
	silent := time.AfterFunc(quiet, cancel)
	defer silent.Stop()
	node := c.at % len(c.run.members)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+c.run.members[node].address+faultRoom+"/stream?after=0", nil)
	if err != nil {
		c.note(faultNote{Kind: "hole", Frame: err.Error()})
		return
	}
	r.Header.Set("Accept", "text/event-stream")
	c.mu.Lock()
	if c.lastID != "" {
		r.Header.Set("Last-Event-ID", c.lastID)
	}
	c.mu.Unlock()
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return
	}
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<20)
	id := ""
	for lines.Scan() {
		switch key, value, _ := strings.Cut(lines.Text(), ": "); key {
		case "id":
			id = value
		case "data":
			silent.Reset(quiet)
			c.hear(node, id, value)
			if until > 0 && c.count() >= until {
				return
			}
		}
	}
}

func (c *faultClient) hear(node int, id, data string) {
	var frame struct {
		Type, ID string
		N        int
	}
	if err := json.Unmarshal([]byte(data), &frame); err != nil {
		c.note(faultNote{Node: node, Kind: "hole", Frame: data})
		return
	}
	switch frame.Type {
	case "message", "changed", "state", "tally", "restored":
		x := faultNote{Node: node, Kind: "heard", N: frame.N, Frame: data}
		if frame.Type == "message" {
			x.ID = frame.ID
		}
		c.note(x)
	case "reset", "gap":
		c.note(faultNote{Node: node, Kind: "hole", Frame: data})
	}
	if id != "" {
		c.mu.Lock()
		c.lastID = id
		c.mu.Unlock()
	}
}

// grow waits until the clients that follow have heard more messages.
func (run *faultRun) grow(what string, by int) {
	run.t.Helper()
	begun := time.Now()
	for _, c := range run.clients {
		if !strings.HasPrefix(c.name, "reader") {
			continue
		}
		from := c.count()
		eventually(run.t, what+" at "+c.name, func() bool { return c.count() >= from+by })
	}
	run.t.Logf("%s: %v", what, time.Since(begun).Round(100*time.Millisecond))
}

// victim returns a member: the one that leads, or another one.
func (run *faultRun) victim() (i int, leads string) {
	leader := -1
	for _, m := range run.members {
		if st := m.status(); st != nil {
			if j := slices.IndexFunc(st.Members, func(s server.MemberStatus) bool { return s.Leader }); j >= 0 {
				address := st.Members[j].Address
				leader = slices.IndexFunc(run.members, func(p *faultProcess) bool { return p.Cluster.Listen == address })
				break
			}
		}
	}
	if leader < 0 || run.random.IntN(2) == 0 {
		return run.random.IntN(len(run.members)), "one of the members"
	}
	return leader, "the leader"
}

// revive starts members that have ended, as a service manager does, and waits until all are healthy.
func (run *faultRun) revive() {
	run.t.Helper()
	run.network.heal()
	eventually(run.t, "all members serving", func() bool {
		for _, m := range run.members {
			if m.cmd.Process.Signal(syscall.Signal(0)) != nil || hasEnded(m.cmd) {
				m.cmd.Wait()
				m.start()
			}
		}
		pause(run.ctx, 300*time.Millisecond)
		return !slices.ContainsFunc(run.members, func(m *faultProcess) bool { // each, because another one counts as serving for a while
			st := m.status()
			return st == nil || !st.Healthy()
		})
	})
}

// hasEnded reports whether a child has ended and was not waited for.
func hasEnded(cmd *exec.Cmd) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", cmd.Process.Pid))
	if err != nil {
		return true
	}
	_, state, _ := bytes.Cut(b, []byte(") "))
	return len(state) > 0 && state[0] == 'Z'
}

// longest is how many seconds more than 2 a fault lasts at most.
func (run *faultRun) longest() int {
	if *faultsFor < 5*time.Minute {
		return 8
	}
	return 59
}

// TestFaults makes members of a cluster fail in many ways, while clients post and follow. It checks only what the clients have
// written down.
func TestFaults(t *testing.T) {
	if *faultsFor == 0 {
		t.Skip("run it with -faults 20m, or make faults")
	}
	seed := cmp.Or(*faultSeed, rand.Uint64())
	t.Logf("-fault-seed %d", seed)
	dir := t.TempDir()
	folders := []string{filepath.Join(dir, "a"), filepath.Join(dir, "b"), filepath.Join(dir, "c")}
	mountSmallDisk(t, folders[2])
	run := newFaultRun(t, rand.New(rand.NewPCG(seed, 1)), folders...)
	ctx, stop := context.WithCancel(t.Context())
	var follow, post sync.WaitGroup
	following, stopFollowing := context.WithCancel(t.Context())
	defer func() { stop(); stopFollowing(); post.Wait(); follow.Wait() }()
	for i := range 3 { // the first one owns the room
		w := run.client(fmt.Sprint("writer", i), i)
		if _, err := w.say(ctx); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 3 {
		r := run.client(fmt.Sprint("reader", i), i)
		follow.Go(func() { r.follow(following, 0, false) })
	}
	for _, w := range run.clients[:3] {
		post.Go(func() {
			for ctx.Err() == nil {
				if _, err := w.say(ctx); err != nil && ctx.Err() == nil {
					t.Error(err)
					return
				}
				pause(ctx, run.pace)
			}
		})
	}
	run.grow("posting", 3)
	var order []fault
	for begun, round := time.Now(), 0; round == 0 || time.Since(begun) < *faultsFor; round++ {
		if len(order) == 0 {
			order = slices.DeleteFunc(slices.Clone(faults), func(f fault) bool { return *faultOnly != "" && f.name != *faultOnly })
			if len(order) == 0 {
				t.Fatalf("there is no fault %q", *faultOnly)
			}
			run.random.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		}
		f := order[0]
		order = order[1:]
		at := time.Now()
		what := f.run(run)
		failing := time.Since(at)
		run.revive()
		run.grow("posting with all members", 3)
		t.Logf("%s: %s; %v, healthy after %v", f.name, what, failing.Round(100*time.Millisecond), time.Since(at).Round(100*time.Millisecond))
		if t.Failed() {
			break
		}
	}
	stop()
	post.Wait()
	run.finish(following)
	stopFollowing()
	follow.Wait()
	var journals [][]faultNote
	acknowledged, heard := 0, 0
	for _, c := range run.clients {
		c.mu.Lock()
		journals = append(journals, c.notes)
		for _, n := range c.notes {
			switch n.Kind {
			case "ack":
				acknowledged++
			case "heard":
				heard++
			}
		}
		c.mu.Unlock()
	}
	t.Logf("%d messages were acknowledged, and %d frames were heard", acknowledged, heard)
	problems := faultProblems(journals...)
	for _, p := range problems[:min(len(problems), 20)] {
		t.Error(p)
	}
}

// finish reads the whole room from each member, up to the newest number that a client knows, and waits until those that follow
// have that, too.
func (run *faultRun) finish(ctx context.Context) {
	newest := 0
	for _, c := range run.clients {
		c.mu.Lock()
		for _, n := range c.notes {
			newest = max(newest, n.N)
		}
		c.mu.Unlock()
	}
	for i := range run.members {
		c := run.client(fmt.Sprint("final", i), i)
		limited, cancel := context.WithTimeout(ctx, clusterLimit)
		c.follow(limited, newest, true)
		cancel()
		c.note(faultNote{Node: i, Kind: "end", N: newest})
	}
	for _, c := range run.clients {
		if strings.HasPrefix(c.name, "reader") {
			for begun := time.Now(); c.count() < newest && time.Since(begun) < clusterLimit; {
				pause(ctx, 50*time.Millisecond)
			}
			c.note(faultNote{Kind: "end", N: newest})
		}
	}
}

// mountSmallDisk makes a folder a disk of its own that is soon full, if that is possible.
func mountSmallDisk(t *testing.T, folder string) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", folder).CombinedOutput(); err != nil {
		t.Logf("no fault has a full disk: mount: %v: %s", err, out)
		return
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", "-l", folder).CombinedOutput(); err != nil {
			t.Errorf("umount: %v: %s", err, out)
		}
	})
}
