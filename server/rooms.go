package server

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"ramai/internal/chat"
	"ramai/internal/eventlog"
	"ramai/wire"
)

const tidyInterval = time.Minute

// roomCleaner removes rooms: empty ones, and, when most of MaxRooms exist, small silent ones. Otherwise anyone who creates
// rooms without end would keep others from creating any.
type roomCleaner struct {
	operator     *chat.Operator
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
	r := &roomCleaner{operator: s.chat.Operator(), occupied: s.hub.Occupied, clockTrusted: s.clock.trusted, maxRooms: s.cfg.MaxRooms}
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
	rooms := r.operator.Store.AllBounds()
	for room, bounds := range rooms {
		if !bounds.Empty() {
			continue
		}
		delete(rooms, room)
		if room != wire.Lobby && !r.occupied(room) {
			if _, err := r.operator.RemoveRoom(ctx, room, bounds.Last); err != nil {
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
	maps.DeleteFunc(rooms, func(room string, _ eventlog.Bounds) bool { // the rooms of moderators do not count, and are removed with theirs
		base, _ := wire.BaseRoom(room)
		return base != room
	})
	excess := len(rooms) - r.maxRooms*9/10
	if r.maxRooms == 0 || excess <= 0 || !r.clockTrusted() {
		return 0, nil
	}
	small := slices.DeleteFunc(slices.Collect(maps.Keys(rooms)), func(room string) bool {
		return room == wire.Lobby || rooms[room].Last > eventlog.MaxRemove
	})
	slices.SortFunc(small, func(a, b string) int { return int(rooms[a].Last) - int(rooms[b].Last) })
	times := r.operator.Store.NewestTimes() // from memory: a room that cannot be read does not keep others
	for _, room := range small {
		if removed == excess {
			break
		}
		last := rooms[room].Last
		at, known := times[room]
		if !known || now.Sub(at.Std()) < time.Duration(last)*time.Hour || r.occupied(room) {
			continue
		}
		done, err := r.operator.RemoveRoom(ctx, room, last)
		if err != nil {
			return removed, err
		}
		if done {
			removed++
		}
	}
	return removed, nil
}
