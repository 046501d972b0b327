package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"reflect"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ramai/client"
	"ramai/wire"
)

// converger is a client of TestClientsConverge.
type converger interface {
	// done waits until everything is saved.
	done(ctx context.Context) error
	// room returns the room up to a number.
	room(ctx context.Context, n uint64) (roomCopy, error)
}

// roomCopy is the room as a client has it.
type roomCopy struct {
	Messages []wire.Message        `json:"messages"`
	State    map[string]wire.Value `json:"state"` // settings, and by number the status of each poll and question
	Missing  []wire.Range          `json:"missing"`
}

// copyOf returns the room that a replica has.
func copyOf(r *client.Replica) roomCopy {
	room := r.Shown(client.Pending{})
	c := roomCopy{State: map[string]wire.Value{wire.TopicKey: wire.TextValue(room.Topic), wire.PinKey: {Numbers: room.Pins}, wire.StageKey: wire.NumberValue(room.Stage)}, Missing: r.Missing()}
	for _, m := range room.Messages {
		c.Messages = append(c.Messages, m.Message)
		if m.Status != "" {
			c.State[strconv.FormatUint(m.N, 10)] = wire.TextValue(m.Status)
		}
	}
	return c
}

// TestClientsConverge: three programs and two pages post, ask, edit, delete, react and set while the server is killed three times.
// Everything happens once, and all of them end with the messages that a client gets that only loads pages.
func TestClientsConverge(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the server is killed by a signal")
	}
	const count, programs, pages = 120, 3, 2
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	s := &killedServer{t: t, folder: t.TempDir(), address: freeAddress(t)}
	s.start()
	defer s.kill()
	url := "http://" + s.address

	var saved atomic.Int64
	var all []converger
	for i := range programs {
		all = append(all, startProgram(t, ctx, url, count, uint64(i+1), &saved))
	}
	total := programs * count
	if _, err := exec.LookPath("node"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("node is missing: the pages run in it")
		}
	} else {
		for i := range pages {
			all = append(all, startPage(t, ctx, url, count, i+1, &saved))
		}
		total += pages * count
	}
	for k := 1; k <= 3; k++ {
		for saved.Load() < int64(total*k/4) {
			time.Sleep(5 * time.Millisecond)
			if ctx.Err() != nil {
				t.Fatalf("only %d of %d are saved", saved.Load(), total)
			}
		}
		s.kill()
		s.start()
	}
	for i, c := range all {
		if err := c.done(ctx); err != nil {
			t.Fatalf("client %d: %v", i, err)
		}
	}

	counts := countMarks(all)
	last := markLast(t, ctx, url)
	counts[last] = wire.Counts{wire.Upvote: 1}
	for { // until the newest tally has arrived
		if rows, _ := loadAll(t, ctx, url); counted(rows, counts) {
			break
		}
		if ctx.Err() != nil {
			t.Fatalf("the counts are not %v", counts)
		}
		time.Sleep(20 * time.Millisecond)
	}
	want, head := loadAll(t, ctx, url) // nothing changes any more
	if len(want.Missing) > 0 {
		t.Errorf("pages leave out %v", want.Missing)
	}
	if head <= uint64(total) {
		t.Errorf("the room has %d numbers after %d messages, changes, settings and tallies", head, total)
	}
	for i, c := range all {
		got, err := c.room(ctx, head)
		if err != nil {
			t.Fatalf("client %d: %v", i, err)
		}
		compareRooms(t, fmt.Sprintf("client %d", i), got, want)
	}
}

// markLast posts and marks a message. Once its mark is counted, so is everything that was pending before: a tally counts
// messages in the order of their numbers, and a poll that was hidden can be pending without a vote.
func markLast(t *testing.T, ctx context.Context, url string) uint64 {
	t.Helper()
	call := func(method, path, body string, answer any) {
		t.Helper()
		r, err := http.NewRequestWithContext(ctx, method, url+"/api/v1/rooms/lobby/messages"+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+strings.Repeat("L", wire.SessionLen))
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if err := json.NewDecoder(resp.Body).Decode(answer); err != nil || resp.StatusCode/100 != 2 {
			t.Fatalf("%s %s: %d, %v", method, path, resp.StatusCode, err)
		}
	}
	var posted wire.PostResponse
	call(http.MethodPost, "", "the last message", &posted)
	call(http.MethodPut, fmt.Sprintf("/%d/marks/%s", posted.N, wire.Upvote), "", &wire.MarkResponse{})
	return posted.N
}

