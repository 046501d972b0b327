package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"ramai/client"
	"ramai/internal/linemode"
	"ramai/wire"
)

type joinOptions struct {
	target
	name, room  string
	last        int
	after       *wire.Position // nil: not given
	json, plain bool
	lines       bool // line mode, in a terminal too
	screenOptions
}

// stdoutTimeout is how long join waits at the end for a reader of stdout that does not read.
const stdoutTimeout = time.Second

// newJoin returns the command that joins a room, on a screen or line by line.
func newJoin() *cobra.Command {
	var o joinOptions
	var after position
	cmd := &cobra.Command{
		Use:   "join [ROOM | SERVER | URL]",
		Short: "Join a room",
		Long: `Join a room. In a terminal, ramai shows a screen with rooms, history and search; F1 or /help lists its keys. The screen begins
with the last 50 messages, or the number set by --last.

If stdin or stdout is not a terminal, with TERM=dumb, --lines, --plain or --json, ramai works line by line: it posts each line
of stdin, and prints each message as "From server: TEXT" or "From server: NAME: TEXT", with further lines of a message
indented. Messages go to stdout, everything else to stderr. If stdin is a terminal, lines that begin with a slash are commands:
/help lists them.

The argument, which may follow a --, is a room (team, or '#team') on the server of --server, a server (localhost:2000) for its lobby, or the URL of
either (https://chat.example.org/r/team). After a lost connection, join reconnects and resumes: no message is lost or repeated.
At the end of stdin it waits until all its messages are saved and printed, and gives up after 30 seconds without a confirmation.
On a server without ` + wire.Protocol + `, messages that were in flight when the connection was lost are reported, and not posted again.

With --json, stdout has each frame of the server, one JSON object per line, without the session of the welcome, which is a
secret. The frame "joined" has the log, the epoch, and the newest number n of the room, and each message has its number n.
--after LOG:N (or LOG:EPOCH:N) continues after message N of that log: it prints every later message, once. On the plain
protocol, stdout has {"type":"line","text":"..."} for each line.

Exit codes: 0 ok, 1 a message is not confirmed, 2 usage, 3 the first connection failed, 4 rejected, 130 SIGINT, 143 SIGTERM.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				if err := o.resolve(args[0], cmd.Flags()); err != nil {
					return exit(exitUsage, err)
				}
			}
			if cmd.Flags().Changed("after") {
				o.after = (*wire.Position)(&after)
			}
			o.lastGiven = cmd.Flags().Changed("last")
			return runJoin(cmd.Context(), o, cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f := cmd.Flags()
	o.target.flags(f)
	nameFlag(f, &o.name)
	f.StringVar(&o.room, "room", "", "room to join, if the URL has none")
	f.IntVar(&o.last, "last", 0, fmt.Sprintf("number of old messages to show first, at most %d", wire.MaxLast))
	f.Var(&after, "after", "in line mode, print the messages after this position first: LOG:N or LOG:EPOCH:N")
	f.BoolVar(&o.json, "json", false, "print frames as JSON lines")
	f.BoolVar(&o.plain, "plain", false, "use the plain protocol and line mode")
	f.BoolVar(&o.lines, "lines", false, "use line mode in a terminal, too")
	o.screenOptions.flags(f)
	completeRoom(cmd, &o.target)
	return cmd
}

// resolve applies the argument: a room, a server, or a URL. It takes precedence over settings that are not on the command line.
func (o *joinOptions) resolve(argument string, flags *pflag.FlagSet) error {
	room, isRoom := strings.CutPrefix(argument, "#")
	if !isRoom && argument != "localhost" && !strings.ContainsAny(argument, ".:/[") {
		isRoom = true
	}
	if !isRoom {
		o.server = withScheme(argument)
		if room, err := client.Room(o.server); err == nil && room != wire.Lobby && !typed(flags, "room") {
			o.room = ""
		}
		return nil
	}
	if err := checkRoom(room); err != nil {
		return err
	}
	if o.room != room && typed(flags, "room") {
		return fmt.Errorf("the argument names the room %s, but --room is %s", room, o.room)
	}
	o.room = room
	if u, err := url.Parse(o.server); err == nil && !typed(flags, "server") {
		u.Path, u.Fragment = "", ""
		o.server = u.String()
	}
	return nil
}

// complete validates the options, adds the room to the URL of the server, and returns the room.
func (o *joinOptions) complete(onScreen bool) (room string, err error) {
	if err := checkServer(o.server); err != nil {
		return "", err
	}
	if o.last < 0 || o.last > wire.MaxLast {
		return "", fmt.Errorf("--last: invalid value %d (want 0 to %d)", o.last, wire.MaxLast)
	}
	if err := errors.Join(o.checkAfter(onScreen), o.check()); err != nil {
		return "", err
	}
	if o.room != "" {
		if o.server, err = inRoom(o.server, o.room); err != nil {
			return "", err
		}
	}
	return client.Room(o.server)
}

// checkAfter rejects a position where it has no effect.
func (o *joinOptions) checkAfter(onScreen bool) error {
	switch {
	case o.after == nil:
		return nil
	case onScreen:
		return errors.New("--after requires line mode: add --lines or --json")
	case o.plain:
		return errors.New("--after and --plain exclude each other: the plain protocol has no positions")
	case o.lastGiven && o.last > 0:
		return errors.New("--after and --last exclude each other")
	case o.after.HistoryID == "":
		return fmt.Errorf("--after: invalid position %d (want LOG:N or LOG:EPOCH:N; LOG is the log of the frame joined, see --json)", o.after.N)
	}
	return nil
}

func runJoin(ctx context.Context, o joinOptions, stdin io.Reader, stdout, stderr io.Writer) error {
	onScreen := !o.lines && !o.plain && !o.json && isScreen(stdin, stdout)
	room, err := o.complete(onScreen)
	if err != nil {
		return exit(exitUsage, err)
	}
	if onScreen && !o.lastGiven {
		o.last = wire.DefaultJoin
	}

	ctx, stop := untilSignal(ctx)
	defer stop()
	who := &identity{name: o.name, notes: stderr}
	if !o.plain {
		who = newIdentity(o.server, o.name, stderr)
	}
	config, err := o.config(stderr)
	if err != nil {
		return err
	}
	config.Plain, config.Last, config.After = o.plain, o.last, o.after
	c, err := o.connect(ctx, who.config(config))
	if err != nil {
		return err
	}
	defer c.Close()
	if c.Plain() && o.after != nil {
		return needsV1("continue after a position")
	}
	if onScreen {
		return o.onScreen(ctx, c, who, config, stdin, stdout, stderr)
	}
	if c.Plain() && !o.plain && o.name != "" {
		fmt.Fprintln(stderr, "this server does not support names")
	}
	done := make(chan error, 1)
	go func() {
		done <- linemode.Run(ctx, linemode.Config{
			Client: c, Room: room, Last: o.last, After: o.after, Name: o.name, JSON: o.json, In: stdin, Out: stdout, Notes: stderr,
			OnName:   func(name, session string) { o.held(who, name, session) },
			Commands: isTerminal(stdin) && !o.json,
			Link:     browserLink(o.server),
			Device:   deviceName(),
			Rooms: func(ctx context.Context) (*wire.RoomsResponse, error) {
				return client.Rooms(ctx, who.config(config), "", 0)
			},
		})
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-done:
		return err
	case <-time.After(stdoutTimeout): // it waits for a reader of stdout
		return context.Cause(ctx)
	}
}
