package main

import (
	"errors"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// newEdit returns the command that replaces the text of a message.
func newEdit() *cobra.Command {
	var o sayOptions
	cmd := &cobra.Command{
		Use:   "edit ROOM N TEXT...",
		Short: "Replace the text of one of your messages",
		Long: `Replace the text of message N, which you posted under --name, by the words TEXT..., or by all of stdin if TEXT is "-". The old text
is erased. When the change is saved, print the room and the number of the change. A word that begins with one dash, such as -v, is
text; put -- before words that begin with two dashes.

Exit codes: 0 saved, 1 not confirmed within 30 seconds, 2 usage, 3 cannot connect, 4 rejected.`,
		Annotations: map[string]string{takesWords: ""},
		Args:        cobra.MinimumNArgs(3),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := changeOf(o, args)
			if err != nil {
				return err
			}
			if p.text, err = textOf(args[2:], cmd.InOrStdin()); err != nil {
				return err
			}
			return runPost(cmd.Context(), o, p, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	o.changeFlags(cmd.Flags())
	completeRoom(cmd, &o.target)
	return cmd
}

// newDelete returns the command that deletes a message.
func newDelete() *cobra.Command {
	var o sayOptions
	cmd := &cobra.Command{
		Use:   "delete ROOM N",
		Short: "Delete one of your messages",
		Long: `Delete message N, which you posted under --name. Its number remains, its text is erased. When the change is saved, print the room and
the number of the change.

Exit codes: 0 saved, 1 not confirmed within 30 seconds, 2 usage, 3 cannot connect, 4 rejected.`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := changeOf(o, args)
			if err != nil {
				return err
			}
			p.deletes = true
			return runPost(cmd.Context(), o, p, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	o.changeFlags(cmd.Flags())
	completeRoom(cmd, &o.target)
	return cmd
}

func (o *sayOptions) changeFlags(f *pflag.FlagSet) {
	o.flags(f)
	nameFlag(f, &o.name)
	f.StringVar(&o.id, "id", "", "id of the change: with the same --name and --id it is made only once, and its number is printed again")
}

// changeOf returns a change of the message that args name: a room and a number.
func changeOf(o sayOptions, args []string) (*post, error) {
	n, err := messageNumber(args[1])
	if err != nil {
		return nil, err
	}
	if o.name == "" {
		return nil, exit(exitUsage, errors.New("--name is required, because only its sender can change a message"))
	}
	return &post{room: args[0], of: n}, nil
}
