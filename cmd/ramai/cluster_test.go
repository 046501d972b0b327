package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"ramai/server"
	"ramai/wire"
)

var clusterRounds = flag.Int("cluster-rounds", 1, "how many times TestClusterKill kills each member")

// clusterLimit is how long a test of a cluster waits for a condition before it fails.
const clusterLimit = 2 * time.Minute

// eventually waits for a condition.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for begun := time.Now(); !condition(); time.Sleep(20 * time.Millisecond) {
		if time.Since(begun) > clusterLimit {
			t.Fatalf("%s did not happen within %v", what, clusterLimit)
		}
	}
}

// reservedAddress returns an address whose port is free, and is not given to outgoing connections meanwhile.
func reservedAddress(t *testing.T) string {
	t.Helper()
	for range 1000 {
		ln, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", 12000+rand.IntN(18000)))
		if err != nil {
			continue
		}
		defer ln.Close()
		return ln.Addr().String()
	}
	t.Fatal("no port is free")
	return ""
}

// A clusterMember is a process that is a member of a cluster.
type clusterMember struct {
	t             *testing.T
	data, address string
	args          []string
	cmd           *exec.Cmd
	mu            sync.Mutex
	log           bytes.Buffer // guarded by mu
}

func (m *clusterMember) Write(b []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.log.Write(b)
}

func (m *clusterMember) logged() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.log.String()
}

func (m *clusterMember) start() {
	m.t.Helper()
	m.cmd = exec.Command("ramai", m.args...)
	m.cmd.Stderr, m.cmd.Stdout = m, io.Discard
	if err := m.cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
}

func (m *clusterMember) signal(s os.Signal) {
	m.cmd.Process.Signal(s) // it may have ended
	m.cmd.Wait()
}

// status asks the member for the state of the cluster; nil: it does not answer.
func (m *clusterMember) status() *server.ClusterStatus {
	out, _ := exec.Command("ramai", "cluster", "status", "--json", "--data", m.data).Output()
	st := new(server.ClusterStatus)
	if json.Unmarshal(out, st) != nil {
		return nil
	}
	return st
}

// clusterSettings returns the file with the secret of a new cluster, and the addresses of n members.
func clusterSettings(t *testing.T, n int) (secret string, addresses []string) {
	t.Helper()
	secret = filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("a secret of at least thirty-two bytes\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range n {
		addresses = append(addresses, reservedAddress(t))
	}
	return secret, addresses
}

// startMembers starts the members of a cluster. data has the folder of each; a missing folder is a new member.
func startMembers(t *testing.T, data ...string) (members []*clusterMember) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("the test needs signals")
	}
	secret, addresses := clusterSettings(t, len(data))
	for i, folder := range data {
		m := &clusterMember{t: t, data: folder, address: reservedAddress(t)}
		m.args = []string{"serve", "--data", folder, "--listen", m.address, "--rate", "0", "--quiet",
			"--cluster", strings.Join(addresses, ","), "--cluster-listen", addresses[i], "--cluster-secret-file", secret}
		m.start()
		t.Cleanup(func() {
			m.signal(syscall.SIGKILL)
			if t.Failed() {
				t.Logf("the log of %s:\n%s", m.data, m.logged())
			}
		})
		members = append(members, m)
	}
	return members
}

func awaitHealthy(t *testing.T, m *clusterMember) {
	t.Helper()
	eventually(t, "a healthy cluster at "+m.address, func() bool {
		time.Sleep(200 * time.Millisecond) // each question is a process
		st := m.status()
		return st != nil && st.Healthy()
	})
}

// A clusterWriter posts messages as one sender, one after the other: each until a member has acknowledged it, at one member
// after the other.
type clusterWriter struct {
	name, session string
	members       []*clusterMember
	at            int            // the member to try
	acknowledged  map[string]int // number by id
	order         []string       // ids, as acknowledged
}

var httpClient = &http.Client{Timeout: 30 * time.Second}

