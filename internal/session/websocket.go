package session

import (
	"errors"

	"ramai/internal/frame"
	"ramai/wire"
)

// websocket is the part that the protocols over WebSocket have in common: text messages are sent in frames, pings are
// answered, and a close frame ends the connection.
type websocket struct{ *Session }

// textHandler is a codec that receives text messages.
type textHandler interface {
	// text handles one message, which is valid until it returns.
	text(b []byte)
}

// decode decodes frames, and passes their messages to p. All input is counted as work.
func (s websocket) decode(b []byte, p textHandler) (used int, err error) {
	if s.closing || s.closeReceived() { // nothing may follow
		return len(b), nil
	}
	if s.full() || !s.chargeFirst() {
		return 0, nil
	}
	turn := 0
	work := work{frames: -1}                   // the first is charged already
	fresh := frame.NewDecoder(s.frameConfig()) // on the stack: most messages arrive whole
	dec := &fresh
	if s.dec != nil {
		dec = s.dec
	}
	for used < len(b) && !s.closing && !s.closeReceived() && !s.full() {
		if turn >= workATurn {
			s.conn.Wake() // other sessions have their turn first
			break
		}
		m, k, err := dec.Next(b[used:])
		used += k
		work.add(m, k, s.deflate)
		if err != nil {
			s.chargeWork(&work)
			return used, s.failDecode(err)
		}
		if !dec.Partial() { // after each message: the next may begin in the same bytes
			s.partial = 0
		}
		if err := s.handle(m, p); err != nil {
			return used, err
		}
		if units := work.units(); units >= workAtOnce {
			turn += units
			s.chargeWork(&work)
		}
	}
	s.chargeWork(&work)
	s.retainDecoder(dec)
	if s.closing || s.closeReceived() {
		used = len(b)
	}
	return used, nil
}

// work is input that has not been charged yet.
type work struct{ frames, bytes int }

// inflating is the weight of one compressed byte: a block with its own Huffman codes takes a dozen bytes and may
// inflate to nothing. With this weight, the unit that is slowest to inflate takes about as long as others do, some 12
// µs.
const inflating = 4

// add adds a message, or a part of one, of k bytes.
func (w *work) add(m frame.Message, k int, deflate bool) {
	if deflate {
		k = k*inflating + len(m.Payload)
	}
	w.bytes += k
	if m.Op != 0 {
		w.frames++
	}
}

// units is the cost of the work: one for each frame, and one for each KiB.
func (w *work) units() int { return max(w.frames, 0) + w.bytes>>10 }

// chargeFirst charges the first unit before reading. It returns false if the rates do not allow that yet.
func (s websocket) chargeFirst() bool {
	wait := s.env.Chat.Work(s.senderID, s.addr, 1)
	if wait > 0 {
		s.pause(wait)
	}
	return wait == 0
}

// chargeWork charges w and resets it.
func (s websocket) chargeWork(w *work) {
	units := w.units()
	if units == 0 {
		return
	}
	*w = work{}
	if wait := s.env.Chat.Worked(s.senderID, s.addr, units); wait > 0 {
		s.pause(wait)
	}
}

// frameConfig is the configuration of the frames that this client may send.
func (s websocket) frameConfig() *frame.Config {
	if s.deflate {
		return s.env.Deflate
	}
	return s.env.Frame
}

// retainDecoder stores dec for the next input if a message is incomplete.
func (s websocket) retainDecoder(dec *frame.Decoder) {
	s.holdPartial(dec.Buffered())
	switch {
	case !dec.Partial():
		s.dec = nil
		return
	case s.dec == nil:
		s.dec = new(frame.Decoder)
		*s.dec = *dec
	}
	if s.partial == 0 {
		s.partial = s.now
	}
}

func (s websocket) handle(m frame.Message, p textHandler) error {
	switch m.Op {
	case frame.Text:
		p.text(m.Payload)
	case frame.Ping:
		s.control = frame.AppendPong(s.control, m.Payload)
	case frame.Close:
		code, _ := frame.CloseCode(m.Payload)
		if code == 1005 { // no code was given, so none is returned
			code = 0
		}
		t := s.ensurePublisher()
		t.closeReceived, t.closeCode = true, code
	}
	return nil
}

// failDecode closes the connection with the code of err, and returns err.
func (s websocket) failDecode(err error) error {
	code, reason := uint16(wire.CloseProtocolError), err.Error()
	if e := (*frame.Error)(nil); errors.As(err, &e) {
		code, reason = e.Code, e.Reason
	}
	s.close(code, reason)
	return err
}

// ping implements codec.
func (s websocket) ping() (answered bool) {
	s.control = frame.AppendPing(s.control, nil)
	return true
}

// last implements codec.
func (s websocket) last(code uint16, reason string) {
	s.control = frame.AppendClose(s.control, code, reason)
}

// sendText appends a text message to the control queue.
func (s websocket) sendText(text []byte) {
	if !s.closing {
		s.control = frame.AppendText(s.control, text)
	}
}
