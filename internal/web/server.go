package web

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/net/netutil"
)

// ServerConfig configures a Server. Fields without a default must be set.
type ServerConfig struct {
	Name    string
	Handler http.Handler
	Logger  *slog.Logger
	TLS     *tls.Config // nil: connections are not encrypted

	// AcquireConn acquires a slot for an accepted connection, or returns why there is none; ReleaseConn releases it when the
	// connection is closed or becomes a session. Nil: MaxConns limits the connections.
	AcquireConn func(net.Conn) error
	ReleaseConn func(net.Conn)
	MaxConns    int // connections at a time; further ones wait to be accepted. Only without AcquireConn
}

// Server is a transport over HTTP.
type Server struct {
	cfg  ServerConfig
	http http.Server
}

// NewServer returns a Server.
func NewServer(cfg ServerConfig) *Server {
	s := &Server{cfg: cfg, http: http.Server{
		Handler:           cfg.Handler,
		TLSConfig:         cfg.TLS,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          quietLog(cfg.Logger),
	}}
	if cfg.ReleaseConn != nil {
		s.http.ConnState = func(nc net.Conn, state http.ConnState) {
			if state == http.StateClosed || state == http.StateHijacked {
				cfg.ReleaseConn(nc)
			}
		}
	}
	return s
}

// quietLog logs the errors of net/http at level debug. Most are about peers that do not speak HTTP.
func quietLog(l *slog.Logger) *log.Logger { return slog.NewLogLogger(l.Handler(), slog.LevelDebug) }

// Name returns the name of the transport.
func (s *Server) Name() string { return s.cfg.Name }

// Serve serves the connections of ln until Close, and closes ln. It returns nil after Close.
func (s *Server) Serve(ln net.Listener) error {
	if s.cfg.AcquireConn == nil {
		ln = netutil.LimitListener(ln, s.cfg.MaxConns)
	} else {
		ln = &limitedListener{Listener: ln, acquire: s.cfg.AcquireConn, encrypted: s.cfg.TLS != nil}
	}
	serve := s.http.Serve
	if s.cfg.TLS != nil {
		serve = func(ln net.Listener) error { return s.http.ServeTLS(ln, "", "") }
	}
	if err := serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("accept connections: %w", err)
	}
	return nil
}

// closeTimeout is how long Close waits for requests after its context has ended.
const closeTimeout = 2 * time.Second

// Close stops accepting connections, and returns when all requests are answered. Requests that last longer than 2 seconds after
// the end of ctx are aborted. Connections that have become sessions are not affected; over HTTP/2, they are requests.
func (s *Server) Close(ctx context.Context) {
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		s.http.Shutdown(context.Background())
	}()
	select {
	case <-answered:
		return
	case <-ctx.Done():
	}
	select {
	case <-answered:
	case <-time.After(closeTimeout):
		s.http.Close()
		<-answered
	}
}

// limitedListener closes connections over the limit as soon as they are accepted. Each connection that it returns has a slot.
type limitedListener struct {
	net.Listener
	acquire   func(net.Conn) error
	encrypted bool // connections use TLS
}

// Accept implements net.Listener.
func (l *limitedListener) Accept() (net.Conn, error) {
	for {
		nc, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if l.acquire(nc) == nil {
			return nc, nil
		}
		l.reject(nc)
	}
}

// tooManyConns is the HTTP answer to a connection over the limit.
const tooManyConns = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: 103\r\n\r\n" +
	`{"code":"unavailable","reason":"too many connections, in total or from this address; try again later"}` + "\n"

// reject closes a connection. Without TLS it sends the reason first, which fits into the buffer of a new socket.
func (l *limitedListener) reject(nc net.Conn) {
	if !l.encrypted {
		nc.SetWriteDeadline(time.Now().Add(time.Second))
		nc.Write([]byte(tooManyConns))
	}
	nc.Close()
}
