package tui

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"ramai/client"
	"ramai/wire"
)

// frame is the time between two drawings. Events that come faster are gathered.
const frame = time.Second / fps

const (
	fps       = 30
	maxEvents = 5000 // of a batch; more wait in the client, and then at the server

	betweenBells = 2 * time.Second
)

// batch is what happened since the last one, and why nothing more will.
type batch struct {
	events []client.Event
	err    error
}

// feed gives the client's events to send, at most once a frame, until ctx or the client ends. If it breaks, that is told as
// an end of the client is, so that the terminal is given back.
func feed(ctx context.Context, c chat, send func(tea.Msg)) {
	defer func() {
		if fault := recover(); fault != nil {
			send(batch{err: fmt.Errorf("the screen broke: %v\n%s", fault, debug.Stack())})
		}
	}()
	var last time.Time
	for {
		var b batch
		e, err := c.Next(ctx)
		if err == nil {
			b.events = append(b.events, e)
			b.err = gather(ctx, c, &b, last.Add(frame))
		} else {
			b.err = err
		}
		if ctx.Err() != nil {
			return
		}
		send(b)
		if b.err != nil {
			return
		}
		last = time.Now()
	}
}

// gather adds what comes until then to b.
func gather(ctx context.Context, c chat, b *batch, until time.Time) error {
	short, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	for len(b.events) < maxEvents {
		e, err := c.Next(short)
		switch {
		case err == nil:
			b.events = append(b.events, e)
		case short.Err() != nil:
			return nil
		default:
			return err
		}
	}
	<-short.Done()
	return nil
}

// heard takes a batch.
func (s *screen) heard(b batch) tea.Cmd {
	called, behind := false, s.room().behind() > 0 || !s.room().joined
	for _, e := range b.events {
		called = s.take(e) || called
	}
	if b.err != nil {
		s.err = b.err
		return tea.Quit
	}
	var cmds []tea.Cmd
	if now := s.Now(); called && s.Bell && now.Sub(s.rang) >= betweenBells {
		s.rang = now
		cmds = append(cmds, tea.Raw("\a"))
	}
	cmds, s.asks = append(cmds, s.asks...), nil
	for _, r := range s.rooms {
		cmds = append(cmds, s.arrive(r))
	}
	if behind && s.room().behind() == 0 { // what has come may be less than there is room for
		cmds = append(cmds, s.fill())
	}
	return tea.Batch(cmds...)
}

// arrive goes to where the view of a room is to be, once the room is there.
func (s *screen) arrive(r *room) tea.Cmd {
	if r.jumpTargetAt == 0 || !r.joined || r.doubt && !r.pendingJump || r.historyID == "" || r.heard < r.head {
		return nil
	}
	goal, how := r.jumpTargetAt, atTop
	if r.pendingJump {
		how = pointed
	}
	r.jumpTargetAt, r.pendingJump = 0, false
	return s.jump(r, goal, how)
}

// take learns from an event, and tells whether somebody was called by name.
func (s *screen) take(e client.Event) (called bool) {
	switch f := e.Frame.(type) {
	case wire.Welcome:
		s.welcomed(f)
	case wire.Name:
		s.named(f.Name)
	case wire.Message:
		return s.message(f)
	case client.Line:
		s.line(f)
	case wire.Joined:
		s.joined(f)
	case client.Sent:
		s.with(f.Room, func(r *room) { r.changed(f, s.method) })
	case wire.Presence:
		s.with(f.Room, func(r *room) { r.people, r.names = f.Count, f.Names })
	case wire.Typing:
		s.with(f.Room, func(r *room) { r.typing = f.By })
	case wire.Gap:
		s.with(f.Room, func(r *room) {
			defer r.passed()
			if r.heard == 0 || len(r.items) == 0 {
				r.first = max(r.first, f.To+1)
				r.heard = f.To
				return
			}
			r.hear(&item{n: f.To, at: s.Now(), note: true, text: thousands(f.From) + " to " + thousands(f.To) + " are gone: the server does not keep them"})
		})
	case wire.Unknown:
		s.with(f.Room, func(r *room) {
			if f.N > r.heard {
				r.quieten(f.N)
			}
			r.heard, r.head = max(r.heard, f.N), max(r.head, f.N)
		})
	case wire.Restarting:
		s.tell("the server restarts")
	case client.Disconnected:
		if s.live || s.again.IsZero() {
			s.complain("%s", s.reason(f.Err))
		}
		if s.live && s.chat.Plain() {
			s.rooms[0].hole(s.Now())
		}
		s.live, s.again = false, s.Now().Add(f.Wait)
		for _, r := range s.rooms {
			r.typing = nil
		}
	case client.RequestFailed:
		s.failed(f)
	}
	return false
}

