package client

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"ramai/wire"
)

const (
	maxInFlight      = 128                        // messages sending at once
	plainMaxInFlight = 64                         // lines of the plain protocol sent without an echo
	echoTimeout      = 30 * time.Second           // if no echo arrives for this long, more lines are sent: some lines never get one
	retryFor         = wire.IDLife - 24*time.Hour // a message that may be saved is sent again; clocks may differ a little
	plainText        = 4000                       // bytes that most servers accept with the plain protocol, which does not announce its limit
)

// outbox holds the messages whose state is not final, in order. It has no limit: without a connection it grows with
// everything the user posts.
//
// says[:sent] are sending, the others wait. says[:attempted] were sent over this connection or an earlier one: the server may
// answer them. So sent <= attempted <= len(says).
type outbox struct {
	says            []say
	sent, attempted int
	blocked         int   // changes of messages that have no number yet
	held            []say // held by the server for a moderator; they leave no gap in the window
	count           int   // messages so far, for ids

	window    int       // how many may be sending
	full      int       // the limit to which the window grows
	notBefore time.Time // nothing is sent before this
	echoed    time.Time // plain protocol: when an echo last arrived, or the first line was sent
}

// open starts a connection of ramai.v1. A server with rate limits refuses everything beyond a burst, so no more than that
// is sent at once.
func (o *outbox) open(l wire.Limits) {
	o.full = maxInFlight
	if l.Rate > 0 && l.Burst > 0 {
		o.full = min(l.Burst, maxInFlight)
	}
	o.window = o.full
}

// find returns the index of a message that was sent, or -1.
func (o *outbox) find(room, id string) int {
	return slices.IndexFunc(o.says[:o.attempted], func(s say) bool { return s.id == id && s.room == room })
}

// has reports whether a message was not answered yet.
func (o *outbox) has(room, id string) bool {
	return slices.ContainsFunc(o.says, func(s say) bool { return s.id == id && s.room == room })
}

// remove costs i steps, not len(says): answered messages are at the front.
func (o *outbox) remove(i int) {
	if o.says[i].blocked() {
		o.blocked--
	}
	copy(o.says[1:i+1], o.says[:i])
	o.says[0] = say{}
	o.says = o.says[1:]
	if i < o.sent {
		o.sent--
	}
	if i < o.attempted {
		o.attempted--
	}
}

// wake returns when the next message may be sent, if it only waits for that time.
func (o *outbox) wake(plain bool) time.Time {
	switch {
	case o.sent == len(o.says):
		return time.Time{}
	case plain && o.sent >= o.window:
		return o.echoed.Add(echoTimeout)
	}
	return o.notBefore
}

// say queues a message and returns its id.
func (c *core) say(room, text string) string { return c.post(say{room: room, text: text}) }

// post queues a message, a change or a setting, and returns its id: a new one, unless it has one.
func (c *core) post(s say) string {
	if s.id == "" {
		s.id = c.newID()
	}
	s.text = wire.NormalizeText(s.text)
	if s.blocked() {
		c.outbox.blocked++
	}
	c.outbox.says = append(c.outbox.says, s)
	return s.id
}

// newID returns an id that this client has not used.
func (c *core) newID() string {
	c.outbox.count++
	return c.prefix + "-" + strconv.Itoa(c.outbox.count)
}

// messages returns all messages without a final state.
func (o *outbox) messages() (all []Sent) {
	for i := range o.held {
		all = append(all, o.held[i].sent(Held))
	}
	for i := range o.says {
		state := Waiting
		if i < o.sent {
			state = Sending
		}
		all = append(all, o.says[i].sent(state))
	}
	return all
}

// saved removes a message that the server has on disk from the outbox.
func (c *core) saved(now time.Time, room, id string, n uint64, at time.Time) {
	o := &c.outbox
	for i := 0; i < len(o.says) && o.blocked > 0; i++ {
		if s := &o.says[i]; s.blocked() && s.ofID == id && s.room == room {
			s.of = n
			o.blocked--
		}
	}
	if i := o.find(room, id); i >= 0 {
		f := o.says[i].sent(Saved)
		f.N, f.At = n, at
		o.remove(i)
		o.window = min(o.window+1, o.full)
		o.echoed = now
		c.emit(f, nil)
		c.withdrawn(room, f.Withdraws)
	} else if s, ok := o.release(room, id); ok {
		f := s.sent(Saved)
		f.N, f.At = n, at
		c.emit(f, nil)
	}
}