// post posts the message with an id, until it is acknowledged or ctx ends. It returns whether it was a repetition.
func (w *clusterWriter) post(ctx context.Context, id string) (repeated bool, err error) {
	for ; ; w.at++ {
		url := "http://" + w.members[w.at%len(w.members)].address + "/api/v1/rooms/lobby/messages"
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(id))
		if err != nil {
			return false, err
		}
		for key, value := range map[string]string{"Content-Type": "text/plain", "Authorization": "Bearer " + w.session, "Idempotency-Key": id} {
			r.Header.Set(key, value)
		}
		resp, err := httpClient.Do(r)
		if err == nil {
			var answer struct{ N int }
			err = json.NewDecoder(resp.Body).Decode(&answer)
			resp.Body.Close()
			if err == nil && (resp.StatusCode == http.StatusCreated || resp.StatusCode == http.StatusOK) {
				if before, known := w.acknowledged[id]; known && before != answer.N {
					return false, fmt.Errorf("%s is acknowledged with the numbers %d and %d", id, before, answer.N)
				} else if !known {
					w.acknowledged[id] = answer.N
					w.order = append(w.order, id)
				}
				return resp.StatusCode == http.StatusOK, nil
			}
		}
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// A clusterReader follows the room over one connection after the other, each to the next member, and resumes where it was.
type clusterReader struct {
	members []*clusterMember
	at      int

	mu    sync.Mutex
	id    string   // guarded by mu: of the newest event, for Last-Event-ID
	heard []string // guarded by mu: heard[n-1] is the frame with number n
	moved int      // guarded by mu: connections after the first that resumed
	wrong error    // guarded by mu
}

func (r *clusterReader) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.heard)
}

