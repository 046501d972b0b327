package rehearse

import (
	"sync"
	"sync/atomic"
)

// ledger is the order of everything that was heard, as whoever was first heard it. Everybody else must hear the same.
//
// A message stands under its index: on ramai.v1 its number, on the plain door its place since the rehearsal began.
type ledger struct {
	mu        sync.Mutex
	index     [][]int32                               // guarded by mu: by talker and message of it, where that stands, plus one
	disorder  int64                                   // guarded by mu: those that everybody heard after a later one of their talker
	published []atomic.Int64                          // by talker: messages handed out
	pages     [1 << 14]atomic.Pointer[page]           // readers look without a lock
	size      atomic.Int64                            // messages written
	recent    [1 << 11]atomic.Pointer[checkedMessage] // the newest of them, each under its index modulo their number
}

// take is a message as whoever was first heard and checked it. It never changes.
type checkedMessage struct {
	index int // where it stands
	stamp stamp
	due   int64
	n     uint64 // ramai.v1: its number
	frame []byte // the very bytes that came, if the server's frames are no longer than they have to be
}

const pageSize = 1 << 12

// page holds stamps; those below the ledger's size never change.
type page [pageSize]stamp

// stamp is what a message of the rehearsal says: who said it as which. Never zero.
type stamp uint64

func stampOf(publisher, seq int) stamp { return stamp(uint64(publisher+1)<<40 | uint64(seq)) }

func (s stamp) publisher() int { return int(s>>40) - 1 }

func (s stamp) seq() int { return int(s & (1<<40 - 1)) }

func newLedger(publishers int) *ledger {
	return &ledger{index: make([][]int32, publishers), published: make([]atomic.Int64, publishers)}
}

// wasPublished tells whether s was said.
func (l *ledger) wasPublished(s stamp) bool {
	return s.seq() > 0 && s.publisher() < len(l.published) && int64(s.seq()) <= l.published[s.publisher()].Load()
}

// at returns what stands under i, or zero if nothing does yet.
func (l *ledger) at(i int) stamp {
	if int64(i) >= l.size.Load() {
		return 0
	}
	return l.pages[i/pageSize].Load()[i%pageSize]
}

// take returns the message that stands under i, or nil if it is not kept.
func (l *ledger) recentAt(i int) *checkedMessage {
	if t := l.recent[i%len(l.recent)].Load(); t != nil && t.index == i {
		return t
	}
	return nil
}

func (l *ledger) remember(t *checkedMessage) { l.recent[t.index%len(l.recent)].Store(t) }

// note writes s under i, if that is the first free index and s stands nowhere yet. It returns where s stands, or -1,
// and whether it was written now.
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

// indexOf returns where s indexOf, or -1. It is called with mu held.
func (l *ledger) indexOf(s stamp) int {
	if known := l.index[s.publisher()]; s.seq() < len(known) {
		return int(known[s.seq()]) - 1
	}
	return -1
}

// receiver is what one client has heard. It is owned by the goroutine that hears.
type receiver struct {
	ledger  *ledger
	next    int            // the index that has to come next
	skipped map[int]bool   // indices before it that have not come
	early   map[stamp]bool // heard when they stood nowhere yet; wherever they stand by now, they are not skipped
	tally
}

// tally counts what went right and wrong.
type tally struct {
	Delivered  int64 `json:"delivered"`
	Lost       int64 `json:"lost"`
	Doubled    int64 `json:"doubled"`
	OutOfOrder int64 `json:"out_of_order"`
}

// Good tells whether everything was heard once and in one order.
func (t *tally) Good() bool { return t.Lost == 0 && t.Doubled == 0 && t.OutOfOrder == 0 }

func (t *tally) add(o tally) {
	t.Delivered += o.Delivered
	t.Lost += o.Lost
	t.Doubled += o.Doubled
	t.OutOfOrder += o.OutOfOrder
}

// received is how many different messages came.
func (e *receiver) received() int64 { return e.Delivered - e.Doubled }

// receive checks one message against what the others heard. It returns where s stands, or -1, and whether it stands there
// because it was heard now.
func (e *receiver) receive(s stamp) (at int, first bool) {
	e.Delivered++
	if e.ledger.at(e.next) == s && !e.early[s] {
		e.next++
		return e.next - 1, false
	}
	at, first = e.ledger.note(e.next, s)
	switch {
	case e.early[s] || at >= 0 && at < e.next && !e.skipped[at]:
		e.Doubled++
	case at < 0: // others will hear it later, or never: the orders differ
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
