package server

import (
	"context"
	"crypto/tls"
	"errors"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"ramai/internal/reactor"
	"ramai/internal/session"
)

// How long each step of a graceful shutdown may take. Together they are below 10 s.
const (
	stopCommit  = 2 * time.Second // store accepted messages
	stopDeliver = 5 * time.Second // deliver them
	stopFlush   = 2 * time.Second // send the close frames
)

// Serve serves each listener by the transport of its name until ctx ends or a transport fails. Then it shuts down gracefully
// within 10 s: it accepts no more messages, stores and delivers those it has accepted, and asks clients to reconnect, spread
// over time. It closes the listeners. It returns nil after a shutdown without errors.
func (s *Server) Serve(ctx context.Context, listeners Listeners) error {
	for name, ln := range listeners {
		if err := s.start(name, ln); err != nil {
			return errors.Join(err, listeners.Close(), s.Close())
		}
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-s.failed:
	}
	return errors.Join(err, s.Close())
}

// Close shuts down gracefully, see Serve.
func (s *Server) Close() error {
	var err error
	s.closing.Do(func() { err = s.close() })
	return err
}

func (s *Server) close() error {
	s.mu.Lock()
	s.stopped = true
	s.mu.Unlock()
	s.each(func(c *session.Session) { c.Quiet() })
	// Requests in progress are answered while the sessions end.
	delivering, cutOff := context.WithCancel(context.Background())
	defer cutOff()
	var closing sync.WaitGroup
	for _, t := range s.transports {
		closing.Go(func() { t.Close(delivering) })
	}
	s.eventlog.Close()
	select {
	case <-s.logEnded:
	case <-time.After(stopCommit):
	}
	s.cancel()
	<-s.logEnded
	if err := s.cfg.sequencer.Close(); err != nil {
		s.cfg.Logger.Warn("the sequencer did not close cleanly", "err", err)
	}
	s.each(func(c *session.Session) { c.Leave(s.retry()) })
	delivered := s.awaitSessions(stopDeliver)
	cutOff()
	if !delivered {
		s.each(func(c *session.Session) { c.Force(s.retry()) })
		s.awaitSessions(stopFlush)
	}
	closing.Wait() // before another server can use the folder
	s.serving.Wait()
	s.reactor.Close()
	close(s.quit)
	s.background.Wait()
	s.hub.Wait()
	s.chat.Wait()
	if err := s.index.Close(); err != nil {
		s.cfg.Logger.Warn("the search index will be rebuilt at the next start", "err", err)
	}
	err := s.store.Close()
	s.cfg.member.close()
	return err
}

// retry returns when a client should reconnect: a random delay, so that about a thousand clients reconnect per second. The
// caller holds mu.
func (s *Server) retry() time.Duration {
	spread := max(500*time.Millisecond, time.Duration(len(s.sessions))*time.Millisecond)
	return 100*time.Millisecond + rand.N(spread)
}

// each calls f for each session. It holds mu meanwhile.
func (s *Server) each(f func(*session.Session)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.sessions {
		f(c)
	}
}

// awaitSessions waits until no session is left. It reports false after the timeout.
func (s *Server) awaitSessions(timeout time.Duration) bool {
	s.mu.Lock()
	if len(s.sessions) == 0 {
		s.mu.Unlock()
		return true
	}
	emptied := make(chan struct{})
	s.emptied = emptied
	s.mu.Unlock()
	select {
	case <-emptied:
		return true
	case <-time.After(timeout):
		return false
	}
}

// sessionClosed removes a session that was closed with err.
func (s *Server) sessionClosed(c *session.Session, err error) {
	s.metrics.Closed(closeReason(err))
	addr := s.limitedAddr(c.RemoteAddr().Addr())
	s.slots.Release(addr)
	s.conns.Release(addr)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, c)
	if len(s.sessions) == 0 && s.emptied != nil {
		close(s.emptied)
		s.emptied = nil
	}
}

// tcpOf returns the TCP connection under nc; nil if there is none.
func tcpOf(nc net.Conn) *net.TCPConn {
	if encrypted, ok := nc.(*tls.Conn); ok {
		nc = encrypted.NetConn()
	}
	tcp, _ := nc.(*net.TCPConn)
	return tcp
}

// startSession starts a session on a connection whose slot was acquired. early was read from the connection already.
func (s *Server) startSession(nc net.Conn, early []byte, client session.Client) {
	if tcp := tcpOf(nc); tcp != nil { // the kernel finds idle peers that are gone
		tcp.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 10 * time.Second, Count: 3})
	}
	changed := false
	var opened *session.Session
	s.reactor.Add(nc, early, func(conn reactor.Conn) reactor.Source {
		c := session.New(s.env, conn, client)
		s.accepted.Add(1)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.conns.Add(s.limitedAddr(client.Addr.Addr()))
		s.sessions[c] = struct{}{}
		if s.stopped {
			c.Force(s.retry())
		}
		changed, opened = s.chat.Changed(client.Who) && client.Who.SenderID != "", c
		return c
	})
	if changed { // the identity may have been read before a session ended
		opened.Recheck(false)
	}
}
