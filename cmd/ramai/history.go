package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"ramai/client"
	"ramai/internal/linemode"
	"ramai/wire"
)

// pageTimeout limits the wait for one page.
const pageTimeout = 30 * time.Second

type historyOptions struct {
	target
	after  *wire.Position // at most one of this, before and at
	before *uint64
	at     time.Time // the zero time: not given
	limit  int
	json   bool
}

// position is a flag for a position in a room.
type position wire.Position

// String implements pflag.Value.
func (p *position) String() string {
	if (*wire.Position)(p).Bare() {
		return strconv.FormatUint(p.N, 10)
	}
	return string(wire.AppendPosition(nil, wire.Position(*p)))
}

// Set implements pflag.Value.
func (p *position) Set(s string) error {
	at, ok := wire.ParsePosition(s)
	if !ok {
		return fmt.Errorf("invalid position %q (want a number, or LOG:EPOCH:N)", s)
	}
	*p = position(at)
	return nil
}

// Type implements pflag.Value.
func (p *position) Type() string { return "position" }

// moment is a flag for a time: RFC 3339, or without a zone, which is then the local one. An empty value is no time.
type moment time.Time

// momentLayouts are those without a zone. Without a day it is today.
var momentLayouts = []string{"2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02T15:04:05", "2006-01-02T15:04", time.DateOnly, "15:04"}

// String implements pflag.Value.
func (m *moment) String() string {
	if time.Time(*m).IsZero() {
		return ""
	}
	return time.Time(*m).Format(time.RFC3339)
}

// Set implements pflag.Value.
func (m *moment) Set(s string) error {
	if s == "" {
		*m = moment{}
		return nil
	}
	if at, err := time.Parse(time.RFC3339, s); err == nil {
		*m = moment(at)
		return nil
	}
	for _, layout := range momentLayouts {
		at, err := time.ParseInLocation(layout, s, time.Local)
		if err != nil {
			continue
		}
		if at.Year() == 0 {
			now := time.Now()
			at = time.Date(now.Year(), now.Month(), now.Day(), at.Hour(), at.Minute(), 0, 0, time.Local)
		}
		*m = moment(at)
		return nil
	}
	return fmt.Errorf("invalid time %q (want, for example, 14:30, 2026-01-31, \"2026-01-31 14:30\", or 2026-01-31T14:30:00Z)", s)
}

// Type implements pflag.Value.
func (m *moment) Type() string { return "time" }

