package tui

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

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
			send(batch{err: fmt.Errorf("the screen failed: %v\n%s", fault, debug.Stack())})
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
	shown := &s.room().timeline
	behind := shown.behind() > 0 || !shown.joined
	var cmds []tea.Cmd
	for _, e := range b.events {
		cmds = append(cmds, s.handle(e.Frame))
	}
	if b.err != nil {
		s.err = b.err
		return tea.Quit
	}
	for _, r := range s.rooms.all {
		cmds = append(cmds, r.jumpWhenReady())
	}
	if behind && s.room().timeline.behind() == 0 { // what has come may be less than there is room for
		cmds = append(cmds, s.room().timeline.fill())
	}
	return tea.Batch(cmds...)
}

// handle passes an event on.
func (s *screen) handle(frame wire.Frame) tea.Cmd {
	switch f := frame.(type) {
	case wire.Welcome:
		s.welcomed(f)
	case wire.Name:
		s.nameChanged(f.Name)
	case client.Line:
		return s.rooms.all[0].update(f)
	case wire.Message:
		return s.toRoom(f.Room, f)
	case wire.Joined:
		return s.toRoom(f.Room, f)
	case client.Sent:
		return s.toRoom(f.Room, f)
	case wire.Presence:
		return s.toRoom(f.Room, f)
	case wire.Typing:
		return s.toRoom(f.Room, f)
	case wire.Gap:
		return s.toRoom(f.Room, f)
	case wire.Changed:
		return s.toRoom(f.Room, f)
	case wire.Unknown:
		return s.toRoom(f.Room, f)
	case wire.Epoch:
		for _, r := range s.rooms.all {
			r.update(f)
		}
	case wire.Restarting:
		s.inform("the server restarts")
	case client.Disconnected:
		for _, r := range s.rooms.all {
			r.disconnected(s.status.live)
		}
		s.status.update(f)
	case client.RequestFailed:
		s.requestFailed(f)
	}
	return nil
}

// reason is why something failed, without details that only help programs.
func reason(err error, method ansi.Method) string {
	var refused *client.RefusedError
	switch {
	case errors.As(err, &refused) && refused.Reason != "":
		return oneLine(refused.Reason, method)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection broke"
	}
	text := oneLine(err.Error(), method)
	const closed = "the server closed the connection: " // a code, and why
	if rest, ok := strings.CutPrefix(text, closed); ok {
		if _, why, _ := strings.Cut(rest, " "); why != "" {
			return closed + why
		}
	}
	return text
}

// welcomed takes the beginning of a connection. The rooms are joined with the first one; the client resumes them itself.
func (s *screen) welcomed(f wire.Welcome) {
	again, first := s.status.greeted && !s.status.live, !s.status.greeted
	if again {
		s.inform("connected again")
	}
	s.status.update(f)
	if f.SenderID != s.self.senderID {
		s.self.senderID = f.SenderID
		s.rooms.restyle()
	}
	s.self.session, s.self.limits = f.Session, f.Limits
	s.setOwnName(f.Name)
	switch {
	case !first:
	case s.chat.Plain():
		s.rooms.all[0].timeline.joined = true
		if s.Name != "" {
			s.inform("this server has no names: your messages have none")
		}
	default:
		for _, r := range s.rooms.all {
			if r.name != s.Room {
				if err := s.chat.Join(r.name, wire.DefaultJoin); err != nil {
					s.warn("%s: %s", r.name, reason(err, s.method))
				}
			}
		}
	}
}

// setOwnName takes the name that the server has granted.
func (s *screen) setOwnName(name string) {
	if name != s.self.name {
		s.self.name = name
		s.rooms.restyle()
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
		s.warn("the name %s is no longer yours", oneLine(before, s.method))
	case !s.self.renaming:
	case name == "":
		s.inform("you have no name now")
	default:
		s.inform("your name is %s", oneLine(name, s.method))
	}
	s.self.renaming = false
}

// requestFailed reports a request that the server refused.
func (s *screen) requestFailed(f client.RequestFailed) {
	reason := oneLine(f.Reason, s.method)
	switch request := f.Request.(type) {
	case wire.Join:
		s.warn("%s: %s", request.Room, reason)
		i := s.rooms.index(request.Room)
		if i < 0 || len(s.rooms.all) == 1 {
			return
		}
		r := s.rooms.all[i] // its draft stays there, and is never posted elsewhere
		if r.editor.draft() == "" && len(r.timeline.outbox) == 0 && !(i == s.rooms.current && s.composer.question != nil) {
			s.composer.completion = nil
			s.rooms.remove(i)
		}
	case wire.Name:
		s.self.renaming = false
		if !strings.HasPrefix(reason, "the name ") {
			reason = "the name " + oneLine(request.Name, s.method) + ": " + reason
		}
		s.warn("%s", reason)
	default:
		s.warn("the server says: %s", reason)
	}
}
