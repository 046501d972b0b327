package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ramai/client"
	"ramai/internal/eventlog"
	"ramai/internal/localsocket"
	"ramai/internal/logging"
	"ramai/internal/store/sqlite"
	"ramai/server"
)

// errNotRunning is why nobody answers at the socket in a data folder. The lock of the folder says whether that is true.
var errNotRunning = errors.New("no server runs with this data folder")

// answers is how long a server may take to answer its operator.
const answers = 10 * time.Second

// maxAnswer is the longest answer that is read: of all names that there can be.
const maxAnswer = eventlog.MaxAllRegisteredNames * 1 << 10

// askServer asks the server that runs with a data folder, at its socket there, see [server.Server.Operator]. The error is
// errNotRunning if there is none, and otherwise what the program is to end with.
func askServer(ctx context.Context, data, method, path, body string) (answer []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, answers)
	defer cancel()
	socket := filepath.Join(data, server.SocketName)
	nc, err := localsocket.Dial(ctx, socket)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return nil, exit(exitNoServer, fmt.Errorf("the server of %s answers only the user who runs it: %w", data, err))
	case err != nil:
		return nil, errNotRunning
	}
	once := &http.Transport{DisableKeepAlives: true, DialContext: func(context.Context, string, string) (net.Conn, error) { return nc, nil }}
	defer once.CloseIdleConnections()
	r, err := http.NewRequestWithContext(ctx, method, "http://ramai"+path, strings.NewReader(body))
	if err != nil {
		return nil, errors.Join(err, nc.Close())
	}
	got, err := once.RoundTrip(r)
	if err != nil {
		return nil, exit(exitNoServer, fmt.Errorf("no server answers at %s: %w", socket, err))
	}
	defer got.Body.Close()
	answer, err = io.ReadAll(io.LimitReader(got.Body, maxAnswer))
	if err == nil && got.StatusCode != http.StatusOK {
		err = errors.New(client.Printable(strings.TrimSpace(string(answer))))
	}
	if err != nil {
		return nil, exit(exitRefused, err)
	}
	return answer, nil
}

// askList asks for a list, which comes as JSON values one after another, and fails as askServer does.
func askList[T any](ctx context.Context, data, path string) (list []T, err error) {
	answer, err := askServer(ctx, data, http.MethodGet, path, "")
	for values := json.NewDecoder(bytes.NewReader(answer)); err == nil && values.More(); {
		var v T
		if err := values.Decode(&v); err != nil {
			return nil, exit(exitNoServer, fmt.Errorf("no server of this kind answers at %s in %s: %w", server.SocketName, data, err))
		}
		list = append(list, v)
	}
	return list, err
}

// operated is a command for what an operator lists and changes: "ramai NOUN list", and "ramai NOUN VERB ARGUMENT".
type operated[T any] struct {
	noun, verb, argument string
	short, long          string // the help; the long one says what both uses do

	listed string                  // the server's path of the list
	list   func(*sqlite.Store) []T // where no server runs
	line   func(T) string

	check   func(argument string) (string, error) // makes of it what the change takes, or says why it cannot
	changed string                                // the server's path of the change
	change  func(ctx context.Context, s *sqlite.Store, argument string) error
	done    string // what is printed afterwards, a format that takes the argument
}

// command returns the command.
func (c operated[T]) command() *cobra.Command {
	var data string
	uses := fmt.Sprintf("ramai %[1]s list, or ramai %[1]s %[2]s %[3]s", c.noun, c.verb, c.argument)
	cmd := &cobra.Command{
		Use:   fmt.Sprintf("%[1]s list | %[1]s %[2]s %[3]s", c.noun, c.verb, c.argument),
		Short: c.short,
		Long: c.long + `

A server that runs with the data folder is asked at its socket there; otherwise the folder is read, or changed.

Exit codes: 0 ok, 2 usage, 3 cannot connect, 4 refused, 5 the data folder cannot be used.`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case args[0] == "list" && len(args) == 1:
				return c.doList(cmd, data)
			case args[0] == c.verb && len(args) == 2:
				return c.doChange(cmd, data, args[1])
			}
			return exit(exitUsage, fmt.Errorf("ramai %s cannot do %q; want %s", c.noun, strings.Join(args, " "), uses))
		},
	}
	dataFlag(cmd.Flags(), &data)
	return cmd
}

func (c operated[T]) doList(cmd *cobra.Command, data string) error {
	all, err := askList[T](cmd.Context(), data, c.listed)
	if errors.Is(err, errNotRunning) {
		err = offline(data, cmd.ErrOrStderr(), func(s *sqlite.Store) error {
			all = c.list(s)
			return nil
		})
	}
	for _, one := range all {
		if err == nil {
			_, err = fmt.Fprintln(cmd.OutOrStdout(), c.line(one))
		}
	}
	return err
}

func (c operated[T]) doChange(cmd *cobra.Command, data, argument string) error {
	argument, err := c.check(argument)
	if err != nil {
		return exit(exitUsage, err)
	}
	answer := []byte(server.More)
	for err == nil && string(answer) == server.More {
		answer, err = askServer(cmd.Context(), data, http.MethodPost, c.changed, argument)
	}
	if errors.Is(err, errNotRunning) {
		err = offline(data, cmd.ErrOrStderr(), func(s *sqlite.Store) error { return c.change(cmd.Context(), s, argument) })
	}
	if err == nil {
		_, err = fmt.Fprintf(cmd.OutOrStdout(), c.done+"\n", argument)
	}
	return err
}

// offline does something with the data of a server that does not run.
func offline(data string, notes io.Writer, do func(*sqlite.Store) error) error {
	dir, err := asOwner(data)
	if err != nil {
		return exit(exitUnusable, err)
	}
	if _, err := os.Stat(filepath.Join(dir, sqlite.FileName)); err != nil {
		return exit(exitUnusable, fmt.Errorf("there is no database in %s; --data says where the server keeps its own", data))
	}
	s, err := sqlite.Open(dir, sqlite.Options{Random: rand.Reader, Logger: slog.New(logging.Text.Handler(notes))})
	if errors.Is(err, sqlite.ErrInUse) {
		err = fmt.Errorf("%w; it does not answer at %s there", err, server.SocketName)
	}
	if err != nil {
		return exit(exitUnusable, within(data, dir, err))
	}
	err = do(s)
	if closed := s.Close(); err == nil && closed != nil {
		err = exit(exitUnusable, closed)
	}
	return err
}
