package jetstream

import (
	"slices"
	"testing"
	"time"

	"ramai/internal/eventlog"
)

// TestHandOver: when another member begins to lead, the newest batch is sent again. When a member stops, the stream is read with another
// consumer, and continues where it was.
func TestHandOver(t *testing.T) {
	n := startCluster(t, 1, true)[0]
	s, q := newSequencer(t, n)
	submit := func(seq uint64) {
		t.Helper()
		if err := q.Submit(&eventlog.Batch{At: 1, Node: "a", Seq: seq}); err != nil {
			t.Fatal(err)
		}
	}
	submit(1)
	awaitNext(t, q, 0)
	if err := n.conn.Publish("$JS.EVENT.ADVISORY.STREAM.LEADER_ELECTED."+s.name, nil); err != nil {
		t.Fatal(err)
	}
	if b := awaitNext(t, q, 1); b.Seq != 1 {
		t.Errorf("after the batch: %+v, want a copy", b)
	}

	consumers := func() (names []string) {
		stream, err := s.js.Stream(t.Context(), s.name)
		if err != nil {
			t.Fatal(err)
		}
		list := stream.ConsumerNames(t.Context())
		for name := range list.Name() {
			names = append(names, name)
		}
		return names
	}
	before := consumers()
	if err := q.events.Publish("$SYS.SERVER.another.SHUTDOWN", nil); err != nil {
		t.Fatal(err)
	}
	for begun := time.Now(); !slices.ContainsFunc(consumers(), func(name string) bool { return !slices.Contains(before, name) }); time.Sleep(time.Millisecond) {
		if time.Since(begun) > time.Minute {
			t.Fatalf("the stream is read with the consumers %v, as before a member has stopped", before)
		}
	}
	submit(2)
	if b := awaitNext(t, q, 2); b.Seq != 2 {
		t.Errorf("after a member has stopped: %+v", b)
	}
}
