package room

import "slices"

// A reporter is another member that reports people.
type reporter struct {
	run    string
	seq    uint64 // of the newest digest
	synced bool   // rooms is what the digest says; else it is what was known before
	silent int    // ticks without a digest

	rooms  map[string]map[senderKey]struct{}
	count  int                               // in all rooms
	list   map[string]map[senderKey]struct{} // the parts of a list so far; nil: none has begun
	listed int                               // people in list
	typing map[string][]senderKey
}

// Receive handles a digest of another member, which Options.Publish sent there. It ignores what is not one.
func (h *Hub) Receive(member string, b []byte) {
	x := h.exchange
	if x == nil {
		return
	}
	x.receiving.Lock()
	defer x.receiving.Unlock()
	if x.closed {
		return
	}
	d, err := parseDigest(b)
	if err != nil {
		if !x.warned {
			x.warned = true
			x.logger.Warn("another member reports who is connected in a form that this version does not know; it is ignored", "member", member, "err", err)
		}
		return
	}
	x.heard.Lock()
	m := x.reporters[member]
	if m == nil && (d.Gone || len(x.reporters) >= maxReporters) {
		x.heard.Unlock()
		return
	}
	touched := touchedPeople{}
	if m != nil && (m.run != d.Run || d.Gone) {
		touched.all(m.rooms)
		touched.typing(m.typing)
		x.setTyping(m, nil)
		delete(x.reporters, member)
		m = nil
	}
	if m == nil && !d.Gone {
		m = &reporter{run: d.Run, synced: true, rooms: make(map[string]map[senderKey]struct{})}
		x.reporters[member] = m
	}
	if m != nil {
		x.apply(m, d, touched)
	}
	x.heard.Unlock()
	h.reconcile(touched)
	if slices.Contains(d.Ask, x.run) {
		x.mu.Lock()
		x.asked = true
		x.mu.Unlock()
	}
}

// apply updates what is known about the people of a member. Called with heard held.
func (x *exchange) apply(m *reporter, d *digest, touched touchedPeople) {
	m.silent = 0
	if d.Seq != m.seq+1 { // some are missing
		m.synced, m.list = false, nil
	}
	m.seq = d.Seq
	if d.List {
		m.applyList(d, touched)
		return
	}
	m.list = nil
	if m.synced {
		for _, r := range d.Rooms {
			each(r.In, func(by senderKey) {
				if m.count < maxRemote && addTo(m.rooms, r.Room, by) {
					m.count++
					touched.add(r.Room, by)
				}
			})
			each(r.Out, func(by senderKey) {
				if removeFrom(m.rooms, r.Room, by) {
					m.count--
					touched.add(r.Room, by)
				}
			})
		}
	}
	if d.More {
		return
	}
	touched.typing(m.typing)
	typing := make(map[string][]senderKey, len(d.Typing))
	for _, r := range d.Typing {
		each(r.In, func(by senderKey) { typing[r.Room] = append(typing[r.Room], by) })
	}
	x.setTyping(m, typing)
	touched.typing(typing)
}

// applyList adds a part of the list of all people, unless they are known.
func (m *reporter) applyList(d *digest, touched touchedPeople) {
	if m.synced {
		return
	}
	if d.First {
		m.list, m.listed = make(map[string]map[senderKey]struct{}), 0
	}
	if m.list == nil { // its beginning is missing
		return
	}
	for _, r := range d.Rooms {
		each(r.In, func(by senderKey) {
			if m.listed < maxRemote && addTo(m.list, r.Room, by) {
				m.listed++
			}
		})
	}
	if d.More {
		return
	}
	touched.all(m.rooms)
	touched.all(m.list)
	m.rooms, m.count, m.list, m.synced = m.list, m.listed, nil, true
}

// setTyping replaces who is typing on another member. Called with heard held.
func (x *exchange) setTyping(m *reporter, typing map[string][]senderKey) {
	x.typists.Add(int32(len(typing) - len(m.typing)))
	m.typing = typing
}

// dropSilent drops the members that have sent nothing for a while.
func (h *Hub) dropSilent() {
	x := h.exchange
	touched := touchedPeople{}
	x.heard.Lock()
	for name, m := range x.reporters {
		if m.silent++; m.silent > silentTicks {
			touched.all(m.rooms)
			touched.typing(m.typing)
			x.setTyping(m, nil)
			delete(x.reporters, name)
		}
	}
	x.heard.Unlock()
	h.reconcile(touched)
}

// touchedPeople are people that may have entered or left, by room. A room without any is one in which others are typing.
type touchedPeople map[string][]senderKey

func (t touchedPeople) add(room string, by senderKey) { t[room] = append(t[room], by) }

func (t touchedPeople) all(rooms map[string]map[senderKey]struct{}) {
	for room, in := range rooms {
		for by := range in {
			t.add(room, by)
		}
	}
}

func (t touchedPeople) typing(typing map[string][]senderKey) {
	for room := range typing {
		if _, ok := t[room]; !ok {
			t[room] = nil
		}
	}
}

// reconcile makes rooms agree with what is known about other members. Calls may overlap.
func (h *Hub) reconcile(touched touchedPeople) {
	for name, senders := range touched {
		if len(senders) == 0 {
			if r := h.room(name); r != nil {
				r.mu.Lock()
				r.scheduleRefresh()
				r.mu.Unlock()
			}
			continue
		}
		for some := range slices.Chunk(senders, reconciled) {
			r := h.lockRoom(name)
			r.reconcile(some)
			r.mu.Unlock()
		}
		h.mu.Lock()
		if r := h.rooms[name]; r != nil {
			r.mu.Lock()
			h.removeEmpty(r)
			r.mu.Unlock()
		}
		h.mu.Unlock()
	}
}

// reconcile makes the room agree with what is known about some people. Called with mu held.
func (r *Room) reconcile(senders []senderKey) {
	x := r.hub.exchange
	x.heard.Lock()
	defer x.heard.Unlock()
	for _, by := range senders {
		if r.people.setRemote(by, x.isIn(r.name, by), r.hub.store.Name) {
			r.presenceChanged = true
		}
	}
	r.scheduleRefresh()
}

// isIn reports whether another member reports a sender in a room. Called with heard held.
func (x *exchange) isIn(room string, by senderKey) bool {
	for _, m := range x.reporters {
		if _, ok := m.rooms[room][by]; ok {
			return true
		}
	}
	return false
}

// typingIn calls f for each sender that is typing in a room on another member. Called with the room's mu held.
func (x *exchange) typingIn(room string, f func(by senderKey)) {
	if x == nil || x.typists.Load() == 0 {
		return
	}
	x.heard.Lock()
	defer x.heard.Unlock()
	for _, m := range x.reporters {
		for _, by := range m.typing[room] {
			f(by)
		}
	}
}

// stopTyping removes a sender from those that are typing in a room, until the next digest.
func (x *exchange) stopTyping(room, senderID string) {
	if x == nil || x.typists.Load() == 0 {
		return
	}
	x.heard.Lock()
	defer x.heard.Unlock()
	by := keyOf(senderID)
	for _, m := range x.reporters {
		if typing, ok := m.typing[room]; ok {
			m.typing[room] = slices.DeleteFunc(typing, func(k senderKey) bool { return k == by })
		}
	}
}
