package room

import (
	"crypto/rand"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"ramai/wire"
)

// Once a second, each member of a cluster sends the others a digest: the people who have joined and left its rooms since the last
// one, and those who are typing. Digests are numbered, and may be lost. A member that has missed one asks for a list of all people, and
// ignores changes until it has that. A member that stays silent is dropped, together with its people.
//
// Digests contain ids and no names, because every member has the names of all senders. They are not ordered with the messages of a room.

const (
	// silentTicks is after how many ticks a member that sends no digests is dropped.
	silentTicks = 5
	// listTicks is the least number of ticks between two lists of all people.
	listTicks = 3
	// maxRemote is how many people a member can report, each counted in each room. Others are ignored.
	maxRemote = 1 << 20
	// maxReporters is how many members can report people. More than there are, because a new process is a new one for a while.
	maxReporters = 16
	// reconciled is how many people change while a room is locked.
	reconciled = 512
)

// An exchange sends and receives the digests of a hub. It is nil if the server runs alone.
type exchange struct {
	publish func(digest []byte) error
	logger  *slog.Logger
	run     string

	mu      sync.Mutex                        // taken after a room's mu
	changed map[string]map[senderKey]struct{} // guarded by mu: who has joined or left a room since the last digest
	typing  map[string]struct{}               // guarded by mu: rooms in which people of this member may be typing
	asked   bool                              // guarded by mu: another member needs the list

	// Owned by Tick.
	seq       uint64
	announced map[string]map[senderKey]struct{} // who is in each room, as the other members know it
	listed    int                               // ticks since the last list

	receiving sync.Mutex // held by Receive; taken before all others
	closed    bool       // guarded by receiving
	warned    bool       // guarded by receiving

	heard     sync.Mutex           // taken after a room's mu
	reporters map[string]*reporter // guarded by heard, by the name of the member
	typists   atomic.Int32         // entries in typing of all reporters
}

func newExchange(opt *Options) *exchange {
	if opt.Publish == nil {
		return nil
	}
	return &exchange{
		publish: opt.Publish, run: rand.Text(), logger: opt.Logger, announced: make(map[string]map[senderKey]struct{}), reporters: make(map[string]*reporter),
		changed: make(map[string]map[senderKey]struct{}), typing: make(map[string]struct{}), listed: listTicks,
	}
}

// noteChange records that a sender has entered or left a room. Called with the room's mu held.
func (x *exchange) noteChange(room string, by senderKey) {
	if x == nil || by == (senderKey{}) {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	addTo(x.changed, room, by)
}

// noteTyping records that somebody is typing in a room.
func (x *exchange) noteTyping(room string) {
	if x == nil {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.typing[room] = struct{}{}
}

func addTo(rooms map[string]map[senderKey]struct{}, room string, by senderKey) bool {
	in := rooms[room]
	if in == nil {
		in = make(map[senderKey]struct{})
		rooms[room] = in
	}
	before := len(in)
	in[by] = struct{}{}
	return len(in) > before
}

func removeFrom(rooms map[string]map[senderKey]struct{}, room string, by senderKey) bool {
	in := rooms[room]
	before := len(in)
	delete(in, by)
	if len(in) == 0 {
		delete(rooms, room)
	}
	return len(in) < before
}

// exchangeDigests drops silent members, and sends a digest. It is part of Tick.
func (h *Hub) exchangeDigests(now time.Time) {
	x := h.exchange
	h.dropSilent()
	x.mu.Lock()
	changed, typing, asked := x.changed, x.typing, x.asked
	x.changed, x.typing = make(map[string]map[senderKey]struct{}), make(map[string]struct{})
	x.mu.Unlock()

	w := digestWriter{x: x}
	for name, senders := range changed {
		h.addChanges(&w, name, senders)
	}
	w.d.Typing = h.typingDigest(typing, now)
	w.d.Ask = x.unsynced()
	w.send(false)
	if x.listed++; !asked || x.listed < listTicks {
		return
	}
	x.listed = 0
	x.mu.Lock()
	x.asked = false
	x.mu.Unlock()
	w = digestWriter{x: x, d: digest{List: true, First: true}}
	for name, in := range x.announced {
		for by := range in {
			w.add(name, by, true)
		}
	}
	w.send(false)
}

// addChanges adds the senders that are in a room and were not announced, and the other way round.
func (h *Hub) addChanges(w *digestWriter, name string, senders map[senderKey]struct{}) {
	x := h.exchange
	r := h.room(name)
	if r != nil {
		r.mu.Lock()
	}
	var in, out []senderKey
	for by := range senders {
		present := r != nil && r.people.present[by].connections > 0
		_, announced := x.announced[name][by]
		switch {
		case present && !announced:
			in = append(in, by)
		case !present && announced:
			out = append(out, by)
		}
	}
	if r != nil {
		r.mu.Unlock()
	}
	for _, by := range in {
		addTo(x.announced, name, by)
		w.add(name, by, true)
	}
	for _, by := range out {
		removeFrom(x.announced, name, by)
		w.add(name, by, false)
	}
}

// typingDigest returns who is typing in rooms, and notes the rooms again in which somebody is.
func (h *Hub) typingDigest(rooms map[string]struct{}, now time.Time) (typing []roomDigest) {
	for name := range rooms {
		r := h.room(name)
		if r == nil {
			continue
		}
		var in strings.Builder
		r.mu.Lock()
		for by, until := range r.typing {
			if len(by) == wire.SenderIDLen && !now.After(until) {
				in.WriteString(by)
			}
		}
		r.mu.Unlock()
		if in.Len() == 0 {
			continue
		}
		h.exchange.noteTyping(name)
		if len(typing) < maxTypingRooms {
			typing = append(typing, roomDigest{Room: name, In: in.String()})
		}
	}
	return typing
}

// Withdraw tells the other members of the cluster that this one stops, and ignores theirs from now on. It is called after the last
// Tick.
func (h *Hub) Withdraw() {
	x := h.exchange
	if x == nil {
		return
	}
	x.send(&digest{Gone: true})
	x.receiving.Lock()
	defer x.receiving.Unlock()
	x.closed = true
}

// unsynced returns the runs of the members whose list is missing.
func (x *exchange) unsynced() (runs []string) {
	x.heard.Lock()
	defer x.heard.Unlock()
	for _, m := range x.reporters {
		if !m.synced {
			runs = append(runs, m.run)
		}
	}
	return runs
}
