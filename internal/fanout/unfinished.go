package fanout

// MinUnfinished is how many bytes of unfinished messages a budget of any size has room for.
const MinUnfinished = 1 << 20

// An Unfinished holds a message of which only a part has come. It is compared with others, so it is a pointer.
type Unfinished interface {
	// GiveUp asks to let go of it. It may be called from any goroutine, and must not block.
	GiveUp()
}

// Hold says that u holds n bytes now, whatever it held before; 0: it holds nothing any more. They are reserved. Unfinished
// messages may take an eighth of the budget, or MinUnfinished: beyond that whoever holds most gives up, and counts no more.
func (b *Budget) Hold(u Unfinished, n int64) {
	b.mu.Lock()
	b.hold(u, n)
	var over []Unfinished
	for b.unfinished > max(b.max/8, MinUnfinished) {
		var most Unfinished
		for other, n := range b.held {
			if most == nil || n > b.held[most] {
				most = other
			}
		}
		b.hold(most, 0)
		over = append(over, most)
	}
	b.mu.Unlock()
	for _, u := range over {
		u.GiveUp()
	}
}

// hold counts what u holds. Called with mu held.
func (b *Budget) hold(u Unfinished, n int64) {
	more := n - b.held[u]
	b.unfinished += more
	b.reserved.Add(more)
	if b.held[u] = n; n == 0 {
		delete(b.held, u)
	}
}
