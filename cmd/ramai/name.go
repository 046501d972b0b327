package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ramai/client"
	"ramai/internal/journal"
	"ramai/internal/names"
	"ramai/internal/store/sqlite"
	"ramai/server"
	"ramai/wire"
)

// newName returns the command that takes a name from its owner.
func newName() *cobra.Command {
	var data, admin string
	cmd := &cobra.Command{
		Use:   "name release NAME",
		Short: "Make a name free that belongs to a key of SSH",
		Long: `Make a name free: who speaks under a name over SSH, with a key, owns it from then on, and nobody else can have it. After
this anybody can.

A server that runs is asked at its port for the operator, --admin, on this machine; otherwise the data folder is changed.

Exit codes: 0 ok, 2 usage, 3 cannot connect, 4 refused, 5 the data folder cannot be used.`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if args[0] != "release" {
				return exit(exitUsage, fmt.Errorf("names can be released, not %q: ramai name release NAME", args[0]))
			}
			name, err := names.Parse(args[1])
			if err != nil {
				return exit(exitUsage, err)
			}
			if admin != "" {
				err = askRelease(cmd.Context(), admin, name)
			} else {
				err = release(data, name, cmd.ErrOrStderr())
			}
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s is free\n", name)
			return err
		},
	}
	dataFlag(cmd.Flags(), &data)
	cmd.Flags().StringVar(&admin, "admin", "", "address and port of a running server's --admin, such as 127.0.0.1:2001")
	return cmd
}

// release changes the data of a server that does not run.
func release(data, name string, notes io.Writer) error {
	if err := asOwner(data); err != nil {
		return exit(exitUnusable, err)
	}
	if _, err := os.Stat(filepath.Join(data, sqlite.FileName)); err != nil {
		return exit(exitUnusable, fmt.Errorf("there is no database in %s; --data says where the server keeps its own", data))
	}
	s, err := sqlite.Open(data, sqlite.Options{Random: rand.Reader, Log: newLog("text", notes)})
	if errors.Is(err, sqlite.ErrInUse) {
		err = fmt.Errorf("%w; or ask that server, with --admin and the address that it has for that", err)
	}
	if err != nil {
		return exit(exitUnusable, err)
	}
	batch := journal.Batch{At: wire.TimeOf(time.Now()), Events: []journal.Event{{Kind: journal.Disown, Name: name, Key: names.Key(name)}}}
	outcomes, err := s.Apply(&batch, s.Position()+1)
	if err := errors.Join(err, s.Close()); err != nil {
		return exit(exitUnusable, err)
	}
	if o := outcomes[0]; o.Verdict == journal.Refused {
		return exit(exitRefused, o.Err)
	}
	return nil
}

// answers is how long a server may take to answer its operator.
const answers = 10 * time.Second

// askRelease asks a running server.
func askRelease(ctx context.Context, admin, name string) error {
	ctx, cancel := context.WithTimeout(ctx, answers)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+admin+server.ReleasePath, strings.NewReader(name))
	if err != nil {
		return exit(exitUsage, fmt.Errorf("--admin is an address and a port, like 127.0.0.1:2001, not %q", admin))
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return exit(exitNoServer, fmt.Errorf("no server answers at --admin %s: %w", admin, err))
	}
	defer answer.Body.Close()
	why, err := io.ReadAll(io.LimitReader(answer.Body, 4<<10))
	if err == nil && answer.StatusCode != http.StatusOK {
		err = errors.New(client.Printable(strings.TrimSpace(string(why))))
	}
	if err != nil {
		return exit(exitRefused, err)
	}
	return nil
}
