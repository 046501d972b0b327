package eventlog

import (
	"slices"

	"ramai/wire"
)

// Every record has a number, and not every record is a message. Clients ask for numbers of messages, so the state holds for
// each room the other numbers among its newest MaxCounted messages: nothing for a room that has messages only.

// MaxCounted is the maximum number of a room's messages that are counted.
const MaxCounted = wire.MaxLast

// addOther records that a number of a room is not a message.
func (c *Delta) addOther(room string, n uint64) {
	others, own := c.others[room]
	if !own {
		others = slices.Clone(c.state.others[room])
	}
	c.others[room] = addOther(others, n)
}

// addOther appends a number to ascending ranges, and drops the ones that MaxCounted messages follow.
func addOther(others []wire.Range, n uint64) []wire.Range {
	if k := len(others); k > 0 && others[k-1].To+1 == n {
		others[k-1].To = n
	} else {
		others = append(others, wire.Range{From: n, To: n})
	}
	messages := uint64(0)
	for i := len(others) - 1; i > 0; i-- {
		if messages += others[i].From - others[i-1].To - 1; messages >= MaxCounted {
			return slices.Delete(others, 0, i)
		}
	}
	return others
}

// StartOf returns the position in a room after which its newest messages begin, count of them, or MaxCounted if that is less.
func (s *State) StartOf(room string, count int) uint64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	bounds := s.bounds(room)
	left, last := uint64(min(max(count, 0), MaxCounted)), bounds.Last
	for _, r := range slices.Backward(s.others[room]) {
		if left == 0 || r.To < bounds.First {
			break
		}
		messages := last - r.To
		if messages >= left {
			break
		}
		left, last = left-messages, r.From-1
	}
	if count <= 0 {
		return bounds.Last
	}
	return max(last-min(left, last), bounds.First-1)
}

// CountAfter returns how many messages of a room have numbers above n, or MaxCounted if there are more.
func (s *State) CountAfter(room string, n uint64) int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	bounds := s.bounds(room)
	n = max(n, bounds.First-1)
	if n >= bounds.Last {
		return 0
	}
	count := bounds.Last - n
	for _, r := range slices.Backward(s.others[room]) {
		if r.To <= n {
			break
		}
		count -= r.To - max(r.From-1, n)
	}
	return int(min(count, MaxCounted))
}

// OthersAt returns the range of numbers around n that are not messages, as far as it is known without reading; false: none is.
// Some of them may be deleted.
func (s *State) OthersAt(room string, n uint64) (wire.Range, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, r := range slices.Backward(s.others[room]) {
		if r.To < n {
			break
		}
		if r.From <= n {
			return r, true
		}
	}
	return wire.Range{}, false
}

// Others collects, for Snapshot.Others, the numbers of a room that are not messages: add takes them in descending order,
// beginning with the newest, until it returns false.
type Others struct {
	Ranges   []wire.Range // descending
	Last     uint64       // the room's newest number
	messages uint64
}

// Add takes the next number.
func (o *Others) Add(n uint64) bool {
	if k := len(o.Ranges); k > 0 && o.Ranges[k-1].From == n+1 {
		o.Ranges[k-1].From = n
		return true
	}
	above := o.Last + 1
	if k := len(o.Ranges); k > 0 {
		above = o.Ranges[k-1].From
	}
	if o.messages += above - n - 1; o.messages >= MaxCounted {
		return false
	}
	o.Ranges = append(o.Ranges, wire.Range{From: n, To: n})
	return true
}
