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
number it has there. A word that begins with one dash, such as -v, is text; put -- before words that begin with two.
Exit code 1 if that was not confirmed within 30 seconds, 4 if it was refused.`,
		Annotations: map[string]string{takesWords: ""},
		Args:        cobra.MinimumNArgs(2),
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
	b, err := io.ReadAll(io.LimitReader(stdin, linemode.MaxLine+1))
	if err != nil {
		return "", exit(exitUsage, fmt.Errorf("reading stdin: %w", err))
	}
	if len(b) > linemode.MaxLine {
		return "", exit(exitRefused, fmt.Errorf("stdin has more than %d bytes, which is more than can be said at once", linemode.MaxLine))
	}
	if len(b) == 0 {
		return "", exit(exitUsage, errors.New("stdin is empty; to say an empty text, use ''"))
	}
	return strings.TrimSuffix(wire.NormalizeText(string(b)), "\n"), nil
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
	patient, cancel := context.WithTimeout(ctx, sayPatience)
	defer cancel()
	s := saying{who: who, room: room, text: text, notes: stderr}
	n, err := s.run(patient, c)
	if err != nil && patient.Err() != nil && ctx.Err() == nil {
		return exit(exitUnconfirmed, s.late())
	}
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(stdout, "%s %d\n", room, n); err != nil {
		return unwritten(err) // it was saved all the same
	}
	return nil
}

// saying is one text on its way.
type saying struct {
	who        *identity
	room, text string
	notes      io.Writer
	told       []string // reasons that were told already
	refusal    string   // the last one that was worth another try; empty: none
}

// late is the error when patience is at an end. It has the server's last reason, if there was one.
func (s *saying) late() error {
	if s.refusal != "" {
		return fmt.Errorf("not confirmed within %v: %s; the server's last refusal: %s", sayPatience, client.Shortened(s.text), s.refusal)
	}
	return fmt.Errorf("not confirmed within %v: %s", sayPatience, client.Shortened(s.text))
}

// note tells a reason, once.
func (s *saying) note(reason string) {
	if !slices.Contains(s.told, reason) {
		s.told = append(s.told, reason)
		fmt.Fprintln(s.notes, reason+"; trying again")
	}
}

// run says the text, under the name that was asked for or not at all, and returns its number.
func (s *saying) run(ctx context.Context, c *client.Client) (uint64, error) {
	id, session := "", ""
	say := func() (err error) {
		if id == "" {
			id, err = c.Say(s.room, s.text)
		}
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
		case wire.Saved:
			if f.ID == id {
				return f.N, nil
			}
		case wire.Refused:
			if f.ID == id && f.RetryAfterMS == 0 {
				err = fmt.Errorf("refused: %s", client.OneLine(f.Reason))
			} else if f.ID == id {
				s.refusal = client.OneLine(f.Reason)
			}
		case client.Failed:
			err = linemode.RefusedName(f)
		case client.Disconnected:
			s.note(client.OneLine(f.Err.Error()))
		}
		if err != nil {
			return 0, exit(exitRefused, err)
		}
	}
}