// newHistory returns the command that prints messages of a room.
func newHistory() *cobra.Command {
	var o historyOptions
	var after position
	var before uint64
	var at moment
	cmd := &cobra.Command{
		Use:   "history ROOM",
		Short: "Print the messages of a room",
		Long: `Print messages of a room, oldest first: number, time, name and text. Without --after, --before and --at, the newest messages
are printed. With --json, each message is one JSON object per line.

After a server was reset to an older state, a plain number may refer to another message than before. --after LOG:EPOCH:N
detects that: the exit code is then 4.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			flags := cmd.Flags()
			if flags.Changed("after") && (typed(flags, "after") || !typed(flags, "before")) {
				o.after = (*wire.Position)(&after)
			}
			if flags.Changed("before") && (typed(flags, "before") || !typed(flags, "after")) {
				o.before = &before
			}
			o.at = time.Time(at)
			switch position := typed(flags, "after") || typed(flags, "before"); { // what is typed takes precedence over settings
			case typed(flags, "at") && !position:
				o.after, o.before = nil, nil
			case position && !typed(flags, "at"):
				o.at = time.Time{}
			}
			return runHistory(cmd.Context(), o, args[0], cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f := cmd.Flags()
	o.flags(f)
	f.Var(&after, "after", "print messages after this number or position (LOG:EPOCH:N)")
	f.Uint64Var(&before, "before", 0, "print messages before this number")
	f.Var(&at, "at", "print messages from this time on: 14:30 (today), 2026-01-31, \"2026-01-31 14:30\", or RFC 3339")
	f.IntVar(&o.limit, "limit", 50, "maximum number of messages")
	f.BoolVar(&o.json, "json", false, "print JSON lines")
	completeRoom(cmd, &o.target)
	return cmd
}

func runHistory(ctx context.Context, o historyOptions, room string, stdout, stderr io.Writer) error {
	if err := errors.Join(checkServer(o.server), checkRoom(room)); err != nil {
		return exit(exitUsage, err)
	}
	switch {
	case o.limit < 1:
		return exit(exitUsage, fmt.Errorf("--limit: invalid value %d (want at least 1)", o.limit))
	case o.after != nil && o.before != nil:
		return exit(exitUsage, errors.New("--after and --before exclude each other"))
	case !o.at.IsZero() && (o.after != nil || o.before != nil):
		return exit(exitUsage, errors.New("--at excludes --after and --before"))
	}
	ctx, stop := untilSignal(ctx)
	defer stop()
	c, err := o.ask(ctx, nil, "send history", stderr)
	if err != nil {
		return err
	}
	defer c.Close()
	if !o.at.IsZero() {
		return printFrom(ctx, c, o, room, stdout)
	}
	if o.after != nil {
		return printAfter(ctx, c, o, room, stdout)
	}
	return printBefore(ctx, c, o, room, stdout)
}

// printFrom prints the messages from a time on. The server finds the first of them.
func printFrom(ctx context.Context, c *client.Client, o historyOptions, room string, stdout io.Writer) error {
	at := wire.TimeOf(o.at)
	page, err := fetch(ctx, c, wire.History{Room: room, At: &at, Limit: 1})
	if err != nil || page.Target == 0 { // all messages are older
		return err
	}
	o.after = &wire.Position{HistoryID: page.HistoryID, Epoch: page.Epoch, N: page.Target - 1}
	return printAfter(ctx, c, o, room, stdout)
}

// printAfter prints pages as they arrive. Each must follow the previous one in the same history.
func printAfter(ctx context.Context, c *client.Client, o historyOptions, room string, stdout io.Writer) error {
	after := *o.after
	for remaining := o.limit; remaining > 0; {
		page, err := fetch(ctx, c, wire.History{Room: room, After: &after, Limit: min(remaining, wire.MaxPage)})
		if err != nil {
			return err
		}
		if page.Reset {
			return exit(exitRefused, fmt.Errorf("message %d of %s belongs to another history than the server's, which was reset to an older state or restored", after.N, room))
		}
		if err := printMessages(stdout, page.Messages, o.json); err != nil {
			return err
		}
		if !page.More || len(page.Messages) == 0 {
			return nil
		}
		remaining -= len(page.Messages)
		after = wire.Position{HistoryID: page.HistoryID, Epoch: page.Epoch, N: page.Messages[len(page.Messages)-1].N}
	}
	return nil
}

// printBefore collects pages from the newest to the oldest and prints them in reverse. If the epoch changes, it starts over,
// because the numbers of collected pages may refer to other messages then.
func printBefore(ctx context.Context, c *client.Client, o historyOptions, room string, stdout io.Writer) error {
	var pages [][]wire.Message
	var firstPage wire.Page
	before := o.before
	for remaining := o.limit; remaining > 0; {
		page, err := fetch(ctx, c, wire.History{Room: room, Before: before, Limit: min(remaining, wire.MaxPage)})
		if err != nil {
			return err
		}
		if len(pages) == 0 {
			firstPage = page
		}
		if page.HistoryID != firstPage.HistoryID || page.Epoch != firstPage.Epoch {
			pages, before, remaining = nil, o.before, o.limit
			continue
		}
		pages = append(pages, page.Messages)
		if !page.More || len(page.Messages) == 0 {
			break
		}
		remaining -= len(page.Messages)
		before = &page.Messages[0].N
	}
	for _, page := range slices.Backward(pages) {
		if err := printMessages(stdout, page, o.json); err != nil {
			return err
		}
	}
	return nil
}

func fetch(ctx context.Context, c *client.Client, h wire.History) (wire.Page, error) {
	timedOut := exit(exitNoServer, fmt.Errorf("the server did not send a page within %v", pageTimeout))
	ctx, cancel := context.WithTimeoutCause(ctx, pageTimeout, timedOut)
	defer cancel()
	page, err := c.History(ctx, h)
	if err != nil {
		return page, linemode.Ended(ctx, err)
	}
	return page, nil
}

func printMessages(w io.Writer, messages []wire.Message, asJSON bool) error {
	for _, m := range messages {
		out := linemode.Indent(fmt.Sprintf("%d  %s  ", m.N, m.At.Std().Local().Format(time.DateTime)), linemode.PlainText(m)+linemode.Counts(m))
		if asJSON {
			out = string(linemode.JSON(wire.AppendMessage(nil, &m)))
		}
		if _, err := io.WriteString(w, out); err != nil {
			return unwritten(err)
		}
	}
	return nil
}