// follow reads until ctx ends.
func (r *clusterReader) follow(ctx context.Context) {
	for ; ctx.Err() == nil; r.at++ {
		if err := r.connection(ctx); err != nil {
			r.mu.Lock()
			r.wrong = cmp.Or(r.wrong, err)
			r.mu.Unlock()
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// connection reads one connection until it ends. It returns an error for frames that must not be sent.
func (r *clusterReader) connection(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+r.members[r.at%len(r.members)].address+"/api/v1/rooms/lobby/stream?after=0", nil)
	if err != nil {
		return err
	}
	request.Header.Set("Accept", "text/event-stream")
	r.mu.Lock()
	if r.id != "" {
		request.Header.Set("Last-Event-ID", r.id)
	}
	r.mu.Unlock()
	resp, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK { // it is not ready
		return nil
	}
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<20)
	id := ""
	for lines.Scan() {
		switch key, value, _ := strings.Cut(lines.Text(), ": "); key {
		case "id":
			id = value
		case "event":
			if value == "reset" {
				return errors.New("a reader is told that its position belongs to another history")
			}
		case "data":
			if err := r.hear(id, value); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *clusterReader) hear(id, data string) error {
	var frame struct {
		Type string
		N    int
	}
	if err := json.Unmarshal([]byte(data), &frame); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch frame.Type {
	case "message":
		if frame.N != len(r.heard)+1 {
			return fmt.Errorf("a reader received number %d after %d", frame.N, len(r.heard))
		}
		r.heard = append(r.heard, data)
	case "joined":
		if len(r.heard) > 0 {
			r.moved++
		}
	case "reset", "gap":
		return fmt.Errorf("a reader received %s after %d", data, len(r.heard))
	}
	if id != "" {
		r.id = id
	}
	return nil
}

// checkHeard checks what clients saw: every reader received the same frames, and every message that was acknowledged is there
// once, under its number, in the order of its writer.
func checkHeard(t *testing.T, writers []*clusterWriter, readers []*clusterReader) {
	t.Helper()
	newest := 0
	for _, w := range writers {
		for _, n := range w.acknowledged {
			newest = max(newest, n)
		}
	}
	for i, r := range readers {
		eventually(t, fmt.Sprint("number ", newest, " at reader ", i), func() bool {
			r.mu.Lock()
			defer r.mu.Unlock()
			return r.wrong != nil || len(r.heard) >= newest
		})
		r.mu.Lock()
		if r.wrong != nil {
			t.Error(r.wrong)
		} else if first := readers[0].heard; i > 0 && !slices.Equal(r.heard[:newest], first[:newest]) {
			t.Errorf("readers 0 and %d received different frames", i)
		}
		r.mu.Unlock()
	}
	if t.Failed() {
		return
	}
	at := map[string]int{} // number by id
	for i, data := range readers[0].heard[:newest] {
		var m wire.Message
		if err := json.Unmarshal([]byte(data), &m); err != nil {
			t.Fatal(err)
		}
		if before := at[m.ID]; before != 0 {
			t.Errorf("%s is there twice, as %d and %d", m.ID, before, i+1)
		}
		at[m.ID] = i + 1
	}
	for _, w := range writers {
		last := 0
		for _, id := range w.order {
			n := w.acknowledged[id]
			if at[id] != n {
				t.Errorf("%s was acknowledged as %d, and is number %d in the history (0: none)", id, n, at[id])
			}
			if n <= last {
				t.Errorf("%s has the number %d, and the message before it %d", id, n, last)
			}
			last = n
		}
	}
}

// TestClusterKill kills each member of a cluster, beginning with the one that leads, while clients post and read. It checks only
// what the clients saw. The first member's folder was used by a server alone before.
func TestClusterKill(t *testing.T) {
	dir := t.TempDir()
	first := filepath.Join(dir, "a")
	alone := &clusterMember{t: t, data: first, address: reservedAddress(t)}
	alone.args = []string{"serve", "--data", first, "--listen", alone.address, "--quiet"}
	alone.start()
	before := &clusterWriter{name: "before", session: "AAAAAAAAAAAAAAAAAAAAAA", members: []*clusterMember{alone}, acknowledged: map[string]int{}}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	for i := range 3 {
		if _, err := before.post(ctx, fmt.Sprint("before-", i)); err != nil {
			t.Fatal(err)
		}
	}
	alone.signal(syscall.SIGTERM)

	members := startMembers(t, first, filepath.Join(dir, "b"), filepath.Join(dir, "c"))
	awaitHealthy(t, members[0])
	if !strings.Contains(members[1].logged()+members[2].logged(), "waiting for") {
		t.Error("no member says what it waits for")
	}
	before.members = members[2:]
	if repeated, err := before.post(ctx, "before-1"); err != nil || !repeated {
		t.Errorf("the repetition at another member of what was posted before the cluster: repeated %t, %v", repeated, err)
	}

	reading, stopReading := context.WithCancel(ctx)
	posting, stopPosting := context.WithCancel(ctx)
	var readWork, postWork sync.WaitGroup
	defer func() { stopPosting(); stopReading(); postWork.Wait(); readWork.Wait() }()
	var readers []*clusterReader
	writers := []*clusterWriter{before}
	for i := range members {
		r := &clusterReader{members: members, at: i}
		readers = append(readers, r)
		readWork.Go(func() { r.follow(reading) })
		w := &clusterWriter{name: fmt.Sprint("writer", i), session: strings.Repeat(string(rune('B'+i)), 21) + "A", members: members, at: i, acknowledged: map[string]int{}}
		writers = append(writers, w)
		postWork.Go(func() {
			for n := 0; posting.Err() == nil; n++ {
				if _, err := w.post(posting, fmt.Sprint(w.name, "-", n)); err != nil && posting.Err() == nil {
					t.Error(err)
					return
				}
				select {
				case <-posting.Done():
				case <-time.After(100 * time.Millisecond):
				}
			}
		})
	}
	growth := func(what string, by int) {
		t.Helper()
		for _, r := range readers {
			from := r.count()
			eventually(t, what, func() bool { r.mu.Lock(); defer r.mu.Unlock(); return r.wrong != nil || len(r.heard) >= from+by })
		}
	}
	growth("posting", 5)
	for round := range *clusterRounds {
		victims := slices.Clone(members)
		slices.SortStableFunc(victims, func(a, b *clusterMember) int { return -cmp.Compare(leads(a), leads(b)) })
		for i, victim := range victims {
			kill := syscall.SIGKILL
			if (round+i)%3 == 2 { // an orderly stop hands over the lead
				kill = syscall.SIGTERM
			}
			leader := leads(victim) == 1
			begun := time.Now()
			victim.signal(kill)
			growth("posting without a member", 1)
			t.Logf("%v of a member, which led: %t; all readers heard new messages after %v", kill, leader, time.Since(begun).Round(10*time.Millisecond))
			victim.start()
			awaitHealthy(t, members[0])
			growth("posting with all members", 3)
		}
	}
	replaceMember(t, members)
	growth("posting with a new member", 3)
	stopPosting()
	postWork.Wait()
	checkHeard(t, writers, readers)
	for i, r := range readers {
		if r.moved == 0 {
			t.Errorf("reader %d never resumed at another member", i)
		}
	}
}

// clusterCommand runs a command about the cluster of a member, and returns its exit code and what it prints.
func (m *clusterMember) clusterCommand(args ...string) (code int, output string) {
	cmd := exec.Command("ramai", append(append([]string{"cluster"}, args...), "--data", m.data)...)
	out, _ := cmd.CombinedOutput()
	return cmd.ProcessState.ExitCode(), string(out)
}

// replaceMember removes the last member, and starts another one in its place, with an empty folder.
func replaceMember(t *testing.T, members []*clusterMember) {
	t.Helper()
	st := members[0].status()
	if st == nil {
		t.Fatal("the first member does not answer")
	}
	own := st.Members[slices.IndexFunc(st.Members, func(s server.MemberStatus) bool { return s.Own })].Address
	leaves := members[len(members)-1]
	address := leaves.args[slices.Index(leaves.args, "--cluster-listen")+1]
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"remove", own}, exitRefused, "give this command to another one"},
		{[]string{"remove", "10.0.0.1:7"}, exitRefused, address},
		{[]string{"add", address}, exitRefused, "ramai cluster remove " + address},
		{[]string{"repair"}, exitUsage, "--yes"},
		{[]string{"repair", "--yes"}, exitUnconfirmed, "stop it first"},
		{[]string{"repair", "--skip", "0"}, exitUsage, "--skip"},
	} {
		if code, out := members[0].clusterCommand(c.args...); code != c.code || !strings.Contains(out, c.want) {
			t.Errorf("ramai cluster %v: exit code %d, %s; want %d and %q", c.args, code, out, c.code, c.want)
		}
	}
	eventually(t, "the removal of a member", func() bool { // one may be behind for a moment
		code, _ := members[0].clusterCommand("remove", address)
		return code == 0
	})
	leaves.cmd.Wait()
	if !strings.Contains(leaves.logged(), "was removed from the cluster") {
		t.Error("the member that was removed does not say so")
	}
	if err := os.RemoveAll(leaves.data); err != nil {
		t.Fatal(err)
	}
	leaves.start()
	eventually(t, "the addition of a member", func() bool { // there may be no leader for a moment
		code, out := members[0].clusterCommand("add", address)
		return code == 0 || strings.Contains(out, "the address of a member already")
	})
	awaitHealthy(t, members[0])
}