// reason is why something failed, without what only machines want to know.
func (s *screen) reason(err error) string {
	var refused *client.RefusedError
	switch {
	case errors.As(err, &refused) && refused.Reason != "":
		return oneLine(refused.Reason, s.method)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection broke"
	}
	text := oneLine(err.Error(), s.method)
	const closed = "the server closed the connection: " // a code, and why
	if rest, ok := strings.CutPrefix(text, closed); ok {
		if _, why, _ := strings.Cut(rest, " "); why != "" {
			return closed + why
		}
	}
	return text
}

// with does something to a room, if it is there.
func (s *screen) with(name string, do func(*room)) {
	if i := s.indexOf(name); i >= 0 {
		do(s.rooms[i])
	}
}

func (s *screen) welcomed(f wire.Welcome) {
	if s.greeted && !s.live {
		s.tell("connected again")
	}
	s.live, s.by, s.session, s.limits = true, f.SenderID, f.Session, f.Limits
	s.holds(f.Name)
	if !s.greeted {
		s.greeted = true
		if s.chat.Plain() {
			s.rooms[0].joined = true
			if s.Wish != "" {
				s.tell("this server has no names: what you say comes without yours")
			}
			return
		}
		for _, r := range s.rooms {
			if r.name != s.Room {
				if err := s.chat.Join(r.name, wire.DefaultJoin); err != nil {
					s.complain("%s: %s", r.name, s.reason(err))
				}
			}
		}
	}
}

// holds takes the name that is held now.
func (s *screen) holds(name string) {
	if name != s.name {
		s.name = name
		s.repaint()
	}
	if name != "" && s.Held != nil {
		s.Held(name, s.session)
	}
}

// named takes the server's answer to who asked for a name, or what it says by itself.
func (s *screen) named(name string) {
	before := s.name
	s.holds(name)
	switch {
	case !s.renaming && name == "" && before != "":
		s.complain("the name %s is not yours any more", oneLine(before, s.method))
	case !s.renaming:
	case name == "":
		s.tell("you have no name now")
	default:
		s.tell("your name is %s", oneLine(name, s.method))
	}
	s.renaming = false
}

// joined finds out where a room is, and what of it is new.
func (s *screen) joined(f wire.Joined) {
	i := s.indexOf(f.Room)
	if i < 0 {
		return
	}
	r := s.rooms[i]
	r.people, r.first, r.head, r.now = f.Count, max(f.First, 1), f.N, f.Epoch
	if r.joined && !f.Reset {
		return
	}
	last := uint64(wire.DefaultJoin)
	if !f.Reset {
		last = uint64(r.last)
	}
	r.heard = max(f.N-min(last, f.N), r.first-1)
	known := r.kept && r.historyID == f.HistoryID && r.read <= f.N
	if f.Reset || r.kept && !known {
		s.tell(anotherHistory)
	}
	if f.Reset {
		r.replace(nil, true)
		r.latest, r.jumpTarget, r.called = 0, 0, 0
		r.jumpTargetAt, r.pendingJump = 0, false
		for _, it := range r.outbox {
			if it.state == client.Saved { // it is heard again, if it is in this history too
				it.state, it.why = client.Failed, "this was saved in a history that the server no longer has"
			}
		}
	}
	if !known {
		r.forget(f.N)
	}
	r.joined, r.historyID, r.kept, r.since = true, f.HistoryID, false, f.N
	r.rule, r.unreadDivider = r.read, r.gone(r.read) < f.N
	if r.doubt = known && r.epoch != "" && r.epoch != f.Epoch; r.doubt {
		s.asks = append(s.asks, s.prove(r))
	}
}

const anotherHistory = "the server has another history than before"

