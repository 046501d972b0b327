// Package websockettest plays the cases of the Autobahn test suite, by their numbers, to WebSocket servers and clients. It
// follows the suite's list, but shares no code and no text with it, and does not use package frame.
package websockettest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/gobwas/ws"
)

// Frame is one frame, valid or not.
type Frame struct {
	First   byte // FIN, the reserved bits and the opcode
	Payload string
	Await   int // is sent only after this number of frames has come back

	unlike bool   // masked by the server, or unmasked by the client
	length string // replaces the length of the payload: the code without the mask bit, and the bytes that follow
}

const (
	fin  = 0x80
	rsv1 = 0x40
	rsv2 = 0x20
	rsv3 = 0x10
)

// Bytes returns the frame as it is sent to a server or to a client.
func (f Frame) Bytes(toServer bool) []byte {
	length := f.length
	if length == "" {
		length = lengthOf(len(f.Payload))
	}
	b := append([]byte{f.First}, length...)
	payload := []byte(f.Payload)
	if toServer != f.unlike {
		mask := [4]byte{0x37, 0xfa, 0x21, 0x3d}
		b[1] |= 0x80
		b = append(b, mask[:]...)
		ws.Cipher(payload, mask, 0)
	}
	return append(b, payload...)
}

// lengthOf returns the code of a length and the bytes that follow it.
func lengthOf(n int) string {
	switch {
	case n <= 125:
		return string([]byte{byte(n)})
	case n < 1<<16:
		return "\x7e" + string(binary.BigEndian.AppendUint16(nil, uint16(n)))
	}
	return "\x7f" + string(binary.BigEndian.AppendUint64(nil, uint64(n)))
}

func (f Frame) String() string {
	return fmt.Sprintf("a frame %#x of %d bytes, %.40q", f.First, len(f.Payload), f.Payload)
}

// IsControl reports whether f is a control frame.
func (f Frame) IsControl() bool { return f.First&8 != 0 }

// Text returns a text message.
func Text(s string) Frame { return Frame{First: fin | byte(ws.OpText), Payload: s} }

func bin(s string) Frame         { return Frame{First: fin | byte(ws.OpBinary), Payload: s} }
func ping(s string) Frame        { return Frame{First: fin | byte(ws.OpPing), Payload: s} }
func pong(s string) Frame        { return Frame{First: fin | byte(ws.OpPong), Payload: s} }
func textPart(s string) Frame    { return Frame{First: byte(ws.OpText), Payload: s} }
func binPart(s string) Frame     { return Frame{First: byte(ws.OpBinary), Payload: s} }
func more(s string) Frame        { return Frame{First: byte(ws.OpContinuation), Payload: s} }
func last(s string) Frame        { return Frame{First: fin | byte(ws.OpContinuation), Payload: s} }
func closing(s string) Frame     { return Frame{First: fin | byte(ws.OpClose), Payload: s} }
func head(first byte) Frame      { return Frame{First: first} }
func unlike(f Frame) Frame       { f.unlike = true; return f }
func with(f Frame, b byte) Frame { f.First |= b; return f }

// body returns the payload of a close frame.
func body(code uint16, reason string) string {
	return string(binary.BigEndian.AppendUint16(nil, code)) + reason
}

// Case is what a peer sends and what it gets back from an echo.
type Case struct {
	Name string
	Send []Frame
	Want []Frame // frames that come back, before the close frame
	Code uint16  // of the close frame; 0: it has none. With 1000 and no close frame in Send, one is sent at the end
	Cut  int     // bytes of each write; 0: all at once; -1: one write for each frame
}

// fine returns a case that ends normally.
func fine(name string, send, want []Frame) Case {
	return Case{Name: name, Send: send, Want: want, Code: 1000}
}

// bad returns a case that ends with an error.
func bad(name string, code uint16, send ...Frame) Case {
	return Case{Name: name, Send: send, Code: code}
}

// parts cuts s into fragments of n bytes.
func parts(first byte, s string, n int) (all []Frame) {
	for i := 0; i < len(s); i += n {
		f := more(s[i:min(i+n, len(s))])
		if i == 0 {
			f.First = first
		}
		all = append(all, f)
	}
	all[len(all)-1].First |= fin
	return all
}

// between puts f between all fragments.
func between(all []Frame, f Frame) (mixed []Frame) {
	for i, one := range all {
		if i > 0 {
			mixed = append(mixed, f)
		}
		mixed = append(mixed, one)
	}
	return mixed
}

func repeat(f Frame, n int) (all []Frame) {
	for range n {
		all = append(all, f)
	}
	return all
}

// frames returns everything that the peer sends, including the close frame at the end.
func (c Case) frames() []Frame {
	for _, f := range c.Send {
		if f.First == fin|byte(ws.OpClose) {
			return c.Send
		}
	}
	if c.Code == 1000 {
		return append(c.Send[:len(c.Send):len(c.Send)], closing(body(1000, "")))
	}
	return c.Send
}

// stream returns the same as bytes.
func (c Case) stream(toServer bool) (b []byte) {
	for _, f := range c.frames() {
		b = append(b, f.Bytes(toServer)...)
	}
	return b
}

// write is a piece of what a peer sends.
type write struct {
	b     []byte
	await int // frames that have to come back first
}

// writes cuts what the peer sends at the frames that wait, and into writes of the wanted size.
func (c Case) writes(toServer bool) (all []write) {
	for _, f := range c.frames() {
		b := f.Bytes(toServer)
		if n := len(all) - 1; n >= 0 && f.Await == all[n].await && c.Cut >= 0 {
			all[n].b = append(all[n].b, b...)
		} else {
			all = append(all, write{b, f.Await})
		}
	}
	if c.Cut <= 0 {
		return all
	}
	var cut []write
	for _, w := range all {
		for len(w.b) > c.Cut {
			cut = append(cut, write{w.b[:c.Cut], w.await})
			w.b = w.b[c.Cut:]
		}
		cut = append(cut, w)
	}
	return cut
}

// Read reads a frame. masked says whether it has to be masked.
func Read(r io.Reader, masked bool) (Frame, error) {
	h, err := ws.ReadHeader(r)
	if err != nil {
		return Frame{}, err
	}
	if h.Masked != masked || h.Length > maxMessage {
		return Frame{}, fmt.Errorf("%d bytes, and masked is %v, want %v", h.Length, h.Masked, masked)
	}
	payload := bytes.NewBuffer(make([]byte, 0, h.Length))
	if _, err := io.CopyN(payload, r, h.Length); err != nil {
		return Frame{}, err
	}
	if masked {
		ws.Cipher(payload.Bytes(), h.Mask, 0)
	}
	f := Frame{First: h.Rsv<<4 | byte(h.OpCode), Payload: payload.String()}
	if h.Fin {
		f.First |= fin
	}
	return f, nil
}
