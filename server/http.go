package server

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"ramai/internal/eventlog"
	"ramai/internal/web"
)

// Handler returns the HTTP handler of the server, see [web.New].
func (s *Server) Handler() http.Handler {
	return web.New(web.Config{
		Chat: s.chat, Server: s.env.Server, Clients: s.env.Clients,
		Serve: s.startSession, AcquireSlot: s.acquireSlot, ReleaseSlot: s.releaseSlot, Ready: s.ready,
		Hosts: s.cfg.AllowHosts, AllowOrigins: s.cfg.AllowOrigins, Origin: s.cfg.Origin, TrustProxies: s.cfg.TrustProxies,
		Refused: s.metrics.Rejected, SSH: s.fingerprint(),
	})
}

// fingerprint returns the fingerprint of the SSH host key; empty: SSH is off.
func (s *Server) fingerprint() string {
	if s.ssh == nil {
		return ""
	}
	return s.ssh.Fingerprint()
}

// ready returns why messages are rejected now; nil: they are accepted.
func (s *Server) ready() error {
	s.mu.Lock()
	stopped := s.stopped
	s.mu.Unlock()
	if stopped {
		return errStopping
	}
	return s.trouble()
}

// trouble returns why messages are rejected by a server that is not shutting down; nil: they are accepted.
func (s *Server) trouble() error {
	if err := s.eventlog.Unavailable(); err != nil {
		return err
	}
	if s.eventlog.InDoubt() {
		return errors.New("a commit is in doubt after a disk error, see the log")
	}
	if health := s.store.Health(); health.Err != nil {
		return fmt.Errorf("the stored data is damaged, so no message is accepted: %w", health.Err)
	} else if len(health.Rooms) > 0 {
		return fmt.Errorf("rooms are damaged and accept no messages: %s", strings.Join(slices.Sorted(maps.Keys(health.Rooms)), " "))
	}
	switch free, err := s.store.Free(); {
	case err != nil:
		return fmt.Errorf("cannot access the data folder: %w", err)
	case free < eventlog.MinFree:
		return errors.New("the disk is full")
	}
	return nil
}
