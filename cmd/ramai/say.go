package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ramai/client"
	"ramai/internal/lines"
	"ramai/wire"
)

// sayPatience is how long say waits for its text to be saved.
const sayPatience = 30 * time.Second

type sayOptions struct {
	target
	name string
}

// newSay returns the command that says one thing.
func newSay() *cobra.Command {
	var o sayOptions
	cmd := &cobra.Command{
		Use:   "say ROOM TEXT...",
		Short: "Say one thing in a room",
		Long: `Say one thing in a room: the words TEXT..., or all of stdin if TEXT is "-". When it is saved, print the room and the
number it has there. Exit code 1 if that was not confirmed within 30 seconds, 4 if it was refused.`,
		Args: cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			text, err := words(args[1:], cmd.InOrStdin())
			if err != nil {
				return err
			}
			return runSay(cmd.Context(), o, args[0], text, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	o.flags(cmd.Flags())
	nameFlag(cmd.Flags(), &o.name)
	return cmd
}

// words is the text that args stand for.
func words(args []string, stdin io.Reader) (string, error) {
	if len(args) != 1 || args[0] != "-" {
		return strings.Join(args, " "), nil
	}
	b, err := io.ReadAll(io.LimitReader(stdin, lines.MaxLine+1))
	if err != nil {
		return "", exit(exitUsage, fmt.Errorf("reading stdin: %w", err))
	}
	if len(b) > lines.MaxLine {
		return "", exit(exitRefused, fmt.Errorf("stdin has more than %d bytes, which is more than can be said at once", lines.MaxLine))
	}
	return strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r"), nil
}

func runSay(ctx context.Context, o sayOptions, room, text string, stdout, stderr io.Writer) error {
	if err := errors.Join(checkServer(o.server), checkRoom(room)); err != nil {
		return exit(exitUsage, err)
	}
	ctx, stop := untilSignal(ctx)
	defer stop()
	who := newIdentity(o.server, o.name, stderr)
	c, err := o.ask(ctx, who, "say whether a message was saved", stderr)
	if err != nil {
		return err
	}
	defer c.Close()
	late := fmt.Errorf("not confirmed within %v: %s", sayPatience, client.Shortened(text))
	ctx, cancel := context.WithTimeoutCause(ctx, sayPatience, exit(exitUnconfirmed, late))
	defer cancel()
	n, err := sayOne(ctx, c, who, room, text, stderr)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(stdout, "%s %d\n", room, n); err != nil {
		return exit(exitUnconfirmed, fmt.Errorf("it was saved, but writing to stdout: %w", err))
	}
	return nil
}

// sayOne says text, under the name that was asked for or not at all, and returns its number.
func sayOne(ctx context.Context, c *client.Client, who *identity, room, text string, notes io.Writer) (uint64, error) {
	id, session := "", ""
	say := func() (err error) {
		if id == "" {
			id, err = c.Say(room, text)
		}
		return err
	}
	for {
		e, err := c.Next(ctx)
		if err != nil {
			return 0, lines.Ended(ctx, err)
		}
		switch f := e.Frame.(type) {
		case wire.Welcomed:
			session = f.Session
			if f.Name != "" {
				who.held(session)
			}
			if f.Name != "" || who.name == "" {
				err = say()
			}
		case wire.Name:
			who.held(session)
			err = say()
		case wire.Saved:
			if f.ID == id {
				return f.N, nil
			}
		case wire.Refused:
			if f.ID == id && f.RetryAfterMS == 0 {
				err = fmt.Errorf("refused: %s", client.OneLine(f.Reason))
			}
		case client.Failed:
			err = lines.RefusedName(f)
		case client.Disconnected:
			fmt.Fprintf(notes, "%s; again in %v\n", client.OneLine(f.Err.Error()), f.Wait.Round(time.Millisecond))
		}
		if err != nil {
			return 0, exit(exitRefused, err)
		}
	}
}
