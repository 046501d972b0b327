package frame

import (
	"encoding/binary"
	"fmt"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// Config says what a [Decoder] accepts. One Config may be shared by many decoders. It must not change while they use
// it.
type Config struct {
	Client       bool // decode unmasked frames from a server; otherwise masked ones from a client
	TextOnly     bool // refuse binary messages
	Deflate      bool // permessage-deflate was negotiated (RFC 7692): messages may be compressed
	MaxMessage   int  // maximum payload of a message, received and inflated; 0 allows only empty ones
	MaxDeflated  int  // maximum payload of a compressed message as received; 0: MaxMessage
	MaxFragments int  // maximum number of frames of a message; 0 and 1 allow only messages of one frame
}

// Message is a complete message or control frame. Op 0 means none.
type Message struct {
	Op      Op
	Payload []byte // text is valid UTF-8; that of a close frame is well-formed, see CloseCode
}

// Error is the reason for refusing a peer's bytes.
type Error struct {
	Code   uint16 // close code to send (RFC 6455, section 7.4.1): 1002, 1003, 1007, 1008 or 1009
	Reason string // what is wrong and what would be right; fits into a close frame
}

func (e *Error) Error() string { return fmt.Sprintf("websocket: %s (close code %d)", e.Reason, e.Code) }

func refuse(code ws.StatusCode, format string, args ...any) *Error {
	return &Error{Code: uint16(code), Reason: fmt.Sprintf(format, args...)}
}

// Decoder turns the bytes of one connection into messages. Make one with [NewDecoder]. It is small and holds no buffer
// between messages, so that idle connections are cheap. It is not safe for concurrent use.
type Decoder struct {
	cfg *Config
	err *Error // first error, returned by all later calls

	// The data message in progress.
	buf       []byte // its payload so far, followed by that of a control frame received in parts
	fragments int    // frames so far; 0: no message
	message   Op     // Text or Binary
	tail      uint8  // bytes of an incomplete character at the end of a text, 0 to 3
	deflated  bool   // compressed: buf is inflated and checked when it is complete

	// The frame in progress.
	open   bool // the header is complete, the payload is not
	op     Op
	fin    bool
	mask   [4]byte
	length int // payload bytes announced
	got    int // payload bytes received

	headLen uint8
	head    [ws.MaxHeaderSize]byte // first headLen bytes of the next header
}

// NewDecoder returns a decoder for a connection that has just been upgraded.
func NewDecoder(cfg *Config) Decoder { return Decoder{cfg: cfg} }

// Next decodes bytes as received. It returns the first message that they complete and how many bytes it has used; call
// it again with the rest. If there is no message (Op 0), it has used all of b. Control frames are returned as they
// arrive, also between the fragments of a message.
//
// Next may change b. The payload is valid until the next call and may be part of b.
//
// An error is an [*Error] and is final: all of b is used, and all later calls return the same error. It is up to the
// caller to ignore what follows a close frame.
func (d *Decoder) Next(b []byte) (m Message, used int, err error) {
	for d.err == nil {
		if !d.open {
			used += d.header(b[used:])
		}
		if d.open { // even if b ends here: an empty payload is complete
			var n int
			m, n = d.payload(b[used:])
			used += n
		}
		if d.err == nil && (m.Op != 0 || used == len(b)) {
			return m, used, nil
		}
	}
	d.buf = nil
	return Message{}, len(b), d.err
}

// Partial reports whether the input so far ends within a frame or a fragmented message.
func (d *Decoder) Partial() bool { return d.headLen > 0 || d.open || d.fragments > 0 }

// Buffered returns the bytes of memory used for the message in progress.
func (d *Decoder) Buffered() int { return cap(d.buf) }

// header consumes header bytes from b and returns their number. When the header is complete, it opens the frame or sets
// d.err.
func (d *Decoder) header(b []byte) int {
	had := int(d.headLen)
	have := had + copy(d.head[had:], b)
	size := headerSize(d.head[:have])
	if have < size {
		d.headLen = uint8(have)
		return have - had
	}
	d.headLen = 0
	d.err = d.openFrame(d.head[:size])
	return size - had
}

// headerSize returns the length of the header that starts with head, as far as head tells.
func headerSize(head []byte) int {
	size := ws.MinHeaderSize
	if len(head) < size {
		return size
	}
	switch head[1] & lenBits {
	case in16:
		size += 2
	case in64:
		size += 8
	}
	if head[1]&maskBit != 0 {
		size += 4
	}
	return size
}

// openFrame checks a complete header and opens its frame.
func (d *Decoder) openFrame(head []byte) *Error {
	length, err := payloadLength(head)
	if err != nil {
		return err
	}
	op, fin := Op(head[0]&opBits), head[0]&finBit != 0
	if err := d.checkFlags(head, op); err != nil {
		return err
	}
	if op.isControl() {
		err = checkControl(fin, length)
	} else {
		deflated := d.deflated
		if op != continuation {
			deflated = head[0]&deflateBit != 0
		}
		err = d.checkData(op, length, deflated)
	}
	if err != nil {
		return err
	}

	if !op.isControl() {
		d.fragments++
	}
	if op == Text || op == Binary {
		d.message, d.deflated = op, head[0]&deflateBit != 0
	}
	if !d.cfg.Client {
		d.mask = [4]byte(head[len(head)-4:])
	}
	d.open, d.op, d.fin = true, op, fin
	d.length, d.got = int(length), 0 // no overflow: at most maxControl or MaxMessage
	return nil
}

// payloadLength returns the length in a complete header. It must be in its shortest form (RFC 6455, section 5.2).
func payloadLength(head []byte) (uint64, *Error) {
	var n, least uint64
	switch code := head[1] & lenBits; code {
	case in16:
		n, least = uint64(binary.BigEndian.Uint16(head[2:])), maxIn7+1
	case in64:
		n, least = binary.BigEndian.Uint64(head[2:]), maxIn16+1
	default:
		n = uint64(code)
	}
	if n < least {
		return 0, refuse(ws.StatusProtocolError, "a payload length of %d is not in its shortest form", n)
	}
	if n>>63 != 0 {
		return 0, refuse(ws.StatusProtocolError, "a 64-bit payload length has its top bit set; it must be 0")
	}
	return n, nil
}

// checkFlags applies the rules for all frames (RFC 6455, sections 5.1 and 5.2; RFC 7692, section 6).
func (d *Decoder) checkFlags(head []byte, op Op) *Error {
	masked := head[1]&maskBit != 0
	reserved := head[0] & rsvBits
	if d.cfg.Deflate && (op == Text || op == Binary) {
		reserved &^= deflateBit
	}
	switch {
	case reserved != 0 && d.cfg.Deflate:
		return refuse(ws.StatusProtocolError, "a reserved header bit is set; only RSV1 may be, on the first frame of a message")
	case reserved != 0:
		return refuse(ws.StatusProtocolError, "a reserved header bit is set; without an extension all must be 0")
	case op.isReserved():
		return refuse(ws.StatusProtocolError, "opcode %#x is reserved; use 0x0-0x2 or 0x8-0xa", byte(op))
	case masked && d.cfg.Client:
		return refuse(ws.StatusProtocolError, "a frame from the server is masked; it must not be")
	case !masked && !d.cfg.Client:
		return refuse(ws.StatusProtocolError, "a frame from the client is not masked; all must be")
	}
	return nil
}

// checkControl applies the rules for control frames (RFC 6455, section 5.5).
func checkControl(fin bool, length uint64) *Error {
	switch {
	case !fin:
		return refuse(ws.StatusProtocolError, "a control frame is fragmented; it must be one frame with FIN set")
	case length > maxControl:
		return refuse(ws.StatusProtocolError, "a control frame of %d bytes; at most %d are allowed", length, maxControl)
	}
	return nil
}

// checkData applies the rules for fragments (RFC 6455, section 5.4) and the limits.
func (d *Decoder) checkData(op Op, length uint64, deflated bool) *Error {
	started := d.fragments > 0
	limit, kind := uint64(max(d.cfg.MaxMessage, 0)), "message"
	if deflated && d.cfg.MaxDeflated > 0 {
		limit, kind = min(limit, uint64(d.cfg.MaxDeflated)), "compressed message"
	}
	switch {
	case op == continuation && !started:
		return refuse(ws.StatusProtocolError, "a continuation frame without a message to continue")
	case op != continuation && started:
		return refuse(ws.StatusProtocolError, "a new message inside a fragmented one; continue that with opcode 0 first")
	case op == Binary && d.cfg.TextOnly:
		return refuse(ws.StatusUnsupportedData, "a binary message; only text is accepted here")
	case length > limit-uint64(len(d.buf)): // between frames buf is the message so far, so at most limit
		return refuse(ws.StatusMessageTooBig, "a %s of more than %d bytes, which is the limit", kind, limit)
	case started && d.fragments >= d.cfg.MaxFragments:
		// Not 1009: the message is not too big, and its sender would look for the wrong fault.
		return refuse(ws.StatusPolicyViolation, "a message in more than %d frames; send it in fewer", d.fragments)
	}
	return nil
}

// payload consumes payload bytes of the open frame from b. It returns their number, and the message if they complete
// one.
func (d *Decoder) payload(b []byte) (Message, int) {
	n := min(d.length-d.got, len(b))
	p := b[:n:n] // clipped: appending to a payload must not overwrite the frames behind it
	if n == d.length && (d.op.isControl() || d.fin && d.fragments == 1) {
		return d.whole(p), n
	}

	d.buf = append(d.buf, p...)
	p = d.buf[len(d.buf)-n:]
	d.unmask(p)
	d.got += n
	d.open = d.got < d.length
	if d.op.isControl() {
		return d.controlPart(), n
	}
	return d.dataPart(n), n
}

// whole completes a frame that is a message by itself and whose payload p was received in one piece.
func (d *Decoder) whole(p []byte) Message {
	d.unmask(p)
	d.open = false
	if d.deflated && !d.op.isControl() {
		return d.inflate(p)
	}
	if d.op == Text && !utf8.Valid(p) {
		d.err = notUTF8()
	}
	return d.deliver(d.op, p)
}

// controlPart completes a control frame received in parts, if this was the last part.
func (d *Decoder) controlPart() Message {
	if d.open {
		return Message{}
	}
	start := len(d.buf) - d.length
	p := d.buf[start:]
	d.buf = d.buf[:start]
	if start == 0 {
		d.buf = nil
	}
	return d.deliver(d.op, p)
}

// dataPart checks the last n bytes of the data message and completes it if it ends there.
func (d *Decoder) dataPart(n int) Message {
	last := d.fin && !d.open
	if d.message == Text && !d.deflated {
		tail, ok := textTail(d.buf[len(d.buf)-n-int(d.tail):])
		if !ok || last && tail > 0 {
			d.err = notUTF8()
		}
		d.tail = uint8(tail)
	}
	if !last {
		return Message{}
	}
	p := d.buf
	d.buf = nil
	if d.deflated {
		return d.inflate(p)
	}
	return d.deliver(d.message, p)
}

// inflate completes a compressed data message with the payload p.
func (d *Decoder) inflate(p []byte) Message {
	p, d.err = inflate(p, max(d.cfg.MaxMessage, 0))
	if d.err == nil && d.message == Text && !utf8.Valid(p) {
		d.err = notUTF8()
	}
	return d.deliver(d.message, p)
}

// deliver returns a complete message.
func (d *Decoder) deliver(op Op, p []byte) Message {
	switch {
	case op == Close:
		d.err = checkClose(p)
	case !op.isControl():
		d.fragments = 0
	}
	return Message{Op: op, Payload: p}
}

// unmask unmasks p, the next bytes of the open frame.
func (d *Decoder) unmask(p []byte) {
	if !d.cfg.Client {
		ws.Cipher(p, d.mask, d.got)
	}
}

// textTail checks p as the start of a text. It returns the number of bytes at the end that begin an incomplete
// character, and whether p can be completed to valid UTF-8.
func textTail(p []byte) (tail int, ok bool) {
	for i := 1; i < utf8.UTFMax && i <= len(p); i++ {
		rest := p[len(p)-i:]
		if !utf8.RuneStart(rest[0]) {
			continue
		}
		if !utf8.FullRune(rest) { // false only for the start of a valid character
			tail = i
		}
		break
	}
	return tail, utf8.Valid(p[:len(p)-tail])
}

func notUTF8() *Error {
	return refuse(ws.StatusInvalidFramePayloadData, "a text message is not valid UTF-8")
}
