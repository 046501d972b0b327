package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"ramai/client"
	"ramai/internal/linemode"
	"ramai/wire"
)

// newReact returns the command that adds a reaction or an upvote.
func newReact() *cobra.Command {
	return newMark(&cobra.Command{
		Use:   "react ROOM N EMOJI",
		Short: "React to a message, or upvote it",
		Long: `Add a reaction to message N under --name: one emoji, or "up" for an upvote. With --off, remove it. Repeating a reaction changes
nothing.

Exit codes: 0 done, 1 not confirmed within 30 seconds, 2 usage, 3 cannot connect, 4 rejected.`,
	}, func(key string) (string, error) {
		if _, vote := wire.OptionOf(key); vote || wire.CheckMarkKey(key) != nil {
			return "", fmt.Errorf(`invalid reaction %q (want one emoji, for example 👍, or "up")`, key)
		}
		return key, nil
	})
}

// newVote returns the command that votes in a poll.
func newVote() *cobra.Command {
	return newMark(&cobra.Command{
		Use:   "vote ROOM N OPTION",
		Short: "Vote in a poll",
		Long: `Vote under --name in the poll that is message N, for the option with the number OPTION, from 1. It replaces an earlier vote. With
--off, take it back.

Exit codes: 0 done, 1 not confirmed within 30 seconds, 2 usage, 3 cannot connect, 4 rejected.`,
	}, func(option string) (string, error) {
		n, err := strconv.Atoi(option)
		if err != nil || n < 1 || n > wire.MaxOptions {
			return "", fmt.Errorf("invalid option %q (want its number, 1 to %d)", option, wire.MaxOptions)
		}
		return strconv.Itoa(n - 1), nil
	})
}

// newMark completes a command that marks a message. keyOf returns the key of the mark that its third argument means.
func newMark(cmd *cobra.Command, keyOf func(string) (string, error)) *cobra.Command {
	var o sayOptions
	var off bool
	cmd.Args = cobra.ExactArgs(3)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		n, err := messageNumber(args[1])
		if err != nil {
			return err
		}
		key, err := keyOf(args[2])
		if err != nil {
			return exit(exitUsage, err)
		}
		if o.name == "" {
			return exit(exitUsage, errors.New("--name is required, because each sender can mark a message once"))
		}
		p := &post{room: args[0], mark: &wire.Mark{Room: args[0], Of: n, Key: key, On: !off}}
		return runPost(cmd.Context(), o, p, cmd.OutOrStdout(), cmd.ErrOrStderr())
	}
	o.flags(cmd.Flags())
	nameFlag(cmd.Flags(), &o.name)
	cmd.Flags().BoolVar(&off, "off", false, "remove the reaction")
	completeRoom(cmd, &o.target)
	return cmd
}

// messageNumber parses the number of a message.
func messageNumber(s string) (uint64, error) {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil || n == 0 {
		return 0, exit(exitUsage, fmt.Errorf("invalid message %q (want its number, as history prints it)", s))
	}
	return n, nil
}

