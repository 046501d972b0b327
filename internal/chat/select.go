package chat

import (
	"fmt"
	"slices"

	"ramai/internal/eventlog"
	"ramai/wire"
)

// A selector finds the messages of a selection in a room.
type selector struct {
	store     eventlog.Store
	room      string
	selection *wire.Selection
	from, to  uint64 // numbers of records that are looked at
	at        wire.Time

	looked  int // records so far
	found   Selected
	senders map[string]bool // of found.By
	roles   map[string]bool // senders that were looked up: true, if the selection spares them

	origin  eventlog.StoredOrigin         // of a selection by address
	there   map[uint64]bool               // messages with that origin
	known   map[string]bool               // of a selection of newcomers: senders who have posted before
	origins map[eventlog.Origin]wire.Time // of what was found, with the time of their keys
	numbers map[uint64]bool               // of what was found, if origins are asked for
}

// selectMessages finds messages of a room with numbers up to to, and held messages with numbers up to heldTo in the room of the
// moderators; 0: all. It also returns how many records it has looked at.
func selectMessages(store eventlog.Store, room string, selection *wire.Selection, to, heldTo uint64, at wire.Time) (Selected, map[eventlog.Origin]wire.Time, int, error) {
	bounds := store.Bounds(room)
	if to > bounds.Last {
		return Selected{}, nil, 0, &wire.CodedError{Code: wire.BadRequest, Reason: fmt.Sprintf("there is no message %d in the room %s; the newest number is %d", to, room, bounds.Last)}
	}
	s := selector{
		store: store, room: room, selection: selection, from: bounds.First, to: to, at: at,
		found: Selected{From: 1, To: to}, senders: map[string]bool{}, roles: map[string]bool{}, numbers: map[uint64]bool{}, origins: map[eventlog.Origin]wire.Time{},
	}
	if to == 0 {
		s.to, s.found.To = bounds.Last, bounds.Last
	}
	err := s.run()
	if err == nil {
		err = s.findHeld(heldTo)
	}
	return s.found, s.origins, s.looked, err
}

func (s *selector) run() (err error) {
	first := s.from
	if s.selection.Since != nil {
		if s.from, err = firstAt(s.store, s.room, *s.selection.Since); err != nil {
			return err
		}
	}
	switch {
	case s.selection.AddressOf > 0:
		err = s.readOrigin()
	case s.selection.Newcomers:
		err = s.readKnown(first)
	}
	if err != nil {
		return err
	}
	if err := s.each(s.from, s.to, s.note); err != nil {
		return err
	}
	if len(s.found.By) > eventlog.MaxErasedSenders {
		return &wire.CodedError{Code: wire.NotAllowed, Reason: fmt.Sprintf("these are messages of %d senders; at most %d can be selected at once; use a later since", len(s.found.By), eventlog.MaxErasedSenders)}
	}
	if s.selection.AddressOf > 0 {
		return s.findRanges()
	}
	return s.findOrigins()
}

// each calls f with each message of the room from from to to, also with those that are gone.
func (s *selector) each(from, to uint64, f func(*wire.Message)) error {
	for after := from - 1; after < to; {
		records, _, err := s.store.Read(s.room, after, eventlog.MaxRead)
		if err != nil {
			return err
		}
		if len(records) == 0 {
			return nil
		}
		s.looked += len(records)
		for i := range records {
			r := &records[i]
			if after = r.N; r.N > to {
				return nil
			}
			m, is, err := r.Message()
			if err != nil {
				return err
			}
			if is {
				f(&m)
			}
		}
	}
	return nil
}

// readOrigin finds the messages that came from the address of one.
func (s *selector) readOrigin() error {
	origin, known, err := eventlog.OriginOf(s.store, s.room, s.selection.AddressOf)
	if err != nil {
		return err
	}
	if !known {
		return eventlog.OriginUnknown(s.selection.AddressOf)
	}
	s.origin, s.there = origin, map[uint64]bool{}
	s.origins[origin.Origin] = origin.Since
	return eventlog.EachOrigin(s.store, s.room, s.from, s.to, func(o eventlog.StoredOrigin) {
		if o.Origin == origin.Origin {
			s.there[o.N] = true
		}
	})
}

// readKnown finds the senders that have posted before the time of the selection, as far as that is stored.
func (s *selector) readKnown(first uint64) error {
	s.known = map[string]bool{}
	return s.each(first, s.from-1, func(m *wire.Message) { s.known[m.SenderID] = true })
}

