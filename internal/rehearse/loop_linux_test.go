package rehearse

import (
	"net"
	"testing"
	"time"

	"ramai/internal/reactor"
)

// ending is a Source that says when its connection has ended.
type ending struct {
	received int
	closed   chan int // bytes received before
}

func (e *ending) Next(int) ([]byte, bool) { return nil, false }

func (e *ending) Wrote(int) {}

func (e *ending) Received(b []byte) (int, error) {
	e.received += len(b)
	return len(b), nil
}

func (e *ending) Closed(error) { e.closed <- e.received }

// TestEndAfterInput: the end of a connection is noticed if it comes together with the last bytes, in one event.
func TestEndAfterInput(t *testing.T) {
	r, err := newReactor()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	nc, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	peer, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	peer.Write([]byte("last words"))
	peer.Close()
	e := &ending{closed: make(chan int, 1)}
	r.Add(nc, nil, func(reactor.Conn) reactor.Source { return e })
	select {
	case n := <-e.closed:
		if n != len("last words") {
			t.Errorf("%d bytes came before the end", n)
		}
	case <-time.After(10 * time.Second):
		t.Error("the end was not noticed")
	}
}
