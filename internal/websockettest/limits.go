package websockettest

import "github.com/gobwas/ws"

// Limits are those of a peer that is not an echo: it takes text only, and answers it in its own way.
type Limits struct {
	Message   int // bytes
	Deflated  int // bytes of a compressed message as it is sent; 0: compression was not negotiated
	Fragments int
}

// Within returns c as such a peer has to take it: without what is answered to texts, and with the close code of the first
// frame that the peer refuses. That is 1003 for a binary message, 1009 for a message that is too long, and 1008 for one in too
// many fragments. All other codes are those of c: the limits hide no violation of the protocol that precedes them.
func (c Case) Within(limits Limits) Case {
	limited := Case{Name: c.Name, Code: c.Code, Cut: c.Cut}
	accepted, code := c.accepted(limits)
	if code != 0 {
		limited.Code = code
	}
	answers := make([]int, len(c.Want)+1) // answers that are control frames among the first so many
	for i, f := range c.Want {
		answers[i+1] = answers[i]
		if f.IsControl() {
			answers[i+1]++
		}
	}
	pings := 0
	for i, f := range c.Send {
		if f.First == fin|byte(ws.OpPing) && i < accepted {
			pings++
		}
		f.Await = answers[f.Await]
		limited.Send = append(limited.Send, f)
	}
	for _, f := range c.Want {
		if f.IsControl() && (code == 0 || len(limited.Want) < pings) {
			limited.Want = append(limited.Want, f)
		}
	}
	return limited
}

// accepted returns the number of frames before the first one that exceeds limits, and the code of the close frame then.
func (c Case) accepted(limits Limits) (n int, code uint16) {
	var message Frame // so far, with the first byte of its first frame
	fragments := 0
	for i, f := range c.Send {
		switch op := ws.OpCode(f.First & 0xf); {
		case f.violates(fragments > 0, limits.Deflated > 0):
			return i, 0
		case f.IsControl():
			continue
		case op == ws.OpBinary:
			return i, 1003
		case fragments == 0:
			message.First = f.First
		}
		fragments++
		message.Payload += f.Payload
		most := limits.Message
		if message.First&rsv1 != 0 {
			most = limits.Deflated
		}
		switch {
		case len(message.Payload) > most:
			return i, 1009
		case fragments > limits.Fragments:
			return i, 1008
		case f.First&fin != 0:
			if text, err := Inflate(message); err == nil && len(text) > limits.Message {
				return i, 1009
			}
			message, fragments = Frame{}, 0
		}
	}
	return len(c.Send), 0
}

// violates reports whether f ends the case whatever the limits are. inside says whether it follows a fragment, and deflated
// whether it may be compressed.
func (f Frame) violates(inside, deflated bool) bool {
	op, reserved := ws.OpCode(f.First&0xf), f.First&(rsv1|rsv2|rsv3)
	if deflated && !inside && op.IsData() {
		reserved &^= rsv1
	}
	switch {
	case f.unlike || f.length != "" || reserved != 0 || op.IsReserved() || op == ws.OpClose:
		return true
	case f.IsControl():
		return f.First&fin == 0 || len(f.Payload) > ws.MaxControlFramePayloadSize
	}
	return (op == ws.OpContinuation) != inside
}

// Lazy returns c for a peer that checks a text when it is complete: the rest of an invalid text is sent.
func (c Case) Lazy() Case {
	if c.Code != 1007 {
		return c
	}
	c.Send = append([]Frame(nil), c.Send...)
	f := &c.Send[len(c.Send)-1]
	switch {
	case f.length != "":
		f.Payload, f.length = f.Payload+edited, ""
	case !f.IsControl() && f.First&fin == 0:
		c.Send = append(c.Send, last(edited))
	}
	return c
}
