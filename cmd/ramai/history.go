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

// pagePatience is how long history waits for one page.
const pagePatience = 30 * time.Second

type historyOptions struct {
	target
	after  *wire.Position // at most one of this and before
	before *uint64
	limit  int
	json   bool
}

// place is a position in a room, as a flag.
type place wire.Position

// String implements pflag.Value.
func (p *place) String() string {
	if (*wire.Position)(p).Bare() {
		return strconv.FormatUint(p.N, 10)
	}
	return string(wire.AppendPosition(nil, wire.Position(*p)))
}

// Set implements pflag.Value.
func (p *place) Set(s string) error {
	at, ok := wire.ParsePosition(s)
	if !ok {
		return fmt.Errorf("%q is neither a number nor a position LOG:EPOCH:N, as a server gives it", s)
	}
	*p = place(at)
	return nil
}

// Type implements pflag.Value.
func (p *place) Type() string { return "position" }

// newHistory returns the command that prints what was said.
func newHistory() *cobra.Command {
	var o historyOptions
	var after place
	var before uint64
	cmd := &cobra.Command{
		Use:   "history ROOM",
		Short: "Print what was said in a room",
		Long: `Print what was said in a room, oldest first: the number, the time, the name and the text. Without --after and --before
these are the newest messages. With --json each message is one JSON object a line.

A number alone may be one of another history, where a server was set back to an older state and other messages were said.
--after LOG:EPOCH:N makes sure that it is not: exit code 4 if it is.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			flags := cmd.Flags()
			if flags.Changed("after") && (typed(flags, "after") || !typed(flags, "before")) {
				o.after = (*wire.Position)(&after)
			}
			if flags.Changed("before") && (typed(flags, "before") || !typed(flags, "after")) {
				o.before = &before
			}
			return runHistory(cmd.Context(), o, args[0], cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f := cmd.Flags()
	o.flags(f)
	f.Var(&after, "after", "messages after this number, or position LOG:EPOCH:N")
	f.Uint64Var(&before, "before", 0, "messages before this number")
	f.IntVar(&o.limit, "limit", 50, "how many at most")
	f.BoolVar(&o.json, "json", false, "print JSON lines")
	return cmd
}

func runHistory(ctx context.Context, o historyOptions, room string, stdout, stderr io.Writer) error {
	if err := errors.Join(checkServer(o.server), checkRoom(room)); err != nil {
		return exit(exitUsage, err)
	}
	switch {
	case o.limit < 1:
		return exit(exitUsage, fmt.Errorf("--limit is at least 1, not %d", o.limit))
	case o.after != nil && o.before != nil:
		return exit(exitUsage, errors.New("give --after or --before, not both"))
	}
	ctx, stop := untilSignal(ctx)
	defer stop()
	c, err := o.ask(ctx, nil, "tell what was said", stderr)
	if err != nil {
		return err
	}
	defer c.Close()
	if o.after != nil {
		return printAfter(ctx, c, o, room, stdout)
	}
	return printBefore(ctx, c, o, room, stdout)
}

// printAfter prints pages as they come. Each has to follow what was printed before, in the same history.
func printAfter(ctx context.Context, c *client.Client, o historyOptions, room string, stdout io.Writer) error {
	after := *o.after
	for left := o.limit; left > 0; {
		page, err := fetch(ctx, c, wire.History{Room: room, After: &after, Limit: min(left, wire.MaxPage)})
		if err != nil {
			return err
		}
		if page.Reset {
			return exit(exitRefused, fmt.Errorf("number %d of %s is of another history than the server's: it was set back to an older state, or its messages were restored", after.N, room))
		}
		if err := printMessages(stdout, page.Messages, o.json); err != nil {
			return err
		}
		if !page.More || len(page.Messages) == 0 {
			return nil
		}
		left -= len(page.Messages)
		after = wire.Position{HistoryID: page.HistoryID, Epoch: page.Epoch, N: page.Messages[len(page.Messages)-1].N}
	}
	return nil
}

// printBefore collects pages from the newest to the oldest and prints them the other way round. They are of one epoch: in
// another, other messages may have the numbers of those that were collected, so it begins anew.
func printBefore(ctx context.Context, c *client.Client, o historyOptions, room string, stdout io.Writer) error {
	var pages [][]wire.Message
	var begun wire.Page
	before := o.before
	for left := o.limit; left > 0; {
		page, err := fetch(ctx, c, wire.History{Room: room, Before: before, Limit: min(left, wire.MaxPage)})
		if err != nil {
			return err
		}
		if len(pages) == 0 {
			begun = page
		}
		if page.HistoryID != begun.HistoryID || page.Epoch != begun.Epoch {
			pages, before, left = nil, o.before, o.limit
			continue
		}
		pages = append(pages, page.Messages)
		if !page.More || len(page.Messages) == 0 {
			break
		}
		left -= len(page.Messages)
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
	late := exit(exitNoServer, fmt.Errorf("the server sent no history within %v", pagePatience))
	ctx, cancel := context.WithTimeoutCause(ctx, pagePatience, late)
	defer cancel()
	page, err := c.History(ctx, h)
	if err != nil {
		return page, linemode.Ended(ctx, err)
	}
	return page, nil
}

func printMessages(w io.Writer, messages []wire.Message, asJSON bool) error {
	for _, m := range messages {
		out := linemode.Indent(fmt.Sprintf("%d  %s  ", m.N, m.At.Std().Local().Format(time.DateTime)), linemode.PlainText(m))
		if asJSON {
			out = string(linemode.JSON(wire.AppendMessage(nil, &m)))
		}
		if _, err := io.WriteString(w, out); err != nil {
			return unwritten(err)
		}
	}
	return nil
}
