package room

import (
	"slices"
	"testing"
	"time"
)

// Who is behind is counted, and who has not moved for long is frozen.
func TestLook(t *testing.T) {
	st := newStage(t, 1<<20)
	first := st.Join("den", Line, &guest{})
	first.Reached(0)
	st.say("den", "one", "two", "three")
	second := st.Join("den", JSON, &guest{})
	var w Watch
	look := func(after time.Duration, frozen int, want ...uint32) {
		t.Helper()
		var got []uint32
		n := st.Look(&w, start.Add(after), func(behind uint32) { got = append(got, behind) })
		slices.Sort(got)
		if !slices.Equal(got, want) || n != frozen {
			t.Errorf("after %v: %v, %d frozen, want %v, %d", after, got, n, want, frozen)
		}
	}
	look(0, 0, 0, 3)
	second.Reached(4) // from the journal, ahead of the feed
	look(5*time.Second, 0, 0, 3)
	look(10*time.Second, 1, 0, 3)
	first.Reached(1)
	look(15*time.Second, 0, 0, 2)
	look(25*time.Second, 1, 0, 2)
	first.Leave()
	look(40*time.Second, 0, 0)
	if len(w.behind) != 0 {
		t.Error("who has left is remembered")
	}
	if s := st.Stats(); s.Rooms != 1 || s.Memory.Tapes != 0 || s.Memory.Max != 1<<20 {
		t.Errorf("the hub is %+v", s)
	}
}