// prove asks whether what was read in an earlier epoch is a part of the server's history still. Where the server was set
// back to an older state, other messages may have those numbers, which nobody has seen. The mark keeps its epoch: an earlier
// one is a part of more of the states that the server may be set back to.
func (s *screen) prove(r *room) tea.Cmd {
	at := wire.Position{HistoryID: r.historyID, Epoch: r.epoch, N: r.read}
	h := wire.History{Room: r.name, After: &at, Limit: 1}
	return s.ask(func(ctx context.Context) answer {
		page, err := s.chat.History(ctx, h)
		return func(s *screen) tea.Cmd {
			if !r.doubt || !slices.Contains(s.rooms, r) {
				return nil // it was left, or told by a reset
			}
			r.doubt = false
			if err == nil && page.Reset { // after an error it is asked again the next time
				s.tell(anotherHistory)
				if r.read == at.N && r.epoch == at.Epoch {
					r.forget(r.since)
				}
				if r.unreadDivider && r.rule == at.N {
					r.rule, r.unreadDivider = r.read, r.read < r.heard
				}
			}
			return s.arrive(r)
		}
	})
}

// item makes what is shown of a message.
func (s *screen) item(m wire.Message) *item {
	it := &item{n: m.N, at: m.At.Std(), by: m.SenderID, from: m.DisplayName, text: m.Text, id: m.ID, own: m.SenderID == s.by}
	if it.own {
		it.state = client.Saved
	}
	return it
}

// message takes one that has just come, and tells whether it calls me.
func (s *screen) message(m wire.Message) bool {
	i := s.indexOf(m.Room)
	if i < 0 {
		return false
	}
	r := s.rooms[i]
	if !r.joined || m.N <= r.heard { // of a time before the room was left and joined again
		return false
	}
	it := s.item(m)
	if it.own && r.sent(it.id) == nil {
		r.composer.remember(it.text) // said elsewhere, or an earlier time
		r.heardAfterAll(it.text)
	}
	if r.hear(it); it.own {
		r.quieten(it.n)
	}
	r.speaks(m.DisplayName)
	s.seen(r, it)
	if it.own || it.n <= r.read && it.n <= r.since || !mentionsMe(m.Text, s.name) {
		return false
	}
	if it.n > r.read {
		r.called++
	}
	return it.n > r.since
}

// line takes one of the plain door, which has no numbers: it gets one here.
func (s *screen) line(f client.Line) {
	r := s.rooms[0]
	it := &item{n: r.heard + 1, at: s.Now(), text: f.Text, id: f.ID, own: f.ID != ""}
	if it.own {
		it.state = client.Saved
		if sent := r.sent(f.ID); sent != nil {
			it.text = sent.text
		}
	}
	r.hear(it)
	s.seen(r, it)
}

// seen notes whether somebody saw what has come. The rule of what is new stands above the first by somebody else that nobody saw.
func (s *screen) seen(r *room, it *item) {
	if it.own && r.unreadDivider && r.rule+1 == it.n { // one's own is not new
		r.rule, r.unreadDivider = it.n, it.n < r.head
	}
	switch {
	case r == s.room() && !s.misses(it) && s.looking() && r.anchor == nil:
		r.look()
	case !it.own && it.n > r.read && !(r.unreadDivider && r.rule >= r.read):
		r.rule, r.unreadDivider = it.n-1, true
	}
}

// failed tells of a request that was not granted.
func (s *screen) failed(f client.RequestFailed) {
	reason := oneLine(f.Reason, s.method)
	switch request := f.Request.(type) {
	case wire.Join:
		s.complain("%s: %s", request.Room, reason)
		i := s.indexOf(request.Room)
		if i < 0 || len(s.rooms) == 1 {
			return
		}
		r := s.rooms[i] // what is written there stays there, and is never said elsewhere
		if r.composer.draft() == "" && len(r.outbox) == 0 && !(i == s.current && s.question != nil) {
			s.drop(i)
		}
	case wire.Name:
		s.renaming = false
		if !strings.HasPrefix(reason, "the name ") {
			reason = "the name " + oneLine(request.Name, s.method) + ": " + reason
		}
		s.complain("%s", reason)
	default:
		s.complain("the server says: %s", reason)
	}
}

// drop takes a room off the screen.
func (s *screen) drop(i int) {
	s.completed = nil
	s.lost = append(s.lost, s.rooms[i].unsaved(false)...)
	s.rooms = append(s.rooms[:i:i], s.rooms[i+1:]...)
	if s.current > i || s.current == len(s.rooms) {
		s.current--
	}
}
