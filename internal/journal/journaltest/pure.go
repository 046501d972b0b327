package journaltest

import (
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"ramai/internal/journal"
	"ramai/wire"
)

func testPure(t *testing.T, fresh func(t *testing.T) Place) {
	Same(t, fresh, fresh)
}

// Same applies the same random batches to a store of each kind, and compares what becomes of them and what is stored.
func Same(t *testing.T, left, right func(t *testing.T) Place) {
	rapid.Check(t, func(r *rapid.T) {
		a, b := left(t).Open(), right(t).Open()
		for _, batch := range rapid.SliceOfN(batches(), 1, 8).Draw(r, "batches") {
			both(r, a, b, batch)
		}
		ja, jb := journaled{Store: a, t: r}, journaled{Store: b, t: r}
		for _, room := range someRooms {
			if a.Head(room) != b.Head(room) {
				r.Fatalf("the heads of %s are %v and %v", room, a.Head(room), b.Head(room))
			}
			if x, y := a.Times()[room], b.Times()[room]; x != y {
				r.Fatalf("the times of %s are %v and %v", room, x, y)
			}
			if x, y := ja.all(room), jb.all(room); !reflect.DeepEqual(x, y) {
				r.Fatalf("the rows of %s are\n%+v\nand\n%+v", room, x, y)
			}
		}
		if a.IDs() != b.IDs() {
			r.Fatalf("the ids are %v and %v", a.IDs(), b.IDs())
		}
		if a.Epoch() != b.Epoch() {
			r.Fatalf("the epochs are %+v and %+v", a.Epoch(), b.Epoch())
		}
		for _, room := range someRooms {
			for _, epoch := range someEpochs {
				for n := range uint64(20) {
					x, y := wire.Position{Log: a.Log(), Epoch: epoch, N: n}, wire.Position{Log: b.Log(), Epoch: epoch, N: n}
					if a.Knows(room, &x) != b.Knows(room, &y) {
						r.Fatalf("number %d of %s, heard in epoch %s, is known %t and %t", n, room, epoch, a.Knows(room, &x), b.Knows(room, &y))
					}
				}
			}
		}
		for _, by := range someSenders {
			if a.Name(by) != b.Name(by) {
				r.Fatalf("%s is %q and %q", by, a.Name(by), b.Name(by))
			}
		}
		for _, s := range []journal.Store{a, b} {
			if err := s.Close(); err != nil {
				r.Fatalf("Close: %v", err)
			}
		}
	})
}

// both applies a batch to a, and to b: there it is told twice, and the store is opened anew before that.
func both(t fatal, a, b journal.Store, batch journal.Batch) {
	t.Helper()
	position := a.Position() + 1
	x, err := a.Apply(&batch, position)
	if err != nil {
		t.Fatalf("Apply: %v", err)
	}
	if err := b.Reopen(); err != nil {
		t.Fatalf("Reopen: %v", err)
	}
	for range 2 {
		y, err := b.Apply(&batch, position)
		if err != nil {
			t.Fatalf("Apply: %v", err)
		}
		if !reflect.DeepEqual(x, y) {
			t.Fatalf("outcomes:\n%s\nand\n%s", brief(x), brief(y))
		}
	}
}

var (
	someRooms   = []string{"lobby", "cellar", "attic"}
	someSenders = []string{"anna", "bert", "carl"}
	someEpochs  = []string{"", "one", "two", "three"}
)

// batches draws from so little that ids, names and rooms meet.
func batches() *rapid.Generator[journal.Batch] {
	return rapid.Custom(func(t *rapid.T) journal.Batch {
		hours := rapid.IntRange(-2, 30).Draw(t, "hours")
		if rapid.IntRange(0, 3).Draw(t, "months later") == 0 {
			hours += rapid.IntRange(29, 32).Draw(t, "days") * 24
		}
		return journal.Batch{
			At:       start + wire.Time(hours)*hour,
			Expiry:   start + wire.Time(rapid.IntRange(-1, 30).Draw(t, "expiry"))*hour,
			MaxRooms: rapid.IntRange(1, len(someRooms)).Draw(t, "rooms"),
			Events:   rapid.SliceOfN(anEvent(), 0, 8).Draw(t, "events"),
		}
	})
}

func anEvent() *rapid.Generator[journal.Event] {
	return rapid.Custom(func(t *rapid.T) journal.Event {
		by := rapid.SampledFrom(someSenders).Draw(t, "by")
		switch kind := rapid.SampledFrom([]journal.Kind{journal.Say, journal.Say, journal.Say, journal.Claim, journal.Release, journal.Restart, journal.Trim, journal.Disown, journal.Expire, journal.Turn, journal.Forget, journal.Remove}).Draw(t, "kind"); kind {
		case journal.Say:
			e := say(by, rapid.SampledFrom(someRooms).Draw(t, "room"), rapid.StringMatching("[a-d]").Draw(t, "id"), rapid.StringMatching("[xy]").Draw(t, "text"))
			e.Once = rapid.IntRange(0, 3).Draw(t, "once") == 0
			e.Own = rapid.SampledFrom([]string{"", "queen", "king"}).Draw(t, "own")
			return e
		case journal.Claim:
			e := claim(by, rapid.SampledFrom([]string{"Queen", "QUEEN", "King"}).Draw(t, "name"))
			e.Bound = rapid.Bool().Draw(t, "bound")
			return e
		case journal.Turn:
			return turn(rapid.Uint64Range(0, 5).Draw(t, "generation"))
		case journal.Remove:
			return remove(rapid.SampledFrom(someRooms).Draw(t, "room"), rapid.Uint64Range(0, 6).Draw(t, "to"))
		case journal.Disown:
			return disown(rapid.SampledFrom([]string{"Queen", "King"}).Draw(t, "name"))
		case journal.Trim:
			return trim(rapid.SampledFrom(someRooms).Draw(t, "room"), rapid.Uint64Range(0, 12).Draw(t, "to"))
		case journal.Restart:
			return begin(rapid.SampledFrom(someEpochs).Draw(t, "epoch"))
		default:
			return journal.Event{Kind: kind, By: by}
		}
	})
}
