package server

import (
	"errors"
	"log"
	"log/slog"
	"net/http"

	"ramai/internal/journal"
	"ramai/internal/web"
)

// Handler serves everything that this server answers, see [web.New].
func (s *Server) Handler() http.Handler {
	return web.New(web.Config{
		Env: s.env, Index: s.index, Serve: s.serve, TakePlace: s.takePlace, GivePlace: s.givePlace, Ready: s.ready,
		Hosts: s.cfg.Hosts, AllowOrigins: s.cfg.AllowOrigins, TrustProxies: s.cfg.TrustProxies,
		Refused: s.metrics.Refused, SSH: s.fingerprint(),
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
	if s.orderer.InDoubt() {
		return errors.New("the journal is in doubt after an error of the disk, see the log")
	}
	if free, err := s.store.Free(); err == nil && free < journal.MinFree {
		return errors.New("the disk is full")
	}
	return nil
}

// newHTTPLog makes what net/http complains about (peers that speak no HTTP, mostly) lines of the log for debugging.
func newHTTPLog(l *slog.Logger) *log.Logger { return slog.NewLogLogger(l.Handler(), slog.LevelDebug) }
