package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"ramai/client"
	"ramai/internal/eventlog"
	"ramai/internal/store/sqlite"
	"ramai/server"
	"ramai/wire"
)

// newRoom returns the command for rooms.
func newRoom() *cobra.Command {
	return operated[server.RoomInfo]{
		noun: "room", verb: "delete", argument: "ROOM",
		short: "List the rooms that have messages, or delete one",
		long: `"room list" writes the rooms that have messages, a line each: the time of the newest, the numbers of the oldest and the newest,
how many connections are in it, the room. "room delete" deletes all messages of one. They cannot be recovered. Whoever is in the
room stays in it. Numbers go on, so clients that have not heard everything are told about the gap.`,
		listed: server.RoomsPath,
		list:   func(s *sqlite.Store) []server.RoomInfo { return server.ListRooms(s, nil) },
		line: func(r server.RoomInfo) string {
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
		done:    "the room %s is deleted",
	}.command()
}

// deleteOffline deletes a room of a server that does not run.
func deleteOffline(ctx context.Context, s *sqlite.Store, room string) error {
	refused := s.Bounds(room).Empty() // there is no such room
	done, err := server.DeleteRoom(ctx, s, func(_ context.Context, e eventlog.Command) (*eventlog.Outcome, error) {
		outcomes, err := s.Apply(&eventlog.Batch{At: wire.TimeOf(time.Now()), Commands: []eventlog.Command{e}}, s.Position()+1)
		if err != nil {
			return nil, err
		}
		return &outcomes[0], nil
	}, room)
	switch {
	case err != nil && refused:
		return exit(exitRefused, err)
	case err != nil:
		return exit(exitUnusable, err)
	case !done:
		return ctx.Err()
	}
	return nil
}
