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
		Short: "Join a room and talk",
		Long: `Join a room. In a terminal there is a screen with rooms, history and search: F1 tells its keys. It begins with the last
50 messages, or as many as --last says.

Where stdin or stdout is no terminal, with TERM=dumb, --lines, --plain or --json, ramai talks line by line:
each line of stdin is said, each message is shown as "From server: TEXT" or "From server: NAME: TEXT",
further lines of one message indented. Messages go to stdout, everything else to stderr.

The URL is that of a server, for the lobby, or of a room: http://127.0.0.1:2000/r/ROOM. After a break join connects again
by itself, and nothing is lost or comes twice. At the end of stdin it waits until all it said is saved and shown, and gives
up after 30 seconds in which nothing was confirmed. A server that does not speak ` + wire.Protocol + ` cannot tell what it has:
then what was under way at a break is named, and not said again.

With --json stdout has each frame of the server as it came, one JSON object a line, but for the session of the welcome,
which is a secret; on the plain protocol {"type":"line","text":"..."} for each line.

Exit codes: 0 ok, 1 something said is not confirmed, 2 usage, 3 cannot connect the first time, 4 refused, 130 SIGINT,
143 SIGTERM.`,
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
	f.StringVar(&o.room, "room", "", "the room, if the URL does not say it")
	f.IntVar(&o.last, "last", 0, fmt.Sprintf("old messages to begin with, at most %d", wire.MaxLast))
	f.BoolVar(&o.json, "json", false, "show frames, as JSON lines")
	f.BoolVar(&o.plain, "plain", false, "speak the plain protocol in any case, line by line")
	f.BoolVar(&o.lines, "lines", false, "talk line by line in a terminal too")
	o.screenOptions.flags(f)
	return cmd
}

func runJoin(ctx context.Context, o joinOptions, stdin io.Reader, stdout, stderr io.Writer) error {
	if err := checkServer(o.server); err != nil {
		return err
	}
	if o.last < 0 || o.last > wire.MaxLast {
		return exit(exitUsage, fmt.Errorf("--last is 0 to %d, not %d", wire.MaxLast, o.last))
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
		fmt.Fprintln(stderr, "this server has no names")
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
