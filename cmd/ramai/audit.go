package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"ramai/client"
	"ramai/internal/commands"
	"ramai/internal/linemode"
	"ramai/internal/store/sqlite"
	"ramai/server"
	"ramai/wire"
)

// newAudit returns the command that prints what was done in a room.
func newAudit() *cobra.Command {
	var data string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "audit ROOM",
		Short: "Print what moderators have done in a room",
		Long: `Print what moderators and the operator have done in a room, what was reported, and what is held, the oldest first, one per line: the
time, the room of moderators (~ROOM) or owners (~~ROOM), the sender (the "by" of its messages) with its name, and what was done. With --json
each line is a message of ramai.v1.

If a server is running with the data folder, the command uses its socket there. Otherwise it opens the folder itself.

Exit codes: 0 ok, 1 incomplete, 2 usage, 3 cannot connect, 4 rejected, 5 the data folder cannot be used.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkRoom(args[0]); err != nil {
				return exit(exitUsage, err)
			}
			return audit(cmd, data, args[0], asJSON)
		},
	}
	dataFlag(cmd.Flags(), &data)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print messages of ramai.v1")
	return cmd
}

func audit(cmd *cobra.Command, data, room string, asJSON bool) error {
	ctx, stop := untilSignal(cmd.Context())
	defer stop()
	out := bufio.NewWriter(cmd.OutOrStdout())
	write := func(frame []byte) error {
		line := linemode.JSON(frame)
		if !asJSON {
			var err error
			if line, err = auditLine(frame); err != nil {
				return err
			}
		}
		if _, err := out.Write(line); err != nil {
			return unwritten(err)
		}
		return nil
	}
	answer, err := callServer(ctx, data, "GET", server.AuditPath+"?room="+url.QueryEscape(room), "")
	switch {
	case err == nil:
		defer answer.Close()
		err = copyAudit(answer, write)
	case errors.Is(err, errNotRunning):
		err = offline(data, cmd.ErrOrStderr(), func(s *sqlite.Store) error {
			return refusedOrUnusable(operatorOf(s).Audit(ctx, room, write))
		})
	}
	if flush := out.Flush(); err == nil && flush != nil {
		err = unwritten(flush)
	}
	return err
}

// copyAudit writes the lines of a running server.
func copyAudit(from io.Reader, write func([]byte) error) error {
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, maxExportLine)
	for lines.Scan() {
		if err := write(lines.Bytes()); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return exit(exitUnconfirmed, fmt.Errorf("the answer of the server is incomplete: %w", err))
	}
	return nil
}

// auditLine returns a line for people; empty for what was withdrawn or decided.
func auditLine(frame []byte) ([]byte, error) {
	f, err := wire.ParseFrame(frame)
	m, is := f.(wire.Message)
	if err != nil || !is {
		return nil, exit(exitNoServer, fmt.Errorf("unexpected answer at %s: %.100q", server.SocketName, frame))
	}
	if m.Gone {
		return nil, nil
	}
	who := client.OneLine(m.SenderID)
	if m.DisplayName != "" {
		who += " (" + client.OneLine(m.DisplayName) + ")"
	}
	when := func(t time.Time) string { return t.UTC().Format(time.RFC3339) }
	return fmt.Appendf(nil, "%s  %s  %s  %s\n", when(m.At.Std()), client.OneLine(m.Room), who, client.OneLine(commands.Logged(&m, when))), nil
}
