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

// errNotRunning means that nothing listens on the socket in a data folder. Only the lock of the folder says for certain whether
// a server is running.
var errNotRunning = errors.New("no server is running with this data folder")

// answerTimeout limits the wait for an answer of the server.
const answerTimeout = 10 * time.Second

// maxAnswer limits the length of an answer: it is above the list of all names there can be.
const maxAnswer = eventlog.MaxAllRegisteredNames * 1 << 10

// askServer sends a request to the server that runs with a data folder, over its socket, see [server.Server.Operator]. The
// error is errNotRunning, or has an exit code.
func askServer(ctx context.Context, data, method, path, body string) (answer []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	stream, err := callServer(ctx, data, method, path, body)
	if err != nil {
		return nil, err
	}
	defer stream.Close()
	answer, err = io.ReadAll(io.LimitReader(stream, maxAnswer))
	if err != nil {
		return nil, exit(exitRefused, err)
	}
	return answer, nil
}

// callServer is askServer for a long answer, which the caller reads and closes. It waits until ctx ends.
func callServer(ctx context.Context, data, method, path, body string) (answer io.ReadCloser, err error) {
	socket := filepath.Join(data, server.SocketName)
	nc, err := localsocket.Dial(ctx, socket)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return nil, exit(exitNoServer, fmt.Errorf("only the user who runs the server of %s can use its socket: %w", data, err))
	case err != nil:
		return nil, errNotRunning
	}
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(context.Context, string, string) (net.Conn, error) { return nc, nil }}
	defer transport.CloseIdleConnections()
	r, err := http.NewRequestWithContext(ctx, method, "http://ramai"+path, strings.NewReader(body))
	if err != nil {
		return nil, errors.Join(err, nc.Close())
	}
	resp, err := transport.RoundTrip(r)
	if err != nil {
		return nil, exit(exitNoServer, fmt.Errorf("no answer at %s: %w", socket, err))
	}
	if resp.StatusCode == http.StatusOK {
		return resp.Body, nil
	}
	defer resp.Body.Close()
	reason, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err == nil {
		err = errors.New(client.Printable(strings.TrimSpace(string(reason))))
	}
	return nil, exit(exitRefused, err)
}

// askList requests a list, which arrives as a sequence of JSON values. Its errors are those of askServer.
func askList[T any](ctx context.Context, data, path string) (list []T, err error) {
	answer, err := askServer(ctx, data, http.MethodGet, path, "")
	for values := json.NewDecoder(bytes.NewReader(answer)); err == nil && values.More(); {
		var v T
		if err := values.Decode(&v); err != nil {
			return nil, exit(exitNoServer, fmt.Errorf("unexpected answer at %s in %s: %w", server.SocketName, data, err))
		}
		list = append(list, v)
	}
	return list, err
}

// operated is a command to list and change something: "ramai NOUN list" and "ramai NOUN VERB ARGUMENT".
type operated[T any] struct {
	noun, verb, argument string
	short, long          string // help texts

	listed string                  // path of the list on the server
	list   func(*sqlite.Store) []T // used if no server is running
	line   func(T) string

	check   func(argument string) (string, error) // validates and normalizes the argument
	changed string                                // path of the change on the server
	change  func(ctx context.Context, s *sqlite.Store, argument string) error
	done    string // printed afterwards, a format for the argument
}

// command returns the command.
func (c operated[T]) command() *cobra.Command {
	var data string
	uses := fmt.Sprintf("ramai %[1]s list, or ramai %[1]s %[2]s %[3]s", c.noun, c.verb, c.argument)
	cmd := &cobra.Command{
		Use:   fmt.Sprintf("%[1]s list | %[1]s %[2]s %[3]s", c.noun, c.verb, c.argument),
		Short: c.short,
		Long: c.long + `

If a server is running with the data folder, the command uses its socket there. Otherwise it opens the folder itself.

Exit codes: 0 ok, 2 usage, 3 cannot connect, 4 rejected, 5 the data folder cannot be used.`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case args[0] == "list" && len(args) == 1:
				return c.doList(cmd, data)
			case args[0] == c.verb && len(args) == 2:
				return c.doChange(cmd, data, args[1])
			}
			return exit(exitUsage, fmt.Errorf("ramai %s: unknown arguments %q (want %s)", c.noun, strings.Join(args, " "), uses))
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

// offline opens the data of a stopped server, and calls do.
func offline(data string, notes io.Writer, do func(*sqlite.Store) error) error {
	dir, err := asOwner(data)
	if err != nil {
		return exit(exitUnusable, err)
	}
	if _, err := os.Stat(filepath.Join(dir, sqlite.FileName)); err != nil {
		return exit(exitUnusable, fmt.Errorf("there is no database in %s; use --data to name the data folder of the server", data))
	}
	s, err := sqlite.Open(dir, sqlite.Options{Random: rand.Reader, Logger: slog.New(logging.Text.Handler(notes))})
	if errors.Is(err, sqlite.ErrInUse) {
		err = fmt.Errorf("%w, and does not answer at %s there", err, server.SocketName)
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
