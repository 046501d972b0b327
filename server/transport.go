package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"path/filepath"

	"ramai/internal/localsocket"
	"ramai/internal/web"
)

// Transport accepts connections and serves their clients. It translates between their protocols and the chat service.
type Transport interface {
	// Name is the name of the transport in logs, errors, and [Listeners].
	Name() string
	// Serve serves the connections of ln until Close, and closes ln. It returns nil after Close.
	Serve(ln net.Listener) error
	// Close stops accepting connections. Clients may finish what they do until ctx ends; then they are disconnected. It returns
	// when all goroutines of the transport have ended, at most a few seconds after ctx.
	Close(ctx context.Context)
}

// The transports.
const (
	HTTP  = "http"  // page, API, WebSocket
	SSH   = "ssh"   // screen and line mode for any SSH client; requires Config.SSH
	Admin = "admin" // metrics and health checks, see [Server.Admin]

	operator = "operator" // the operator's commands, on the socket in the data folder
)

// Listeners are listeners by the name of the transport that serves them.
type Listeners map[string]net.Listener

// Close closes all listeners.
func (l Listeners) Close() (err error) {
	for _, ln := range l {
		err = errors.Join(err, ln.Close())
	}
	return err
}

// Limits for connections to the operator's tools, because file descriptors are for the chat.
const (
	adminConns    = 32
	operatorConns = 32
)

// openTransports creates all transports. encryption is for HTTP; nil: none.
func (s *Server) openTransports(encryption *tls.Config) error {
	if s.cfg.SSH {
		var err error
		if s.ssh, err = s.openSSH(); err != nil {
			return err
		}
		s.transports = append(s.transports, s.ssh)
	}
	logger := s.cfg.Logger
	s.transports = append(s.transports,
		web.NewServer(web.ServerConfig{Name: HTTP, Handler: s.Handler(), Logger: logger, TLS: encryption, AcquireConn: s.acquireConn, ReleaseConn: s.releaseConn}),
		web.NewServer(web.ServerConfig{Name: Admin, Handler: s.Admin(), Logger: logger, MaxConns: adminConns}),
		web.NewServer(web.ServerConfig{Name: operator, Handler: s.Operator(), Logger: logger, MaxConns: operatorConns}),
	)
	s.failed = make(chan error, len(s.transports))
	return nil
}

// start starts to serve ln by the transport with that name. If serving fails later, the error is sent to s.failed.
func (s *Server) start(name string, ln net.Listener) error {
	for _, t := range s.transports {
		if t.Name() == name {
			s.serving.Go(func() {
				if err := t.Serve(ln); err != nil {
					s.failed <- fmt.Errorf("%s: %w", name, err)
				}
			})
			return nil
		}
	}
	return fmt.Errorf("there is no transport %q on this server", name)
}

// startOperator serves the operator on the socket in the data folder. The server runs without it if the folder cannot have a
// socket.
func (s *Server) startOperator() error {
	if s.cfg.InMemory {
		return nil
	}
	path := filepath.Join(s.cfg.Data, SocketName)
	ln, err := localsocket.Listen(path)
	if err != nil {
		s.cfg.Logger.Warn("the operator's socket cannot be created; commands and profiles are not available while this server runs", "file", path, "err", err)
		return nil
	}
	return s.start(operator, ln)
}
