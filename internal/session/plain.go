package session

import (
	"fmt"
	"strconv"
	"time"

	"ramai/internal/chat"
	"ramai/internal/eventlog"
	"ramai/internal/room"
	"ramai/wire"
)

// plain is the protocol of the original server: every text frame is posted, and every message arrives as bare text. A
// client that is too fast is not refused but read later, and all other answers are notices.
type plain struct{ websocket }

func (p plain) encoding() room.Encoding { return room.Text }

func (p plain) received(b []byte) (int, error) { return p.decode(b, p) }

func (p plain) presence([]byte) {}

func (p plain) typing([]byte) {}

func (p plain) renamed(string) {}

func (p plain) open(c *Client) {
	p.sendText([]byte(wire.Greeting))
	name, last := c.Room, c.Last
	p.paced(func() error {
		_, _, err := p.join(name, nil, last)
		if refused := chat.Refusal(err); refused != nil && chat.Wait(err) == 0 {
			p.env.refused(refused.Code)
			p.left(name, refused)
			return nil
		}
		return err
	})
}

func (p plain) left(_ string, why *wire.CodedError) {
	p.notice(why.Reason)
	p.end(wire.ClosePolicy, string(why.Code))
}

func (p plain) role(string, wire.Role, wire.Time) {}

// text posts a message. A client that is too fast is not refused but read later.
func (p plain) text(b []byte) {
	t := p.ensurePublisher()
	t.fence++ // each message has its own fence: clients do not retry, so no message waits for a refused one
	m := chat.Message{Room: p.cursors[0].sub.Room(), ID: strconv.FormatUint(t.fence, 10), Text: wire.NormalizeText(string(b)), Once: true}
	reply := p.replyWith("")
	if wait, done := p.result(p.say(&m, reply)); !done {
		again := m
		p.repeat(wait, func() error { return p.say(&again, reply) })
	}
}

func (p plain) say(m *chat.Message, reply chat.Reply) error {
	err := p.env.Chat.Say(&p.publisher.actor, m, reply)
	if err == eventlog.ErrBusy || chat.Wait(err) > 0 {
		return err
	}
	if refused := chat.Refusal(err); refused != nil {
		p.env.refused(refused.Code)
		p.notice(refused.Reason)
		return nil
	}
	p.submitted(err)
	return nil
}

func (p plain) reply(r *reply) {
	if r.status == eventlog.Refused || r.status == eventlog.OnHold {
		p.notice(r.err.Reason)
		return
	}
	p.publisher.lastSaid = r.n
}

// epoch sends nothing: lines have no positions.
func (p plain) epoch(wire.Epoch) {}

func (p plain) gap(_ string, from, to uint64) {
	p.notice(fmt.Sprintf("%d messages were deleted", to-from+1))
}

func (p plain) unreadable(_ string, why *wire.CodedError) { p.notice(why.Reason) }

func (p plain) ended(why *wire.CodedError) { p.notice(why.Reason) }

// bye warns clients whose messages were not all stored. Others need no notice.
func (p plain) bye(time.Duration) {
	if p.blocked() || p.publisher != nil && p.publisher.lostToStop {
		p.notice("the server is restarting and has not posted all of your messages; send again those that do not appear")
	}
}

// notice sends the client a text that is not a message.
func (p plain) notice(reason string) {
	p.sendText([]byte(wire.NoticePrefix + reason))
}