// onHeld records that a moderator decides about a message.
func (c *core) onHeld(room, id string) {
	o := &c.outbox
	if i := o.find(room, id); i >= 0 {
		o.held = append(o.held, o.says[i])
		o.remove(i)
		c.emit(o.held[len(o.held)-1].sent(Held), nil)
		c.failChanges(room, id, wire.NotAllowed, "the message is held for a moderator; it can be changed once it is approved")
	}
}

// withdrawn ends the wait of a message that this client has withdrawn, unless the server has said so already.
func (c *core) withdrawn(room, id string) {
	if s, ok := c.outbox.release(room, id); ok {
		f := s.sent(Failed)
		f.Code, f.Reason = wire.Gone, "you have withdrawn the message"
		c.emit(f, nil)
	}
}

// release removes a message from those that are held.
func (o *outbox) release(room, id string) (s say, ok bool) {
	i := slices.IndexFunc(o.held, func(s say) bool { return s.id == id && s.room == room })
	if i < 0 {
		return say{}, false
	}
	s = o.held[i]
	o.held = slices.Delete(o.held, i, i+1)
	return s, true
}

// fail removes message i from the outbox.
func (c *core) fail(i int, code wire.Code, reason string) {
	c.failBy(i, wire.Refused{Code: code, Reason: reason})
}

// failBy is fail with the answer of the server.
func (c *core) failBy(i int, why wire.Refused) {
	f := c.outbox.says[i].sent(Failed)
	f.refuse(why)
	c.outbox.remove(i)
	c.emit(f, nil)
	c.failChanges(f.Room, f.ID, why.Code, "the message was not saved: "+why.Reason)
}

// refuse notes why the server has refused s for good.
func (s *Sent) refuse(why wire.Refused) {
	s.Code, s.Reason, s.Rule, s.Params, s.RuleUntil = why.Code, why.Reason, why.Rule, why.Params, why.Until
}

// failChanges removes the changes of a message from the outbox, because the message has no number.
func (c *core) failChanges(room, id string, code wire.Code, reason string) {
	o := &c.outbox
	for i := 0; i < len(o.says) && o.blocked > 0; {
		if s := &o.says[i]; s.blocked() && s.ofID == id && s.room == room {
			c.fail(i, code, reason) // and the changes of this change
			i = 0
			continue
		}
		i++
	}
}

// abandon is fail for a message that may have been saved.
func (c *core) abandon(i int, reason string) {
	f := c.outbox.says[i].sent(Failed)
	f.Code, f.Reason, f.Unknown = wire.Unavailable, reason, true
	c.outbox.remove(i)
	c.emit(f, nil)
	c.failChanges(f.Room, f.ID, wire.Unavailable, "the message may not have been saved: "+reason)
}

// rewind makes the messages from i on wait. why is reported for the first one.
func (c *core) rewind(i int, why Sent) {
	o := &c.outbox
	for j := i; j < o.sent; j++ {
		f := o.says[j].sent(Waiting)
		if j == i {
			f.Code, f.Reason, f.RetryAfter = why.Code, why.Reason, why.RetryAfter
		}
		c.emit(f, nil)
	}
	o.sent = i
}

// requeue ends a connection. With ramai.v1 all messages wait for the next one, where they are sent again. The plain
// protocol has no ids, so lines without an echo fail.
func (c *core) requeue() {
	o := &c.outbox
	for c.plain && o.attempted > 0 {
		c.abandon(0, "the connection broke before the message was confirmed; it may or may not have been saved")
	}
	c.rewind(0, Sent{})
	for i := range o.held {
		c.emit(o.held[i].sent(Waiting), nil)
	}
	o.says = append(o.held, o.says...)
	o.attempted += len(o.held)
	o.held, o.notBefore = nil, time.Time{}
}

