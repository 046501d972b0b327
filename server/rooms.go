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

const tidyEvery = time.Minute

// rooms removes rooms that nobody needs: empty ones, and where nearly as many are made as there may be, small ones in which
// nobody says anything. So who makes rooms without end does not end the making of rooms for others.
type rooms struct {
	store    eventlog.Store
	decide   Decider
	occupied func(room string) bool
	steady   func() bool // whether the clock can be relied on: what goes does not come back
	most     int         // rooms there may be
}

// tidyRooms removes rooms now and then until the server stops.
func (s *Server) tidyRooms() {
	ctx, cancel := context.WithCancel(context.Background())
	var watching sync.WaitGroup
	defer watching.Wait()
	defer cancel()
	watching.Go(func() {
		select {
		case <-s.quit:
			cancel()
		case <-ctx.Done():
		}
	})
	r := &rooms{store: s.store, decide: s.env.Decide, occupied: s.hub.Occupied, steady: s.clock.steady, most: s.cfg.MaxRooms}
	ticker := time.NewTicker(tidyEvery)
	defer ticker.Stop()
	for {
		select {
		case <-s.quit:
			return
		case <-ticker.C:
		}
		gone, err := r.tidy(ctx, s.cfg.Now())
		if gone > 0 {
			s.cfg.Logger.Info("deleted small, silent rooms to make room for others", "rooms", gone, "most", s.cfg.MaxRooms)
		}
		if err != nil && ctx.Err() == nil {
			s.cfg.Logger.Warn("rooms could not be deleted; will retry", "err", err)
		}
	}
}

// tidy removes what there is to remove now. It returns how many rooms went that had messages.
func (r *rooms) tidy(ctx context.Context, now time.Time) (gone int, err error) {
	heads := r.store.AllBounds()
	for room, head := range heads {
		if !head.Empty() {
			continue
		}
		delete(heads, room)
		if room != wire.Lobby && !r.occupied(room) {
			if _, err := r.decide(ctx, eventlog.Command{Kind: eventlog.RemoveRoom, Room: room, To: head.Last}); err != nil {
				return 0, err
			}
		}
	}
	return r.makePlace(ctx, now, heads)
}

// makePlace removes rooms until nine tenths of those are left that there may be: such as had at most eventlog.MaxRemove
// messages, the smallest first. One that had k messages goes after k hours in which nobody was heard, and with nobody in it.
func (r *rooms) makePlace(ctx context.Context, now time.Time, heads map[string]eventlog.Bounds) (gone int, err error) {
	over := len(heads) - r.most*9/10
	if over <= 0 || !r.steady() {
		return 0, nil
	}
	small := slices.DeleteFunc(slices.Collect(maps.Keys(heads)), func(room string) bool {
		return room == wire.Lobby || heads[room].Last > eventlog.MaxRemove
	})
	slices.SortFunc(small, func(a, b string) int { return int(heads[a].Last) - int(heads[b].Last) })
	times := r.store.NewestTimes() // by heart: a room that cannot be read keeps no other from going
	for _, room := range small {
		if gone == over {
			break
		}
		last := heads[room].Last
		at, there := times[room]
		if !there || now.Sub(at.Std()) < time.Duration(last)*time.Hour || r.occupied(room) {
			continue
		}
		o, err := r.decide(ctx, eventlog.Command{Kind: eventlog.RemoveRoom, Room: room, To: last})
		if err != nil {
			return gone, err
		}
		if o.Status == eventlog.Saved {
			gone++
		}
	}
	return gone, nil
}

// Decider has the journal decide about an event, see session.Env.Decide.
type Decider func(context.Context, eventlog.Command) (*eventlog.Outcome, error)

// A RoomInfo is what the operator is told of a room.
type RoomInfo struct {
	Room        string
	First, Last uint64
	At          wire.Time // of the newest message
	Members     int       // connections that are in it
}

// ListRooms tells of all rooms that have messages, by name. members counts the connections in one; nil: there are none.
func ListRooms(store eventlog.Store, members func(room string) int) []RoomInfo {
	heads, times := store.AllBounds(), store.NewestTimes()
	var list []RoomInfo
	for _, room := range slices.Sorted(maps.Keys(heads)) {
		head := heads[room]
		if head.Empty() {
			continue
		}
		info := RoomInfo{Room: room, First: head.First, Last: head.Last, At: times[room]}
		if members != nil {
			info.Members = members(room)
		}
		list = append(list, info)
	}
	return list
}

// DeleteRoom deletes all messages of a room, in steps, so that saying goes on meanwhile, and then the room. It returns false
// if it has not got to the end when ctx is done: then it can be called again. Who is in the room stays in it, and what is
// said there after that goes on with the next number. Of the lobby only the messages go. A room without messages is an error.
func DeleteRoom(ctx context.Context, store eventlog.Store, decide Decider, room string) (done bool, err error) {
	last := store.Bounds(room)
	if last.Empty() {
		return false, fmt.Errorf("there is no room %q", room)
	}
	for first := last.First; first <= last.Last; {
		if ctx.Err() != nil {
			return false, nil
		}
		o, err := decide(context.WithoutCancel(ctx), eventlog.Command{Kind: eventlog.Trim, Room: room, To: last.Last})
		if err != nil {
			return false, err
		}
		if o.Status == eventlog.Refused {
			return false, o.Err
		}
		first = o.N
	}
	_, err = decide(context.WithoutCancel(ctx), eventlog.Command{Kind: eventlog.RemoveRoom, Room: room, To: last.Last}) // refused: it goes on
	return true, err
}
