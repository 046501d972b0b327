package chat

import (
	"context"
	"fmt"

	"ramai/internal/eventlog"
	"ramai/wire"
)

// auditReader reads the records of a room one after the other.
type auditReader struct {
	store   eventlog.Store
	room    string
	after   uint64
	records []eventlog.Record
}

// next returns the next record without taking it; nil: there is none.
func (r *auditReader) next() (*eventlog.Record, error) {
	if len(r.records) == 0 {
		records, _, err := r.store.Read(r.room, r.after, eventlog.MaxRead)
		if err != nil || len(records) == 0 {
			return nil, err
		}
		r.records, r.after = records, records[len(records)-1].N
	}
	return &r.records[0], nil
}

// Audit calls put with each message of the rooms of a room's moderators and of its owners, as a frame of ramai.v1, the oldest first:
// what was done in the room, what was reported, and what was held. A *wire.CodedError refuses an unknown room.
func (o *Operator) Audit(ctx context.Context, room string, put func(frame []byte) error) error {
	if base, _ := wire.BaseRoom(room); wire.CheckRoom(room) != nil || base != room {
		return &wire.CodedError{Code: wire.BadRequest, Reason: fmt.Sprintf("%q is not the name of a room", room)}
	}
	readers := [...]*auditReader{{store: o.Store, room: wire.ModeratorsRoom(room)}, {store: o.Store, room: wire.OwnersRoom(room)}}
	if o.Store.Bounds(room).Last == 0 && o.Store.Bounds(readers[0].room).Last == 0 {
		return &wire.CodedError{Code: wire.BadRequest, Reason: fmt.Sprintf("there is no room %s", room)}
	}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		var oldest *auditReader
		for _, r := range readers {
			record, err := r.next()
			if err != nil {
				return fmt.Errorf("room %s: %w", r.room, err)
			}
			if record != nil && (oldest == nil || record.At < oldest.records[0].At) {
				oldest = r
			}
		}
		if oldest == nil {
			return nil
		}
		record := oldest.records[0]
		oldest.records = oldest.records[1:]
		if _, is, err := record.Message(); err != nil || !is {
			if err != nil {
				return err
			}
			continue
		}
		frame, err := record.AppendFrame(nil)
		if err == nil {
			err = put(frame)
		}
		if err != nil {
			return err
		}
	}
}
