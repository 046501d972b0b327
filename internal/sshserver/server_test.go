package sshserver

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"math"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/ssh"

	"ramai/internal/chat"
	"ramai/internal/connlimit"
	"ramai/internal/store/memory"
)

func newTestServer(t *testing.T, folder string) *Server {
	t.Helper()
	store, err := memory.New(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	srv, err := New(Config{Chat: chat.New(chat.Config{Store: store}), Random: rand.Reader, Logger: slog.New(slog.DiscardHandler), Folder: folder, AcquireConn: func(net.Conn) error { return nil }, ReleaseConn: func(net.Conn) {}})
	if err != nil {
		t.Fatal(err)
	}
	return srv
}

// TestHandshakeTimeout: a client that does not complete the handshake is closed, whether or not it reads the server's
// version.
func TestHandshakeTimeout(t *testing.T) {
	for _, reads := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			srv := newTestServer(t, "")
			ours, theirs := net.Pipe()
			begin := time.Now()
			closed := make(chan struct{})
			go func() {
				srv.handle(theirs)
				close(closed)
			}()
			if reads {
				go io.Copy(io.Discard, ours)
			}
			<-closed
			if took := time.Since(begin); took != handshakeTimeout {
				t.Errorf("it was closed after %v; reads: %t", took, reads)
			}
			if len(srv.conns) != 0 || srv.connSlots.InUse() != 0 {
				t.Errorf("%d connections, and %d slots in use", len(srv.conns), srv.connSlots.InUse())
			}
			srv.Close(endedContext())
			ours.Close()
		})
	}
}

// TestDeadPeers: a connection whose peer is gone is closed, and no other.
func TestDeadPeers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newTestServer(t, "")
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		served := make(chan error, 1)
		ln.Close() // connections are added below
		go func() { served <- srv.Serve(ln) }()
		<-served
		begin := time.Now()
		var conns []*conn
		for _, gone := range []bool{false, true} {
			_, theirs := net.Pipe()
			c := &conn{Conn: theirs, server: srv, isDead: func(patience time.Duration) bool { return gone && time.Since(begin) >= patience }}
			if srv.acquireConn(c) != nil {
				t.Fatal("there is no slot")
			}
			conns = append(conns, c)
		}
		time.Sleep(deadAfter + deadAfter/4)
		if left := srv.all(); len(left) != 1 || left[0] != conns[0] {
			t.Errorf("%v are left", left)
		}
		srv.Close(endedContext())
	})
}

// TestRefusedConnectionsAreLogged: refused connections are logged once a minute.
func TestRefusedConnectionsAreLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		srv := newTestServer(t, "")
		srv.cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))
		srv.connSlots = limited(1)
		if srv.acquireConn(&conn{server: srv}) != nil {
			t.Fatal("there is no slot")
		}
		ours, theirs := net.Pipe()
		go func() {
			lines := bufio.NewScanner(ours)
			for lines.Scan() {
				if !strings.HasPrefix(lines.Text(), connlimit.ErrFull.Error()) {
					t.Errorf("a connection too many receives %q", lines.Text())
				}
			}
		}()
		defer ours.Close()
		for range 100 {
			if srv.admit(theirs) != nil {
				t.Fatal("it was accepted")
			}
			time.Sleep(time.Second)
		}
		if n := strings.Count(log.String(), "\n"); n != 2 || !strings.Contains(log.String(), "level=INFO") || !strings.Contains(log.String(), " connections=60 ") {
			t.Errorf("the log has %d lines: %s", n, &log)
		}
	})
}

// silentConn is the client's side of a connection in memory. The client writes left more packets, and then nothing.
type silentConn struct {
	net.Conn
	left  atomic.Int64
	queue chan []byte
}

func newSilentConn(nc net.Conn) *silentConn {
	m := &silentConn{Conn: nc, queue: make(chan []byte, 100)}
	m.left.Store(math.MaxInt64)
	go func() { // both sides of a handshake begin with writing
		for b := range m.queue {
			if _, err := nc.Write(b); err != nil {
				return
			}
		}
	}()
	return m
}

func (m *silentConn) Write(b []byte) (int, error) {
	if m.left.Add(-1) >= 0 {
		m.queue <- bytes.Clone(b)
	}
	return len(b), nil
}

