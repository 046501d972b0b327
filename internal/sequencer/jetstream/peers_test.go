package jetstream

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"ramai/internal/eventlog"
)

// peersOf makes a node that has heard others a moment ago.
func peersOf(now time.Time, known ...Hello) *Node {
	n := &Node{opt: Options{Name: "own", Address: "10.0.0.1:6222", Now: func() time.Time { return now }}, run: "run"}
	n.peers.known = make(map[string]Peer)
	for _, h := range known {
		n.peers.known[h.Name+h.Run] = Peer{Hello: h, Heard: time.Now()}
	}
	return n
}

// TestCheckPeers: members that cannot be in one cluster are told apart, with a sentence that says what to do.
func TestCheckPeers(t *testing.T) {
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	fits := Hello{Protocol: protocol, Name: "b", Address: "10.0.0.2:6222", Run: "x", Version: "1.0", Log: "L", Joined: true, Clock: now.Add(30 * time.Second)}
	own := Hello{Log: "L", Joined: true}
	if err := peersOf(now, fits).CheckPeers(own); err != nil {
		t.Errorf("a member that fits: %v", err)
	}
	fresh := fits
	fresh.Log, fresh.Joined = "other", false // decided when the stream is known
	if err := peersOf(now, fresh).CheckPeers(own); err != nil {
		t.Errorf("a member with data that has not joined: %v", err)
	}
	for name, c := range map[string]struct {
		change func(h *Hello)
		want   []string
	}{
		"version":       {func(h *Hello) { h.Protocol = 2 }, []string{"10.0.0.2:6222", "1.0", "version 2", "install the same version"}},
		"name":          {func(h *Hello) { h.Name = "own" }, []string{"10.0.0.2:6222", "own", "empty folder"}},
		"address":       {func(h *Hello) { h.Address = "10.0.0.1:6222" }, []string{"10.0.0.1:6222", "--cluster-listen"}},
		"other cluster": {func(h *Hello) { h.Log = "M" }, []string{"10.0.0.2:6222", "log M", "log L", "empty folder"}},
		"fast clock":    {func(h *Hello) { h.Clock = now.AddDate(0, 0, 40) }, []string{"10.0.0.2:6222", "2027-01-09", "2026-11-30", "NTP"}},
		"slow clock":    {func(h *Hello) { h.Clock = now.Add(-2 * time.Minute) }, []string{"11:58", "NTP"}},
	} {
		h := fits
		c.change(&h)
		err := peersOf(now, h).CheckPeers(own)
		if !errors.Is(err, ErrForeign) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, part := range c.want {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%s: the error %q does not say %q", name, err, part)
			}
		}
	}
}

// TestMedianTime: the time of a batch is the median of the members' clocks, and the earlier of two.
func TestMedianTime(t *testing.T) {
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	wrong := 40 * 24 * time.Hour
	for _, c := range []struct {
		others []time.Duration
		want   time.Duration
	}{
		{nil, 0},
		{[]time.Duration{wrong}, 0}, {[]time.Duration{-wrong}, -wrong},
		{[]time.Duration{wrong, 3 * time.Second}, 3 * time.Second}, {[]time.Duration{-wrong, -3 * time.Second}, -3 * time.Second}, {[]time.Duration{-wrong, wrong}, 0},
		{[]time.Duration{wrong, wrong, time.Second, time.Second}, time.Second},
	} {
		var known []Hello
		for i, d := range c.others {
			known = append(known, Hello{Name: string(rune('a' + i)), Clock: now.Add(d)})
		}
		if got := peersOf(now, known...).Time().Sub(now); got < c.want || got > c.want+5*time.Second {
			t.Errorf("clocks that differ by %v: the time is ahead by %v, want %v", c.others, got, c.want)
		}
	}
}

// TestSilentPeers: a member that has said nothing for a while is not there.
func TestSilentPeers(t *testing.T) {
	n := peersOf(time.Now(), Hello{Name: "a"}, Hello{Name: "b"})
	p := n.peers.known["a"]
	p.Heard = p.Heard.Add(-silentAfter - time.Second)
	n.peers.known["a"] = p
	if got := n.Peers(); len(got) != 1 || got[0].Name != "b" {
		t.Errorf("the members are %+v, want b alone", got)
	}
}

// TestSnapshot: a member gets the file and the secrets of another one, and nothing is left there. If no snapshot can be made,
// the reason arrives.
func TestSnapshot(t *testing.T) {
	nodes := startCluster(t, 3, true)
	folder := t.TempDir()
	old := filepath.Join(folder, snapshotPattern+"old")
	if err := os.WriteFile(old, []byte("of an earlier process"), 0o600); err != nil {
		t.Fatal(err)
	}
	content := slices.Repeat([]byte("0123456789"), snapshotChunk/4) // several chunks
	var failure error
	err := nodes[0].ServeSnapshots(folder, func(_ context.Context, file string) (map[string][]byte, error) {
		return map[string][]byte{"secret": []byte("s")}, errors.Join(failure, os.WriteFile(file, content, 0o600))
	})
	if err != nil {
		t.Fatal(err)
	}
	fetch := func() ([]byte, map[string][]byte, error) {
		f, err := os.CreateTemp(t.TempDir(), "")
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		var secrets map[string][]byte
		for { // the subscription spreads to the other members
			secrets, err = nodes[1].FetchSnapshot(t.Context(), nodes[0].opt.Name, f)
			if err == nil || !strings.Contains(err.Error(), "no responders") {
				break
			}
			time.Sleep(time.Millisecond)
		}
		got, readErr := os.ReadFile(f.Name())
		if readErr != nil {
			t.Fatal(readErr)
		}
		return got, secrets, err
	}
	got, secrets, err := fetch()
	if err != nil || !slices.Equal(got, content) || string(secrets["secret"]) != "s" {
		t.Fatalf("%d bytes of %d, %v, %v", len(got), len(content), secrets, err)
	}
	if left, err := os.ReadDir(folder); err != nil || len(left) > 0 {
		t.Errorf("the member has kept %v, %v", left, err)
	}
	failure = errors.New("the disk is full")
	if _, _, err := fetch(); err == nil || !strings.Contains(err.Error(), "the disk is full") {
		t.Errorf("a snapshot that cannot be made: %v", err)
	}
}

