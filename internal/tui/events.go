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

// frameInterval is the time between two frames. Events that arrive faster are collected.
const frameInterval = time.Second / fps

const (
	fps       = 30
	maxEvents = 5000 // of a batch; more wait in the client, and then at the server

	betweenBells = 2 * time.Second
)

// batch is the events since the last one. err says why no more will come.
type batch struct {
	events []client.Event
	err    error
}

// feed sends the client's events in batches, at most one per frame, until ctx or the client ends. A panic is reported
// like an end of the client, so that the terminal is restored.
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
			b.err = gather(ctx, c, &b, last.Add(frameInterval))
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

// gather adds the events that arrive before until to b.
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

// handleBatch takes a batch.
func (s *screen) handleBatch(b batch) tea.Cmd {
	called, behind := false, s.room().behind() > 0 || !s.room().joined
	for _, e := range b.events {
		called = s.handle(e) || called
	}
	if b.err != nil {
		s.err = b.err
		return tea.Quit
	}
	var cmds []tea.Cmd
	if now := s.Now(); called && s.Bell && now.Sub(s.attention.bellAt) >= betweenBells {
		s.attention.bellAt = now
		cmds = append(cmds, tea.Raw("\a"))
	}
	cmds, s.requests = append(cmds, s.requests...), nil
	for _, r := range s.rooms.all {
		cmds = append(cmds, s.jumpWhenReady(r))
	}
	if behind && s.room().behind() == 0 { // what has come may be less than there is room for
		cmds = append(cmds, s.fill())
	}
	return tea.Batch(cmds...)
}

// jumpWhenReady moves the view of a room to its jump target, once the room has arrived there.
func (s *screen) jumpWhenReady(r *room) tea.Cmd {
	if r.jumpTargetAt == 0 || !r.joined || r.unproven && !r.pendingJump || r.historyID == "" || r.received < r.head {
		return nil
	}
	goal, how := r.jumpTargetAt, atTop
	if r.pendingJump {
		how = marked
	}
	r.jumpTargetAt, r.pendingJump = 0, false
	return s.jump(r, goal, how)
}

// handle takes an event, and reports whether it mentions this user.
func (s *screen) handle(e client.Event) (called bool) {
	switch f := e.Frame.(type) {
	case wire.Welcome:
		s.welcomed(f)
	case wire.Name:
		s.nameChanged(f.Name)
	case wire.Message:
		return s.message(f)
	case client.Line:
		s.line(f)
	case wire.Joined:
		s.joined(f)
	case client.Sent:
		s.inRoom(f.Room, func(r *room) { r.changed(f, s.method) })
	case wire.Presence:
		s.inRoom(f.Room, func(r *room) { r.present, r.names = f.Count, f.Names })
	case wire.Typing:
		s.inRoom(f.Room, func(r *room) { r.typing = f.By })
	case wire.Gap:
		s.inRoom(f.Room, func(r *room) {
			defer r.removeMissed()
			if r.received == 0 || len(r.items) == 0 {
				r.first = max(r.first, f.To+1)
				r.received = f.To
				return
			}
			r.receive(&item{n: f.To, at: s.Now(), note: true, text: "messages " + thousands(f.From) + " to " + thousands(f.To) + " are no longer on the server"})
		})
	case wire.Unknown:
		s.inRoom(f.Room, func(r *room) {
			if f.N > r.received {
				r.skipUnread(f.N)
			}
			r.received, r.head = max(r.received, f.N), max(r.head, f.N)
		})
	case wire.Restarting:
		s.status.inform("the server restarts")
	case client.Disconnected:
		if s.status.live || s.status.retryAt.IsZero() {
			s.status.warn("%s", s.reason(f.Err))
		}
		if s.status.live && s.chat.Plain() {
			s.rooms.all[0].noteOutage(s.Now())
		}
		s.status.live, s.status.retryAt = false, s.Now().Add(f.Wait)
		for _, r := range s.rooms.all {
			r.typing = nil
		}
	case client.RequestFailed:
		s.requestFailed(f)
	}
	return false
}

// reason is why something failed, without details that only help programs.
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

