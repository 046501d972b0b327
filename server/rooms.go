package server

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"ramai/internal/eventlog"
	"ramai/wire"
)

const tidyInterval = time.Minute

// roomCleaner removes rooms: empty ones, and, when most of MaxRooms exist, small silent ones. Otherwise anyone who creates
// rooms without end would keep others from creating any.
type roomCleaner struct {
	store        eventlog.Store
	decide       Decider
	occupied     func(room string) bool
	clockTrusted func() bool
	maxRooms     int
}

// tidyRooms runs a roomCleaner until the server stops.
func (s *Server) tidyRooms() {
	ctx, cancel := context.WithCancel(context.Background())
	var canceller sync.WaitGroup
	defer canceller.Wait()
	defer cancel()
	canceller.Go(func() {
		select {
		case <-s.quit:
			cancel()
		case <-ctx.Done():
		}
	})
	r := &roomCleaner{store: s.store, decide: s.chat.Decide, occupied: s.hub.Occupied, clockTrusted: s.clock.trusted, maxRooms: s.cfg.MaxRooms}
	ticker := time.NewTicker(tidyInterval)
	defer ticker.Stop()
	for {
		select {
		case <-s.quit:
			return
		case <-ticker.C:
		}
		if err := s.configure(); err != nil && ctx.Err() == nil { // it fails if the disk is full, for example
			s.cfg.Logger.Warn("the limits could not be stored; will retry", "err", err)
		}
		removed, err := r.tidy(ctx, s.cfg.Now())
		if removed > 0 {
			s.cfg.Logger.Info("small silent rooms were deleted to make space for others", "rooms", removed, "max_rooms", s.cfg.MaxRooms)
		}
		if err != nil && ctx.Err() == nil {
			s.cfg.Logger.Warn("rooms could not be deleted; will retry", "err", err)
		}
	}
}

// tidy removes rooms once. It returns how many rooms with messages it has removed.
func (r *roomCleaner) tidy(ctx context.Context, now time.Time) (removed int, err error) {
	rooms := r.store.AllBounds()
	for room, bounds := range rooms {
		if !bounds.Empty() {
			continue
		}
		delete(rooms, room)
		if room != wire.Lobby && !r.occupied(room) {
			if _, err := r.decide(ctx, eventlog.Command{Kind: eventlog.RemoveRoom, Room: room, Body: eventlog.RemoveRoomBody{Last: bounds.Last}}); err != nil {
				return 0, err
			}
		}
	}
	return r.makeSpace(ctx, now, rooms)
}

// makeSpace removes rooms until nine tenths of maxRooms are left, the smallest first. It removes only rooms that never had
// more than eventlog.MaxRemove messages, that nobody is in, and that have been silent for as many hours as they ever had
// messages.
func (r *roomCleaner) makeSpace(ctx context.Context, now time.Time, rooms map[string]eventlog.Bounds) (removed int, err error) {
	excess := len(rooms) - r.maxRooms*9/10
	if r.maxRooms == 0 || excess <= 0 || !r.clockTrusted() {
		return 0, nil
	}
	small := slices.DeleteFunc(slices.Collect(maps.Keys(rooms)), func(room string) bool {
		return room == wire.Lobby || rooms[room].Last > eventlog.MaxRemove
	})
	slices.SortFunc(small, func(a, b string) int { return int(rooms[a].Last) - int(rooms[b].Last) })
	times := r.store.NewestTimes() // from memory: a room that cannot be read does not keep others
	for _, room := range small {
		if removed == excess {
			break
		}
		last := rooms[room].Last
		at, known := times[room]
		if !known || now.Sub(at.Std()) < time.Duration(last)*time.Hour || r.occupied(room) {
			continue
		}
		o, err := r.decide(ctx, eventlog.Command{Kind: eventlog.RemoveRoom, Room: room, Body: eventlog.RemoveRoomBody{Last: last}})
		if err != nil {
			return removed, err
		}
		if o.Status == eventlog.Saved {
			removed++
		}
	}
	return removed, nil
}

// Decider submits a command and waits for its outcome, see chat.Service.Decide.
type Decider func(context.Context, eventlog.Command) (*eventlog.Outcome, error)

// A RoomInfo describes a room to the operator.
type RoomInfo struct {
	Room        string
	First, Last uint64
	At          wire.Time // of the newest message
	Members     int       // connections in the room
}

// ListRooms returns all rooms with messages, sorted by name. members counts the people in a room; nil: there are none.
func ListRooms(store eventlog.Store, members func(room string) int) []RoomInfo {
	all, times := store.AllBounds(), store.NewestTimes()
	var list []RoomInfo
	for _, room := range slices.Sorted(maps.Keys(all)) {
		bounds := all[room]
		if bounds.Empty() {
			continue
		}
		info := RoomInfo{Room: room, First: bounds.First, Last: bounds.Last, At: times[room]}
		if members != nil {
			info.Members = members(room)
		}
		list = append(list, info)
	}
	return list
}

// DeleteRoom deletes all messages of a room, in steps, so that messages are accepted meanwhile, and then the room itself. It
// returns false if ctx ends before that: call it again then. Connections stay in the room, and its numbers continue. Of the
// lobby only the messages are deleted. A room without messages is an error.
func DeleteRoom(ctx context.Context, store eventlog.Store, decide Decider, room string) (done bool, err error) {
	bounds := store.Bounds(room)
	if bounds.Empty() {
		return false, fmt.Errorf("there is no room %q", room)
	}
	for first := bounds.First; first <= bounds.Last; {
		if ctx.Err() != nil {
			return false, nil
		}
		o, err := decide(context.WithoutCancel(ctx), eventlog.Command{Kind: eventlog.Trim, Room: room, Body: eventlog.TrimBody{To: bounds.Last}})
		if err != nil {
			return false, err
		}
		if o.Status == eventlog.Refused {
			return false, o.Err
		}
		first = o.N
	}
	_, err = decide(context.WithoutCancel(ctx), eventlog.Command{Kind: eventlog.RemoveRoom, Room: room, Body: eventlog.RemoveRoomBody{Last: bounds.Last}}) // a refusal means that the room was used again
	return true, err
}
