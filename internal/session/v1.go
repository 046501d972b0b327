package session

import (
	"fmt"
	"time"

	"ramai/internal/chat"
	"ramai/internal/eventlog"
	"ramai/internal/room"
	"ramai/wire"
)

// fenceHolds is the longest time for which a fence is kept, see fence.
const fenceHolds = 5 * time.Second

// v1 is the protocol ramai.v1.
type v1 struct{ websocket }

// fence preserves the order of messages after a refusal that may be retried: until the first refused id is sent
// again, all other messages are refused too. It may never be sent again: if it was also sent and stored on an earlier
// connection, the client has received its echo and is done with it. The fence would then stay forever, so after
// fenceHolds the connection is closed, and the client starts over on a new one.
type fence struct {
	room, id string        // of the message that must be sent first
	stored   bool          // the log refused it; such a message precedes all that were refused here
	until    time.Duration // a different message after this closes the connection
	err      *wire.CodedError
}

// fenceOff sets the fence after a message was refused.
func (v v1) fenceOff(room, id string, stored bool, err *wire.CodedError) {
	v.ensurePublisher().refusal = &fence{room: room, id: id, stored: stored, err: err, until: v.now + err.RetryAfter + fenceHolds}
}

func (v v1) encoding() room.Encoding { return room.JSON }

func (v v1) open(c *Client) { v.welcome(c.Session, c.Who.Known, "") }

func (v v1) received(b []byte) (int, error) { return v.decode(b, v) }

// send appends a frame to the control queue.
func (v v1) send(f wire.Frame) { v.sendText(wire.Append(nil, f)) }

// refuse rejects a request for a reason that did not come from the log.
func (v v1) refuse(r wire.Request, why *wire.CodedError) {
	v.env.refused(why.Code)
	v.send(r.Refused(why))
}

func (v v1) presence(payload []byte) { v.sendText(payload) }

func (v v1) typing(payload []byte) { v.sendText(payload) }

func (v v1) renamed(name string) { v.send(wire.Name{Name: name}) }

func (v v1) welcome(secret string, known bool, ref string) {
	v.send(wire.Welcome{
		Protocol: wire.Protocol, Server: v.env.Server, SenderID: v.sender(), Session: secret, Name: v.env.Chat.Name(v.sender()), Known: known,
		Text: wire.Greeting, Limits: v.env.Chat.Limits(), Ref: ref,
	})
}

func (v v1) text(b []byte) {
	r, err := wire.ParseRequest(b)
	if err != nil {
		v.refuse(r, err)
		return
	}
	sawRequest := v.sawRequest
	v.sawRequest = true
	switch f := r.Frame.(type) {
	case wire.Say:
		m := chat.Message{Room: f.Room, ID: f.ID, Text: f.Text, Re: f.Re, As: f.As, Options: f.Options}
		v.post(r, f.Room, f.ID, posting{message: &m})
	case wire.Change:
		if f.Held != "" {
			v.withdraw(r, f)
			return
		}
		v.post(r, f.Room, f.ID, posting{change: &chat.Change{Room: f.Room, ID: f.ID, Of: f.Of, Text: f.Text}})
	case wire.Set:
		v.set(r, &chat.Setting{Room: f.Room, ID: f.ID, Key: f.Key, Value: f.Value, Until: f.Until, AddressOf: f.AddressOf})
	case wire.Invite:
		v.invite(r, f)
	case wire.Redeem:
		v.redeem(r, f)
	case wire.Mark:
		v.mark(r, f)
	case wire.Moderate:
		v.moderate(r, f)
	case wire.Report:
		v.report(r, f)
	case wire.StateRequest:
		v.settings(r, f)
	case wire.Hello:
		v.hello(r, f, sawRequest)
	case wire.Link:
		v.link(r, f)
	case wire.SignOut:
		v.signOut(r, f)
	case wire.Join:
		v.joinRoom(r, f)
	case wire.Leave:
		v.leaveRoom(f.Room)
	case wire.History:
		v.history(r, f)
	case wire.Who:
		v.who(r, f)
	case wire.Name:
		v.name(r, f)
	case wire.Typing:
		v.env.Chat.Typing(&v.ensurePublisher().actor, f.Room)
	case wire.Ping:
		v.send(wire.Pong{ID: f.ID, Ref: r.Ref})
	default:
		v.refuse(r, &wire.CodedError{Code: wire.BadRequest, Reason: fmt.Sprintf("this server's version does not support %s", r.Type)})
	}
}

