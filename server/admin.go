package server

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"

	"ramai/internal/metrics"
	"ramai/internal/reactor"
	"ramai/internal/session"
	"ramai/internal/store/search"
	"ramai/internal/store/sqlite"
	"ramai/internal/web"
)

// Admin is for the tools of the operator on a port of its own: /metrics for Prometheus, /healthz and /readyz. No page gets
// at it, see [web.Tools].
func (s *Server) Admin() http.Handler { return web.Tools(s.cfg.AllowHosts, s.watched()) }

// watched is what tools watch a server by: paths, each with what answers GET.
func (s *Server) watched() map[string]http.HandlerFunc {
	return map[string]http.HandlerFunc{"/metrics": s.metrics.Handler().ServeHTTP, "/healthz": web.Healthy, "/readyz": web.Ready(s.ready)}
}

// sources are what the metrics look at.
func (s *Server) sources() metrics.Sources {
	return metrics.Sources{
		Hub: s.hub, Now: s.cfg.Now, Connections: s.connections, MaxConns: s.cfg.MaxConns, Queued: s.sequencer.Queued, Files: s.files, Free: s.store.Free, Health: s.store.Health, LogDropped: s.cfg.LogDropped,
	}
}

// connections counts the sessions by door.
func (s *Server) connections() map[string]int {
	count := make(map[string]int)
	for _, d := range []session.Transport{session.Plain, session.V1, session.Events, session.Lines, session.SSH} {
		count[d.String()] = 0
	}
	s.each(func(c *session.Session) { count[c.Transport().String()]++ })
	return count
}

// files are the sizes of the data, in bytes.
func (s *Server) files() map[string]int64 {
	sizes := make(map[string]int64)
	if s.cfg.InMemory {
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
