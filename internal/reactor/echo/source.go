package main

import (
	"crypto/rand"
	"fmt"
	"io"

	"ramai/internal/frame"
)

const (
	maxMessage   = 16 << 20 // bytes; the longest sent by the suites
	maxFragments = 1 << 20
	maxPending   = 64 << 10 // bytes of pending output from which on no input is used
)

// Limits for frames of clients and of servers.
var (
	serverFrames = &frame.Config{MaxMessage: maxMessage, MaxFragments: maxFragments}
	clientFrames = &frame.Config{MaxMessage: maxMessage, MaxFragments: maxFragments, Client: true}

	serverDeflated = &frame.Config{MaxMessage: maxMessage, MaxFragments: maxFragments, Deflate: true}
	clientDeflated = &frame.Config{MaxMessage: maxMessage, MaxFragments: maxFragments, Deflate: true, Client: true}
)

// closed is the error of a connection that the peer has closed normally.
type closed struct{ code uint16 }

func (c closed) Error() string { return fmt.Sprintf("closed by the peer with code %d", c.code) }

// echo is a reactor.Source that sends back what it receives. Its fields are owned by the caller of these methods.
type echo struct {
	dec       frame.Decoder
	client    bool
	window    frame.Bits           // window of the peer for compressed messages; 0: not negotiated
	onMessage func(payload []byte) // gets each message instead of the peer, if not nil; payload is valid until it returns
	ended     chan error           // gets the argument of Closed

	out []byte // frames to write: at most maxPending and the answer to one message
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

// close appends the close frame. Received is not called after it.
func (e *echo) close(code uint16, reason string) {
	e.appendFrame(frame.Close, frame.AppendClose(nil, code, reason)[frame.HeaderLen(0):])
}

// Received implements reactor.Source. Input is left unused while too much output is pending, and delivered again after
// a write.
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
