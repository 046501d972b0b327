package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"ramai/client"
	"ramai/internal/journal"
	"ramai/internal/localsocket"
	"ramai/server"
)

// errNotRunning is why nobody answers at the socket in a data folder. The lock of the folder says whether that is true.
var errNotRunning = errors.New("no server runs with this data folder")

// answers is how long a server may take to answer its operator.
const answers = 10 * time.Second

// maxAnswer is the longest answer that is read: of all names that there can be.
const maxAnswer = journal.MaxAllOwned * 1 << 10

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