// newSet returns the command that changes a setting of a room.
func newSet() *cobra.Command {
	var o sayOptions
	var unset bool
	var secret path
	cmd := &cobra.Command{
		Use:   "set ROOM KEY VALUE...",
		Short: "Change a setting of a room: its topic, what is pinned or on stage, the state of a poll",
		Long: `Change a setting of a room under --name. When it is saved, print the room and the number of the change. The settings are:

  topic TEXT...         the topic
  pin N,N...            the numbers of the pinned messages, instead of the earlier ones
  stage N               the message that is shown on the projector
  poll/N STATE          your poll N: open, closed, or hidden until it is closed
  question/N STATE      your question N: open or answered

With --unset, remove the setting instead. The password of a room is not an argument, which other users of this machine can see:
ramai set ROOM password --password-file FILE.

Exit codes: 0 saved, 1 not confirmed within 30 seconds, 2 usage, 3 cannot connect, 4 rejected.`,
		Example: `  ramai set class topic Homework for Friday --name anna
  ramai set class poll/12 closed --name anna
  ramai set class stage --unset --name anna`,
		Annotations: map[string]string{takesWords: ""},
		Args:        cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			key := args[1]
			value, err := settingArg(key, args[2:], unset, string(secret), cmd.InOrStdin())
			if err != nil {
				return err
			}
			if err := wire.CheckSetting(key, value); err != nil {
				return exit(exitUsage, errors.New(err.Reason))
			}
			if o.name == "" {
				return exit(exitUsage, errors.New("--name is required, because settings are not changed anonymously"))
			}
			p := &post{room: args[0], key: key, value: value}
			return runPost(cmd.Context(), o, p, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	o.flags(cmd.Flags())
	nameFlag(cmd.Flags(), &o.name)
	cmd.Flags().StringVar(&o.id, "id", "", "id of the change: with the same --name and --id it is made only once, and its number is printed again")
	cmd.Flags().BoolVar(&unset, "unset", false, "remove the setting")
	cmd.Flags().Var(&secret, "password-file", "with the key password: a file with the password on its first line; - reads it from stdin")
	completeRoom(cmd, &o.target)
	return cmd
}

// settingArg returns the value that the arguments give a setting: the words, or what the file secret has. Null: the setting is removed.
func settingArg(key string, words []string, unset bool, secret string, stdin io.Reader) (wire.Value, error) {
	switch {
	case (key == wire.PasswordKey) != (secret != "") && !unset, secret != "" && (unset || len(words) > 0):
		return wire.Value{}, exit(exitUsage, errors.New("a password is set with --password-file FILE in place of a value, and nothing else is"))
	case secret != "":
		text, err := readSecret(secret, stdin)
		if err != nil {
			return wire.Value{}, exit(exitUsage, fmt.Errorf("--password-file: %w", err))
		}
		return wire.TextValue(text), nil
	case unset != (len(words) == 0):
		return wire.Value{}, exit(exitUsage, errors.New("give either a value or --unset"))
	case unset:
		return wire.Value{}, nil
	}
	text, err := textOf(words, stdin)
	if err != nil {
		return wire.Value{}, err
	}
	return settingOf(key, text), nil
}

// settingOf parses the value of a setting. What is not a value of this setting is returned as text, which is then refused.
func settingOf(key, text string) wire.Value {
	switch key {
	case wire.StageKey:
		if n, err := strconv.ParseUint(text, 10, 64); err == nil {
			return wire.NumberValue(n)
		}
	case wire.PinKey:
		var v wire.Value
		for part := range strings.SplitSeq(text, ",") {
			n, err := strconv.ParseUint(strings.TrimSpace(part), 10, 64)
			if err != nil {
				return wire.TextValue(text)
			}
			v.Numbers = append(v.Numbers, n)
		}
		slices.Sort(v.Numbers)
		return v
	}
	return wire.TextValue(text)
}

// printSetting prints a setting as a line.
func printSetting(w io.Writer, s wire.Setting, asJSON bool) error {
	if asJSON {
		b, err := json.Marshal(s)
		if err != nil {
			return err
		}
		_, err = w.Write(linemode.JSON(b))
		return err
	}
	text := ""
	switch v := s.Value; {
	case v.Text != nil:
		text = client.OneLine(*v.Text)
	case v.Number != nil:
		text = strconv.FormatUint(*v.Number, 10)
	default:
		text = strings.Trim(strings.ReplaceAll(fmt.Sprint(v.Numbers), " ", ","), "[]")
	}
	_, err := fmt.Fprintf(w, "%s %s\n", client.OneLine(s.Key), text)
	return err
}

// newSettings returns the command that prints the settings of a room.
func newSettings() *cobra.Command {
	var t target
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "settings ROOM [PREFIX]",
		Short: "Print the settings of a room",
		Long: `Print the settings of a room, or those whose key begins with PREFIX, for example poll/: key and value, one setting per line. With
--json, each is one JSON object.`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			ask := wire.StateRequest{Room: args[0]}
			if len(args) == 2 {
				ask.Prefix = args[1]
			}
			return runSettings(cmd.Context(), t, ask, asJSON, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	t.flags(cmd.Flags())
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON lines")
	completeRoom(cmd, &t)
	return cmd
}

func runSettings(ctx context.Context, t target, ask wire.StateRequest, asJSON bool, stdout, stderr io.Writer) error {
	if err := errors.Join(checkServer(t.server), checkRoom(ask.Room)); err != nil {
		return exit(exitUsage, err)
	}
	ctx, stop := untilSignal(ctx)
	defer stop()
	c, err := t.ask(ctx, nil, "list the settings of a room", stderr)
	if err != nil {
		return err
	}
	defer c.Close()
	for more := true; more; {
		page, err := c.Settings(ctx, ask)
		if err != nil {
			return linemode.Ended(ctx, err)
		}
		for _, s := range page.Settings {
			ask.After = s.Key
			if err := printSetting(stdout, s, asJSON); err != nil {
				return unwritten(err)
			}
		}
		more = page.More && len(page.Settings) > 0
	}
	return nil
}
