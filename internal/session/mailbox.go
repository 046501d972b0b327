package session

import (
	"ramai/internal/eventlog"
	"ramai/wire"
)

// A message comes from another goroutine: either a reply or a function to call.
type message struct {
	reply *reply // the reply that this message is a part of; nil: do is called
	do    func()
	next  *message // the older one
}

// A reply is what the answer to a command of this session says. It has nothing else of the outcome: it may stay in the
// mailbox for as long as the client is blocked, and must not hold the whole batch or any text in memory.
type reply struct {
	message
	kind       eventlog.Kind
	status     eventlog.Status
	room, id   string
	body       eventlog.Body // nil for commands that are answered without it
	n          uint64
	at         wire.Time
	formerVote string
	err        *wire.CodedError
	fence      uint64 // of the command
	ref        string // of the command
}

// Renamed sends the client its sender's current name, unless this session requested the change, which asked says.
func (s *Session) Renamed(asked *eventlog.ReplyTo) {
	s.enqueue(func() {
		if s.publisher != nil {
			if asked == &s.publisher.replyTo {
				return
			}
			s.publisher.actor.NameChanged()
		}
		s.codec.renamed(s.env.Chat.Name(s.sender()))
	})
}

// deliver receives an outcome from the sequencer.
func (s *Session) deliver(of *eventlog.Submission, o *eventlog.Outcome) {
	c := o.Command
	r := &reply{
		kind: c.Kind, status: o.Status, room: c.Room, id: c.ID, n: o.N, at: o.At, formerVote: o.FormerVote, err: o.Err,
		fence: of.Fence, ref: of.Ref,
	}
	switch c.Kind {
	case eventlog.Say, eventlog.Change, eventlog.Set, eventlog.Erase, eventlog.Restore, eventlog.Judge, eventlog.Report:
	default:
		r.body = c.Body
	}
	r.reply = r
	s.send(&r.message)
}

// enqueue makes the owner call f. It returns false if the session has ended; then f is not called.
func (s *Session) enqueue(f func()) bool { return s.send(&message{do: f}) }

// ended marks a closed mailbox: no message is accepted after it.
var ended = new(message)

func (s *Session) send(l *message) bool {
	for {
		l.next = s.mailbox.Load()
		if l.next == ended {
			return false
		}
		if s.mailbox.CompareAndSwap(l.next, l) {
			break
		}
	}
	s.conn.Wake()
	return true
}

// handleMessages processes messages, oldest first.
func (s *Session) handleMessages(l *message) {
	for ; l != nil; l = l.next {
		if l.reply != nil {
			s.publisher.inFlight--
			s.codec.reply(l.reply)
		} else {
			l.do()
		}
	}
}

// inOrder reverses a list of messages, so that it begins with the oldest.
func inOrder(newest *message) (oldest *message) {
	for l := newest; l != nil; {
		l.next, oldest, l = oldest, l, l.next
	}
	return oldest
}