// note adds a message to what was found, if it belongs to the selection.
func (s *selector) note(m *wire.Message) {
	selected := m.SenderID == s.selection.SenderID
	switch {
	case m.Gone:
		return
	case s.selection.AddressOf > 0:
		selected = s.there[m.N]
	case s.selection.Newcomers:
		selected = !s.known[m.SenderID]
	}
	switch {
	case !selected:
	case s.selection.SenderID == "" && s.spares(m.SenderID):
		s.found.Kept++
	default:
		s.found.add(m, s.senders)
		s.numbers[m.N] = s.selection.Newcomers
	}
}

// findHeld finds the messages of the selection that wait for a moderator.
func (s *selector) findHeld(to uint64) error {
	if s.found.HeldTo = to; to == 0 {
		s.found.HeldTo = s.store.Bounds(wire.ModeratorsRoom(s.room)).Last
	}
	err := eventlog.EachHeld(s.store, s.room, func(h eventlog.HeldInfo) {
		s.looked++
		selected := h.SenderID == s.selection.SenderID
		switch {
		case s.selection.AddressOf > 0:
			selected = h.Origin == s.origin.Origin
		case s.selection.Newcomers:
			selected = !s.known[h.SenderID]
		}
		switch {
		case !selected || h.N == 0 || h.N > s.found.HeldTo || s.selection.Since != nil && h.At < *s.selection.Since:
		case s.selection.SenderID == "" && s.spares(h.SenderID):
			s.found.Kept++
		default:
			s.found.Held = append(s.found.Held, h.HeldKey)
		}
	})
	slices.SortFunc(s.found.Held, eventlog.HeldKey.Compare)
	return err
}

// spares reports whether a selection of more than one sender leaves out a sender: moderators and owners.
func (s *selector) spares(senderID string) bool {
	spares, known := s.roles[senderID]
	if !known {
		role, _ := s.store.Role(s.room, senderID, s.at)
		spares = role >= wire.RoleModerator
		s.roles[senderID] = spares
	}
	return spares
}

// findRanges finds the numbers of what a selection by address has found, if its senders have other messages, too.
func (s *selector) findRanges() error {
	if s.found.Count == 0 {
		return nil
	}
	var ranges [][2]uint64
	open, others := false, false
	err := s.each(s.found.From, s.to, func(m *wire.Message) {
		switch {
		case m.Gone || !s.senders[m.SenderID]:
		case !s.there[m.N]:
			open, others = false, true
		case open:
			ranges[len(ranges)-1][1] = m.N
		default:
			ranges, open = append(ranges, [2]uint64{m.N, m.N}), true
		}
	})
	switch {
	case err != nil || !others:
		return err
	case len(ranges) > eventlog.MaxErasedRanges:
		return &wire.CodedError{Code: wire.NotAllowed, Reason: fmt.Sprintf("people at this address have posted from others in between, so that there are %d ranges of messages; at most %d can be selected at once; use a later since", len(ranges), eventlog.MaxErasedRanges)}
	}
	s.found.Of = ranges
	return nil
}

// findOrigins finds the origins of what a selection of newcomers has found.
func (s *selector) findOrigins() error {
	if !s.selection.Newcomers || s.found.Count == 0 {
		return nil
	}
	return eventlog.EachOrigin(s.store, s.room, s.found.From, s.to, func(o eventlog.StoredOrigin) {
		if s.numbers[o.N] {
			s.origins[o.Origin] = o.Since
		}
	})
}

// countPresent counts the addresses of what was selected, and the people who are in the room from one of them.
func (s *Service) countPresent(room string, found *Selected, origins map[eventlog.Origin]wire.Time) {
	found.Addresses = len(origins)
	if len(origins) == 0 {
		return
	}
	keys := s.cfg.Store.AddressKeys()
	people := map[string]bool{}
	for _, at := range s.cfg.Hub.Addresses(room) {
		if people[at.SenderID] || !s.hasOrigin(at.Addr) {
			continue
		}
		for i := range keys {
			if since, is := origins[originOf(&keys[i], Network(at.Addr).Addr())]; is && since == keys[i].Since {
				people[at.SenderID] = true
				break
			}
		}
	}
	found.Present = len(people)
}
