package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ramai/client"
	"ramai/internal/linemode"
	"ramai/wire"
)

// sayTimeout is how long say waits until its message is saved.
const sayTimeout = 30 * time.Second

type sayOptions struct {
	target
	name, id string
}

// newSay returns the command that posts one message.
func newSay() *cobra.Command {
	var o sayOptions
	cmd := &cobra.Command{
		Use:   "say ROOM TEXT...",
		Short: "Post one message",
		Long: `Post one message to a room: the words TEXT..., or all of stdin if TEXT is "-". When the message is saved, print the room and
its number. A word that begins with one dash, such as -v, is text; put -- before words that begin with two dashes.

Exit codes: 0 saved, 1 not confirmed within 30 seconds, 2 usage, 3 cannot connect, 4 rejected.`,
		Annotations: map[string]string{takesWords: ""},
		Args:        cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			text, err := textOf(args[1:], cmd.InOrStdin())
			if err != nil {
				return err
			}
			return runSay(cmd.Context(), o, args[0], text, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	o.flags(cmd.Flags())
	nameFlag(cmd.Flags(), &o.name)
	cmd.Flags().StringVar(&o.id, "id", "", "id of the message: with the same --name and --id it is posted only once, and its number is printed again")
	completeRoom(cmd, &o.target)
	return cmd
}

// textOf returns the message: args, or stdin if they are "-".
func textOf(args []string, stdin io.Reader) (string, error) {
	if len(args) != 1 || args[0] != "-" {
		return strings.Join(args, " "), nil
	}
	b, err := io.ReadAll(io.LimitReader(stdin, linemode.MaxLine+1))
	if err != nil {
		return "", exit(exitUsage, fmt.Errorf("read stdin: %w", err))
	}
	if len(b) > linemode.MaxLine {
		return "", exit(exitRefused, fmt.Errorf("stdin is longer than %d bytes, the limit for one message", linemode.MaxLine))
	}
	if len(b) == 0 {
		return "", exit(exitUsage, errors.New("stdin is empty; to post an empty message, use ''"))
	}
	return strings.TrimSuffix(wire.NormalizeText(string(b)), "\n"), nil
}

func runSay(ctx context.Context, o sayOptions, room, text string, stdout, stderr io.Writer) error {
	if err := errors.Join(checkServer(o.server), checkRoom(room)); err != nil {
		return exit(exitUsage, err)
	}
	if o.id != "" {
		if err := wire.CheckID(o.id); err != nil {
			return exit(exitUsage, fmt.Errorf("--id: invalid value %q: %s", o.id, err.Reason))
		}
		if o.name == "" {
			return exit(exitUsage, errors.New("--id requires --name, because only the same sender can repeat a message"))
		}
	}
	ctx, stop := untilSignal(ctx)
	defer stop()
	who := newIdentity(o.server, o.name, stderr)
	c, err := o.ask(ctx, who, "say whether a message was saved", stderr)
	if err != nil {
		return err
	}
	defer c.Close()
	patient, cancel := context.WithTimeout(ctx, sayTimeout)
	defer cancel()
	s := post{who: who, room: room, id: o.id, text: text, notes: stderr}
	n, err := s.run(patient, c)
	if err != nil && patient.Err() != nil && ctx.Err() == nil {
		return exit(exitUnconfirmed, s.timeout())
	}
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(stdout, "%s %d\n", room, n); err != nil {
		return unwritten(err) // the message was saved
	}
	return nil
}

// post is one message on its way.
type post struct {
	who        *identity
	room, text string
	id         string // empty: a new one
	notes      io.Writer
	noted      []string // lines printed to notes
	refusal    string   // the server's last reason to try again later; empty: none
}

// timeout is the error after sayTimeout.
func (s *post) timeout() error {
	if s.refusal != "" {
		return fmt.Errorf("not confirmed within %v: %s; the last answer of the server: %s", sayTimeout, client.Shortened(s.text), s.refusal)
	}
	return fmt.Errorf("not confirmed within %v: %s", sayTimeout, client.Shortened(s.text))
}

// note prints a line, unless it was printed before.
func (s *post) note(line string) {
	if !slices.Contains(s.noted, line) {
		s.noted = append(s.noted, line)
		fmt.Fprintln(s.notes, line)
	}
}

// run posts the message and returns its number. If a name was asked for, it waits until the name is granted.
func (s *post) run(ctx context.Context, c *client.Client) (uint64, error) {
	posted, session := false, ""
	say := func() (err error) {
		if posted {
			return nil
		}
		posted = true
		if s.id != "" {
			return c.SayWithID(s.room, s.id, s.text)
		}
		_, err = c.Say(s.room, s.text)
		return err
	}
	for {
		e, err := c.Next(ctx)
		if err != nil {
			return 0, linemode.Ended(ctx, err)
		}
		switch f := e.Frame.(type) {
		case wire.Welcome:
			session = f.Session
			if f.Name != "" {
				s.who.held(session)
			}
			if f.Name != "" || s.who.name == "" {
				err = say()
			}
		case wire.Name:
			s.who.held(session)
			err = say()
		case client.Sent:
			switch f.State {
			case client.Saved:
				return f.N, nil
			case client.Failed:
				err = fmt.Errorf("refused: %s", client.OneLine(f.Reason))
			case client.Held:
				s.note("held for a moderator")
			case client.Waiting:
				if f.Reason != "" {
					s.refusal = client.OneLine(f.Reason)
				}
			}
		case client.RequestFailed:
			err = linemode.RefusedName(f)
		case client.Disconnected:
			s.note(client.OneLine(f.Err.Error()) + "; trying again")
		}
		if err != nil {
			return 0, exit(exitRefused, err)
		}
	}
}
