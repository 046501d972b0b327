package rehearse

import (
	"sync"
	"sync/atomic"

	"ramai/internal/frame"
)

// ledger is the order of all messages, as the first client to receive them saw it. All other clients must see the same.
//
// A message has an index: its number in ramai.v1, or its position since the rehearsal began in the plain protocol.
type ledger struct {
	mu        sync.Mutex
	index     [][]int32                               // guarded by mu: by publisher and sequence number: index plus one
	disorder  int64                                   // guarded by mu: messages received after a later one of their publisher
	published []atomic.Int64                          // by publisher: messages published
	pages     [1 << 14]atomic.Pointer[page]           // read without a lock
	size      atomic.Int64                            // messages recorded
	recent    [1 << 11]atomic.Pointer[checkedMessage] // newest messages, at their index modulo the length
	spare     []checkedMessage                        // guarded by mu: memory for messages to remember
	spareText []byte                                  // guarded by mu: memory for their frames
}

// checkedMessage is a message that the first client to receive it has checked. It never changes.
type checkedMessage struct {
	index int // in the ledger
	stamp stamp
	due   int64
	n     uint64 // ramai.v1: its number
	frame []byte // the frame as received, provided that the server uses the shortest header
}

const pageSize = 1 << 12

// page holds stamps. Those below the ledger's size never change.
type page [pageSize]stamp

// stamp identifies a message of the rehearsal: publisher and sequence number. It is never zero.
type stamp uint64

func stampOf(publisher, seq int) stamp { return stamp(uint64(publisher+1)<<40 | uint64(seq)) }

func (s stamp) publisher() int { return int(s>>40) - 1 }

func (s stamp) seq() int { return int(s & (1<<40 - 1)) }

func newLedger(publishers int) *ledger {
	return &ledger{index: make([][]int32, publishers), published: make([]atomic.Int64, publishers)}
}

// wasPublished reports whether s was published.
func (l *ledger) wasPublished(s stamp) bool {
	return s.seq() > 0 && s.publisher() < len(l.published) && int64(s.seq()) <= l.published[s.publisher()].Load()
}

// at returns the message at index i, or zero if there is none yet.
func (l *ledger) at(i int) stamp {
	if int64(i) >= l.size.Load() {
		return 0
	}
	return l.pages[i/pageSize].Load()[i%pageSize]
}

// recentAt returns the message at index i, or nil if it is no longer kept.
func (l *ledger) recentAt(i int) *checkedMessage {
	if t := l.recent[i%len(l.recent)].Load(); t != nil && t.index == i {
		return t
	}
	return nil
}

// remember keeps a message and the frame of its payload. Memory is taken for many at once, so that a message costs no
// allocation.
func (l *ledger) remember(m checkedMessage, payload []byte) {
	l.mu.Lock()
	if len(l.spare) == 0 {
		l.spare = make([]checkedMessage, 256)
	}
	if size := frame.HeaderLen(len(payload)) + len(payload); cap(l.spareText)-len(l.spareText) < size {
		l.spareText = make([]byte, 0, max(size, 64<<10))
	}
	kept, before := &l.spare[0], len(l.spareText)
	l.spare, l.spareText = l.spare[1:], frame.AppendText(l.spareText, payload)
	*kept = m
	kept.frame = l.spareText[before:len(l.spareText):len(l.spareText)]
	l.mu.Unlock()
	l.recent[m.index%len(l.recent)].Store(kept)
}

// note records s at index i, if that is the first free index and s has none yet. It returns the index of s, or -1, and
// whether it was recorded now.
func (l *ledger) note(i int, s stamp) (at int, written bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if at := l.indexOf(s); at >= 0 {
		return at, false
	}
	if i != int(l.size.Load()) || i/pageSize >= len(l.pages) {
		return -1, false
	}
	p := l.pages[i/pageSize].Load()
	if p == nil {
		p = new(page)
		l.pages[i/pageSize].Store(p)
	}
	p[i%pageSize] = s
	known, seq := &l.index[s.publisher()], s.seq()
	if seq < len(*known) {
		l.disorder++
	} else {
		*known = append(*known, make([]int32, seq+1-len(*known))...)
	}
	(*known)[seq] = int32(i) + 1
	l.size.Store(int64(i + 1))
	return i, true
}

// indexOf returns the index of s, or -1. Called with mu held.
func (l *ledger) indexOf(s stamp) int {
	if known := l.index[s.publisher()]; s.seq() < len(known) {
		return int(known[s.seq()]) - 1
	}
	return -1
}

// receiver is what one client has received. It is owned by the goroutine that receives.
type receiver struct {
	ledger  *ledger
	next    int            // index of the next message
	skipped map[int]bool   // lower indices that were not received
	early   map[stamp]bool // received before they had an index; whatever it is now, they are not skipped
	tally
}

// tally counts correct and wrong deliveries.
type tally struct {
	Delivered  int64 `json:"delivered"`
	Lost       int64 `json:"lost"`
	Duplicated int64 `json:"duplicated"`
	OutOfOrder int64 `json:"out_of_order"`
}

// Good reports whether everything was received once and in one order.
func (t *tally) Good() bool { return t.Lost == 0 && t.Duplicated == 0 && t.OutOfOrder == 0 }

func (t *tally) add(o tally) {
	t.Delivered += o.Delivered
	t.Lost += o.Lost
	t.Duplicated += o.Duplicated
	t.OutOfOrder += o.OutOfOrder
}

// received returns the number of distinct messages.
func (e *receiver) received() int64 { return e.Delivered - e.Duplicated }

// receive checks one message against the ledger. It returns the index of s, or -1, and whether this receiver was the
// first.
func (e *receiver) receive(s stamp) (at int, first bool) {
	e.Delivered++
	if e.ledger.at(e.next) == s && !e.early[s] {
		e.next++
		return e.next - 1, false
	}
	at, first = e.ledger.note(e.next, s)
	switch {
	case e.early[s] || at >= 0 && at < e.next && !e.skipped[at]:
		e.Duplicated++
	case at < 0: // others will receive it later, or never: the orders differ
		e.OutOfOrder++
		if e.early == nil {
			e.early = make(map[stamp]bool)
		}
		e.early[s] = true
	case at < e.next:
		e.OutOfOrder++
		delete(e.skipped, at)
	}
	for ; e.next < at; e.next++ {
		if e.skipped == nil {
			e.skipped = make(map[int]bool)
		}
		e.skipped[e.next] = true
	}
	e.next = max(e.next, at+1)
	return at, first
}
