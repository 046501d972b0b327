package main

import (
	"errors"
	"flag"
	"fmt"
	"net"
	"testing"

	"github.com/gobwas/httphead"
	"github.com/gobwas/ws"

	"ramai/internal/frame"
	"ramai/internal/reactor"
	"ramai/internal/websockettest"
)

var messages = flag.Int("messages", 0, "play the published list as it is, with this number of messages instead of 1000; 0: shorter ones, and fewer")

func size() websockettest.Size {
	if *messages == 0 {
		return websockettest.Brief
	}
	size := websockettest.Whole
	size.Messages = *messages
	return size
}

func cases() []websockettest.Case { return append(websockettest.List(size()), websockettest.More()...) }

// TestServer plays the cases without compression to the server.
func TestServer(t *testing.T) {
	eachPath(t, func(t *testing.T, r reactor.Reactor) {
		address := start(t, r)
		for _, c := range cases() {
			t.Run(c.Name, func(t *testing.T) { c.Play(t, dialed(t, address), true) })
		}
	})
}

// TestShortTurns ends each turn after one call of the Source. Unused input is delivered in the next turn, even if
// nothing else happens to the connection.
func TestShortTurns(t *testing.T) {
	r, err := reactor.NewEpoll(reactor.Options{MaxTurn: 1})
	if err != nil {
		t.Skip(err)
	}
	defer r.Close()
	address := start(t, r)
	for _, c := range append(websockettest.Framing(), websockettest.Long()...) {
		t.Run(c.Name, func(t *testing.T) { c.Play(t, dialed(t, address), true) })
	}
}

// TestClient plays the cases without compression to the client.
func TestClient(t *testing.T) {
	eachPath(t, func(t *testing.T, r reactor.Reactor) {
		for _, c := range cases() {
			t.Run(c.Name, func(t *testing.T) {
				nc, ended := accept(t, &client{reactor: r, out: t.Output()}, &ws.Upgrader{})
				c.Play(t, nc, false)
				var refused *frame.Error
				if err := <-ended; err != nil && (!errors.As(err, &refused) || refused.Code != c.Code) {
					t.Errorf("the client ended with %v", err)
				}
			})
		}
	})
}

// accept connects c to a server, and returns the server's end and how c ends.
func accept(t *testing.T, c *client, server *ws.Upgrader) (net.Conn, <-chan error) {
	t.Helper()
	ln := listen(t)
	defer ln.Close()
	ended := make(chan error, 1)
	go func() { ended <- c.run(t.Context(), fmt.Sprintf("ws://%s/runCase?case=1", ln.Addr())) }()
	nc, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := server.Upgrade(nc); err != nil {
		t.Fatal(err)
	}
	return nc, ended
}

// TestDeflatedServerList plays the cases with compression to the server, which accepts all offers without context takeover.
func TestDeflatedServerList(t *testing.T) {
	eachPath(t, func(t *testing.T, r reactor.Reactor) {
		address := start(t, r)
		for _, c := range websockettest.ListDeflated(size()) {
			t.Run(c.Name, func(t *testing.T) {
				offers, ok := httphead.ParseOptions([]byte(c.Offer), nil)
				if !ok {
					t.Fatalf("the offer %q is malformed", c.Offer)
				}
				nc, _, hs, err := ws.Dialer{Extensions: offers}.Dial(t.Context(), address)
				if err != nil {
					t.Fatal(err)
				}
				want, _, _ := frame.AnswerDeflate(offers[0], frame.LeastBits)
				if len(hs.Extensions) != 1 || !hs.Extensions[0].Equal(want) {
					t.Errorf("the answer to %s is %v, want %v", c.Offer, hs.Extensions, want)
				}
				c.Play(t, nc, true)
			})
		}
	})
}

// TestDeflatedClientList plays the cases with compression to the client, with each answer that it has to accept.
func TestDeflatedClientList(t *testing.T) {
	eachPath(t, func(t *testing.T, r reactor.Reactor) {
		for _, c := range websockettest.ListDeflated(size()) {
			t.Run(c.Name, func(t *testing.T) {
				answers, ok := httphead.ParseOptions([]byte(c.Answer), nil)
				if !ok {
					t.Fatalf("the answer %q is malformed", c.Answer)
				}
				answer := func(httphead.Option) (httphead.Option, error) { return answers[0], nil }
				nc, ended := accept(t, &client{reactor: r, out: t.Output(), deflate: true}, &ws.Upgrader{Negotiate: answer})
				c.Play(t, nc, false)
				if err := <-ended; err != nil {
					t.Errorf("the client ended with %v", err)
				}
			})
		}
	})
}