// inRoom calls do with a room, if it is on the screen.
func (s *screen) inRoom(name string, do func(*room)) {
	if i := s.rooms.index(name); i >= 0 {
		do(s.rooms.all[i])
	}
}

func (s *screen) welcomed(f wire.Welcome) {
	if s.status.greeted && !s.status.live {
		s.status.inform("connected again")
	}
	s.status.live, s.self.senderID, s.self.session, s.self.limits = true, f.SenderID, f.Session, f.Limits
	s.setOwnName(f.Name)
	if !s.status.greeted {
		s.status.greeted = true
		if s.chat.Plain() {
			s.rooms.all[0].joined = true
			if s.Name != "" {
				s.status.inform("this server has no names: your messages have none")
			}
			return
		}
		for _, r := range s.rooms.all {
			if r.name != s.Room {
				if err := s.chat.Join(r.name, wire.DefaultJoin); err != nil {
					s.status.warn("%s: %s", r.name, s.reason(err))
				}
			}
		}
	}
}

// setOwnName takes the name that the server has granted.
func (s *screen) setOwnName(name string) {
	if name != s.self.name {
		s.self.name = name
		s.restyle()
	}
	if name != "" && s.OnName != nil {
		s.OnName(name, s.self.session)
	}
}

// nameChanged takes the server's answer to a request for a name, or its notice that the name is gone.
func (s *screen) nameChanged(name string) {
	before := s.self.name
	s.setOwnName(name)
	switch {
	case !s.self.renaming && name == "" && before != "":
		s.status.warn("the name %s is no longer yours", oneLine(before, s.method))
	case !s.self.renaming:
	case name == "":
		s.status.inform("you have no name now")
	default:
		s.status.inform("your name is %s", oneLine(name, s.method))
	}
	s.self.renaming = false
}

// joined takes the position of a room, and finds out what is unread.
func (s *screen) joined(f wire.Joined) {
	i := s.rooms.index(f.Room)
	if i < 0 {
		return
	}
	r := s.rooms.all[i]
	r.present, r.first, r.head, r.serverEpoch = f.Count, max(f.First, 1), f.N, f.Epoch
	if r.joined && !f.Reset {
		return
	}
	last := uint64(wire.DefaultJoin)
	if !f.Reset {
		last = uint64(r.last)
	}
	r.received = max(f.N-min(last, f.N), r.first-1)
	known := r.remembered && r.historyID == f.HistoryID && r.readTo <= f.N
	if f.Reset || r.remembered && !known {
		s.status.inform(anotherHistory)
	}
	if f.Reset {
		r.replace(nil, true)
		r.latest, r.jumpTarget, r.mentions = 0, 0, 0
		r.jumpTargetAt, r.pendingJump = 0, false
		for _, it := range r.outbox {
			if it.state == client.Saved { // it is heard again, if it is in this history too
				it.state, it.reason = client.Failed, "this was saved in a history that the server no longer has"
			}
		}
	}
	if !known {
		r.resetRead(f.N)
	}
	r.joined, r.historyID, r.remembered, r.joinedAt = true, f.HistoryID, false, f.N
	r.dividerAfter, r.unreadDivider = r.readTo, r.lastRead(r.readTo) < f.N
	if r.unproven = known && r.readEpoch != "" && r.readEpoch != f.Epoch; r.unproven {
		s.requests = append(s.requests, s.prove(r))
	}
}

const anotherHistory = "the server's history was replaced"

// prove asks the server whether the read position is a part of its history. If the server was set back to an older
// state, other messages may have those numbers, and nobody has seen them. The position keeps its epoch: the older the
// epoch, the more of the states that a server can be set back to contain it.
func (s *screen) prove(r *room) tea.Cmd {
	at := wire.Position{HistoryID: r.historyID, Epoch: r.readEpoch, N: r.readTo}
	h := wire.History{Room: r.name, After: &at, Limit: 1}
	return s.ask(func(ctx context.Context) answer {
		page, err := s.chat.History(ctx, h)
		return func(s *screen) tea.Cmd {
			if !r.unproven || !slices.Contains(s.rooms.all, r) {
				return nil // it was left, or told by a reset
			}
			r.unproven = false
			if err == nil && page.Reset { // after an error it is asked again the next time
				s.status.inform(anotherHistory)
				if r.readTo == at.N && r.readEpoch == at.Epoch {
					r.resetRead(r.joinedAt)
				}
				if r.unreadDivider && r.dividerAfter == at.N {
					r.dividerAfter, r.unreadDivider = r.readTo, r.readTo < r.received
				}
			}
			return s.jumpWhenReady(r)
		}
	})
}

