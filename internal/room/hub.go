// Package room keeps track of who is in which room, and holds the messages of each room as the bytes that its members
// are sent.
//
// A [Hub] is driven by the outcome feed and by nothing else. A stored message is encoded once for each encoding that
// has readers, appended to the room's buffers, and the members are woken. They pull the bytes when their sockets have
// room. Presence and typing are state with a version; a member that has sent an older version sends the newest.
//
// A [Subscription] is a member's position in a room. Messages before the buffer are read from the store, by a backfill that
// members share. A member that is behind and makes no progress is a slow consumer; it delays nobody.
//
// A member that may no longer read a room is sent nothing that is stored after that, see access.go.
//
// The package knows nothing about sockets or requests, and of permissions only whether a sender may read a room.
package room

import (
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"ramai/internal/connlimit"
	"ramai/internal/eventlog"
	"ramai/internal/fairqueue"
	"ramai/internal/fanout"
	"ramai/internal/frame"
)

// Member is a client in a room.
type Member interface {
	// Wake announces that there is something new to send. It must not block.
	Wake()
	// SenderID returns the public id of the sender.
	SenderID() string
	// Interrupt makes the member call AccessChanged and PassErasures in its next turn, soon, even while its socket accepts no
	// bytes. It must not block.
	Interrupt()
	// Marked announces that the member's sender has changed its marks, as o says. asked is where the answer goes, which may be
	// the member itself. o is valid only during the call, which must not block.
	Marked(o *eventlog.Outcome, asked *eventlog.ReplyTo)
	// Judged announces the decision about a message of the member's sender that was held. It must not block.
	Judged(j *eventlog.Judged)
	// RemoteAddr returns the address that backfills for this member are queued under.
	RemoteAddr() netip.AddrPort
}

// Options configures a Hub.
type Options struct {
	Budget *fanout.Budget // for everything that waits for sockets; required
	Logger *slog.Logger   // required

	// CanRead reports whether a sender may read a room now, from an address. If nil, everyone can read everything. It must not
	// block.
	CanRead func(room, senderID string, addr netip.Addr) bool
	// RuleEnd returns when the next rule of a room ends that says who may read it, or which role a sender has; zero: none does.
	// If nil, no rule ends.
	RuleEnd func(room string) time.Time

	// Publish sends a digest of the people on this server to the other members of its cluster, which pass it to Receive. Digests may
	// be lost; those of one member arrive in order. If nil, the server runs alone.
	Publish func(digest []byte) error

	// Go runs f, which may wait for the disk, on behalf of an address. If nil, a fairqueue.Queue is used.
	Go func(from netip.Prefix, f func())
}

// Hub holds the rooms that have members, here or, in a cluster, only on other servers.
type Hub struct {
	store     eventlog.Store
	opt       Options
	historyID string // of the store
	budget    *fanout.Budget
	deflate   func(dst, payload []byte) []byte // frame.AppendDeflated; replaced by tests
	jobs      sync.WaitGroup

	mu    sync.RWMutex
	rooms map[string]*Room // guarded by mu

	backfills backfillQueue
	erasures  erasures
	exchange  *exchange // with the other members of a cluster; nil: the server runs alone

	ruleEnds struct {
		sync.Mutex                      // taken after mu
		rooms      map[string]time.Time // of rooms that may have members: when their next rule ends, see Options.RuleEnd
		next       atomic.Int64         // the earliest of these, as a wire.Time; 0: none. It may be earlier
	}

	changed struct {
		sync.Mutex                     // taken after a room's mu
		rooms      []*Room             // visited by the next Tick, each once
		renamed    map[string]struct{} // senders whose name has changed since the last Tick; nil: none
	}

	// Owned by Feed.
	record          eventlog.Record // the one that is appended
	frames, scratch []byte
	toWake          []*Room
	erasing         []*erasure // begun by this call of Feed
}

// NewHub returns a hub without members.
func NewHub(store eventlog.Store, opt Options) *Hub {
	h := &Hub{
		store: store, opt: opt, historyID: store.HistoryID(), budget: opt.Budget, deflate: frame.AppendDeflated, rooms: make(map[string]*Room),
	}
	if h.opt.Go == nil {
		h.opt.Go = fairqueue.New(maxJobs).Go
	}
	h.ruleEnds.rooms = make(map[string]time.Time)
	h.backfills.pending = make(map[backfillKey]*pendingBackfill)
	h.exchange = newExchange(&h.opt)
	return h
}

