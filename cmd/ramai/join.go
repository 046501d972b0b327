package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"ramai/client"
	"ramai/internal/linemode"
	"ramai/wire"
)

type joinOptions struct {
	target
	name, room  string
	last        int
	json, plain bool
	lines       bool // line mode, in a terminal too
	screenOptions
}

// asking is how long the end waits for whoever does not read stdout.
const asking = time.Second

// newJoin returns the command that talks in a room: on a screen, or line by line.
func newJoin() *cobra.Command {
	var o joinOptions
	cmd := &cobra.Command{
		Use:   "join [URL]",
		Short: "Join a room",
		Long: `Join a room. In a terminal, ramai shows a screen with rooms, history and search; press F1 for key bindings. The screen begins
with the last 50 messages, or with as many as --last says.

If stdin or stdout is not a terminal, with TERM=dumb, --lines, --plain or --json, ramai works line by line: it posts each line
of stdin, and prints each message as "From server: TEXT" or "From server: NAME: TEXT", with further lines of a message
indented. Messages go to stdout, everything else to stderr.

The URL is that of a server, for its lobby, or of a room: http://127.0.0.1:2000/r/ROOM. After a lost connection, join reconnects
and resumes: no message is lost or repeated. At the end of stdin it waits until all its messages are saved and printed, and
gives up after 30 seconds without a confirmation. On a server without ` + wire.Protocol + `, messages that were in flight when the
connection was lost are reported, and not posted again.

With --json, stdout has each frame of the server, one JSON object per line, without the session of the welcome, which is a
secret. On the plain protocol, it has {"type":"line","text":"..."} for each line.

Exit codes: 0 ok, 1 a message is not confirmed, 2 usage, 3 the first connection failed, 4 rejected, 130 SIGINT, 143 SIGTERM.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				o.server = args[0]
				if room, err := client.Room(o.server); err == nil && room != wire.Lobby && !typed(cmd.Flags(), "room") {
					o.room = "" // the argument is stronger than the environment
				}
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
	f.BoolVar(&o.json, "json", false, "print frames as JSON lines")
	f.BoolVar(&o.plain, "plain", false, "use the plain protocol and line mode")
	f.BoolVar(&o.lines, "lines", false, "use line mode in a terminal, too")
	o.screenOptions.flags(f)
	return cmd
}

func runJoin(ctx context.Context, o joinOptions, stdin io.Reader, stdout, stderr io.Writer) error {
	if err := checkServer(o.server); err != nil {
		return err
	}
	if o.last < 0 || o.last > wire.MaxLast {
		return exit(exitUsage, fmt.Errorf("--last: invalid value %d (want 0 to %d)", o.last, wire.MaxLast))
	}
	if o.room != "" {
		var err error
		if o.server, err = inRoom(o.server, o.room); err != nil {
			return err
		}
	}
	room, err := client.Room(o.server)
	if err != nil {
		return exit(exitUsage, err)
	}
	onScreen := !o.lines && !o.plain && !o.json && isScreen(stdin, stdout)
	if err := o.check(); err != nil {
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
	config.Plain, config.Last = o.plain, o.last
	c, err := connect(ctx, who.config(config))
	if err != nil {
		return err
	}
	defer c.Close()
	if onScreen {
		return o.onScreen(ctx, c, who, config, stdin, stdout, stderr)
	}
	if c.Plain() && !o.plain && o.name != "" {
		fmt.Fprintln(stderr, "this server does not support names")
	}
	done := make(chan error, 1)
	go func() {
		done <- linemode.Run(ctx, linemode.Config{
			Client: c, Room: room, Last: o.last, Name: o.name, OnName: who.held, JSON: o.json, In: stdin, Out: stdout, Notes: stderr,
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
	case <-time.After(asking): // it waits for somebody to read stdout
		return context.Cause(ctx)
	}
}
