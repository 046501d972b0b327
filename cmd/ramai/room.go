package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ramai/client"
	"ramai/internal/journal"
	"ramai/internal/store/sqlite"
	"ramai/server"
	"ramai/wire"
)

// newRoom returns the command for rooms.
func newRoom() *cobra.Command {
	var o operatorOptions
	cmd := &cobra.Command{
		Use:   "room list | room delete ROOM",
		Short: "List the rooms that have messages, or delete one",
		Long: `"room list" writes the rooms that have messages, a line each: the time of the newest, the numbers of the oldest and the newest,
how many connections are in it, the room. "room delete" deletes all messages of one. They cannot be recovered. Whoever is in the
room stays in it. Numbers go on, so clients that have not heard everything are told about the gap.

A server that runs with the data folder is asked at its socket there; otherwise the folder is read, or changed.

Exit codes: 0 ok, 2 usage, 3 cannot connect, 4 refused, 5 the data folder cannot be used.`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case args[0] == "list" && len(args) == 1:
				return o.listRooms(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
			case args[0] == "delete" && len(args) == 2:
				return o.deleteRoom(cmd.Context(), args[1], cmd.OutOrStdout(), cmd.ErrOrStderr())
			}
			return exit(exitUsage, fmt.Errorf("rooms can be listed and deleted, not %q: ramai room list, or ramai room delete ROOM", strings.Join(args, " ")))
		},
	}
	dataFlag(cmd.Flags(), &o.data)
	return cmd
}

func (o *operatorOptions) listRooms(ctx context.Context, out, notes io.Writer) error {
	list, err := askList[server.RoomInfo](ctx, o.data, server.RoomsPath)
	if errors.Is(err, errNotRunning) {
		err = o.offline(notes, func(s *sqlite.Store) error {
			list = server.ListRooms(s, nil)
			return nil
		})
	}
	for _, r := range list {
		if err == nil {
			_, err = fmt.Fprintf(out, "%s  %d-%d  %d  %s\n", r.At.Std().UTC().Format(time.RFC3339), r.First, r.Last, r.Members, client.OneLine(r.Room))
		}
	}
	return err
}

func (o *operatorOptions) deleteRoom(ctx context.Context, room string, out, notes io.Writer) error {
	if err := wire.CheckRoom(room); err != nil {
		return exit(exitUsage, errors.New(err.Reason))
	}
	answer, err := []byte("more"), error(nil)
	for err == nil && string(answer) == "more" {
		answer, err = askServer(ctx, o.data, http.MethodPost, server.DeletePath, room)
	}
	if errors.Is(err, errNotRunning) {
		err = o.offline(notes, func(s *sqlite.Store) error { return deleteOffline(ctx, s, room) })
	}
	if err == nil {
		_, err = fmt.Fprintf(out, "the room %s is deleted\n", room)
	}
	return err
}

// deleteOffline deletes a room of a server that does not run.
func deleteOffline(ctx context.Context, s *sqlite.Store, room string) error {
	refused := s.Head(room).Empty() // there is no such room
	done, err := server.DeleteRoom(ctx, s, func(_ context.Context, e journal.Event) (*journal.Outcome, error) {
		outcomes, err := s.Apply(&journal.Batch{At: wire.TimeOf(time.Now()), Events: []journal.Event{e}}, s.Position()+1)
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
