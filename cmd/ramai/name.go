package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ramai/client"
	"ramai/internal/journal"
	"ramai/internal/logging"
	"ramai/internal/names"
	"ramai/internal/store/sqlite"
	"ramai/server"
	"ramai/wire"
)

// newName returns the command for names that belong to keys.
func newName() *cobra.Command {
	var o operatorOptions
	cmd := &cobra.Command{
		Use:   "name list | name release NAME",
		Short: "List the names that belong to keys of SSH, or make one free",
		Long: `Who speaks under a name over SSH, with a key, owns it from then on, and nobody else can have it. "name list" writes those
names, a line each: since when, whose (the "by" of their messages), the name. "name release" makes one free: after this anybody
can have it.

A server that runs with the data folder is asked at its socket there; otherwise the folder is read, or changed.

Exit codes: 0 ok, 2 usage, 3 cannot connect, 4 refused, 5 the data folder cannot be used.`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case args[0] == "list" && len(args) == 1:
				return o.list(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
			case args[0] == "release" && len(args) == 2:
				return o.release(cmd.Context(), args[1], cmd.OutOrStdout(), cmd.ErrOrStderr())
			}
			return exit(exitUsage, fmt.Errorf("names can be listed and released, not %q: ramai name list, or ramai name release NAME", strings.Join(args, " ")))
		},
	}
	dataFlag(cmd.Flags(), &o.data)
	return cmd
}

// operatorOptions say where the data is that an operator's command is about.
type operatorOptions struct{ data string }

func (o *operatorOptions) release(ctx context.Context, asked string, out, notes io.Writer) error {
	name, err := names.Parse(asked)
	if err != nil {
		return exit(exitUsage, err)
	}
	_, err = askServer(ctx, o.data, http.MethodPost, server.ReleasePath, name)
	if errors.Is(err, errNotRunning) {
		err = o.offline(notes, func(s *sqlite.Store) error { return disown(s, name) })
	}
	if err == nil {
		_, err = fmt.Fprintf(out, "%s is free\n", name)
	}
	return err
}

func disown(s *sqlite.Store, name string) error {
	batch := journal.Batch{At: wire.TimeOf(time.Now()), Events: []journal.Event{{Kind: journal.Disown, Name: name, Key: names.Key(name)}}}
	outcomes, err := s.Apply(&batch, s.Position()+1)
	if err != nil {
		return exit(exitUnusable, err)
	}
	if o := outcomes[0]; o.Verdict == journal.Refused {
		return exit(exitRefused, errors.New(o.Err.Reason))
	}
	return nil
}

func (o *operatorOptions) list(ctx context.Context, out, notes io.Writer) error {
	owned, err := askList[journal.Owning](ctx, o.data, server.OwnedPath)
	if errors.Is(err, errNotRunning) {
		err = o.offline(notes, func(s *sqlite.Store) error {
			owned = s.Owned()
			return nil
		})
	}
	for _, n := range owned {
		if err == nil {
			_, err = fmt.Fprintf(out, "%s  %s  %s\n", n.Since.Std().UTC().Format(time.DateOnly), client.OneLine(n.By), client.OneLine(n.Name))
		}
	}
	return err
}

// offline does something with the data of a server that does not run.
func (o *operatorOptions) offline(notes io.Writer, do func(*sqlite.Store) error) error {
	dir, err := asOwner(o.data)
	if err != nil {
		return exit(exitUnusable, err)
	}
	if _, err := os.Stat(filepath.Join(dir, sqlite.FileName)); err != nil {
		return exit(exitUnusable, fmt.Errorf("there is no database in %s; --data says where the server keeps its own", o.data))
	}
	s, err := sqlite.Open(dir, sqlite.Options{Random: rand.Reader, Log: slog.New(logging.Text.Handler(notes))})
	if errors.Is(err, sqlite.ErrInUse) {
		err = fmt.Errorf("%w; it does not answer at %s there", err, server.SocketName)
	}
	if err != nil {
		return exit(exitUnusable, within(o.data, dir, err))
	}
	err = do(s)
	if closed := s.Close(); err == nil && closed != nil {
		err = exit(exitUnusable, closed)
	}
	return err
}
