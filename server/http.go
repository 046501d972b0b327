package server

import (
	"errors"
	"fmt"
	"log"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"

	"ramai/internal/eventlog"
	"ramai/internal/web"
)

// Handler serves everything that this server answers, see [web.New].
func (s *Server) Handler() http.Handler {
	return web.New(web.Config{
		Env: s.env, Index: s.index, Serve: s.serve, AcquireSlot: s.acquireSlot, ReleaseSlot: s.releaseSlot, Ready: s.ready,
		Hosts: s.cfg.AllowHosts, AllowOrigins: s.cfg.AllowOrigins, TrustProxies: s.cfg.TrustProxies,
		Refused: s.metrics.Rejected, SSH: s.fingerprint(),
	})
}

// fingerprint is that of SSH, or empty.
func (s *Server) fingerprint() string {
	if s.ssh == nil {
		return ""
	}
	return s.ssh.Fingerprint()
}

// ready says why nothing can be said now, or nil.
func (s *Server) ready() error {
	s.mu.Lock()
	stopped := s.stopped
	s.mu.Unlock()
	if stopped {
		return errors.New("the server stops")
	}
	return s.trouble()
}

// trouble says why nothing can be said though the server does not stop, or nil.
func (s *Server) trouble() error {
	if err := s.eventlog.Unavailable(); err != nil {
		return err
	}
	if s.eventlog.InDoubt() {
		return errors.New("the journal is in doubt after an error of the disk, see the log")
	}
	if health := s.store.Health(); health.Err != nil {
		return fmt.Errorf("the stored data cannot be relied on, so nothing is acknowledged: %w", health.Err)
	} else if len(health.Rooms) > 0 {
		return fmt.Errorf("rooms are damaged, and nothing is acknowledged in them: %s", strings.Join(slices.Sorted(maps.Keys(health.Rooms)), " "))
	}
	switch free, err := s.store.Free(); {
	case err != nil:
		return fmt.Errorf("the data folder cannot be reached: %w", err)
	case free < eventlog.MinFree:
		return errors.New("the disk is full")
	}
	return nil
}

// newHTTPLog makes what net/http complains about (peers that speak no HTTP, mostly) lines of the log for debugging.
func newHTTPLog(l *slog.Logger) *log.Logger { return slog.NewLogLogger(l.Handler(), slog.LevelDebug) }
