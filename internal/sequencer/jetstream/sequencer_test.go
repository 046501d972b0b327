package jetstream

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	js "github.com/nats-io/nats.go/jetstream"

	"ramai/internal/eventlog"
	"ramai/internal/eventlog/eventlogtest"
	"ramai/internal/store/memory"
)

var discard = slog.New(slog.DiscardHandler)

func testSecret(t testing.TB) *Secret {
	t.Helper()
	s, err := NewSecret([]byte("a secret of at least thirty-two bytes"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// freeAddresses returns addresses that no process listens on.
func freeAddresses(t testing.TB, count int) (addresses []string) {
	t.Helper()
	for range count {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		addresses = append(addresses, ln.Addr().String())
	}
	return addresses
}

// startCluster starts members, and waits until they have a leader.
func startCluster(t testing.TB, count int, unsynced bool) (nodes []*Node) {
	t.Helper()
	addresses := freeAddresses(t, count)
	for i, a := range addresses {
		n, err := StartNode(Options{
			Name: fmt.Sprint("node", i), Dir: t.TempDir(), Address: a, Members: addresses, Secret: testSecret(t), Logger: discard, Now: time.Now, unsynced: unsynced,
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(n.Close)
		nodes = append(nodes, n)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for _, n := range nodes {
		if err := n.WaitMajority(ctx); err != nil {
			t.Fatal(err)
		}
	}
	return nodes
}

// An outside is a goroutine that calls functions for tests in a bubble of testing/synctest. The replica's goroutines belong to
// no bubble, and nothing in a bubble may wake them or be woken by them except through channels that were made outside.
type outside struct {
	calls chan func()
	done  chan struct{}
}

func newOutside(t testing.TB) *outside {
	o := &outside{calls: make(chan func()), done: make(chan struct{})}
	go func() {
		for f := range o.calls {
			f()
			o.done <- struct{}{}
		}
	}()
	t.Cleanup(func() { close(o.calls) })
	return o
}

func (o *outside) do(f func()) {
	o.calls <- f
	<-o.done
}

// A waiting sequencer is one for tests that step a log: after Submit, Next waits for the batch, as with the local sequencer.
type waiting struct {
	*Sequencer
	outside   *outside
	submitted bool // a batch that Next has not returned
}

func (w *waiting) Notify(func()) {}

func (w *waiting) Submit(b *eventlog.Batch) (err error) {
	w.outside.do(func() { err = w.Sequencer.Submit(b) })
	w.submitted = true
	return err
}

func (w *waiting) Next(after uint64) (b *eventlog.Batch, position uint64, err error) {
	w.outside.do(func() {
		for begun := time.Now(); ; time.Sleep(50 * time.Microsecond) {
			b, position, err = w.Sequencer.Next(after)
			if b != nil || err != nil || !w.submitted {
				break
			}
			if time.Since(begun) > time.Minute {
				err = errors.New("the batch was not delivered within a minute")
				break
			}
		}
	})
	if b != nil {
		w.submitted = false
	}
	return b, position, err
}

func (w *waiting) Close() (err error) {
	w.outside.do(func() { err = w.Sequencer.Close() })
	return err
}

// TestLog: the log works with a stream of one replica.
func TestLog(t *testing.T) {
	checks := flag.Lookup("rapid.checks")
	before := checks.Value.String()
	if err := checks.Value.Set("10"); err != nil { // each makes a stream
		t.Fatal(err)
	}
	t.Cleanup(func() { checks.Value.Set(before) })
	fresh := func(t *testing.T) eventlogtest.Location {
		store, err := memory.New(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return eventlogtest.Location{Open: func() eventlog.Store { return store }}
	}
	n, outside := startCluster(t, 1, true)[0], newOutside(t)
	var streams atomic.Int64
	eventlogtest.RunLog(t, fresh, func() eventlog.Sequencer {
		w := &waiting{outside: outside}
		outside.do(func() {
			s, err := n.createStream(context.Background(), fmt.Sprint(streamName, streams.Add(1)), "history", 0, 1)
			if err != nil {
				t.Error(err)
				return
			}
			if w.Sequencer, err = s.NewSequencer(0, eventlog.Current, nil, discard); err != nil {
				t.Error(err)
			}
			t.Cleanup(func() { w.Sequencer.Close() })
		})
		return w
	})
}

// awaitNext waits for the batch after a position.
func awaitNext(t *testing.T, q *Sequencer, after uint64) *eventlog.Batch {
	t.Helper()
	for begun := time.Now(); time.Since(begun) < time.Minute; time.Sleep(100 * time.Microsecond) {
		switch b, at, err := q.Next(after); {
		case err != nil:
			t.Fatal(err)
		case b != nil && at != after+1:
			t.Fatalf("after %d, the position is %d", after, at)
		case b != nil:
			return b
		}
	}
	t.Fatalf("there was no batch after %d within a minute", after)
	return nil
}

// TestThree: three members deliver the batches of each in one order, and a member that starts late reads all of them. A stream
// that follows the data of a server that ran alone begins after its position.
func TestThree(t *testing.T) {
	nodes := startCluster(t, 3, false)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	const first = 41
	var streams []*Stream
	var qs []*Sequencer
	open := func(s *Stream) *Sequencer {
		q, err := s.NewSequencer(first, eventlog.Current, nil, discard)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { q.Close() })
		return q
	}
	for _, n := range nodes {
		s, err := n.CreateStream(ctx, "history", first, 3)
		for err != nil && !errors.Is(err, ErrForeign) && ctx.Err() == nil { // there is a majority, and the third may not be known yet
			time.Sleep(20 * time.Millisecond)
			s, err = n.CreateStream(ctx, "history", first, 3)
		}
		if err != nil {
			t.Fatal(err)
		}
		streams, qs = append(streams, s), append(qs, open(s))
	}
	const batches = 20
	for i := range uint64(batches) {
		if err := qs[i%3].Submit(&eventlog.Batch{At: 1, Node: fmt.Sprint("node", i%3), Seq: i, Incarnation: 7}); err != nil {
			t.Fatal(err)
		}
		for j, q := range qs {
			if b := awaitNext(t, q, first+i); b.Seq != i {
				t.Fatalf("node %d: batch %d is %+v", j, i, b)
			}
		}
	}
	late := open(streams[1])
	for i := range uint64(batches) {
		if b := awaitNext(t, late, first+i); b.Seq != i {
			t.Fatalf("a late reader: batch %d is %+v", i, b)
		}
	}
	skipping, err := streams[2].NewSequencer(first+4, eventlog.Current, map[uint64]bool{first + 6: true}, discard)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { skipping.Close() })
	for i, node := range []string{"node1", "", "node0"} {
		if b := awaitNext(t, skipping, first+4+uint64(i)); b.Node != node {
			t.Errorf("a reader that skips batch 5: batch %d is %+v", 4+i, b)
		}
	}
	if b := awaitNext(t, late, first+5); b.Seq != 5 { // the store was reset
		t.Fatalf("read again: batch 5 is %+v", b)
	}
}

// TestForeign: a stream of another history, one with other settings, and one that ends before the member are errors that say
// what to do, and nothing is changed.
func TestForeign(t *testing.T) {
	n := startCluster(t, 1, true)[0]
	refused := func(name, history string, want ...string) {
		t.Helper()
		_, err := n.createStream(t.Context(), name, history, 0, 1)
		if !errors.Is(err, ErrForeign) {
			t.Fatalf("%s: %v, want ErrForeign", name, err)
		}
		for _, part := range want {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%s: the error %q does not say %q", name, err, part)
			}
		}
	}
	s, err := n.createStream(t.Context(), "A", "mine", 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	refused("A", "theirs", `"mine"`, `"theirs"`, "empty folder")
	for name, change := range map[string]func(*js.StreamConfig){
		"B": func(c *js.StreamConfig) { c.MaxAge = time.Hour },
		"C": func(c *js.StreamConfig) { c.Discard = js.DiscardOld },
		"D": func(c *js.StreamConfig) { c.DenyDelete = false },
		"E": func(c *js.StreamConfig) { c.MaxBytes = 1 << 20 },
		"F": func(c *js.StreamConfig) { c.Storage = js.MemoryStorage },
	} {
		other := *s
		other.name = name
		cfg := other.config(0, 1)
		change(&cfg)
		if _, err := s.js.CreateStream(t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
		refused(name, "mine", "has the setting", "restore")
	}
	q, err := s.NewSequencer(9, eventlog.Current, nil, discard) // its store is ahead of the stream
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	for begun := time.Now(); ; time.Sleep(time.Millisecond) {
		b, _, err := q.Next(9)
		if err != nil {
			if !strings.Contains(err.Error(), "the stream ends at 0, and this member has applied 9") {
				t.Errorf("a stream that ends before the member: %v", err)
			}
			break
		}
		if b != nil || time.Since(begun) > time.Minute {
			t.Fatalf("a stream that ends before the member: %+v", b)
		}
	}
}

// newSequencer creates a stream, and a sequencer that reads it from the beginning until the test ends.
func newSequencer(t *testing.T, n *Node) (*Stream, *Sequencer) {
	t.Helper()
	s, err := n.CreateStream(t.Context(), "history", 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	q, err := s.NewSequencer(0, eventlog.Current, nil, discard)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { q.Close() })
	return s, q
}

// TestMessages: a message that no member has written is an empty batch; one of another version of the envelope is an error.
func TestMessages(t *testing.T) {
	n := startCluster(t, 1, true)[0]
	s, q := newSequencer(t, n)
	other, err := NewSecret([]byte("another secret, which is long enough"))
	if err != nil {
		t.Fatal(err)
	}
	content, err := (&eventlog.Batch{At: 1, Node: "n", Seq: 1, Incarnation: 7}).Encode()
	if err != nil {
		t.Fatal(err)
	}
	own := n.opt.Secret.seal("history", content)
	flipped := append([]byte(nil), own...)
	flipped[len(flipped)-1] ^= 1
	for i, message := range [][]byte{nil, []byte("hello"), other.seal("history", content), n.opt.Secret.seal("another", content), flipped} {
		if _, err := s.js.Publish(t.Context(), s.subject(), message); err != nil {
			t.Fatal(err)
		}
		if b := awaitNext(t, q, uint64(i)); b.Node != "" || len(b.Commands) != 0 {
			t.Errorf("message %d is %+v", i, b)
		}
	}
	newer := append([]byte{envelopeVersion + 1}, n.opt.Secret.mac("history", envelopeVersion+1, content)...)
	if _, err := s.js.Publish(t.Context(), s.subject(), append(newer, content...)); err != nil {
		t.Fatal(err)
	}
	for begun := time.Now(); ; time.Sleep(time.Millisecond) {
		b, _, err := q.Next(5)
		if err != nil && strings.Contains(err.Error(), "install the version of ramai") {
			break
		}
		if b != nil || time.Since(begun) > time.Minute {
			t.Fatalf("a message of a newer version: %+v, %v", b, err)
		}
	}
}

// TestSecret: a secret that is too short is refused, with what would be right.
func TestSecret(t *testing.T) {
	if _, err := NewSecret([]byte("short")); err == nil || !strings.Contains(err.Error(), "has 5 bytes") || !strings.Contains(err.Error(), "head -c 32") {
		t.Errorf("a short secret: %v", err)
	}
}

// TestAddress: an address of a member that cannot be one is refused, with its value.
func TestAddress(t *testing.T) {
	for _, a := range []string{"", "a", "a:", "a:0", "a:70000", ":6222", "a:b"} {
		if err := CheckAddress(a); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%q", a)) || !strings.Contains(err.Error(), "6222") {
			t.Errorf("%q: %v", a, err)
		}
	}
}
