package server

import (
	"log/slog"
	"net"
	"testing"

	"ramai/internal/chat"
	"ramai/internal/frame"
	"ramai/internal/session"
	"ramai/wire"
)

// TestLateClient: a client that connects while the server shuts down is told when to reconnect.
func TestLateClient(t *testing.T) {
	cfg := Defaults()
	cfg.InMemory, cfg.Quiet, cfg.Logger = true, true, slog.New(slog.DiscardHandler)
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.mu.Lock()
	s.stopped = true
	s.mu.Unlock()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	nc, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	secret, err := wire.NewSession(cfg.Random)
	if err != nil {
		t.Fatal(err)
	}
	s.startSession(nc, nil, session.Client{Session: secret, Room: wire.Lobby, Protocol: chat.V1})
	dec := frame.NewDecoder(&frame.Config{Client: true, TextOnly: true, MaxMessage: 1 << 16, MaxFragments: 1})
	buf := make([]byte, 4096)
	for {
		n, err := c.Read(buf)
		if err != nil {
			t.Fatalf("no restarting frame: %v", err)
		}
		for b := buf[:n]; len(b) > 0; {
			m, used, err := dec.Next(b)
			if err != nil {
				t.Fatal(err)
			}
			b = b[used:]
			f, err := wire.ParseFrame(m.Payload)
			if r, ok := f.(wire.Restarting); err == nil && ok {
				if r.RetryAfterMS < 100 || r.RetryAfterMS >= 600 {
					t.Errorf("retry after %d ms, want 100 to 599", r.RetryAfterMS)
				}
				return
			}
		}
	}
}
