// Package room knows who is in which room, and keeps for each room the bytes its members read.
//
// A [Hub] is fed by the journal's outcome feed and by nothing else: what was stored is encoded once for each encoding
// that has readers, goes onto their tapes, and the members are woken. They come and take it when their sockets have
// room. Presence and typing are the room's state, with a version; whoever has seen an older one takes the newest.
package room

import (
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"ramai/internal/connlimit"
	"ramai/internal/eventlog"
	"ramai/internal/fairqueue"
	"ramai/internal/fanout"
	"ramai/internal/frame"
	"ramai/wire"
)

// Encoding is a form in which a room's messages travel.
type Encoding uint8

// The encodings: of WebSocket doors, of the same for who negotiated permessage-deflate, and of streams.
const (
	Text Encoding = iota // the plain door: the bare text
	JSON                 // ramai.v1
	DeflatedText
	DeflatedJSON
	Events    // an HTTP answer of server-sent events
	JSONLines // an HTTP answer of lines of JSON
	encodings
)

// ReceivesState tells whether who reads e is told the state of a room too.
func (e Encoding) ReceivesState() bool { return e != Text && e != DeflatedText }

// Deflated is the encoding for who reads Line or JSON and negotiated permessage-deflate.
func (e Encoding) Deflated() Encoding { return e + DeflatedText }

// minDeflate is the least payload that is deflated, in bytes: a smaller one gains less than it costs its readers.
const minDeflate = 512

// encode appends m as it travels: one complete WebSocket frame, event or line. It is a pure function of the row, the
// log and the epoch.
func (h *Hub) encode(e Encoding, dst []byte, m *wire.Message, scratch []byte) (frames, used []byte) {
	if e == Text || e == DeflatedText {
		scratch = wire.AppendLine(scratch[:0], m)
	} else {
		scratch = wire.AppendMessage(scratch[:0], m)
	}
	switch e {
	case JSONLines:
		return append(append(dst, scratch...), '\n'), scratch
	case Events:
		return AppendEvent(dst, m.Type(), wire.Position{HistoryID: h.historyID, Epoch: h.store.Epoch().Name, N: m.N}, scratch), scratch
	case DeflatedText, DeflatedJSON:
		if len(scratch) >= minDeflate {
			return h.deflate(dst, scratch), scratch
		}
	}
	return frame.AppendText(dst, scratch), scratch
}

// Member is somebody in a room.
type Member interface {
	// Wake says that there is something new to take. It must not block.
	Wake()
	// By is the sender, in public.
	SenderID() string
	// From is the address that what is read for the member is counted for.
	RemoteAddr() netip.AddrPort
}

// Options are what a Hub needs besides the store it reads from.
type Options struct {
	Budget *fanout.Budget // of all that waits for sockets; may not be nil
	Logger *slog.Logger   // may not be nil

	// Go runs what may wait for the disk, for an address; nil: a fairqueue.Queue does.
	Go func(from netip.Prefix, f func())
}

// Hub holds the rooms that have members.
type Hub struct {
	store     eventlog.Store
	opt       Options
	historyID string // the store's
	budget    *fanout.Budget
	deflate   func(dst, payload []byte) []byte // frame.AppendDeflated; tests count
	jobs      sync.WaitGroup

	mu    sync.RWMutex
	rooms map[string]*Room // guarded by mu

	backfills backfillQueue

	changed struct {
		sync.Mutex                     // taken after a room's
		rooms      []*Room             // for the next Tick to look at, each once
		renamed    map[string]struct{} // senders who hold another name than at the last Tick; nil: none
	}

	// Owned by Feed.
	frames, scratch []byte
	toWake          []*Room
}

// NewHub returns a hub without members.
func NewHub(store eventlog.Store, opt Options) *Hub {
	h := &Hub{
		store: store, opt: opt, historyID: store.HistoryID(), budget: opt.Budget, deflate: frame.AppendDeflated, rooms: make(map[string]*Room),
	}
	if h.opt.Go == nil {
		h.opt.Go = fairqueue.New(maxJobs).Go
	}
	h.backfills.pending = make(map[backfillKey]*pendingBackfill)
	return h
}

// Budget is that of all that waits for sockets.
func (h *Hub) Budget() *fanout.Budget { return h.budget }

// maxJobs is how many jobs of Go run at once: more than a store reads at once, so that its connections have work while others
// encode what was read, and few, because whoever is next in turn waits for one of them.
const maxJobs = 16

// Go runs f, which may wait for the disk, beside everything else. Those who wait are served in turn by address (IPv6: by
// /64), so one that asks for much delays no other.
func (h *Hub) Go(from netip.Addr, f func()) {
	h.jobs.Add(1)
	h.opt.Go(connlimit.Network(from), func() {
		defer h.jobs.Done()
		f()
	})
}

// Wait returns when nothing that Go started runs any more.
func (h *Hub) Wait() { h.jobs.Wait() }

// Feed implements eventlog.Feed. It appends outcomes to the buffers, then delivers the replies, then wakes the members.
func (h *Hub) Feed(outcomes []eventlog.Outcome, submissions []eventlog.Submission) {
	var r *Room
	for i := range outcomes {
		o := &outcomes[i]
		if (o.Command.Kind == eventlog.Trim || o.Command.Kind == eventlog.RemoveRoom) && o.Status == eventlog.Saved {
			h.trimBefore(o.Command.Room, o.N)
		}
		if len(o.Renamed) > 0 {
			h.noteRenamed(o.Renamed)
		}
		if o.Command.Kind != eventlog.Say || o.Status != eventlog.Saved {
			continue
		}
		if r == nil || r.name != o.Command.Room {
			if r = h.room(o.Command.Room); r == nil {
				continue
			}
		}
		m := o.Message()
		h.append(r, &m)
	}
	for i := range submissions {
		if reply := submissions[i].ReplyTo; reply != nil {
			reply.Deliver(&submissions[i], &outcomes[i])
		}
	}
	for i, r := range h.toWake {
		r.wake()
		h.toWake[i] = nil
	}
	h.toWake = h.toWake[:0]
	h.budget.Trim()
}

