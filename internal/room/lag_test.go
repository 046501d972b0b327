package room

import (
	"slices"
	"testing"
	"time"
)

// TestSampleLag: SampleLag counts how far members are behind, and counts those that make no progress as slow.
func TestSampleLag(t *testing.T) {
	st := newHarness(t, 1<<20)
	first := st.Join("den", Text, &countingMember{})
	first.SetPosition(0)
	st.publish("den", "one", "two", "three")
	second := st.Join("den", JSON, &countingMember{})
	var w LagSampler
	sample := func(after time.Duration, slow int, want ...uint32) {
		t.Helper()
		var got []uint32
		n := st.SampleLag(&w, start.Add(after), func(behind uint32) {
			got = append(got, behind)
			if r := st.room("den"); r.mu.TryLock() {
				r.mu.Unlock()
			} else {
				t.Error("the room is locked while its members are sampled")
			}
		})
		slices.Sort(got)
		if !slices.Equal(got, want) || n != slow {
			t.Errorf("after %v: %v, %d slow, want %v, %d", after, got, n, want, slow)
		}
	}
	sample(0, 0, 0, 3)
	second.SetPosition(4) // read from the store, ahead of the feed
	sample(5*time.Second, 0, 0, 3)
	sample(10*time.Second, 1, 0, 3)
	first.SetPosition(1)
	sample(15*time.Second, 0, 0, 2)
	sample(25*time.Second, 1, 0, 2)
	first.Leave()
	sample(40*time.Second, 0, 0)
	if len(w.behind) != 0 {
		t.Error("a member that has left is remembered")
	}
	if slices.ContainsFunc(w.subs[:cap(w.subs)], func(s *Subscription) bool { return s != nil }) {
		t.Error("subscriptions are kept")
	}
	if n, memory := st.Rooms(), st.Memory(); n != 1 || memory.Buffers != 0 || memory.Max != 1<<20 {
		t.Errorf("there are %d rooms, with %+v", n, memory)
	}
}
