package server

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"

	"ramai/internal/chat"
	"ramai/internal/metrics"
	"ramai/internal/reactor"
	"ramai/internal/session"
	"ramai/internal/store/search"
	"ramai/internal/store/sqlite"
	"ramai/internal/web"
)

// Admin returns the handler for the operator's tools, on a port of its own: /metrics for Prometheus, /healthz and /readyz.
// Web pages have no access, see [web.Tools].
func (s *Server) Admin() http.Handler { return web.Tools(s.cfg.AllowHosts, s.toolPaths()) }

// toolPaths returns the handlers of GET for the operator's tools, by path.
func (s *Server) toolPaths() map[string]http.HandlerFunc {
	return map[string]http.HandlerFunc{"/metrics": s.metrics.Handler().ServeHTTP, "/healthz": web.Healthy, "/readyz": web.Ready(s.ready)}
}

// metricSources returns what the metrics read at each scrape.
func (s *Server) metricSources() metrics.Sources {
	return metrics.Sources{
		Hub: s.hub, Now: s.cfg.Now, Connections: s.connections, MaxConns: s.cfg.MaxConns, Queued: s.eventlog.Queued,
		Files: s.files, Free: s.store.Free, Health: s.store.Health, LogDropped: s.cfg.LogDropped,
	}
}

// connections counts the sessions by transport.
func (s *Server) connections() map[string]int {
	count := make(map[string]int)
	for _, t := range chat.Protocols {
		count[t.String()] = 0
	}
	s.each(func(c *session.Session) { count[c.Protocol().String()]++ })
	return count
}

// files returns the sizes of the data files in bytes.
func (s *Server) files() map[string]int64 {
	sizes := make(map[string]int64)
	if s.cfg.InMemory {
		return sizes
	}
	for name, file := range map[string]string{"eventlog": sqlite.FileName, "eventlog_wal": sqlite.FileName + "-wal", "search": search.FileName} {
		if info, err := os.Stat(filepath.Join(s.cfg.Data, file)); err == nil {
			sizes[name] = info.Size()
		}
	}
	return sizes
}

// closeReason returns the reason for which a connection was closed with err.
func closeReason(err error) metrics.CloseReason {
	switch {
	case errors.Is(err, reactor.ErrDead):
		return metrics.Dead
	case errors.Is(err, reactor.ErrSlow):
		return metrics.Slow
	}
	return metrics.Other
}
