package room

import (
	"bytes"
	"net/netip"
	"sync"

	"ramai/internal/connlimit"
	"ramai/internal/eventlog"
	"ramai/internal/fanout"
)

// A BackfillResult holds older records of a room, encoded again from the store: the same bytes that were in the
// buffer.
type BackfillResult struct {
	Frames *fanout.Backfill // to be released; nil: nothing follows the given number
	First  uint64           // oldest number kept; older messages are deleted
}

// backfillKey identifies what a reader waits for.
type backfillKey struct {
	room  string
	enc   Encoding
	after uint64
}

// backfillQueue holds the reads in progress. Readers that ask for the same frames share one.
type backfillQueue struct {
	mu      sync.Mutex
	pending map[backfillKey]*pendingBackfill // guarded by mu
	started int64                            // guarded by mu
}

// pendingBackfill is one read, for all readers that wait for it. Each network among them has a turn in the queue, and the
// first turn does the read. So a reader that shares a backfill does not wait behind all other requests of the other
// network.
type pendingBackfill struct {
	callbacks []func(BackfillResult, error)
	networks  map[netip.Prefix]struct{} // networks that have a turn for it
	started   bool
}

func (h *Hub) backfill(key backfillKey, from netip.Addr, done func(BackfillResult, error)) {
	q := &h.backfills
	q.mu.Lock()
	r := q.pending[key]
	if r == nil {
		r = &pendingBackfill{networks: make(map[netip.Prefix]struct{})}
		q.pending[key] = r
		q.started++
	}
	r.callbacks = append(r.callbacks, done)
	network := connlimit.Network(from)
	_, waits := r.networks[network]
	r.networks[network] = struct{}{}
	waits = waits || r.started
	q.mu.Unlock()
	if !waits {
		h.Go(from, func() { h.runBackfill(key, r) })
	}
}

// runBackfill reads and delivers a backfill, unless another turn has started it.
func (h *Hub) runBackfill(key backfillKey, r *pendingBackfill) {
	q := &h.backfills
	q.mu.Lock()
	started := r.started
	r.started = true
	q.mu.Unlock()
	if started {
		return
	}
	result, err := h.read(key, r)
	for _, done := range r.callbacks {
		done(result, err)
	}
}

// read reads a backfill, again if a record of it is erased meanwhile. When it returns, no reader joins r any more.
func (h *Hub) read(key backfillKey, r *pendingBackfill) (BackfillResult, error) {
	for {
		since := h.Mark()
		frames, first, err := h.readAfter(key)
		h.backfills.end(key, r)
		if frames == nil {
			return BackfillResult{First: first}, err
		}
		backfill := h.budget.Backfill(frames, len(r.callbacks))
		if h.register(key, backfill, since) {
			return BackfillResult{Frames: backfill, First: first}, nil
		}
		for range r.callbacks {
			backfill.Release()
		}
	}
}

// end makes readers that ask from now on start a read of their own.
func (q *backfillQueue) end(key backfillKey, r *pendingBackfill) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.pending[key] == r {
		delete(q.pending, key)
	}
}

// readAfter reads the records that follow a number and have come through the feed, and the oldest number kept. A record that
// has not come through the feed may have been stored after a member has lost the permission to read.
func (h *Hub) readAfter(key backfillKey) (*fanout.Segment, uint64, error) {
	fed := uint64(0)
	if r := h.room(key.room); r != nil {
		fed = r.head()
	}
	records, bounds, err := h.store.Read(key.room, key.after, eventlog.MaxRead)
	if err != nil {
		return nil, 0, err
	}
	for k := len(records); k > 0 && records[k-1].N > fed; k-- {
		records = records[:k-1]
	}
	segment, err := h.encodeSegment(key.enc, records)
	return segment, bounds.First, err
}

// prewarm puts the messages up to head in front of a buffer of r that began empty, so that clients that reconnect find them
// in memory.
func (h *Hub) prewarm(r *Room, enc Encoding, buf *fanout.Buffer, head uint64) {
	for {
		since := h.Mark()
		records, _, err := h.store.ReadBefore(r.name, head+1, eventlog.MaxRead)
		var s *fanout.Segment
		if err == nil {
			s, err = h.encodeSegment(enc, records)
		}
		if err != nil {
			h.opt.Logger.Warn("room not prewarmed: its newest messages could not be read", "room", r.name, "err", err)
			return
		}
		if s == nil || r.prepend(buf, s, since) {
			break
		}
	}
	h.budget.Trim()
}

// prepend puts what was read after a mark in front of a buffer, unless it no longer fits: then readers ask for backfills.
// It returns false if a record of it was erased since.
func (r *Room) prepend(buf *fanout.Buffer, s *fanout.Segment, since Mark) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.hub.erasures.erasedSince(since, Range{r.name, s.First(), s.Last()}) {
		return false
	}
	buf.Prepend(s)
	return true
}

// encodeSegment encodes records, whose numbers have no gaps. It returns nil if there are none.
func (h *Hub) encodeSegment(enc Encoding, records []eventlog.Record) (s *fanout.Segment, err error) {
	if len(records) == 0 {
		return nil, nil
	}
	var frames, scratch []byte
	ends := make([]int, len(records))
	for i := range records {
		if frames, scratch, err = h.encode(enc, frames, &records[i], scratch); err != nil {
			return nil, err
		}
		ends[i] = len(frames)
	}
	return fanout.SegmentOf(records[0].N, bytes.Clone(frames), ends), nil // without unused capacity
}