// leads returns 1 if a member leads the stream.
func leads(m *clusterMember) int {
	if st := m.status(); st != nil && slices.ContainsFunc(st.Members, func(s server.MemberStatus) bool { return s.Own && s.Leader }) {
		return 1
	}
	return 0
}

// TestClusterReadme runs the commands of the section "Several machines" of README.md, with other ports.
func TestClusterReadme(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the commands are for a shell")
	}
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	section := regexp.MustCompile("(?s)\n## Several machines\n.*?```sh\n(.*?)```").FindSubmatch(readme)
	if section == nil {
		t.Fatal("README.md has no section \"Several machines\" with commands")
	}
	commands := regexp.MustCompile(`127\.0\.0\.1:(20|62)\d\d`).ReplaceAllStringFunc(string(section[1]), func() func(string) string {
		addresses := map[string]string{}
		return func(address string) string {
			if addresses[address] == "" {
				addresses[address] = reservedAddress(t)
			}
			return addresses[address]
		}
	}())
	dir, env := t.TempDir(), os.Environ()
	outputs := map[string]string{}
	servers := 0
	for line := range strings.Lines(commands) {
		line, _, _ = strings.Cut(strings.TrimSpace(line), "  #")
		line = strings.TrimSpace(line)
		background, isServer := strings.CutSuffix(line, " &")
		command := exec.Command("sh", "-c", line)
		command.Dir, command.Env = dir, env
		switch {
		case isServer:
			servers++
			command.Args[2] = "exec " + background
			if err := command.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { command.Process.Kill(); command.Wait() })
		case regexp.MustCompile(`^[a-z]+=\S+$`).MatchString(line):
			env = append(env, line)
		case strings.HasPrefix(line, "ramai "):
			verb := strings.Fields(line)[1]
			eventually(t, line, func() bool { // another member may not have the message yet
				again := exec.Command("sh", "-c", line)
				again.Dir, again.Env = dir, env
				out, err := again.CombinedOutput()
				outputs[verb] = string(out)
				return err == nil && (verb != "history" || strings.Contains(outputs[verb], "Three servers, one room"))
			})
		default:
			if out, err := command.CombinedOutput(); err != nil {
				t.Fatalf("%s: %v\n%s", line, err, out)
			}
		}
	}
	if servers != 3 || strings.Count(outputs["cluster"], "serving") != 3 || !strings.Contains(outputs["cluster"], "leads") {
		t.Errorf("%d servers; the state is\n%s", servers, outputs["cluster"])
	}
}
