// Package frame reads and writes WebSocket frames (RFC 6455, section 5) as byte slices. It knows no sockets and starts
// no goroutines: the Append functions add one complete frame to a slice, and a [Decoder] takes bytes as they came from
// a socket, however they were cut, and gives back messages and control frames.
//
// What comes from a peer is hostile until checked. The decoder refuses a frame that the RFC forbids or that is past the
// limits of its [Config] when its header is complete, and a text at the first byte that is not UTF-8. It allocates for
// bytes that came, never for a length that was merely announced. A message that lies in one frame, and whole in the
// bytes given, is unmasked where it lies and handed out without a copy.
//
// The one extension is permessage-deflate (RFC 7692) without context takeover: each message is deflated by itself, so
// one deflated frame is right for every reader, and nothing is kept for a connection between messages.
package frame

import (
	"encoding/binary"

	"github.com/gobwas/ws"
)

// Op says what a frame or message is; the values are the opcodes of RFC 6455, section 5.2.
type Op byte

// The kinds of message, and the control frames.
const (
	continuation Op = 0x0 // a further frame of a fragmented message

	Text   Op = 0x1
	Binary Op = 0x2
	Close  Op = 0x8
	Ping   Op = 0x9
	Pong   Op = 0xa

	// Deflated beside Text or Binary says that the message is compressed (RFC 7692, section 6). No Message has it.
	Deflated Op = deflateBit
)

func (op Op) isControl() bool  { return ws.OpCode(op).IsControl() }
func (op Op) isReserved() bool { return ws.OpCode(op).IsReserved() }

// The first two bytes of a header (RFC 6455, section 5.2).
const (
	finBit     = 0x80 // first byte: the last frame of its message
	rsvBits    = 0x70
	deflateBit = 0x40 // RSV1: the message is compressed (RFC 7692, section 6)
	opBits     = 0x0f
	maskBit    = 0x80 // second byte: a key of 4 bytes ends the header
	lenBits    = 0x7f
	in16       = 126 // length codes: the length follows in 16 bits, or in 64
	in64       = 127

	maxIn7  = 125
	maxIn16 = 1<<16 - 1
)

// maxControl is the longest payload of a control frame (RFC 6455, section 5.5).
const maxControl = ws.MaxControlFramePayloadSize

// AppendText appends a text message as one unmasked frame. The payload must be valid UTF-8.
func AppendText[T ~string | ~[]byte](dst []byte, payload T) []byte {
	return append(AppendHeader(dst, Text, len(payload)), payload...)
}

// AppendPing appends an unmasked ping. The payload is cut to the 125 bytes a control frame may carry.
func AppendPing(dst, payload []byte) []byte { return appendControl(dst, Ping, payload) }

// AppendPong appends an unmasked pong, whose payload is that of the ping it answers. It is cut to 125 bytes.
func AppendPong(dst, payload []byte) []byte { return appendControl(dst, Pong, payload) }

func appendControl(dst []byte, op Op, payload []byte) []byte {
	payload = payload[:min(len(payload), maxControl)]
	return append(AppendHeader(dst, op, len(payload)), payload...)
}

// AppendMasked appends one complete frame as a client sends it, masked with the key mask, which should be fresh and
// unpredictable for each frame (RFC 6455, section 5.3). The payload of a control frame must be at most 125 bytes.
func AppendMasked(dst []byte, op Op, payload []byte, mask [4]byte) []byte {
	dst = appendHeader(dst, op, len(payload), maskBit)
	dst = append(dst, mask[:]...)
	start := len(dst)
	dst = append(dst, payload...)
	ws.Cipher(dst[start:], mask, 0)
	return dst
}

// HeaderLen is the number of bytes AppendHeader appends for a payload of n bytes: 2, 4 or 10.
func HeaderLen(n int) int {
	switch {
	case n <= maxIn7:
		return 2
	case n <= maxIn16:
		return 4
	default:
		return 10
	}
}

// AppendHeader appends the unmasked header of a complete message of n payload bytes, n ≥ 0; the caller appends those.
func AppendHeader(dst []byte, op Op, n int) []byte { return appendHeader(dst, op, n, 0) }

// appendHeader appends a header with FIN set, without the key; mask is maskBit or 0.
func appendHeader(dst []byte, op Op, n int, mask byte) []byte {
	dst = append(dst, finBit|byte(op))
	switch {
	case n <= maxIn7:
		return append(dst, mask|byte(n))
	case n <= maxIn16:
		return binary.BigEndian.AppendUint16(append(dst, mask|in16), uint16(n))
	default:
		return binary.BigEndian.AppendUint64(append(dst, mask|in64), uint64(n))
	}
}
