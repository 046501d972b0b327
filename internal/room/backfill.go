package room

import (
	"bytes"
	"net/netip"
	"sync"

	"ramai/internal/connlimit"
	"ramai/internal/eventlog"
	"ramai/internal/fanout"
	"ramai/wire"
)

// A BackfillResult is a part of a room's past, made again from the journal: the same bytes as when they were on the tape.
type BackfillResult struct {
	Frames *fanout.Backfill // nil: there is nothing after the number that was asked for; to be released
	First  uint64           // the oldest number that is kept; what is below is gone for good
}

// backfillKey names what somebody waits for.
type backfillKey struct {
	room  string
	enc   Encoding
	after uint64
}

// refills are the reads under way; who asks for the same place shares one.
type backfillQueue struct {
	mu      sync.Mutex
	pending map[backfillKey]*pendingBackfill // guarded by mu
	started int64                            // guarded by mu
}

// A backfill is one read, for all who wait for it. Each address among them has a turn for it, and the first turn that comes does
// it: who asks for what another has asked for too need not wait behind everything else that the other wants.
type pendingBackfill struct {
	callbacks []func(BackfillResult, error)
	networks  map[netip.Prefix]struct{} // whose address has a turn for it
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

// runBackfill does a refill, unless another turn has begun it.
func (h *Hub) runBackfill(key backfillKey, r *pendingBackfill) {
	q := &h.backfills
	q.mu.Lock()
	started := r.started
	r.started = true
	q.mu.Unlock()
	if started {
		return
	}
	frames, first, err := h.readAfter(key)
	q.mu.Lock()
	delete(q.pending, key)
	q.mu.Unlock()
	result := BackfillResult{First: first}
	if frames != nil {
		result.Frames = h.budget.Backfill(frames, len(r.callbacks))
	}
	for _, done := range r.callbacks {
		done(result, err)
	}
}

// readAfter reads what follows a number, and the oldest number that is kept.
func (h *Hub) readAfter(key backfillKey) (*fanout.Segment, uint64, error) {
	messages, head, err := h.store.Read(key.room, key.after, eventlog.MaxRead)
	if err != nil {
		return nil, 0, err
	}
	return h.encodeSegment(key.enc, messages), head.First, nil
}

// prewarm puts the messages up to head onto a tape that began empty after it, so that those who come back find them in
// memory.
func (h *Hub) prewarm(room string, enc Encoding, t *fanout.Buffer, head uint64) {
	messages, _, err := h.store.ReadBefore(room, head+1, eventlog.MaxRead)
	if err != nil {
		h.opt.Logger.Warn("a room starts cold: its newest messages could not be read", "room", room, "err", err)
		return
	}
	if s := h.encodeSegment(enc, messages); s != nil && t.Prepend(s) { // it may not fit any more: then readers refill
		h.budget.Trim()
	}
}

// encodeSegment encodes messages, whose numbers have no holes.
func (h *Hub) encodeSegment(enc Encoding, messages []wire.Message) *fanout.Segment {
	if len(messages) == 0 {
		return nil
	}
	var frames, scratch []byte
	ends := make([]int, len(messages))
	for i := range messages {
		frames, scratch = h.encode(enc, frames, &messages[i], scratch)
		ends[i] = len(frames)
	}
	return fanout.SegmentOf(messages[0].N, bytes.Clone(frames), ends) // without the room that it grew into
}
