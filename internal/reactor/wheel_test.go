package reactor

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestWheelFiresOnce(t *testing.T) {
	const turn = wheelSlots * wheelTick
	for _, at := range []time.Duration{
		0, 1, wheelTick - 1, wheelTick, 20 * time.Millisecond, time.Second, 25 * time.Second,
		turn - 1, turn, turn + 1, time.Minute, time.Hour,
	} {
		var w wheel
		w.arm(7, at)
		var due []uint32
		for now := time.Duration(0); now < at+100*time.Millisecond; now += wheelTick / 3 {
			due = w.tick(now, due)
			if len(due) == 0 {
				if next, ok := w.next(); !ok || next > at+coarse*wheelTick {
					t.Fatalf("armed for %v: next is %v, %v", at, next, ok)
				}
			} else if now < at {
				t.Fatalf("armed for %v: came up at %v", at, now)
			}
		}
		if !slices.Equal(due, []uint32{7}) {
			t.Errorf("armed for %v: came up %v", at, due)
		}
		if next, ok := w.next(); ok {
			t.Errorf("armed for %v: next is %v when it is over", at, next)
		}
	}
}

func TestWheelKeepsTheEarlierTime(t *testing.T) {
	var w wheel
	w.arm(0, time.Hour)
	w.arm(0, 50*time.Millisecond)
	w.arm(0, time.Minute)
	if due := w.tick(40*time.Millisecond, nil); len(due) != 0 {
		t.Errorf("early: %v", due)
	}
	if due := w.tick(60*time.Millisecond, nil); !slices.Equal(due, []uint32{0}) {
		t.Errorf("came up: %v", due)
	}
	if due := w.tick(2*time.Hour, nil); len(due) != 0 {
		t.Errorf("again: %v", due)
	}
}

func TestWheelAfterLongSleep(t *testing.T) {
	var w wheel
	w.tick(1000*time.Hour, nil) // nothing was armed for long
	w.arm(1, 500*time.Hour)     // in the past
	w.arm(2, 1000*time.Hour+time.Second)
	w.arm(3, math.MaxInt64)
	if due := w.tick(1000*time.Hour+wheelTick, nil); !slices.Equal(due, []uint32{1}) {
		t.Errorf("came up: %v", due)
	}
	if due := w.tick(2000*time.Hour, nil); !slices.Equal(due, []uint32{2}) {
		t.Errorf("came up: %v", due)
	}
}

// TestWheelModel compares the wheel with a list of times.
func TestWheelModel(t *testing.T) {
	const late = coarse * wheelTick // how late an entry may fire
	rapid.Check(t, func(t *rapid.T) {
		var w wheel
		var now time.Duration
		armed := make(map[uint32]time.Duration)
		id := rapid.Uint32Range(0, 2*wheelSlab)
		wait := rapid.OneOf(
			rapid.Int64Range(0, int64(50*time.Millisecond)),
			rapid.Int64Range(0, int64(3*wheelSlots*wheelTick)),
		)
		t.Repeat(map[string]func(*rapid.T){
			"arm": func(t *rapid.T) {
				id, at := id.Draw(t, "id"), now+time.Duration(wait.Draw(t, "wait"))
				w.arm(id, at)
				if old, ok := armed[id]; !ok || at < old {
					armed[id] = at
				}
			},
			"clear": func(t *rapid.T) {
				id := id.Draw(t, "id")
				w.clear(id)
				delete(armed, id)
			},
			"tick": func(t *rapid.T) {
				now += time.Duration(wait.Draw(t, "wait"))
				for _, id := range w.tick(now, nil) {
					at, ok := armed[id]
					if !ok || at > now {
						t.Fatalf("%d came up at %v, armed for %v (%v)", id, now, at, ok)
					}
					delete(armed, id)
				}
			},
			"": func(t *rapid.T) {
				next, ok := w.next()
				if ok != (len(armed) > 0) {
					t.Fatalf("next says %v with %d entries", ok, len(armed))
				}
				for id, at := range armed {
					if at+late < now {
						t.Fatalf("%d, armed for %v, has not come up at %v", id, at, now)
					}
					if next > max(at, now)+late {
						t.Fatalf("next is %v, but %d is armed for %v", next, id, at)
					}
				}
			},
		})
	})
}
