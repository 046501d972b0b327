package server

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"os"
	"path/filepath"

	"ramai/internal/journal"
	"ramai/internal/metrics"
	"ramai/internal/names"
	"ramai/internal/reactor"
	"ramai/internal/session"
	"ramai/internal/store/search"
	"ramai/internal/store/sqlite"
	"ramai/internal/web"
)

// OwnedPath is where the names that are owned are listed, see Admin.
const OwnedPath = "/names"

// ReleasePath is where a name is released, see Admin.
const ReleasePath = "/names/release"

// Admin is for the operator: /metrics for Prometheus, and, to whoever is on this machine, /debug/pprof/, which shows what
// the program has in its memory, OwnedPath, and ReleasePath, where a name that is posted becomes nobody's own. No page gets at it, see
// [web.NoPages].
func (s *Server) Admin() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/metrics", s.metrics.Handler())
	for path, h := range map[string]http.HandlerFunc{
		"": pprof.Index, "cmdline": pprof.Cmdline, "profile": pprof.Profile, "symbol": pprof.Symbol, "trace": pprof.Trace,
	} {
		mux.HandleFunc("/debug/pprof/"+path, onThisMachine(h))
	}
	mux.HandleFunc("POST "+ReleasePath, onThisMachine(s.release))
	mux.HandleFunc("GET "+OwnedPath, onThisMachine(s.owned))
	return web.NoPages(s.cfg.Hosts, mux)
}

// owned lists the names that are somebody's own, as JSON lines of journal.Owning.
func (s *Server) owned(out http.ResponseWriter, _ *http.Request) {
	out.Header().Set("Content-Type", "application/x-ndjson")
	lines := json.NewEncoder(out)
	for _, o := range s.store.Owned() {
		if lines.Encode(o) != nil {
			return // nobody listens any more
		}
	}
}

// release makes a name nobody's own.
func (s *Server) release(out http.ResponseWriter, r *http.Request) {
	asked, err := io.ReadAll(http.MaxBytesReader(out, r.Body, 1<<10))
	if err != nil {
		http.Error(out, "a name is to be posted, and nothing else", http.StatusRequestEntityTooLarge)
		return
	}
	name, err := names.Parse(string(asked))
	if err != nil {
		http.Error(out, err.Error(), http.StatusBadRequest)
		return
	}
	o, err := s.env.Decide(r.Context(), journal.Event{Kind: journal.Disown, Name: name, Key: names.Key(name)})
	switch {
	case err != nil:
		http.Error(out, err.Error(), http.StatusServiceUnavailable)
	case o.Verdict == journal.Refused:
		http.Error(out, o.Err.Reason, http.StatusNotFound)
	}
}

// onThisMachine lets only those in who come over loopback, and not through a proxy there.
func onThisMachine(next http.HandlerFunc) http.HandlerFunc {
	return func(out http.ResponseWriter, r *http.Request) {
		from, err := netip.ParseAddrPort(r.RemoteAddr)
		passed := r.Header["X-Forwarded-For"] != nil || r.Header["Forwarded"] != nil || r.Header["Via"] != nil
		if err != nil || passed || !from.Addr().Unmap().IsLoopback() {
			http.Error(out, "this is only for who comes over loopback: from this machine, or through ssh -L", http.StatusForbidden)
			return
		}
		next(out, r)
	}
}

// sources are what the metrics look at.
func (s *Server) sources() metrics.Sources {
	return metrics.Sources{
		Hub: s.hub, Now: s.cfg.Now, Connections: s.connections, MaxConns: s.cfg.MaxConns, Queued: s.orderer.Queued, Files: s.files, Free: s.store.Free,
	}
}

// connections counts the sessions by door.
func (s *Server) connections() map[string]int {
	count := make(map[string]int)
	for _, d := range []session.Door{session.Plain, session.V1, session.Events, session.Lines, session.SSH} {
		count[d.String()] = 0
	}
	s.each(func(c *session.Session) { count[c.Door().String()]++ })
	return count
}

// files are the sizes of the data, in bytes.
func (s *Server) files() map[string]int64 {
	sizes := make(map[string]int64)
	if s.cfg.Memory {
		return sizes
	}
	for name, file := range map[string]string{"journal": sqlite.FileName, "journal_log": sqlite.FileName + "-wal", "search": search.FileName} {
		if info, err := os.Stat(filepath.Join(s.cfg.Data, file)); err == nil {
			sizes[name] = info.Size()
		}
	}
	return sizes
}

// reason names why a connection has ended.
func reason(why error) string {
	switch {
	case errors.Is(why, reactor.ErrDead):
		return "dead"
	case errors.Is(why, reactor.ErrStalled):
		return "stalled"
	}
	return "other"
}