// countMarks returns the counts that the programs have asked for.
func countMarks(all []converger) map[uint64]wire.Counts {
	counts := map[uint64]wire.Counts{}
	for _, c := range all {
		p, ok := c.(*goProgram)
		if !ok {
			continue
		}
		p.mu.Lock()
		for m, on := range p.marks {
			if counts[m.Of] == nil {
				counts[m.Of] = wire.Counts{}
			}
			if on {
				counts[m.Of][m.Key]++
			}
		}
		p.mu.Unlock()
	}
	return counts
}

// counted reports whether the messages of a room have these counts, unless they are deleted.
func counted(room roomCopy, counts map[uint64]wire.Counts) bool {
	for _, m := range room.Messages {
		if !m.Gone && (len(m.Tally) > 0 || len(counts[m.N]) > 0) && !maps.Equal(m.Tally, counts[m.N]) {
			return false
		}
	}
	return true
}

func compareRooms(t *testing.T, name string, got, want roomCopy) {
	if len(got.Missing) > 0 {
		t.Errorf("%s misses %v", name, got.Missing)
	}
	for i := range min(len(got.Messages), len(want.Messages)) {
		if !reflect.DeepEqual(got.Messages[i], want.Messages[i]) {
			t.Errorf("%s has %+v\nwant %+v", name, got.Messages[i], want.Messages[i])
			break
		}
	}
	if len(got.Messages) != len(want.Messages) {
		t.Errorf("%s has %d messages, want %d", name, len(got.Messages), len(want.Messages))
	}
	for key, v := range want.State {
		if !got.State[key].Equal(v) {
			t.Errorf("%s: the value of %s is %+v, want %+v", name, key, got.State[key], v)
		}
	}
	if len(got.State) != len(want.State) || len(want.State) < 10 || len(want.State[wire.PinKey].Numbers) == 0 {
		t.Errorf("%s has the settings %v, want %v", name, got.State, want.State)
	}
}