// append puts m onto the tapes of r.
func (h *Hub) append(r *Room, m *wire.Message) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if m.N <= r.newest { // it was stored before the room was opened, and so is no news here
		return
	}
	if m.N != r.newest+1 {
		// Cannot happen while the store numbers without holes. Tapes start anew: readers go on from the journal.
		h.opt.Logger.Error("the journal's numbers have a hole", "room", r.name, "after", r.newest, "then", m.N)
		r.resetBuffers(m.N - 1)
	}
	r.newest = m.N
	for enc, t := range r.buffers {
		if t != nil {
			h.frames, h.scratch = h.encode(Encoding(enc), h.frames[:0], m, h.scratch)
			t.Append(h.frames)
		}
	}
	delete(r.typing, m.SenderID)
	if !r.wakePending {
		r.wakePending = true
		h.toWake = append(h.toWake, r)
	}
}

// trimBefore lets the tapes of a room go of what is below number first.
func (h *Hub) trimBefore(name string, first uint64) {
	r := h.room(name)
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, t := range r.buffers {
		if t != nil {
			t.TrimBefore(first)
		}
	}
}

// allRooms returns the rooms that have members.
func (h *Hub) allRooms() []*Room {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return slices.Collect(maps.Values(h.rooms))
}

func (h *Hub) room(name string) *Room {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.rooms[name]
}

// Join seats m in a room and returns its seat. The room need not exist; nothing is stored for it.
func (h *Hub) Join(name string, enc Encoding, m Member) *Subscription {
	h.mu.Lock()
	r := h.rooms[name]
	if r == nil {
		r = &Room{hub: h, name: strings.Clone(name), newest: h.store.Bounds(name).Last, typing: make(map[string]time.Time)}
		r.state.Store(&State{})
		h.rooms[name] = r
	}
	r.mu.Lock()
	h.mu.Unlock()
	defer r.mu.Unlock()
	s := &Subscription{room: r, enc: enc, member: m, index: int32(len(r.members))}
	s.position.Store(uint32(r.newest)) // until the member says where it stands
	hadWatchers := r.hasWatchers()
	r.members = append(r.members, s)
	r.readers[enc]++
	if r.buffers[enc] == nil {
		t := fanout.New(h.budget, r.newest)
		r.buffers[enc] = t
		if head := r.newest; head > 0 {
			h.Go(m.RemoteAddr().Addr(), func() { h.prewarm(r.name, enc, t, head) })
		}
	}
	if !hadWatchers && r.hasWatchers() {
		r.state.Store(&State{}) // nobody has seen any, and what there was is old
	}
	s.buffer.Store(r.buffers[enc])
	s.presenceAtJoin = r.state.Load().PresenceVersion
	r.presenceChanged, r.newWatcher = true, true
	r.scheduleRefresh()
	return s
}

// leave is called by Subscription.Leave. A room without members is forgotten, a tape without readers closed.
func (h *Hub) leave(s *Subscription) {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := s.room
	r.mu.Lock()
	defer r.mu.Unlock()
	last := len(r.members) - 1
	r.members[s.index] = r.members[last]
	r.members[s.index].index = s.index
	r.members[last] = nil
	r.members = r.members[:last]
	r.presenceChanged = true
	r.scheduleRefresh()
	if r.readers[s.enc]--; r.readers[s.enc] == 0 {
		r.buffers[s.enc].Close()
		r.buffers[s.enc] = nil
	}
	if len(r.members) == 0 {
		delete(h.rooms, r.name)
	}
}

// Tick brings presence and typing up to date in the rooms where they may have changed. It is called once a second, and
// is the only place where they change: that is what limits them to one a second.
func (h *Hub) Tick(now time.Time) {
	c := &h.changed
	c.Lock()
	rooms, renamed := c.rooms, c.renamed
	c.rooms, c.renamed = nil, nil
	c.Unlock()
	for _, r := range rooms {
		if r.refresh(now) {
			r.wake()
		}
	}
	if len(renamed) == 0 {
		return
	}
	for _, r := range h.allRooms() { // nobody keeps which rooms a sender is in: names change seldom
		if r.markRenamed(renamed) && r.refresh(now) {
			r.wake()
		}
	}
}

// noteRenamed notes senders who hold another name than before, or none.
func (h *Hub) noteRenamed(senders []string) {
	c := &h.changed
	c.Lock()
	defer c.Unlock()
	if c.renamed == nil {
		c.renamed = make(map[string]struct{})
	}
	for _, by := range senders {
		c.renamed[by] = struct{}{}
	}
}

// Who returns how many connections are in a room, and the names held there, sorted and at most wire.MaxWho.
func (h *Hub) Who(name string) wire.Who {
	w := wire.Who{Room: name, Names: []string{}}
	if r := h.room(name); r != nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		w.Count = len(r.members)
		w.Names = r.names(wire.MaxWho)
	}
	return w
}

// Occupied tells whether anybody is in a room.
func (h *Hub) Occupied(name string) bool { return h.room(name) != nil }

// Typing notes that a sender is typing, from now on for a few seconds.
func (h *Hub) Typing(name, by string, now time.Time) {
	if r := h.room(name); r != nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		if _, shown := r.typing[by]; shown || len(r.typing) < maxTyping {
			r.typing[by] = now.Add(typingLasts)
			r.scheduleRefresh()
		}
	}
}