// Budget returns the budget for everything that waits for sockets.
func (h *Hub) Budget() *fanout.Budget { return h.budget }

// maxJobs is how many jobs of Go run at once. It is more than a store's connections, so that these have work while
// other jobs encode, and small, because the next in turn waits for one of them to end.
const maxJobs = 16

// Go runs f, which may wait for the disk, on another goroutine. Waiting jobs take turns by address (IPv6: by /64), so
// that an address with many jobs delays no other.
func (h *Hub) Go(from netip.Addr, f func()) {
	h.jobs.Add(1)
	h.opt.Go(connlimit.Network(from), func() {
		defer h.jobs.Done()
		f()
	})
}

// Wait returns when all jobs started by Go have ended.
func (h *Hub) Wait() { h.jobs.Wait() }

// allRooms returns the rooms that have members, here or elsewhere.
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

// Join adds m to a room. The room need not exist; nothing is stored for it.
func (h *Hub) Join(name string, enc Encoding, m Member) *Subscription {
	r := h.lockRoom(name)
	defer r.mu.Unlock()
	s := &Subscription{room: r, enc: enc, member: m, index: int32(len(r.members)), passed: r.erased}
	s.position.Store(uint32(r.newest)) // until the member sets it
	hadWatchers := r.hasWatchers()
	r.members = append(r.members, s)
	by := m.SenderID()
	s.next = r.people.enter(keyOf(by), h.store.Name(by), s)
	h.exchange.noteChange(r.name, keyOf(by))
	r.readers[enc]++
	if r.buffers[enc] == nil {
		buf := fanout.New(h.budget, r.newest)
		r.buffers[enc] = buf
		if head := r.newest; head > 0 {
			h.Go(m.RemoteAddr().Addr(), func() { h.prewarm(r, enc, buf, head) })
		}
	}
	if !hadWatchers && r.hasWatchers() {
		r.state.Store(&State{}) // nobody has seen a state yet, and the present one is old
	}
	s.buffer.Store(r.buffers[enc])
	s.presenceAtJoin = r.state.Load().PresenceVersion
	r.presenceChanged, r.newWatcher = true, true
	r.scheduleRefresh()
	return s
}

// lockRoom returns a room with its mu held. It opens the room if there is none.
func (h *Hub) lockRoom(name string) *Room {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.rooms[name]
	if r == nil {
		r = &Room{hub: h, name: strings.Clone(name), newest: h.store.Bounds(name).Last, typing: make(map[string]time.Time)}
		r.state.Store(&State{})
		h.rooms[name] = r
		h.noteRuleEnd(r.name)
	}
	r.mu.Lock()
	return r
}

// removeEmpty removes a room that has no members. Called with mu and the room's mu held.
func (h *Hub) removeEmpty(r *Room) {
	if len(r.members) == 0 && len(r.people.present) == 0 {
		delete(h.rooms, r.name)
	}
}

// leave is called by Subscription.Leave. It closes buffers without readers and removes an empty room.
func (h *Hub) leave(s *Subscription) {
	for _, e := range h.remove(s) {
		h.erasures.pass(e)
	}
}

// remove does what leave does, and returns the erasures that the member has not passed.
func (h *Hub) remove(s *Subscription) (unpassed []*erasure) {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := s.room
	r.mu.Lock()
	defer r.mu.Unlock()
	unpassed = r.unpassed(s)
	last := len(r.members) - 1
	r.members[s.index] = r.members[last]
	r.members[s.index].index = s.index
	r.members[last] = nil
	r.members = r.members[:last]
	r.people.exit(keyOf(s.member.SenderID()), s)
	h.exchange.noteChange(r.name, keyOf(s.member.SenderID()))
	r.presenceChanged = true
	r.scheduleRefresh()
	if r.readers[s.enc]--; r.readers[s.enc] == 0 {
		r.buffers[s.enc].Close()
		r.buffers[s.enc] = nil
	}
	h.removeEmpty(r)
	return unpassed
}
