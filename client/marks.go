package client

import (
	"errors"
	"slices"
	"strconv"
	"time"

	"ramai/wire"
)

// maxMarks is how many marks may wait for an answer.
const maxMarks = 1000

// marks are the marks of this sender that the server has not answered, in order. They are sent one at a time, so that the later
// of two votes in a poll counts.
type marks struct {
	waiting   []waitingMark
	sent      bool      // waiting[0] was sent over this connection
	notBefore time.Time // nothing is sent before this
	count     int       // marks so far, for refs
}

type waitingMark struct {
	wire.Mark
	ref   string
	tried bool // it was sent, over this connection or an earlier one: the server may know it
}

// find returns the index of the first mark with a key from i on, or -1.
func (k *marks) find(i int, room string, of uint64, key string) int {
	for ; i < len(k.waiting); i++ {
		if m := &k.waiting[i]; m.Room == room && m.Of == of && m.Key == key {
			return i
		}
	}
	return -1
}

func (k *marks) remove(i int) {
	k.waiting = slices.Delete(k.waiting, i, i+1)
	if i == 0 {
		k.sent, k.notBefore = false, time.Time{}
	}
}

// mark queues a mark, in place of an unsent earlier one with this key. Votes are all kept, because each replaces another one.
func (c *core) mark(m wire.Mark) error {
	k := &c.marks
	from := 0
	if k.sent {
		from = 1
	}
	if i := k.find(from, m.Room, m.Of, m.Key); i >= 0 && !isOption(m.Key) {
		k.remove(i)
	} else if len(k.waiting) >= maxMarks {
		return errors.New("1,000 marks are waiting for the server; try again when it has answered some of them")
	}
	k.count++
	k.waiting = append(k.waiting, waitingMark{Mark: m, ref: c.prefix + "-m" + strconv.Itoa(k.count)})
	return nil
}

// nextMark returns the next mark to send.
func (c *core) nextMark(now time.Time) ([]byte, bool) {
	k := &c.marks
	if len(k.waiting) == 0 || k.sent || now.Before(k.notBefore) {
		return nil, false
	}
	m := &k.waiting[0]
	k.sent, m.tried = true, true
	return appendRef(wire.Append(nil, m.Mark), m.ref), true
}

// wake returns when the next mark may be sent, if it waits only for a time.
func (k *marks) wake() time.Time {
	if len(k.waiting) == 0 || k.sent {
		return time.Time{}
	}
	return k.notBefore
}

// disconnected returns the mark that was sent over the connection to the queue.
func (k *marks) disconnected() { k.sent, k.notBefore = false, time.Time{} }

// marked handles the answer to a mark, or a mark from another connection of this sender.
func (c *core) marked(f wire.Marked, raw []byte) {
	k := &c.marks
	if i := k.find(0, f.Room, f.Of, f.Key); i >= 0 {
		inFlight := i == 0 && k.sent
		if inFlight && f.Ref == k.waiting[i].ref || !inFlight && k.waiting[i].tried {
			k.remove(i) // the other connection's mark is later than those sent before
		}
	}
	c.emit(f, raw)
}

// refusedMark takes the error that answers a mark, and reports whether it is one.
func (c *core) refusedMark(now time.Time, f wire.Error, raw []byte) bool {
	k := &c.marks
	if !k.sent || f.Ref != k.waiting[0].ref {
		return false
	}
	if f.RetryAfterMS > 0 {
		k.sent, k.notBefore = false, now.Add(retryAfter(f.RetryAfterMS))
		return true
	}
	m := k.waiting[0].Mark
	k.remove(0)
	c.emit(RequestFailed{Request: m, Error: f}, raw)
	return true
}
