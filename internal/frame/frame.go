// Package frame encodes and decodes WebSocket frames (RFC 6455, section 5) as byte slices. It opens no sockets and
// starts no goroutines. The Append functions append one complete frame to a slice. A [Decoder] takes bytes as received,
// split at arbitrary places, and returns messages and control frames.
//
// Input is not trusted. The decoder refuses a frame that violates the RFC or the limits of its [Config] as soon as the
// header is complete, and a text at the first byte that is not UTF-8. It allocates memory for received bytes only,
// never for an announced length. A message of one frame that is received in one piece is unmasked in place and returned
// without a copy.
//
// The only extension is permessage-deflate (RFC 7692) without context takeover. Each message is deflated by itself, so
// all readers can be sent the same frame, and connections keep no state between messages.
package frame

import (
	"encoding/binary"

	"github.com/gobwas/ws"
)

// Op is the type of a frame or message. The values are the opcodes of RFC 6455, section 5.2.
type Op byte

// Message types and control frames.
const (
	continuation Op = 0x0 // further frame of a fragmented message

	Text   Op = 0x1
	Binary Op = 0x2
	Close  Op = 0x8
	Ping   Op = 0x9
	Pong   Op = 0xa

	// Deflated, combined with Text or Binary, marks a compressed message (RFC 7692, section 6). Messages returned by a
	// Decoder do not have it.
	Deflated Op = deflateBit
)

func (op Op) isControl() bool  { return ws.OpCode(op).IsControl() }
func (op Op) isReserved() bool { return ws.OpCode(op).IsReserved() }

// The first two bytes of a header (RFC 6455, section 5.2).
const (
	finBit     = 0x80 // first byte: last frame of its message
	rsvBits    = 0x70
	deflateBit = 0x40 // RSV1: compressed message (RFC 7692, section 6)
	opBits     = 0x0f
	maskBit    = 0x80 // second byte: the header ends with a mask of 4 bytes
	lenBits    = 0x7f
	in16       = 126 // length codes: the length follows in 16 or 64 bits
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

// AppendPing appends an unmasked ping. The payload is cut to 125 bytes.
func AppendPing(dst, payload []byte) []byte { return appendControl(dst, Ping, payload) }

// AppendPong appends an unmasked pong with the payload of a ping, cut to 125 bytes.
func AppendPong(dst, payload []byte) []byte { return appendControl(dst, Pong, payload) }

func appendControl(dst []byte, op Op, payload []byte) []byte {
	payload = payload[:min(len(payload), maxControl)]
	return append(AppendHeader(dst, op, len(payload)), payload...)
}

// AppendMasked appends one complete frame as sent by a client. The mask should be new and unpredictable for each frame
// (RFC 6455, section 5.3). The payload of a control frame must be at most 125 bytes.
func AppendMasked(dst []byte, op Op, payload []byte, mask [4]byte) []byte {
	dst = appendHeader(dst, op, len(payload), maskBit)
	dst = append(dst, mask[:]...)
	start := len(dst)
	dst = append(dst, payload...)
	ws.Cipher(dst[start:], mask, 0)
	return dst
}

// HeaderLen returns the length of the header for a payload of n bytes: 2, 4 or 10.
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

// AppendHeader appends the unmasked header of a complete message with n bytes of payload, which the caller appends.
func AppendHeader(dst []byte, op Op, n int) []byte { return appendHeader(dst, op, n, 0) }

// appendHeader appends a header with FIN set and without the mask; mask is maskBit or 0.
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
