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
	re       uint64
	as       string
	options  []string
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
			if cmd.Flags().Changed("re") && o.re == 0 {
				return exit(exitUsage, errors.New("--re: invalid value 0 (want the number of a message, from 1)"))
			}
			if err := wire.CheckAs(o.as, o.options); err != nil {
				return exit(exitUsage, errors.New(err.Reason))
			}
			p := post{room: args[0], text: text, re: o.re, as: o.as, options: o.options}
			return runPost(cmd.Context(), o, &p, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	o.flags(cmd.Flags())
	nameFlag(cmd.Flags(), &o.name)
	cmd.Flags().StringVar(&o.id, "id", "", "id of the message: with the same --name and --id it is posted only once, and its number is printed again")
	completeRoom(cmd, &o.target)
	cmd.Flags().Uint64Var(&o.re, "re", 0, "number of the message that this one replies to")
	cmd.Flags().StringVar(&o.as, "as", "", "what it is: question, poll, or notice, which only the operator can post")
	cmd.Flags().StringArrayVar(&o.options, "option", nil, "an option of a poll; give 2 to 12 of them")
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

// runPost posts a message or a change, and prints its room and number.
func runPost(ctx context.Context, o sayOptions, s *post, stdout, stderr io.Writer) error {
	if err := errors.Join(checkServer(o.server), checkRoom(s.room)); err != nil {
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
	s.who, s.id, s.notes = newIdentity(o.server, o.name, stderr), o.id, stderr
	c, err := o.ask(ctx, s.who, "say whether a message was saved", stderr)
	if err != nil {
		return err
	}
	defer c.Close()
	patient, cancel := context.WithTimeout(ctx, sayTimeout)
	defer cancel()
	n, err := s.run(patient, c)
	if err != nil && patient.Err() != nil && ctx.Err() == nil {
		return exit(exitUnconfirmed, s.timeout())
	}
	if err != nil {
		return err
	}
	if s.mark != nil { // it has no number
		return nil
	}
	if _, err := fmt.Fprintf(stdout, "%s %d\n", s.room, n); err != nil {
		return unwritten(err) // the message was saved
	}
	return nil
}

// post is a message, a change or a mark of one, or a setting, on its way.
type post struct {
	who        *identity
	room, text string
	re         uint64 // the message that it replies to; 0: none
	as         string // question, poll or notice; empty: a message like most
	options    []string
	key        string // the setting that it changes; empty: none
	value      wire.Value
	mark       *wire.Mark // nil: it is none
	of         uint64     // the message that it changes; 0: it is a message
	deletes    bool       // it deletes that message
	id         string     // empty: a new one
	notes      io.Writer
	noted      []string // lines printed to notes
	refusal    string   // the server's last reason to try again later; empty: none
}

// send queues the message or change.
func (s *post) send(c *client.Client) (err error) {
	switch {
	case s.mark != nil:
		err = c.Mark(*s.mark)
	case s.key != "":
		_, err = c.Set(wire.Set{Room: s.room, ID: s.id, Key: s.key, Value: s.value})
	case s.of == 0:
		_, err = c.Post(wire.Say{Room: s.room, ID: s.id, Text: s.text, Re: s.re, As: s.as, Options: s.options})
	case s.deletes:
		_, err = c.Change(client.Change{Room: s.room, Of: s.of, ID: s.id})
	default:
		_, err = c.Change(client.Change{Room: s.room, Of: s.of, ID: s.id, Text: &s.text})
	}
	return err
}

// what describes it for people.
func (s *post) what() string {
	switch {
	case s.mark != nil:
		return fmt.Sprintf("mark of message %d", s.mark.Of)
	case s.key != "":
		return "setting " + s.key
	case s.deletes:
		return fmt.Sprintf("deletion of message %d", s.of)
	}
	return client.Shortened(s.text)
}

// timeout is the error after sayTimeout.
func (s *post) timeout() error {
	if s.refusal != "" {
		return fmt.Errorf("not confirmed within %v: %s; the last answer of the server: %s", sayTimeout, s.what(), s.refusal)
	}
	return fmt.Errorf("not confirmed within %v: %s", sayTimeout, s.what())
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
		return s.send(c)
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
				s.note("waits for a moderator")
			case client.Waiting:
				if f.Reason != "" {
					s.refusal = client.OneLine(f.Reason)
				}
			}
		case wire.Marked:
			return 0, nil
		case client.RequestFailed:
			if _, ok := f.Request.(wire.Mark); ok {
				err = fmt.Errorf("refused: %s", client.OneLine(f.Reason))
			} else {
				err = linemode.RefusedName(f)
			}
		case client.Disconnected:
			s.note(client.OneLine(f.Err.Error()) + "; trying again")
		}
		if err != nil {
			return 0, exit(exitRefused, err)
		}
	}
}