// TestUnconfirmedEnd: a client that does not confirm the end of a channel, which the server must keep until then, loses its
// connection.
func TestUnconfirmedEnd(t *testing.T) {
	for name, begin := range map[string]func(ssh.Channel, *silentConn) error{
		"a session": func(ch ssh.Channel, m *silentConn) error {
			m.left.Store(1) // the request. The end of the channel may arrive before SendRequest returns
			_, err := ch.SendRequest("exec", true, ssh.Marshal(struct{ S string }{"--nothing"}))
			return err
		},
		"a channel without a request": func(_ ssh.Channel, m *silentConn) error {
			time.Sleep(requestTimeout - 1)
			m.left.Store(0)
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := newTestServer(t, "")
				defer srv.Close(endedContext())
				ours, theirs := net.Pipe()
				go srv.handle(theirs)
				m := newSilentConn(ours)
				defer close(m.queue)
				c, channels, requests, err := ssh.NewClientConn(m, "", &ssh.ClientConfig{
					User: "x", HostKeyCallback: ssh.InsecureIgnoreHostKey(),
					Auth: []ssh.AuthMethod{ssh.KeyboardInteractive(func(string, string, []string, []bool) ([]string, error) { return nil, nil })},
				})
				if err != nil {
					t.Fatal(err)
				}
				go ssh.DiscardRequests(requests)
				go func() {
					for range channels {
					}
				}()
				ch, requests, err := c.OpenChannel("session", nil)
				if err != nil {
					t.Fatal(err)
				}
				go ssh.DiscardRequests(requests)
				if _, err := ch.SendRequest("window-change", true, ssh.Marshal(struct{ Columns, Rows, Width, Height uint32 }{500, 200, 0, 0})); err != nil {
					t.Fatal(err)
				}
				cells := func() int {
					srv.mu.Lock()
					defer srv.mu.Unlock()
					return srv.allCells
				}
				if cells() == 0 {
					t.Error("a large screen is not counted")
				}
				if err := begin(ch, m); err != nil {
					t.Fatal(err)
				}
				ended := time.Now()
				c.Wait()
				if took := time.Since(ended).Round(time.Second); took != requestTimeout {
					t.Errorf("the connection was closed after %v", took)
				}
				synctest.Wait()
				if left := cells(); left != 0 {
					t.Errorf("%d cells are still counted", left)
				}
			})
		})
	}
}

// unreadChannel is a channel with input that nobody reads.
type unreadChannel struct {
	ssh.Channel
	stdin, stderr *bytes.Buffer
}

func (s unreadChannel) Close() error               { return nil }
func (s unreadChannel) Read(b []byte) (int, error) { return s.stdin.Read(b) }
func (s unreadChannel) Stderr() io.ReadWriter      { return s.stderr }

// lingering is a connection whose reader notices the end late.
type lingering struct {
	net.Conn
	closed chan struct{}
	once   sync.Once
	ended  *atomic.Bool
}

func (l *lingering) Read([]byte) (int, error) {
	<-l.closed
	time.Sleep(time.Minute)
	l.ended.Store(true)
	return 0, net.ErrClosed
}

func (l *lingering) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Conn.Close()
}

// TestCloseWaits: Close returns when all goroutines of the server have ended.
func TestCloseWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newTestServer(t, "")
		ours, theirs := net.Pipe()
		go io.Copy(io.Discard, ours)
		var over atomic.Bool
		srv.running.Go(func() { srv.handle(&lingering{Conn: theirs, closed: make(chan struct{}), ended: &over}) })
		synctest.Wait()
		srv.Close(endedContext())
		if !over.Load() {
			t.Error("a connection is still being read")
		}
	})
}

// TestServeAfterClose: a closed server does not accept connections.
func TestServeAfterClose(t *testing.T) {
	srv := newTestServer(t, "")
	srv.Close(endedContext())
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := srv.Serve(ln); err != nil {
		t.Error(err)
	}
	if _, err := ln.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("its listener is open: %v", err)
	}
}

// endedContext returns a context that has ended: Close ends the sessions at once.
func endedContext() context.Context {
	ctx, end := context.WithCancel(context.Background())
	end()
	return ctx
}
