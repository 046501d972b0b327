package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"ramai/internal/chat"
	"ramai/internal/eventlog"
	"ramai/internal/store/sqlite"
	"ramai/server"
	"ramai/wire"
)

const operatorHelp = `

If a server is running with the data folder, the command uses its socket there. Otherwise it opens the folder itself.

Exit codes: 0 ok, 2 usage, 3 cannot connect, 4 rejected, 5 the data folder cannot be used.`

// newRole returns the command that gives a role.
func newRole() *cobra.Command {
	return imposed{
		use: "role ROOM BY ROLE", short: "Give a sender a role in a room, as the operator",
		long: `Give the sender BY (the "by" of its messages) a role in the room: reader, guest, known, trusted, moderator or owner. "none"
removes the role. With --for, the role ends after that time.`,
		arguments: 3, prefix: wire.RolePrefix, none: wire.RoleNone.String(), done: "the role of %s in %s is set\n",
	}.command()
}

// newBan returns the command that bans or mutes a sender.
func newBan() *cobra.Command {
	return imposed{
		use: "ban ROOM BY [ban|mute|none]", short: "Ban or mute a sender in a room, or end that, as the operator",
		long: `Ban the sender BY (the "by" of its messages) from the room: it can no longer read it. "mute" only keeps it from posting, and "none"
ends both. With --for, the ban or mute ends after that time.`,
		arguments: 2, prefix: wire.PersonPrefix, none: "none", value: wire.Ban, done: "the rule about %s in %s is set\n",
	}.command()
}

// imposed is a command of the operator that sets a rule about one sender.
type imposed struct {
	use, short, long string
	arguments        int    // that are required, of at most 3
	prefix           string // of the key
	none             string // the argument that unsets the rule
	value            string // without the third argument
	done             string // printed afterwards, a format for the sender and the room
}

func (c imposed) command() *cobra.Command {
	var data string
	var ends time.Duration
	cmd := &cobra.Command{
		Use: c.use, Short: c.short, Long: c.long + operatorHelp,
		Args: cobra.RangeArgs(c.arguments, 3),
		RunE: func(cmd *cobra.Command, args []string) error {
			set := chat.Setting{Room: args[0], ID: rand.Text(), Key: c.prefix + args[1]}
			value := c.value
			if len(args) == 3 {
				value = args[2]
			}
			if value != c.none {
				set.Value = wire.TextValue(value)
			}
			if ends > 0 {
				set.Until = wire.TimeOf(time.Now().Add(ends))
			}
			if err := wire.CheckRoom(set.Room); err != nil {
				return exit(exitUsage, fmt.Errorf("invalid room %q: %s", set.Room, err.Reason))
			}
			if err := wire.CheckSetting(set.Key, set.Value); err != nil {
				return exit(exitUsage, errors.New(err.Reason))
			}
			if err := wire.CheckUntil(set.Key, set.Value, set.Until); err != nil {
				return exit(exitUsage, errors.New(err.Reason))
			}
			if err := operate(cmd, data, set); err != nil {
				return err
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), c.done, args[1], set.Room)
			return err
		},
	}
	dataFlag(cmd.Flags(), &data)
	cmd.Flags().DurationVar(&ends, "for", 0, "end after this time, for example 2h (0: never)")
	return cmd
}

// operate changes a setting as the operator, on a running server or in the data of a stopped one.
func operate(cmd *cobra.Command, data string, set chat.Setting) error {
	body, err := json.Marshal(wire.Set{Room: set.Room, ID: set.ID, Key: set.Key, Value: set.Value, Until: set.Until})
	if err != nil {
		return err
	}
	if _, err = askServer(cmd.Context(), data, "POST", server.SetPath, string(body)); !errors.Is(err, errNotRunning) {
		return err
	}
	return offline(data, cmd.ErrOrStderr(), func(s *sqlite.Store) error { return setOffline(cmd.Context(), s, set) })
}

// setOffline changes a setting in the data of a stopped server.
func setOffline(ctx context.Context, s *sqlite.Store, set chat.Setting) error {
	if s.Level() < eventlog.RulesLevel {
		return exit(exitRefused, errors.New("the data was written by an earlier version, which has no roles; start this version with it once"))
	}
	_, err := operatorOf(s).Set(ctx, set)
	if refused := chat.Refusal(err); refused != nil {
		return exit(exitRefused, errors.New(refused.Reason))
	}
	if err != nil {
		return exit(exitUnusable, err)
	}
	return nil
}
