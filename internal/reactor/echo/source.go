package main

import (
	"crypto/rand"
	"fmt"
	"io"

	"ramai/internal/frame"
)

const (
	maxMessage   = 16 << 20 // bytes: the longest that the suites send
	maxFragments = 1 << 20
	maxPending   = 64 << 10 // bytes waiting to be written at which no more is taken
)

// What a peer may send to a server, and to a client.
var (
	serverFrames = &frame.Config{MaxMessage: maxMessage, MaxFragments: maxFragments}
	clientFrames = &frame.Config{MaxMessage: maxMessage, MaxFragments: maxFragments, Client: true}

	serverDeflated = &frame.Config{MaxMessage: maxMessage, MaxFragments: maxFragments, Deflate: true}
	clientDeflated = &frame.Config{MaxMessage: maxMessage, MaxFragments: maxFragments, Deflate: true, Client: true}
)

// closed is why a connection ended that the peer closed in good order.
type closed struct{ code uint16 }

func (c closed) Error() string { return fmt.Sprintf("closed by the peer with code %d", c.code) }

// echo is a reactor.Source that sends back what it gets. Its fields are owned by who calls it as that, and before by
// who made it.
type echo struct {
	dec       frame.Decoder
	client    bool
	window    frame.Bits           // that the peer has for what is compressed; 0: nothing is
	onMessage func(payload []byte) // takes each message in place of the peer, if not nil; valid until it returns
	ended     chan error           // gets what Closed was told

	out []byte // frames to be written: maxPending and the answer to one message at most
}

func newEcho(cfg *frame.Config, window frame.Bits) *echo {
	return &echo{dec: frame.NewDecoder(cfg), client: cfg.Client, window: window, ended: make(chan error, 1)}
}

// send appends a message, compressed if that was negotiated and makes it smaller.
func (e *echo) send(op frame.Op, payload []byte) {
	if e.window != 0 {
		if p := frame.Deflate(nil, payload, e.window); len(p) < len(payload) {
			op, payload = op|frame.Deflated, p
		}
	}
	e.appendFrame(op, payload)
}

// appendFrame appends a frame, masked if this is a client.
func (e *echo) appendFrame(op frame.Op, payload []byte) {
	if !e.client {
		e.out = append(frame.AppendHeader(e.out, op, len(payload)), payload...)
		return
	}
	var mask [4]byte
	rand.Read(mask[:])
	e.out = frame.AppendMasked(e.out, op, payload, mask)
}

// close appends the close frame, behind which Received is not called any more.
func (e *echo) close(code uint16, reason string) {
	e.appendFrame(frame.Close, frame.AppendClose(nil, code, reason)[frame.HeaderLen(0):])
}

// Received implements reactor.Source. What would pile up is not taken: it comes again when something was written.
func (e *echo) Received(b []byte) (used int, err error) {
	if len(b) == 0 {
		return 0, io.EOF
	}
	for used < len(b) && len(e.out) <= maxPending {
		m, n, err := e.dec.Next(b[used:])
		used += n
		if err != nil {
			refused := err.(*frame.Error)
			e.close(refused.Code, refused.Reason)
			return used, err
		}
		switch m.Op {
		case frame.Text, frame.Binary:
			if e.onMessage != nil {
				e.onMessage(m.Payload)
			} else {
				e.send(m.Op, m.Payload)
			}
		case frame.Ping:
			e.appendFrame(frame.Pong, m.Payload)
		case frame.Close:
			code, _ := frame.CloseCode(m.Payload)
			e.close(code, "")
			return len(b), closed{code}
		}
	}
	return used, nil
}

// Next implements reactor.Source.
func (e *echo) Next(max int) ([]byte, bool) { return e.out[:min(len(e.out), max)], len(e.out) > 0 }

// Wrote implements reactor.Source.
func (e *echo) Wrote(n int) {
	if e.out = e.out[n:]; len(e.out) == 0 {
		e.out = nil
	}
}

// Closed implements reactor.Source.
func (e *echo) Closed(err error) { e.ended <- err }
