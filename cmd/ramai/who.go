package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"ramai/client"
	"ramai/internal/linemode"
	"ramai/wire"
)

type whoOptions struct {
	target
	prefix string
	limit  int
	json   bool
}

// newWho returns the command that prints who is in a room.
func newWho() *cobra.Command {
	var o whoOptions
	cmd := &cobra.Command{
		Use:   "who ROOM",
		Short: "Print who is in a room",
		Long: `Print the names of the people in a room, one per line: those of the latest speakers first, then the others in alphabetical
order. The number of people is printed to stderr; a person with several connections counts once. With --json, print one JSON
object with count, matching and names.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runWho(cmd.Context(), o, args[0], cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f := cmd.Flags()
	o.flags(f)
	f.StringVar(&o.prefix, "prefix", "", "print only names that begin with this, in any case, with or without accents")
	f.IntVar(&o.limit, "limit", wire.MaxWho, "maximum number of names")
	f.BoolVar(&o.json, "json", false, "print a JSON object")
	completeRoom(cmd, &o.target)
	return cmd
}

func runWho(ctx context.Context, o whoOptions, room string, stdout, notes io.Writer) error {
	if err := errors.Join(checkServer(o.server), checkRoom(room)); err != nil {
		return exit(exitUsage, err)
	}
	if o.limit < 1 || o.limit > wire.MaxWho {
		return exit(exitUsage, fmt.Errorf("--limit: invalid value %d (want 1 to %d)", o.limit, wire.MaxWho))
	}
	if err := wire.CheckPrefix(o.prefix); err != nil {
		return exit(exitUsage, fmt.Errorf("--prefix: %s", err.Reason))
	}
	ctx, stop := untilSignal(ctx)
	defer stop()
	c, err := o.ask(ctx, nil, "list people", notes)
	if err != nil {
		return err
	}
	defer c.Close()
	timedOut := exit(exitNoServer, fmt.Errorf("the server did not answer within %v", pageTimeout))
	ctx, cancel := context.WithTimeoutCause(ctx, pageTimeout, timedOut)
	defer cancel()
	who, err := c.Who(ctx, wire.Who{Room: room, Prefix: o.prefix, Limit: o.limit})
	if err != nil {
		return linemode.Ended(ctx, err)
	}
	if o.json {
		return printJSON(stdout, wire.PeopleResponse{Count: who.Count, Matching: who.Matching, Names: who.Names})
	}
	for _, name := range who.Names {
		if _, err := fmt.Fprintln(stdout, client.OneLine(name)); err != nil {
			return unwritten(err)
		}
	}
	fmt.Fprintf(notes, "people in %s: %d\n", room, who.Count)
	return nil
}

type roomsOptions struct {
	target
	json bool
}

// newRooms returns the command that prints the rooms of a server.
func newRooms() *cobra.Command {
	var o roomsOptions
	cmd := &cobra.Command{
		Use:   "rooms",
		Short: "Print the rooms of a server",
		Long: `Print the rooms that have messages, one per line: the time of the newest message, its number, the number of people who are
there, and the room. With --json, each room is one JSON object per line.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runRooms(cmd.Context(), o, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	o.flags(cmd.Flags())
	cmd.Flags().BoolVar(&o.json, "json", false, "print JSON lines")
	return cmd
}

func runRooms(ctx context.Context, o roomsOptions, stdout, notes io.Writer) error {
	if err := checkServer(o.server); err != nil {
		return err
	}
	ctx, stop := untilSignal(ctx)
	defer stop()
	config, err := o.config(notes)
	if err != nil {
		return err
	}
	for after := ""; ; {
		page, err := withRetry(ctx, func(ctx context.Context) (*wire.RoomsResponse, error) { return client.Rooms(ctx, config, after, 0) })
		if err != nil {
			return err
		}
		for _, r := range page.Rooms {
			if o.json {
				err = printJSON(stdout, r)
			} else if _, failed := fmt.Fprintf(stdout, "%s  %d  %d  %s\n", r.At.Std().Local().Format(time.DateTime), r.Last, r.Count, client.OneLine(r.Room)); failed != nil {
				err = unwritten(failed)
			}
			if err != nil {
				return err
			}
		}
		if !page.More || len(page.Rooms) == 0 || page.Rooms[len(page.Rooms)-1].Room <= after {
			return nil
		}
		after = page.Rooms[len(page.Rooms)-1].Room
	}
}

// printJSON prints v as one line of JSON.
func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return unwritten(err)
	}
	return nil
}
