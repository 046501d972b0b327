package server

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/pprof"
	"path/filepath"
	"time"

	"golang.org/x/net/netutil"

	"ramai/internal/eventlog"
	"ramai/internal/localsocket"
	"ramai/internal/names"
)

// SocketName is the file in the data folder at which a running server answers its operator: a Unix socket that only the
// user who runs the server can connect to, which speaks HTTP. See [Server.Operator].
const SocketName = "admin.sock"

// Paths that [Server.Operator] answers besides those of [Server.Admin] and /debug/pprof/.
const (
	OwnedPath   = "/names"         // GET: the names that are owned, as JSON lines of eventlog.Owning
	ReleasePath = "/names/release" // POST: a name that becomes nobody's own
	RoomsPath   = "/rooms"         // GET: the rooms that have messages, as JSON lines of RoomInfo
	DeletePath  = "/rooms/delete"  // POST: a room to be deleted; answered by "done", or by More
)

// More is the answer of a change that took long and is not done: it has to be posted again.
const More = "more"

// operatorConns is how many connections the operator can have: the descriptors are for the chat.
const operatorConns = 32

// Operator is what the user who runs this server can ask it and have it do. Whoever reaches it may do everything: it is
// served at the socket in the data folder, and is not for a port.
func (s *Server) Operator() http.Handler {
	mux := http.NewServeMux()
	for path, h := range s.toolPaths() {
		mux.HandleFunc("GET "+path, h)
	}
	for path, h := range map[string]http.HandlerFunc{
		"": pprof.Index, "cmdline": pprof.Cmdline, "profile": pprof.Profile, "symbol": pprof.Symbol, "trace": pprof.Trace,
	} {
		mux.HandleFunc("/debug/pprof/"+path, h)
	}
	mux.HandleFunc("GET "+OwnedPath, s.owned)
	mux.HandleFunc("POST "+ReleasePath, s.release)
	mux.HandleFunc("GET "+RoomsPath, s.listRooms)
	mux.HandleFunc("POST "+DeletePath, s.deleteRoom)
	return mux
}

// serveOperator serves Operator at the socket in the data folder until the server is closed. Where a folder cannot have a
// socket, the chat goes on without one.
func (s *Server) serveOperator() {
	if s.cfg.InMemory {
		return
	}
	path := filepath.Join(s.cfg.Data, SocketName)
	ln, err := localsocket.Listen(path)
	if err != nil {
		s.cfg.Logger.Warn("the operator's commands and profiles cannot be used while this server runs: its socket cannot be made", "file", path, "err", err)
		return
	}
	s.operator = &http.Server{
		Handler: s.Operator(), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10, ErrorLog: newHTTPLog(s.cfg.Logger),
	}
	s.operating.Go(func() { s.operator.Serve(netutil.LimitListener(ln, operatorConns)) })
}

// owned lists the names that are somebody's own, as JSON lines of eventlog.Owning.
func (s *Server) owned(out http.ResponseWriter, _ *http.Request) {
	out.Header().Set("Content-Type", "application/x-ndjson")
	lines := json.NewEncoder(out)
	for _, o := range s.store.RegisteredNames() {
		if lines.Encode(o) != nil {
			return // nobody listens any more
		}
	}
}

// listRooms lists the rooms that have messages.
func (s *Server) listRooms(out http.ResponseWriter, _ *http.Request) {
	list := ListRooms(s.store, func(room string) int { return s.hub.Who(room).Count })
	out.Header().Set("Content-Type", "application/x-ndjson")
	lines := json.NewEncoder(out)
	for _, room := range list {
		if lines.Encode(room) != nil {
			return // nobody listens any more
		}
	}
}

// deleteTakes is how long a call of deleteRoom may take: a long room is deleted in several.
const deleteTakes = 3 * time.Second

// deleteRoom deletes a room.
func (s *Server) deleteRoom(out http.ResponseWriter, r *http.Request) {
	room, err := io.ReadAll(http.MaxBytesReader(out, r.Body, 1<<10))
	if err != nil {
		http.Error(out, "post the name of a room, and nothing else", http.StatusRequestEntityTooLarge)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), deleteTakes)
	defer cancel()
	switch done, err := DeleteRoom(ctx, s.store, s.env.Decide, string(room)); {
	case err != nil:
		http.Error(out, err.Error(), http.StatusNotFound)
	case done:
		io.WriteString(out, "done")
	default:
		io.WriteString(out, More)
	}
}

// release makes a name nobody's own.
func (s *Server) release(out http.ResponseWriter, r *http.Request) {
	asked, err := io.ReadAll(http.MaxBytesReader(out, r.Body, 1<<10))
	if err != nil {
		http.Error(out, "post a name, and nothing else", http.StatusRequestEntityTooLarge)
		return
	}
	name, err := names.Parse(string(asked))
	if err != nil {
		http.Error(out, err.Error(), http.StatusBadRequest)
		return
	}
	o, err := s.env.Decide(r.Context(), eventlog.Command{Kind: eventlog.UnregisterName, Name: name, Key: names.Key(name)})
	switch {
	case err != nil:
		http.Error(out, err.Error(), http.StatusServiceUnavailable)
	case o.Status == eventlog.Refused:
		http.Error(out, o.Err.Reason, http.StatusNotFound)
	}
}
