package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"ramai/internal/linemode"
	"ramai/wire"
)

// newExport returns the command that exports a room.
func newExport() *cobra.Command {
	var to target
	var by, data string
	cmd := &cobra.Command{
		Use:   "export ROOM | export --by BY",
		Short: "Export all messages of a room, or everything of one person, as JSON lines",
		Long: `Write all messages of a room to stdout, oldest first, one JSON object per line, up to the newest message when the export
begins. Terminal control characters are escaped. ramai import reads this format.

With --by, write everything that is stored of a sender (the "by" of its messages) in all rooms: names, proofs and sessions without their
secrets, roles, bans and mutes, invites, messages, changes, settings and marks. Records have the form of frames of ramai.v1; see
docs/OPERATING.md. The last line has the type "end". This is for the operator: if a server is running with the data folder, the command uses
its socket there. Otherwise it opens the folder itself.

Exit codes: 0 ok, 1 incomplete, 2 usage, 3 cannot connect, 4 rejected, 5 the data folder cannot be used.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case (by == "") == (len(args) == 0):
				return exit(exitUsage, errors.New("give either a room or --by"))
			case by != "":
				return exportPerson(cmd, data, by)
			}
			return runExport(cmd.Context(), to, args[0], cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	to.flags(cmd.Flags())
	cmd.Flags().StringVar(&by, "by", "", "export everything of this sender, as the operator")
	dataFlag(cmd.Flags(), &data)
	return cmd
}

func runExport(ctx context.Context, to target, room string, stdout, stderr io.Writer) error {
	if err := errors.Join(checkServer(to.server), checkRoom(room)); err != nil {
		return exit(exitUsage, err)
	}
	ctx, stop := untilSignal(ctx)
	defer stop()
	c, err := to.ask(ctx, nil, "send history", stderr)
	if err != nil {
		return err
	}
	defer c.Close()
	newest, err := fetch(ctx, c, wire.History{Room: room, Limit: 1})
	if err != nil {
		return err
	}
	if len(newest.Messages) == 0 {
		return exit(exitRefused, fmt.Errorf("there are no messages in the room %s", room))
	}
	last := newest.Messages[0].N
	out := bufio.NewWriter(stdout)
	read := func(h wire.History) (wire.Page, error) { return fetch(ctx, c, h) }
	written, err := exportTo(read, &newest, room, last, out)
	if flush := out.Flush(); err == nil && flush != nil {
		err = unwritten(flush)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(stderr, "%d messages of %s, up to number %d of log %s\n", written, room, last, newest.HistoryID)
	return nil
}

// exportTo writes messages up to number last, and returns how many. It reads pages of history, and goes on if the server was
// restarted between two of them, unless it was reset to an older state.
func exportTo(read func(wire.History) (wire.Page, error), newest *wire.Page, room string, last uint64, out io.Writer) (written int, _ error) {
	e := exporter{out: out, room: room, last: last}
	epoch := newest.Epoch
	for e.after < last {
		page, err := read(wire.History{Room: room, After: &wire.Position{HistoryID: newest.HistoryID, Epoch: epoch, N: e.after}})
		if err != nil {
			return e.written, err
		}
		if page.HistoryID != newest.HistoryID || page.Reset {
			return e.written, exit(exitUnconfirmed, fmt.Errorf("the server was reset to an older state after %d messages; repeat the export", e.written))
		}
		if err := e.page(&page); err != nil {
			return e.written, err
		}
		epoch = page.Epoch
	}
	return e.written, nil
}

// exporter writes an export.
type exporter struct {
	out     io.Writer
	room    string
	last    uint64 // number of the last message to write
	after   uint64 // what was written, or is known not to be a message
	written int    // messages
}

// page writes a page that follows what was written.
func (e *exporter) page(page *wire.Page) error {
	before, skipped := e.after, page.Skipped
	for i := range page.Messages {
		m := &page.Messages[i]
		for ; len(skipped) > 0 && skipped[0].From < m.N; skipped = skipped[1:] {
			if err := e.skip(skipped[0]); err != nil {
				return err
			}
		}
		if err := e.put(m.N, m.N, wire.AppendMessage(nil, m)); err != nil {
			return err
		}
		if m.N <= e.last {
			e.written++
		}
	}
	for _, r := range skipped {
		if err := e.skip(r); err != nil {
			return err
		}
	}
	if e.after == before {
		return e.deleted(e.last)
	}
	return nil
}

// skip writes numbers that are not messages. An export begins with a message.
func (e *exporter) skip(r wire.Range) error {
	if e.written == 0 {
		e.after = r.To
		return nil
	}
	return e.put(r.From, r.To, fmt.Appendf(nil, `{"room":%q,"skipped":[[%d,%d]]}`, e.room, r.From, r.To)) // a room's name needs no escapes
}

// put writes a line about some numbers.
func (e *exporter) put(from, to uint64, line []byte) error {
	switch {
	case from > e.last:
		return nil
	case from != e.after+1 && e.written > 0: // only messages that were deleted before the export may be missing
		return e.deleted(from - 1)
	}
	e.after = to
	if _, err := e.out.Write(linemode.JSON(line)); err != nil {
		return unwritten(err)
	}
	return nil
}

func (e *exporter) deleted(to uint64) error {
	return exit(exitUnconfirmed, fmt.Errorf("messages %d to %d were deleted during the export; repeat it", e.after+1, to))
}
