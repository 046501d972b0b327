package reactor

import (
	"math/bits"
	"time"
)

// One revolution of the wheel takes 32.8 s, which is more than most waits here.
const (
	wheelTick  = 8 * time.Millisecond
	wheelSlots = 4096 // a power of two
	wheelSlab  = 1024 // entries added to links at a time

	// A wait of more than coarseFrom ticks may last up to coarse ticks longer, so that many long waits end together and
	// wake the loop less often.
	coarseFrom = int64(time.Second / wheelTick)
	coarse     = 4 // a power of two
)

// wheel is a hashed timing wheel (Varghese and Lauck, 1987, scheme 6): an entry is in the list of its tick modulo the
// number of slots. Entries are small numbers, and lists are links between them in tables without pointers, so an entry
// costs 16 bytes and no work for the garbage collector. Times count from a start chosen by the owner. An entry fires
// once, up to a tick after its time (long waits: up to 4), and never before.
type wheel struct {
	done  int64                   // last tick whose entries have fired
	heads [wheelSlots]uint32      // first entry of each list, plus one
	used  [wheelSlots / 64]uint64 // one bit for each list that is not empty
	links [][]link                // by entry
}

// link is the position of an entry in its list.
type link struct {
	next, prev uint32 // entries, plus one; 0: none
	tick       int64  // when it fires; 0: not in a list
}

func (w *wheel) link(id uint32) *link { return &w.links[id/wheelSlab][id%wheelSlab] }

// arm makes id fire at a time, or earlier if it is armed for an earlier one.
func (w *wheel) arm(id uint32, at time.Duration) {
	tick := max(int64(at/wheelTick), w.done) + 1
	if tick-w.done > coarseFrom {
		tick |= coarse - 1
	}
	for int(id/wheelSlab) >= len(w.links) {
		w.links = append(w.links, make([]link, wheelSlab))
	}
	l := w.link(id)
	if l.tick != 0 {
		if l.tick <= tick {
			return
		}
		w.clear(id)
	}
	slot := tick % wheelSlots
	head := w.heads[slot]
	*l = link{next: head, tick: tick}
	if head != 0 {
		w.link(head - 1).prev = id + 1
	}
	w.heads[slot] = id + 1
	w.used[slot/64] |= 1 << (slot % 64)
}

// clear disarms id.
func (w *wheel) clear(id uint32) {
	if int(id/wheelSlab) >= len(w.links) {
		return
	}
	l := w.link(id)
	if l.tick == 0 {
		return
	}
	if l.next != 0 {
		w.link(l.next - 1).prev = l.prev
	}
	if l.prev != 0 {
		w.link(l.prev - 1).next = l.next
	} else {
		slot := l.tick % wheelSlots
		if w.heads[slot] = l.next; l.next == 0 {
			w.used[slot/64] &^= 1 << (slot % 64)
		}
	}
	*l = link{}
}

// tick appends the entries that have fired by now to due.
func (w *wheel) tick(now time.Duration, due []uint32) []uint32 {
	until := int64(now / wheelTick)
	for range min(until-w.done, wheelSlots) { // more would visit lists twice
		w.done++
		slot := w.done % wheelSlots
		if w.used[slot/64]&(1<<(slot%64)) == 0 {
			continue
		}
		for next := w.heads[slot]; next != 0; {
			id := next - 1
			l := w.link(id)
			next = l.next
			if l.tick <= until { // not in a later revolution
				w.clear(id)
				due = append(due, id)
			}
		}
	}
	w.done = max(w.done, until)
	return due
}

// next returns a time before which nothing fires, or false if nothing is armed.
func (w *wheel) next() (time.Duration, bool) {
	first := uint64(w.done+1) % wheelSlots
	for i := range uint64(wheelSlots/64 + 1) {
		word := (first/64 + i) % (wheelSlots / 64)
		set := w.used[word]
		switch i {
		case 0:
			set &^= 1<<(first%64) - 1
		case wheelSlots / 64: // the start of the first word, last
			set &= 1<<(first%64) - 1
		}
		if set != 0 {
			slot := word*64 + uint64(bits.TrailingZeros64(set))
			ahead := (slot - first) % wheelSlots
			return time.Duration(w.done+1+int64(ahead)) * wheelTick, true
		}
	}
	return 0, false
}