func freeAddress(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// killedServer is a server that the test kills and restarts.
type killedServer struct {
	t               *testing.T
	folder, address string
	cmd             *exec.Cmd
	log             bytes.Buffer
}

func (s *killedServer) start() {
	s.cmd = exec.Command("ramai", "serve", "--listen", s.address, "--data", s.folder, "--rate", "0", "--quiet")
	s.cmd.Stderr = &s.log
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
}

func (s *killedServer) kill() {
	s.cmd.Process.Kill()
	s.cmd.Wait()
}

// goProgram uses package client.
type goProgram struct {
	client  *client.Client
	mu      sync.Mutex
	replica client.Replica
	n       uint64
	joined  bool
	numbers map[string]uint64  // of saved messages, by id
	marks   map[wire.Mark]bool // that were asked for, with On true: whether they are to be there
	failed  error
	changed chan struct{} // closed at the next event
	posted  chan error    // everything is posted
}

func startProgram(t *testing.T, ctx context.Context, url string, count int, seed uint64, saved *atomic.Int64) converger {
	c, err := dialPatiently(ctx, client.Config{URL: url, Name: fmt.Sprintf("program%d", seed), Last: wire.MaxLast})
	if err != nil {
		t.Fatal(err)
	}
	p := &goProgram{client: c, numbers: map[string]uint64{}, marks: map[wire.Mark]bool{}, changed: make(chan struct{}), posted: make(chan error, 1)}
	var work sync.WaitGroup
	t.Cleanup(func() { c.Close(); work.Wait() })
	work.Go(func() {
		for {
			e, err := c.Next(ctx)
			if err != nil {
				return
			}
			p.take(e.Frame, saved)
		}
	})
	if err := p.await(ctx, func() bool { return p.joined }); err != nil {
		t.Fatal(err)
	}
	work.Go(func() { p.posted <- p.post(ctx, rand.New(rand.NewPCG(seed, 16)), count, seed) })
	return p
}

// dialPatiently connects, even while the server is still starting.
func dialPatiently(ctx context.Context, config client.Config) (*client.Client, error) {
	for {
		c, err := client.Dial(ctx, config)
		if err == nil || ctx.Err() != nil {
			return c, err
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (p *goProgram) take(f wire.Frame, saved *atomic.Int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.replica.Apply(f)
	switch f := f.(type) {
	case wire.Joined:
		p.joined = true
	case wire.Message:
		p.n = f.N
	case wire.Changed:
		p.n = f.N
	case wire.State:
		p.n = f.N
	case wire.Tally:
		p.n = f.N
	case client.RequestFailed:
		p.failed = fmt.Errorf("%+v", f)
	case client.Sent:
		switch f.State {
		case client.Saved:
			p.numbers[f.ID] = f.N
			saved.Add(1)
		case client.Failed:
			p.failed = fmt.Errorf("%+v", f)
		}
	}
	close(p.changed)
	p.changed = make(chan struct{})
}

// await waits until ok holds.
func (p *goProgram) await(ctx context.Context, ok func() bool) error {
	for {
		p.mu.Lock()
		done, failed, changed := ok(), p.failed, p.changed
		p.mu.Unlock()
		if failed != nil || done {
			return failed
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// post posts, edits and deletes count times.
func (p *goProgram) post(ctx context.Context, random *rand.Rand, count int, seed uint64) error {
	var own, asked []string // ids of what can be changed, and of polls and questions, by turns, which are kept
	for i := range count {
		if err := p.await(ctx, func() bool { return p.client.Pending() < 20 }); err != nil {
			return err
		}
		var id string
		var err error
		switch k := random.IntN(14); {
		case k < 2 || len(asked) == 0:
			m := wire.Say{Room: wire.Lobby, Text: fmt.Sprintf("program %d asks %d", seed, i), As: wire.Question}
			if len(asked)%2 == 0 {
				m.As, m.Options = wire.Poll, []string{"one", "two"}
			}
			if id, err = p.client.Post(m); err == nil {
				asked = append(asked, id)
			}
		case k < 4:
			at := random.IntN(len(asked))
			if err = p.set(ctx, asked[at], at%2 == 0, random); err == nil {
				err = p.mark(wire.Mark{Room: wire.Lobby, Of: p.oldestPoll(asked[at]), Key: []string{"👍", "❤️", "up"}[random.IntN(3)], On: random.IntN(3) > 0})
			}
		case k < 9 || len(own) == 0:
			m := wire.Say{Room: wire.Lobby, Text: fmt.Sprintf("program %d says %d", seed, i)}
			if k == 4 {
				m.Re = p.any()
			}
			if id, err = p.client.Post(m); err == nil {
				own = append(own, id)
			}
		default:
			at := random.IntN(len(own))
			change := client.Change{Room: wire.Lobby}
			if text := fmt.Sprintf("program %d edits %d", seed, i); k < 12 {
				change.Text = &text
			}
			err = p.change(ctx, change, own[at])
			if k >= 12 {
				own = append(own[:at], own[at+1:]...)
			}
		}
		if err != nil {
			return err
		}
		time.Sleep(time.Duration(random.IntN(6)) * time.Millisecond)
	}
	return p.await(ctx, func() bool { return p.client.Pending() == 0 && len(p.client.PendingIn(wire.Lobby).Marks) == 0 })
}

// change changes a message, by its number if it has one.
func (p *goProgram) change(ctx context.Context, change client.Change, id string) error {
	change.OfID = id
	if _, err := p.client.Change(change); err == nil {
		return nil
	}
	err := p.await(ctx, func() bool { change.Of = p.numbers[id]; return change.Of > 0 })
	if err == nil {
		change.OfID = ""
		_, err = p.client.Change(change)
	}
	return err
}

// set changes a setting: the status of a poll or a question, a pin, the stage or the topic.
func (p *goProgram) set(ctx context.Context, id string, poll bool, random *rand.Rand) error {
	var n uint64
	if err := p.await(ctx, func() bool { n = p.numbers[id]; return n > 0 }); err != nil {
		return err
	}
	s := wire.Set{Room: wire.Lobby}
	switch k := random.IntN(6); {
	case k < 3 && poll:
		s.Key, s.Value = fmt.Sprint(wire.PollPrefix, n), wire.TextValue([]string{wire.Open, wire.PollOver, wire.Hidden}[k])
	case k < 3:
		s.Key, s.Value = fmt.Sprint(wire.QuestionPrefix, n), wire.TextValue([]string{wire.Open, wire.Answered, wire.Answered}[k])
	case k == 3:
		s.Key, s.Value = wire.PinKey, wire.Value{Numbers: []uint64{n}}
	case k == 4:
		s.Key, s.Value = wire.StageKey, wire.NumberValue(n)
	default:
		s.Key, s.Value = wire.TopicKey, wire.TextValue(fmt.Sprint("topic ", n))
	}
	_, err := p.client.Set(s)
	return err
}

// oldestPoll returns the number of the oldest poll that has arrived, or else that of a saved message. Both are kept.
func (p *goProgram) oldestPoll(id string) uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range p.replica.Messages(nil) {
		if m.As == wire.Poll {
			return m.N
		}
	}
	return p.numbers[id]
}

// mark marks a message, and remembers it.
func (p *goProgram) mark(m wire.Mark) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	on := m.On
	m.On = true
	p.marks[m] = on
	m.On = on
	return p.client.Mark(m)
}

// any returns the number of some message, or 0.
func (p *goProgram) any() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	if all := p.replica.Messages(nil); len(all) > 0 {
		return all[0].N
	}
	return 0
}

func (p *goProgram) done(ctx context.Context) error {
	select {
	case err := <-p.posted:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *goProgram) room(ctx context.Context, n uint64) (roomCopy, error) {
	err := p.await(ctx, func() bool { return p.n >= n })
	p.mu.Lock()
	defer p.mu.Unlock()
	return copyOf(&p.replica), err
}

// pageProgram is ramai.js in Node: see tools/page/peer.mjs.
type pageProgram struct {
	in    io.Writer
	count int
	lines chan string
	saved int
	notes bytes.Buffer
}

func startPage(t *testing.T, ctx context.Context, url string, count, seed int, saved *atomic.Int64) converger {
	cmd := exec.CommandContext(ctx, "node", "--experimental-websocket", "../../tools/page/peer.mjs", url, strconv.Itoa(count), strconv.Itoa(seed))
	p := &pageProgram{count: count, lines: make(chan string, count+10)}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.in, cmd.Stderr = in, &p.notes
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		defer close(p.lines)
		lines := bufio.NewScanner(out)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			if strings.HasPrefix(lines.Text(), "saved ") {
				saved.Add(1)
			}
			p.lines <- lines.Text()
		}
	}()
	t.Cleanup(func() { in.Close(); cmd.Process.Kill(); <-read; cmd.Wait() })
	return p
}

// next returns the next line.
func (p *pageProgram) next(ctx context.Context) (string, error) {
	select {
	case line, ok := <-p.lines:
		if !ok {
			return "", fmt.Errorf("the page ended:\n%s", &p.notes)
		}
		return line, nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

func (p *pageProgram) done(ctx context.Context) error {
	for ; p.saved < p.count; p.saved++ {
		if _, err := p.next(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (p *pageProgram) room(ctx context.Context, n uint64) (c roomCopy, err error) {
	fmt.Fprintf(p.in, "end %d\n", n)
	line, err := p.next(ctx)
	if err != nil {
		return c, err
	}
	if err := json.Unmarshal([]byte(line), &c); err != nil {
		return c, fmt.Errorf("%s: %w", line, err)
	}
	return c, nil
}

// loadAll loads the room by pages only, and returns its newest number.
func loadAll(t *testing.T, ctx context.Context, url string) (roomCopy, uint64) {
	c, err := client.Dial(ctx, client.Config{URL: url, Last: client.NoJoin})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var replica client.Replica
	for ask := (wire.StateRequest{Room: wire.Lobby, Limit: 7}); ; {
		page, err := c.Settings(ctx, ask)
		if err != nil {
			t.Fatal(err)
		}
		replica.AddSettings(ask, page)
		if !page.More {
			break
		}
		ask.After = page.Settings[len(page.Settings)-1].Key
	}
	h := wire.History{Room: wire.Lobby, Limit: 30}
	for head := uint64(0); ; {
		asked := replica.Ask(h)
		page, err := c.History(ctx, asked.History)
		if err != nil {
			t.Fatal(err)
		}
		if !replica.AddPage(asked, page) {
			t.Fatalf("a page is not used: %+v", page)
		}
		if head = max(head, page.Head); !page.More {
			return copyOf(&replica), head
		}
		h.Before = &page.Messages[0].N
	}
}