// item makes the item of a message.
func (s *screen) item(m wire.Message) *item {
	it := &item{n: m.N, at: m.At.Std(), senderID: m.SenderID, displayName: m.DisplayName, text: m.Text, id: m.ID, own: m.SenderID == s.self.senderID}
	if it.own {
		it.state = client.Saved
	}
	return it
}

// message takes a new message, and reports whether it is to ring the bell.
func (s *screen) message(m wire.Message) bool {
	i := s.rooms.index(m.Room)
	if i < 0 {
		return false
	}
	r := s.rooms.all[i]
	if !r.joined || m.N <= r.received { // of a time before the room was left and joined again
		return false
	}
	it := s.item(m)
	if it.own && r.sent(it.id) == nil {
		r.editor.remember(it.text) // said elsewhere, or an earlier time
		r.confirmEarlier(it.text)
	}
	if r.receive(it); it.own {
		r.skipUnread(it.n)
	}
	r.spoke(m.DisplayName)
	s.updateRead(r, it)
	if it.own || it.n <= r.readTo && it.n <= r.joinedAt || !mentionsMe(m.Text, s.self.name) {
		return false
	}
	if it.n > r.readTo {
		r.mentions++
	}
	return it.n > r.joinedAt
}

// line takes a line of the plain protocol. Such lines have no numbers, so they are counted here.
func (s *screen) line(f client.Line) {
	r := s.rooms.all[0]
	it := &item{n: r.received + 1, at: s.Now(), text: f.Text, id: f.ID, own: f.ID != ""}
	if it.own {
		it.state = client.Saved
		if sent := r.sent(f.ID); sent != nil {
			it.text = sent.text
		}
	}
	r.receive(it)
	s.updateRead(r, it)
}

// updateRead marks the room read if somebody saw the item. Otherwise the divider stands above the first item by others
// that nobody saw.
func (s *screen) updateRead(r *room, it *item) {
	if it.own && r.unreadDivider && r.dividerAfter+1 == it.n { // one's own is not new
		r.dividerAfter, r.unreadDivider = it.n, it.n < r.head
	}
	switch {
	case r == s.room() && !s.missedWhileSuspended(it) && s.isWatched() && r.anchor == nil:
		r.markRead()
	case !it.own && it.n > r.readTo && !(r.unreadDivider && r.dividerAfter >= r.readTo):
		r.dividerAfter, r.unreadDivider = it.n-1, true
	}
}

// requestFailed reports a request that the server refused.
func (s *screen) requestFailed(f client.RequestFailed) {
	reason := oneLine(f.Reason, s.method)
	switch request := f.Request.(type) {
	case wire.Join:
		s.status.warn("%s: %s", request.Room, reason)
		i := s.rooms.index(request.Room)
		if i < 0 || len(s.rooms.all) == 1 {
			return
		}
		r := s.rooms.all[i] // its draft stays there, and is never posted elsewhere
		if r.editor.draft() == "" && len(r.outbox) == 0 && !(i == s.rooms.current && s.composer.question != nil) {
			s.removeRoom(i)
		}
	case wire.Name:
		s.self.renaming = false
		if !strings.HasPrefix(reason, "the name ") {
			reason = "the name " + oneLine(request.Name, s.method) + ": " + reason
		}
		s.status.warn("%s", reason)
	default:
		s.status.warn("the server says: %s", reason)
	}
}

// removeRoom takes a room off the screen.
func (s *screen) removeRoom(i int) {
	s.composer.completion = nil
	s.rooms.leftUnsaved = append(s.rooms.leftUnsaved, s.rooms.all[i].unsaved(false)...)
	s.rooms.all = append(s.rooms.all[:i:i], s.rooms.all[i+1:]...)
	if s.rooms.current > i || s.rooms.current == len(s.rooms.all) {
		s.rooms.current--
	}
}
