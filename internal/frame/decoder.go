package frame

import (
	"encoding/binary"
	"fmt"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// Config says what a [Decoder] accepts. One Config may serve many decoders; it must not change while they use it.
type Config struct {
	Client       bool // decode what a server sends, which must not be masked; else what a client sends, which must be
	TextOnly     bool // refuse binary messages
	Deflate      bool // permessage-deflate was negotiated (RFC 7692): messages may be compressed
	MaxMessage   int  // bytes of payload of a message, as it came and inflated; 0 allows only empty ones
	MaxDeflated  int  // bytes of payload of a compressed message, as it came; 0: no fewer than of others
	MaxFragments int  // frames of a message; 0 and 1 allow only messages of one frame
}

// Message is a complete message or a control frame. With Op 0 there is none.
type Message struct {
	Op      Op
	Payload []byte // text is valid UTF-8; a close frame's is well-formed, see CloseCode
}

// Error says why a peer's bytes were refused.
type Error struct {
	Code   uint16 // the close code to send (RFC 6455, section 7.4.1): 1002, 1003, 1007, 1008 or 1009
	Reason string // what was wrong and what would be right; fits into a close frame
}

func (e *Error) Error() string { return fmt.Sprintf("websocket: %s (close code %d)", e.Reason, e.Code) }

func refuse(code ws.StatusCode, format string, args ...any) *Error {
	return &Error{Code: uint16(code), Reason: fmt.Sprintf(format, args...)}
}

// Decoder turns the bytes of one connection into messages; make one with [NewDecoder]. It is small, and between
// messages it holds no buffer, so that idle connections are cheap. It is not safe for concurrent use.
type Decoder struct {
	cfg *Config
	err *Error // the first error, which every later call gives again

	// The data message under way.
	buf       []byte // its payload so far; behind it that of a control frame that came in parts
	fragments int    // its frames so far; 0 if no message is under way
	message   Op     // Text or Binary
	tail      uint8  // bytes at the end of a text that begin a character, 0 to 3
	deflated  bool   // it is compressed: buf is inflated, and a text checked, when it is complete

	// The frame under way.
	open   bool // its header is complete, its payload is not
	op     Op
	fin    bool
	mask   [4]byte
	length int // bytes of payload announced
	got    int // of which this many came

	headLen uint8
	head    [ws.MaxHeaderSize]byte // the first headLen bytes of the next header
}

// NewDecoder returns a decoder for one connection that has just been upgraded.
func NewDecoder(cfg *Config) Decoder { return Decoder{cfg: cfg} }

// Next takes bytes as they came and returns the first message that they complete, and how many of them it used; call
// it again with the rest. Without a message (Op 0) it has used all of b. Control frames are returned as they come,
// also between the fragments of a message.
//
// Next may change b. The payload is valid until the next call and may lie in b.
//
// An error is an [*Error]. It is final: b counts as used, and every later call returns the same. What may follow a
// close frame is for the caller to decide.
func (d *Decoder) Next(b []byte) (m Message, used int, err error) {
	for d.err == nil {
		if !d.open {
			used += d.header(b[used:])
		}
		if d.open { // also when b ends here: an empty payload is complete
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

// Partial reports whether the bytes so far end inside a frame or a fragmented message.
func (d *Decoder) Partial() bool { return d.headLen > 0 || d.open || d.fragments > 0 }

// Buffered is how many bytes of memory the message under way takes so far.
func (d *Decoder) Buffered() int { return cap(d.buf) }

// header takes bytes of a header from b and returns how many. Once all are there it opens the frame, or sets d.err.
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

// headerSize is the length of the header that begins with head, as far as head shows it.
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

// openFrame checks a complete header and begins its frame.
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
	d.length, d.got = int(length), 0 // fits: at most maxControl or MaxMessage
	return nil
}

// payloadLength reads the length in a complete header, which must be in its shortest form (RFC 6455, section 5.2).
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

// checkFlags applies what holds for every frame (RFC 6455, sections 5.1 and 5.2; RFC 7692,
// section 6).
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

// checkControl applies what holds for control frames (RFC 6455, section 5.5).
func checkControl(fin bool, length uint64) *Error {
	switch {
	case !fin:
		return refuse(ws.StatusProtocolError, "a control frame is fragmented; it must be one frame with FIN set")
	case length > maxControl:
		return refuse(ws.StatusProtocolError, "a control frame of %d bytes; the most is %d", length, maxControl)
	}
	return nil
}

// checkData applies the order of fragments (RFC 6455, section 5.4) and the limits.
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
		return refuse(ws.StatusUnsupportedData, "a binary message; only text is understood here")
	case length > limit-uint64(len(d.buf)): // between frames buf is the message so far, so at most limit
		return refuse(ws.StatusMessageTooBig, "a %s of more than %d bytes; that is the limit", kind, limit)
	case started && d.fragments >= d.cfg.MaxFragments:
		// Not 1009: the message is not too big, and its sender would look for the fault in the wrong place.
		return refuse(ws.StatusPolicyViolation, "a message in more than %d frames; send it in fewer", d.fragments)
	}
	return nil
}

// payload takes bytes of the open frame's payload from b and returns how many, and the message if they complete one.
func (d *Decoder) payload(b []byte) (Message, int) {
	n := min(d.length-d.got, len(b))
	p := b[:n:n] // clipped: appending to a payload must not write into the frames behind it
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

// whole ends a frame that is a message by itself and whose payload p has come in one piece.
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

// controlPart ends a control frame that came in parts, if the last has come.
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

// dataPart checks the n bytes just added to the data message, and ends the message if these were the last.
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

// inflate ends a compressed data message, of which p is the whole payload.
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

// textTail checks p as the start of a text. It returns how many bytes at its end begin a character that is not yet
// complete, and whether more bytes could still make p valid UTF-8.
func textTail(p []byte) (tail int, ok bool) {
	for i := 1; i < utf8.UTFMax && i <= len(p); i++ {
		rest := p[len(p)-i:]
		if !utf8.RuneStart(rest[0]) {
			continue
		}
		if !utf8.FullRune(rest) { // false only while the bytes so far may still become a character
			tail = i
		}
		break
	}
	return tail, utf8.Valid(p[:len(p)-tail])
}

func notUTF8() *Error {
	return refuse(ws.StatusInvalidFramePayloadData, "a text message is not valid UTF-8")
}
