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

// batch is the events since the last one. err says why no more will follow.
type batch struct {
	events []client.Event
	err    error
}

// feed sends the client's events in batches, at most one per frame, until ctx or the client ends. A panic is reported like
// an end of the client, so that the terminal is restored.
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

// handleBatch handles a batch.
func (s *screen) handleBatch(b batch) tea.Cmd {
	behind := s.rooms.behind()
	var cmds []tea.Cmd
	for _, e := range b.events {
		cmds = append(cmds, s.handle(e.Frame))
	}
	if b.err != nil {
		s.err = b.err
		return tea.Quit
	}
	return tea.Batch(append(cmds, s.rooms.arrived(behind))...)
}

// handle passes a frame on to the models. Each uses what concerns it.
func (s *screen) handle(frame wire.Frame) tea.Cmd {
	s.status.update(frame)
	if s.identify(frame) {
		s.rooms.restyle()
	}
	if f, ok := frame.(client.RequestFailed); ok {
		if join, ok := f.Request.(wire.Join); ok && !s.refusedJoin(f) {
			s.joinFailed(join.Room)
		}
		if mark, ok := f.Request.(wire.Mark); ok {
			if r := s.rooms.find(mark.Room); r != nil {
				r.timeline.refresh(mark.Of)
			}
		}
	}
	return s.rooms.update(frame)
}

// joinFailed removes a room that could not be joined from the screen, unless it is the only one or something in it would be
// lost.
func (s *screen) joinFailed(name string) {
	i := s.rooms.index(name)
	if i < 0 || len(s.rooms.all) == 1 || s.rooms.all[i].hasUnsent() || i == s.rooms.current && s.composer.question != nil {
		return // its draft stays there, and is never posted elsewhere
	}
	s.composer.completion = nil
	s.rooms.remove(i)
}

// reason returns why something failed, without technical details.
func reason(err error, method ansi.Method) string {
	var refused *client.RefusedError
	var late interface{ Timeout() bool } // a network error
	switch {
	case errors.As(err, &refused) && refused.Reason != "":
		return oneLine(refused.Reason, method)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection broke"
	case errors.As(err, &late) && late.Timeout():
		return "the server does not answer"
	}
	text := oneLine(err.Error(), method)
	const closed = "the server closed the connection: " // followed by a code and the reason
	if rest, ok := strings.CutPrefix(text, closed); ok {
		if _, why, _ := strings.Cut(rest, " "); why != "" {
			return closed + why
		}
	}
	return text
}