// refuseWith refuses a request with the error of a chat method.
func (v v1) refuseWith(r wire.Request, err error) {
	if refused := chat.Refusal(err); refused != nil {
		v.refuse(r, refused)
	}
}

// posting is a message, a change or a setting that a client posts: one of the fields. It is no interface, because a message would
// be allocated to be in one.
type posting struct {
	message *chat.Message
	change  *chat.Change
	setting *chat.Setting
}

func (p posting) submit(s *chat.Service, a *chat.Actor, reply chat.Reply) error {
	switch {
	case p.change != nil:
		return s.Change(a, p.change, reply)
	case p.setting != nil:
		return s.Set(a, p.setting, reply)
	}
	return s.Say(a, p.message, reply)
}

// post posts what. Its answer names the room and the id.
func (v v1) post(r wire.Request, room, id string, what posting) {
	p := v.ensurePublisher()
	if p.refusal != nil && (p.refusal.id != id || p.refusal.room != room) {
		v.sayBehindFence(r)
		return
	}
	reply := v.replyWith(r.Ref)
	if p.refusal != nil && p.refusal.stored { // commands in flight were sent after the refused message, and must be sent again
		reply.Fence++
	}
	err := what.submit(v.env.Chat, &p.actor, reply)
	if refused := chat.Refusal(err); refused != nil {
		if chat.Wait(err) > 0 {
			p.fence = reply.Fence
			v.fenceOff(room, id, false, refused)
		}
		v.refuse(r, refused)
		return
	}
	p.refusal, p.fence = nil, reply.Fence
	if !v.submitted(err) {
		v.blockUntil(0, v.submitAgain(what, reply))
	}
}

// submitAgain returns a function that submits a post once there is space in the queue. It copies the message, which would
// be allocated in every case if the closure referred to it.
func (v v1) submitAgain(what posting, reply chat.Reply) func() bool {
	again := posting{change: what.change, setting: what.setting}
	if what.message != nil {
		copied := *what.message
		again.message = &copied
	}
	return func() bool { return v.submitted(again.submit(v.env.Chat, &v.publisher.actor, reply)) }
}

// sayBehindFence refuses a message that must be sent after the fenced one.
func (v v1) sayBehindFence(r wire.Request) {
	refusal := v.publisher.refusal
	if v.now > refusal.until {
		v.end(wire.ClosePolicy, "the refused message was not sent again; reconnect, and send all unsaved messages in order")
		return
	}
	v.refuse(r, &wire.CodedError{
		Code:       refusal.err.Code,
		Reason:     fmt.Sprintf("%q was refused before it; send that again first, then this", refusal.id),
		RetryAfter: refusal.err.RetryAfter,
	})
}

// name is paced, not refused: a client that connects with many others from one address gets its name a moment later.
// Nothing is read before the request is answered, so that later requests run under the new name.
func (v v1) name(r wire.Request, f wire.Name) {
	p := v.ensurePublisher()
	change := v.env.Chat.ReserveName
	if f.Name == "" {
		change = v.env.Chat.ReleaseName
	}
	request, reply := chat.NameRequest{Name: f.Name}, v.replyWith(r.Ref)
	p.naming = true
	v.paced(func() error {
		err := change(&p.actor, &request, reply)
		if err == eventlog.ErrBusy || chat.Wait(err) > 0 {
			return err
		}
		if refused := chat.Refusal(err); refused != nil {
			p.naming = false
			v.refuse(r, refused)
			return nil
		}
		v.submitted(err)
		return nil
	})
}

func (v v1) reply(r *reply) {
	switch r.kind {
	case eventlog.Say, eventlog.Change, eventlog.Set:
		v.saved(r)
	case eventlog.Mark:
		v.answerMark(r)
	case eventlog.Erase, eventlog.Restore, eventlog.Judge, eventlog.Report:
		v.moderated(r)
	case eventlog.ReserveName, eventlog.ReleaseName:
		v.publisher.naming = false
		if r.status == eventlog.Refused {
			v.send(wire.Request{Type: wire.Name{}.Type(), Ref: r.ref}.Refused(r.err))
			return
		}
		name, _ := r.body.(eventlog.ReserveNameBody) // a release has no body
		v.send(wire.Name{Name: name.Name, Ref: r.ref})
	default:
		v.env.Logger.Error("no answer is defined for this kind of command", "kind", r.kind)
	}
}

