package session

import (
	"fmt"
	"strconv"
	"time"

	"ramai/internal/eventlog"
	"ramai/internal/room"
	"ramai/wire"
)

// plain is the door of the original: every text frame is said, everything said arrives as bare text. It has no
// refusals for what is too fast (the client is read later), and answers nothing but with a notice.
type plain struct{ websocket }

func (p plain) encoding() room.Encoding { return room.Text }

func (p plain) received(b []byte) (int, error) { return p.decode(b, p) }

func (p plain) presence([]byte) {}

func (p plain) typing([]byte) {}

func (p plain) renamed(string) {}

func (p plain) open(c *Client) {
	p.sendText([]byte(wire.Greeting))
	name, last := c.Room, c.Last
	enter := func() bool {
		seat := p.subscribe(name)
		p.addCursor(newestFrom(p.env.Store.Bounds(name), last), seat)
		return true
	}
	if last == 0 {
		enter()
		return
	}
	p.paced(joinPrice(nil), enter)
}

func (p plain) text(b []byte) {
	e := eventlog.Command{Kind: eventlog.Say, SenderID: p.sender(), Room: p.cursors[0].sub.Room(), Text: wire.NormalizeText(string(b)), Once: true, RegisterKey: p.registerKey()}
	if err := wire.CheckText(e.Text, p.env.Limits.Text); err != nil {
		p.env.refused(err.Code)
		p.notice(err.Reason)
		return
	}
	t := p.ensurePublisher()
	t.fence++ // each by itself: nothing is sent again here, so nothing waits for one that was refused
	e.ID = strconv.FormatUint(t.fence, 10)
	p.env.Clients.Heard(p.addrPort(), e.Room, e.Text)
	p.paced(price{events: 1, room: e.Room}, func() bool { return p.submitOrWait(e, "") })
}

func (p plain) reply(r *reply) {
	if r.Status == eventlog.Refused {
		p.notice(r.Err.Reason)
		return
	}
	p.publisher.lastSaid = r.N
}

func (p plain) gap(_ string, from, to uint64) {
	p.notice(fmt.Sprintf("%d messages are gone for good", to-from+1))
}

func (p plain) unreadable(_ string, why *wire.CodedError) { p.notice(why.Reason) }

// bye tells who will not hear it otherwise that not all was said.
func (p plain) bye(time.Duration) {
	if p.blocked() || p.publisher != nil && p.publisher.lostToStop {
		p.notice("the server restarts, and has not said all that you sent; send again what you do not hear")
	}
}

// notice tells the client something that nobody said.
func (p plain) notice(reason string) {
	p.sendText([]byte(wire.NoticePrefix + reason))
}
