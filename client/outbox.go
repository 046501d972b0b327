package client

import (
	"strconv"
	"strings"
	"time"

	"ramai/wire"
)

const (
	maxFlight   = 128                        // texts on their way at once
	plainFlight = 64                         // lines of the plain door whose echo is awaited
	plainStall  = 30 * time.Second           // without an echo: those lines will have none, send on
	retryFor    = wire.IDLife - 24*time.Hour // a text that may be saved is sent again; clocks may differ a little
	plainText   = 4000                       // bytes a server usually takes on the plain door, which does not say
)

// say is one text until it is settled.
type say struct {
	room, id, text string
	tried          time.Time // when it was handed out first, by the time of day; zero: never
}

// outbox holds what was said and is not settled, in order. It grows with what the user says and has no other bound:
// offline for long, it is the user's own words that it keeps.
//
// says[:sent] are on their way over this connection; says[:tried] were at some time handed out, and only they can be
// settled. So sent <= tried <= len(says).
type outbox struct {
	says        []say
	sent, tried int
	count       int // says ever, for ids

	window  int // how many may be on their way
	full    int // what the window grows to
	hold    time.Time
	settled time.Time // plain door: when an echo last settled something, or the first line went out
}

// open begins a connection of ramai.v1. A server that counts lets a burst through and refuses the rest, so there is no
// use in sending more than a burst at once.
func (o *outbox) open(l wire.Limits) {
	o.full = maxFlight
	if l.Rate > 0 && l.Burst > 0 {
		o.full = min(l.Burst, maxFlight)
	}
	o.window = o.full
}

// rewind makes everything unsent.
func (o *outbox) rewind() { o.sent, o.hold = 0, time.Time{} }

// find returns where among the texts that were handed out the one with this id is, or -1.
func (o *outbox) find(room, id string) int {
	for i, s := range o.says[:o.tried] {
		if s.id == id && s.room == room {
			return i
		}
	}
	return -1
}

// settle removes a text the server has.
func (o *outbox) settle(now time.Time, room, id string) {
	if i := o.find(room, id); i >= 0 {
		o.remove(i)
		o.window = min(o.window+1, o.full)
		o.settled = now
	}
}

// remove costs i, not len(says): what is settled is at the front.
func (o *outbox) remove(i int) {
	copy(o.says[1:i+1], o.says[:i])
	o.says[0] = say{}
	o.says = o.says[1:]
	if i < o.sent {
		o.sent--
	}
	if i < o.tried {
		o.tried--
	}
}

// dropTried removes everything that was handed out.
func (o *outbox) dropTried() []say {
	dropped := o.says[:o.tried]
	o.says = o.says[o.tried:]
	o.sent, o.tried = 0, 0
	return dropped
}

// wake returns when the next text may go out, if only time keeps it.
func (o *outbox) wake(plain bool) time.Time {
	switch {
	case o.sent == len(o.says):
		return time.Time{}
	case plain && o.sent >= o.window:
		return o.settled.Add(plainStall)
	}
	return o.hold
}

// say queues a text and returns its id.
func (c *core) say(room, text string) string {
	o := &c.outbox
	o.count++
	s := say{room: room, id: c.prefix + "-" + strconv.Itoa(o.count), text: wire.NormalizeText(text)}
	o.says = append(o.says, s)
	return s.id
}

func (c *core) nextSay(now time.Time) ([]byte, bool) {
	o := &c.outbox
	for o.sent < len(o.says) && !now.Before(o.hold) && !c.saysWait() {
		if o.sent >= o.window {
			if !c.plain || now.Before(o.settled.Add(plainStall)) {
				return nil, false
			}
			o.window = o.sent + plainFlight
		}
		s := &o.says[o.sent]
		if !c.plain && !s.tried.IsZero() && now.Round(0).Sub(s.tried) > retryFor {
			c.emit(Unconfirmed{ID: s.id, Text: s.text}, nil)
			o.remove(o.sent)
			continue
		}
		var frame []byte
		if c.plain {
			frame = []byte(s.text)
		} else {
			frame = wire.Append(nil, wire.Say{Room: s.room, ID: s.id, Text: s.text})
			if c.limits.Frame > 0 && len(frame) > c.limits.Frame {
				// The server would close the connection, and the next one too.
				c.emit(wire.Refused{Room: s.room, ID: s.id, Code: wire.TooLong,
					Reason: "the text does not fit a frame of the server; say it in parts"}, nil)
				o.remove(o.sent)
				continue
			}
		}
		if o.sent == 0 {
			o.settled = now
		}
		if s.tried.IsZero() {
			s.tried = now.Round(0) // a monotonic clock may stand still while the machine sleeps
		}
		o.sent++
		o.tried = max(o.tried, o.sent)
		return frame, true
	}
	return nil, false
}

// refused takes the answer to a text that was not stored.
func (c *core) refused(now time.Time, f wire.Refused, raw []byte) {
	o := &c.outbox
	i := o.find(f.Room, f.ID)
	if i < 0 || i >= o.sent {
		return // unknown, or behind one that was refused before it and so to be sent again in any case
	}
	if f.RetryAfterMS > 0 {
		o.sent, o.window = i, 1
		o.hold = now.Add(retryAfter(f.RetryAfterMS))
	} else {
		o.remove(i)
	}
	c.emit(f, raw)
}

// line takes a line of the plain door.
func (c *core) line(now time.Time, raw []byte) {
	text := string(raw)
	o := &c.outbox
	if !c.open {
		c.greetings, c.open, c.opened = 0, true, now
		o.window, o.full = plainFlight, plainFlight
		c.emit(wire.Welcome{Text: text}, raw)
		return
	}
	for i, s := range o.says[:o.sent] {
		if text == s.text || c.name != "" && text == c.name+": "+s.text {
			o.remove(i)
			o.settled = now
			c.emit(Line{Text: text, ID: s.id}, raw)
			return
		}
	}
	if reason, notice := strings.CutPrefix(text, wire.NoticePrefix); notice {
		// Anybody's text may begin like a notice. It is taken for one only if something of ours gives reason for it.
		for i, s := range o.says[:o.sent] {
			if err := wire.CheckText(s.text, plainText); err != nil {
				o.remove(i)
				c.emit(wire.Refused{Room: s.room, ID: s.id, Code: err.Code, Reason: reason}, raw)
				return
			}
		}
	}
	c.emit(Line{Text: text}, raw)
}