// saved answers a say, a change or a set.
func (v v1) saved(r *reply) {
	if r.status == eventlog.OnHold {
		v.onHold(r)
		return
	}
	if r.status != eventlog.Refused {
		v.send(wire.Saved{Room: r.room, ID: r.id, N: r.n, At: r.at, Ref: r.ref})
		return
	}
	refused := wire.RefusedBy(r.room, r.id, r.err)
	refused.Ref = r.ref
	v.send(refused)
	if r.err.RetryAfter > 0 && r.fence == v.publisher.fence && (v.publisher.refusal == nil || !v.publisher.refusal.stored) {
		v.fenceOff(r.room, r.id, true, r.err)
	}
}

// joinRoom is paced, not refused: a client that rejoins many rooms at once waits a moment.
func (v v1) joinRoom(r wire.Request, f wire.Join) {
	reading := v.env.Chat.NewestMarks(v.actor(), f.Room, func(mine wire.Mine, err error) {
		v.enqueue(func() {
			v.reading = false
			if err != nil {
				v.refuse(r, v.env.Chat.Unreadable(f.Room))
				return
			}
			v.joinWith(r, f, mine)
		})
	})
	if v.reading = reading; !reading {
		v.joinWith(r, f, nil)
	}
}

// joinWith joins a room in which the sender has marks.
func (v v1) joinWith(r wire.Request, f wire.Join, mine wire.Mine) {
	last := wire.DefaultJoin
	if f.Last != nil {
		last = *f.Last
	}
	v.paced(func() error {
		joined, _, err := v.join(f.Room, f.After, last)
		switch {
		case chat.Wait(err) > 0 || err == chat.ErrBehind:
			return err
		case err != nil:
			v.refuseWith(r, err)
		default:
			joined.Ref = r.Ref
			if joined.From != nil {
				joined.Mine = chat.ReplayedMarks(mine, *joined.From)
			}
			v.send(joined)
		}
		return nil
	})
}

func (v v1) who(r wire.Request, f wire.Who) {
	who, err := v.env.Chat.Who(v.actor(), f)
	if err != nil {
		v.refuseWith(r, err)
		return
	}
	who.Ref = r.Ref
	v.send(who)
}

func (v v1) settings(r wire.Request, f wire.StateRequest) {
	page, err := v.env.Chat.Settings(v.actor(), f)
	if err != nil {
		v.refuseWith(r, err)
		return
	}
	page.Ref = r.Ref
	v.send(page)
}

func (v v1) epoch(f wire.Epoch) { v.send(f) }

func (v v1) left(name string, why *wire.CodedError) { v.send(wire.LeftBy(name, why)) }

func (v v1) role(name string, role wire.Role, until wire.Time) {
	v.send(wire.OwnRole{Room: name, Role: role, Until: until})
}

func (v v1) gap(name string, from, to uint64) {
	v.send(wire.Gap{Room: name, From: from, To: to})
}

func (v v1) unreadable(room string, why *wire.CodedError) { v.refuse(wire.Request{Room: room}, why) }

func (v v1) bye(retry time.Duration) {
	v.send(wire.Restarting{RetryAfterMS: retry.Milliseconds()})
}

// history requests one page. Nothing more is read from the client until the page has been sent.
func (v v1) history(r wire.Request, f wire.History) {
	if err := v.env.Chat.History(v.actor(), f, v.receivePage(r, f)); err != nil {
		v.refuseWith(r, err)
		return
	}
	v.reading = true
}

// receivePage returns the receiver of the page that is read next. If one of its messages is erased meanwhile, it is read again.
func (v v1) receivePage(r wire.Request, f wire.History) func(wire.Page, error) {
	since := v.env.Chat.ErasureMark()
	return func(page wire.Page, err error) {
		v.enqueue(func() {
			page.Ref = r.Ref
			refused := chat.Refusal(err)
			switch {
			case refused != nil:
				v.send(r.Refused(refused))
			case !v.sendExposed(page.Room, page.Messages, since, func() { v.send(page) }):
				v.env.Chat.ReadAgain(v.actor(), f, v.receivePage(r, f))
				return
			}
			v.reading = false
		})
	}
}
