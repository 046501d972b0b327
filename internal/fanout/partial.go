package fanout

// MinPartial is the number of bytes of partial messages that a budget of any size has room for.
const MinPartial = 1 << 20

// A Partial holds a message that has been received in part. It must be comparable, so it is a pointer.
type Partial interface {
	// GiveUp asks the holder to discard the message. It may be called from any goroutine and must not block.
	GiveUp()
}

// SetPartial records that u holds n bytes now, in place of what it held before, and reserves them. With n = 0 it holds
// nothing. Partial messages may take an eighth of the budget, or MinPartial. Beyond that, the largest holder is told to
// give up and no longer counts.
func (b *Budget) SetPartial(u Partial, n int64) {
	b.mu.Lock()
	b.setPartial(u, n)
	var victims []Partial
	for b.partialBytes > max(b.max/8, MinPartial) {
		var limit Partial
		for other, n := range b.partials {
			if limit == nil || n > b.partials[limit] {
				limit = other
			}
		}
		b.setPartial(limit, 0)
		victims = append(victims, limit)
	}
	b.mu.Unlock()
	for _, u := range victims {
		u.GiveUp()
	}
}

// setPartial records what u holds. Called with mu held.
func (b *Budget) setPartial(u Partial, n int64) {
	more := n - b.partials[u]
	b.partialBytes += more
	b.reserved.Add(more)
	if b.partials[u] = n; n == 0 {
		delete(b.partials, u)
	}
}
