package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"ramai/client"
	"ramai/internal/chat"
	"ramai/internal/eventlog"
	"ramai/internal/store/sqlite"
	"ramai/server"
	"ramai/wire"
)

// newRoom returns the command for rooms.
func newRoom() *cobra.Command {
	return operated[chat.RoomInfo]{
		noun: "room", verb: "delete", argument: "ROOM",
		short: "List rooms, or delete one",
		long: `"room list" prints rooms with messages, one per line: the time of the newest message, the numbers of the oldest and the newest,
the number of people in it, and the room. "room delete" deletes all messages of a room. They cannot be recovered. Connections
stay in the room. Numbering continues, and clients are told about the gap.`,
		listed: server.RoomsPath,
		list:   func(s *sqlite.Store) []chat.RoomInfo { return operatorOf(s).Rooms(nil) },
		line: func(r chat.RoomInfo) string {
			return fmt.Sprintf("%s  %d-%d  %d  %s", r.At.Std().UTC().Format(time.RFC3339), r.First, r.Last, r.Members, client.OneLine(r.Room))
		},
		check: func(room string) (string, error) {
			if err := wire.CheckRoom(room); err != nil {
				return "", errors.New(err.Reason)
			}
			return room, nil
		},
		changed: server.DeletePath,
		change:  deleteOffline,
		done:    "room %s is deleted",
	}.command()
}

// deleteOffline deletes a room in the data of a stopped server.
func deleteOffline(ctx context.Context, s *sqlite.Store, room string) error {
	unknown := s.Bounds(room).Empty()
	done, err := operatorOf(s).DeleteRoom(ctx, room)
	switch {
	case err != nil && unknown:
		return exit(exitRefused, err)
	case err != nil:
		return exit(exitUnusable, err)
	case !done:
		return ctx.Err()
	}
	return nil
}

// operatorOf returns the operator's methods on the data of a stopped server.
func operatorOf(s *sqlite.Store) *chat.Operator {
	return &chat.Operator{Store: s, Decide: func(_ context.Context, c eventlog.Command) (*eventlog.Outcome, error) {
		outcomes, err := s.Apply(&eventlog.Batch{At: wire.TimeOf(time.Now()), Commands: []eventlog.Command{c}}, s.Position()+1)
		if err != nil {
			return nil, err
		}
		return &outcomes[0], nil
	}}
}
