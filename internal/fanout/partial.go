package fanout

// MinPartial is how many bytes of unfinished messages a budget of any size has room for.
const MinPartial = 1 << 20

// An Partial holds a message of which only a part has come. It is compared with others, so it is a pointer.
type Partial interface {
	// GiveUp asks to let go of it. It may be called from any goroutine, and must not block.
	GiveUp()
}

// SetPartial says that u holds n bytes now, whatever it held before; 0: it holds nothing any more. They are reserved. Unfinished
// messages may take an eighth of the budget, or MinPartial: beyond that whoever holds most gives up, and counts no more.
func (b *Budget) SetPartial(u Partial, n int64) {
	b.mu.Lock()
	b.setPartial(u, n)
	var over []Partial
	for b.partialBytes > max(b.max/8, MinPartial) {
		var limit Partial
		for other, n := range b.partials {
			if limit == nil || n > b.partials[limit] {
				limit = other
			}
		}
		b.setPartial(limit, 0)
		over = append(over, limit)
	}
	b.mu.Unlock()
	for _, u := range over {
		u.GiveUp()
	}
}

// setPartial counts what u holds. Called with mu held.
func (b *Budget) setPartial(u Partial, n int64) {
	more := n - b.partials[u]
	b.partialBytes += more
	b.reserved.Add(more)
	if b.partials[u] = n; n == 0 {
		delete(b.partials, u)
	}
}