// TestProbe: the reasons why a member is absent are told apart.
func TestProbe(t *testing.T) {
	nodes := startCluster(t, 3, true)
	if err := nodes[0].Probe(t.Context(), nodes[1].opt.Address); !strings.Contains(err.Error(), "is being connected to") {
		t.Errorf("a member that runs: %v", err)
	}
	if err := nodes[0].Probe(t.Context(), freeAddresses(t, 1)[0]); !strings.Contains(err.Error(), "is not running") {
		t.Errorf("a member that does not run: %v", err)
	}
	other, err := NewSecret([]byte("another secret, which is long enough"))
	if err != nil {
		t.Fatal(err)
	}
	stranded := &Node{opt: Options{Secret: other, Now: time.Now}}
	if err := stranded.Probe(t.Context(), nodes[1].opt.Address); !strings.Contains(err.Error(), "another cluster secret") || !strings.Contains(err.Error(), "--cluster-secret-file") {
		t.Errorf("a member with another secret: %v", err)
	}
}

// TestTrim: batches that were trimmed are gone, a reader that needs one gets an ErrGap, and positions go on.
func TestTrim(t *testing.T) {
	n := startCluster(t, 1, true)[0]
	s, err := n.CreateStream(t.Context(), "history", 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		if _, err := s.js.Publish(t.Context(), s.subject(), []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ to, first uint64 }{{3, 4}, {2, 4}, {5, 6}} {
		if whole, err := s.Trim(t.Context(), c.to); err != nil || whole != (c.to == 5) {
			t.Fatalf("trimmed to %d: whole: %t, %v", c.to, whole, err)
		}
		if st, err := s.Status(t.Context()); err != nil || st.First != c.first || st.Last != 5 {
			t.Errorf("trimmed to %d: %+v, %v", c.to, st, err)
		}
	}
	if ack, err := s.js.Publish(t.Context(), s.subject(), []byte("x")); err != nil || ack.Sequence != 6 {
		t.Errorf("after everything was trimmed: %+v, %v", ack, err)
	}
	if err := s.CheckPosition(t.Context(), 4); !errors.Is(err, eventlog.ErrGap) {
		t.Errorf("a member that was absent for too long: %v", err)
	}
	if err := s.CheckPosition(t.Context(), 5); err != nil {
		t.Errorf("a member that needs the next batch: %v", err)
	}
	if err := s.CheckPosition(t.Context(), 7); !errors.Is(err, ErrForeign) {
		t.Errorf("a member that is ahead of the stream: %v", err)
	}
}

// TestCloseWaits: Close waits for a callback that has begun, with what it has started, and none begins after that.
func TestCloseWaits(t *testing.T) {
	n, err := StartNode(Options{
		Name: "alone", Dir: t.TempDir(), Address: freeAddresses(t, 1)[0], Secret: testSecret(t), Logger: discard, Now: time.Now, unsynced: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	begun, release, closed := make(chan struct{}), make(chan struct{}), make(chan struct{})
	var ended atomic.Int32
	err = n.subscribe("subject", func(*nats.Msg) {
		close(begun)
		<-release
		n.background.Go(func() {
			time.Sleep(10 * time.Millisecond)
			ended.Add(1)
		})
		ended.Add(1)
	})
	if err == nil {
		err = n.conn.Publish("subject", nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	<-begun
	go func() {
		n.Close()
		if ended.Load() != 2 {
			t.Error("the node was closed before its callback had ended")
		}
		close(closed)
	}()
	for n.beginCallback() { // until Close waits
		n.background.Done()
		time.Sleep(time.Millisecond)
	}
	close(release)
	<-closed
}

// TestPauses: a member says hello during pauses, and however many are asked for, that takes one goroutine.
func TestPauses(t *testing.T) {
	nodes := startCluster(t, 3, true)
	for i, n := range nodes {
		var said atomic.Uint64
		err := n.Announce(func() Hello { return Hello{Position: said.Add(1)} })
		if err == nil && i == 0 {
			err = n.ObeyPauses()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	before := runtime.NumGoroutine()
	const pauses = 100
	for range pauses {
		if err := nodes[0].conn.Publish(pauseSubject, nil); err != nil {
			t.Fatal(err)
		}
	}
	for !nodes[0].paused() {
		time.Sleep(time.Millisecond)
	}
	count := func() uint64 { return nodes[1].Reached(nodes[0].opt.Name).Position }
	for from := count(); count() < from+5; {
		time.Sleep(time.Millisecond)
	}
	if more := runtime.NumGoroutine() - before; more > pauses/2 {
		t.Errorf("%d pauses have started %d goroutines", pauses, more)
	}
}