// nextSay returns the next message to send, as a frame or a line.
func (c *core) nextSay(now time.Time) ([]byte, bool) {
	o := &c.outbox
	for o.sent < len(o.says) && !now.Before(o.notBefore) && !c.saysWait() {
		if o.sent >= o.window {
			if !c.plain || now.Before(o.echoed.Add(echoTimeout)) {
				return nil, false
			}
			o.window = o.sent + plainMaxInFlight
		}
		s := &o.says[o.sent]
		if !c.plain && !s.firstSent.IsZero() && now.Round(0).Sub(s.firstSent) > retryFor {
			c.abandon(o.sent, "the message was first sent more than six days ago; it may or may not have been saved")
			continue
		}
		if s.blocked() {
			return nil, false // the message that it changes is not answered yet
		}
		frame := []byte(s.text)
		if !c.plain {
			frame = s.frame()
			if c.limits.Frame > 0 && len(frame) > c.limits.Frame {
				// The server would close the connection, and the next one, too.
				c.fail(o.sent, wire.TooLong, fmt.Sprintf("the message needs a frame of %d bytes; this server takes at most %d", len(frame), c.limits.Frame))
				continue
			}
		}
		if o.sent == 0 {
			o.echoed = now
		}
		if s.firstSent.IsZero() {
			s.firstSent = now.Round(0) // a monotonic clock may stop while the machine sleeps
		}
		o.sent++
		o.attempted = max(o.attempted, o.sent)
		c.emit(s.sent(Sending), nil)
		return frame, true
	}
	return nil, false
}

// refused handles the answer to a message that was not stored.
func (c *core) refused(now time.Time, f wire.Refused, raw []byte) {
	if c.refusedAsk(now, f) {
		return
	}
	o := &c.outbox
	if s, ok := o.release(f.Room, f.ID); ok { // a moderator rejected it
		c.emit(f, raw)
		rejected := s.sent(Failed)
		rejected.refuse(f)
		c.emit(rejected, nil)
		return
	}
	i := o.find(f.Room, f.ID)
	if i < 0 || i >= o.sent {
		return // unknown, or to be sent again anyway because an earlier one was refused
	}
	c.emit(f, raw)
	if f.RetryAfterMS == 0 {
		c.failBy(i, f)
		return
	}
	wait := retryAfter(f.RetryAfterMS)
	c.rewind(i, Sent{Code: f.Code, Reason: f.Reason, RetryAfter: wait})
	o.window, o.notBefore = 1, now.Add(wait)
}

// refusedByOlder handles the error that an older server answers to what is no message, and reports whether it is one.
func (c *core) refusedByOlder(f wire.Error) bool {
	o := &c.outbox
	i := slices.IndexFunc(o.says[:o.sent], func(s say) bool { return !s.isMessage() && s.id == f.Ref })
	if f.Ref == "" || i < 0 {
		return false
	}
	c.failBy(i, wire.Refused{Code: f.Code, Reason: f.Reason, Rule: f.Rule, Params: f.Params, Until: f.Until})
	return true
}

// line handles a line of the plain protocol.
func (c *core) line(now time.Time, raw []byte) {
	text := string(raw)
	o := &c.outbox
	if !c.open {
		c.greetings, c.open, c.opened = 0, true, now
		o.window, o.full = plainMaxInFlight, plainMaxInFlight
		c.emit(wire.Welcome{Text: text}, raw)
		return
	}
	for _, s := range o.says[:o.sent] {
		if text == s.text || c.name != "" && text == c.name+": "+s.text {
			c.emit(Line{Text: text, ID: s.id}, raw)
			c.saved(now, s.room, s.id, 0, time.Time{})
			return
		}
	}
	if reason, notice := strings.CutPrefix(text, wire.NoticePrefix); notice {
		// Any message may look like a notice. It is one only if a message of this client would be refused.
		for i, s := range o.says[:o.sent] {
			if err := wire.CheckText(s.text, plainText); err != nil {
				c.emit(wire.Refused{Room: s.room, ID: s.id, Code: err.Code, Reason: reason}, raw)
				c.fail(i, err.Code, reason)
				return
			}
		}
	}
	c.emit(Line{Text: text}, raw)
}
