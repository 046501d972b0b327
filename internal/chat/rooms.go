package chat

import (
	"fmt"
	"slices"
	"time"

	"ramai/internal/room"
	"ramai/wire"
)

const (
	resumeWork  = 4 // units of work of a Join after a position
	whoWork     = 4 // units of work of a Who, in addition to one for each whoNames names that it may return
	whoNames    = 8
	typingEvery = 3 * time.Second // typing of an actor that comes sooner is not forwarded
)

// JoinRequest is the argument of Join.
type JoinRequest struct {
	Room     string
	Encoding room.Encoding
	Member   room.Member
	After    *wire.Position // start after it; nil: at the newest Last messages
	Last     int
	Judge    bool   // After was checked by CatchUp: it does not belong to a part of the history that this node has not applied yet
	Joined   int    // rooms that the client is in besides this one
	Admitted func() // called once the join is admitted, before the member is subscribed; may be nil
}

// Joined is the result of Join.
type Joined struct {
	Subscription *room.Subscription // Subscription.Leave leaves the room
	Welcome      wire.Joined
	After        uint64 // the reader starts after this number
}

// Join subscribes a member to a room, which need not exist. After an error for which Wait is above 0, it may be called again
// later; see also ErrBehind.
func (s *Service) Join(a *Actor, j JoinRequest) (Joined, error) {
	if !j.Judge { // else it was counted before
		if err := s.countJoin(a, &j); err != nil {
			return Joined{}, err
		}
		if s.behind(j.Room, j.After) {
			return Joined{}, ErrBehind
		}
	}
	if j.Joined >= s.cfg.Limits.Rooms {
		return Joined{}, &wire.CodedError{
			Code: wire.NotAllowed, Reason: fmt.Sprintf("a connection can be in %d rooms; leave one first", s.cfg.Limits.Rooms),
		}
	}
	if err := s.MayRead(a, j.Room); err != nil {
		return Joined{}, err
	}
	if j.Admitted != nil {
		j.Admitted()
	}
	// The subscription comes before the bounds are read: what is stored in between is in the fan-out buffer.
	sub := s.cfg.Hub.Join(j.Room, j.Encoding, j.Member)
	welcome, after := s.start(sub, &j)
	if err := s.MayRead(a, j.Room); err != nil { // only a member learns of a change, and of those before it joined none
		sub.Leave()
		return Joined{}, err
	}
	welcome.Role, _ = s.Role(a, j.Room)
	return Joined{sub, welcome, after}, nil
}

// countJoin counts a join. After an outage, clients reconnect at the same time, each to many rooms: a join after a position
// costs no event, only work. A plain client joins when it connects; only the messages that it requests are counted.
func (s *Service) countJoin(a *Actor, j *JoinRequest) error {
	var wait time.Duration
	switch {
	case j.After != nil:
		wait = s.rates.Work(s.cfg.Now(), key(a.SenderID), a.Addr.Addr(), resumeWork)
	case a.Protocol == Plain && j.Last == 0:
	default:
		wait = s.rates.Take(s.cfg.Now(), a.SenderID, a.Addr.Addr(), 1)
	}
	if wait > 0 {
		return rateLimited(wait)
	}
	return nil
}

// start returns where a reader starts, and what its client is told about the room.
func (s *Service) start(sub *room.Subscription, j *JoinRequest) (wire.Joined, uint64) {
	store := s.cfg.Store
	bounds, state := store.Joined(j.Room, wire.StateBytes, wire.TimeOf(s.cfg.Now()))
	joined := wire.Joined{
		Room: sub.Room(), HistoryID: store.HistoryID(), Epoch: store.Epoch().Name, N: bounds.Last, First: bounds.First, Count: sub.Count(), State: state,
	}
	var from uint64
	switch {
	case j.After == nil:
		from = store.StartOf(j.Room, j.Last)
	case !store.Contains(j.Room, j.After):
		joined.Reset = true
		from = store.StartOf(j.Room, wire.DefaultJoin)
	default:
		from = j.After.N
		unread := store.CountAfter(j.Room, from)
		joined.Unread = &unread
	}
	joined.From = &from
	return joined, from
}

// Who returns who is in a room. It costs work and not an event, so that a client may ask while its user types.
func (s *Service) Who(a *Actor, ask wire.Who) (wire.Who, error) {
	names := ask.Limit
	if names == 0 {
		names = wire.MaxWho
	}
	if wait := s.rates.Work(s.cfg.Now(), key(a.SenderID), a.Addr.Addr(), whoWork+names/whoNames); wait > 0 {
		return wire.Who{}, rateLimited(wait)
	}
	if err := s.MayRead(a, ask.Room); err != nil { // before, so that it costs nothing
		return wire.Who{}, err
	}
	who := s.cfg.Hub.Who(ask)
	if err := s.MayRead(a, ask.Room); err != nil { // and after reading, so that nothing is newer than a change
		return wire.Who{}, err
	}
	return who, nil
}

// Rooms returns at most limit rooms with messages that the actor may read (0: wire.MaxRooms) whose names follow after, in alphabetical order.
func (s *Service) Rooms(a *Actor, after string, limit int) (wire.RoomsResponse, error) {
	if wait := s.rates.Take(s.cfg.Now(), a.SenderID, a.Addr.Addr(), readCost); wait > 0 {
		return wire.RoomsResponse{}, rateLimited(wait)
	}
	if limit == 0 {
		limit = wire.MaxRooms
	}
	bounds := s.cfg.Store.AllBounds()
	var names []string
	for room, b := range bounds {
		if room > after && !b.Empty() && s.MayRead(a, room) == nil {
			names = append(names, room)
		}
	}
	slices.Sort(names)
	page := wire.RoomsResponse{Rooms: []wire.RoomInfo{}, More: len(names) > limit}
	times := s.cfg.Store.NewestTimes()
	for _, room := range names[:min(limit, len(names))] {
		page.Rooms = append(page.Rooms, wire.RoomInfo{
			Room: room, First: bounds[room].First, Last: bounds[room].Last, At: times[room], Count: s.cfg.Hub.Count(room),
		})
	}
	return page, nil
}

// Typing tells a room that the actor's sender is typing, if the actor may read the room.
func (s *Service) Typing(a *Actor, room string) {
	if now := s.cfg.Now(); a.typingAt.IsZero() || now.Sub(a.typingAt) >= typingEvery {
		a.typingAt = now
		if s.MayRead(a, room) != nil {
			return
		}
		s.cfg.Hub.Typing(room, a.sender(), now)
	}
}
