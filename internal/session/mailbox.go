package session

import (
	"ramai/internal/eventlog"
)

// A reply is the outcome of one command that this session submitted.
type reply struct {
	eventlog.Outcome
	fence uint64 // of the command
	ref   string // of the command
}

// A message comes from another goroutine: either a reply or a function to call.
type message struct {
	reply *reply
	do    func()
	next  *message // the older one
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

// deliver receives an outcome from the sequencer. It copies the outcome without its text and its rows: the copy may stay
// in the mailbox for as long as the client is blocked, and must not hold the whole batch or any text in memory.
func (s *Session) deliver(of *eventlog.Submission, o *eventlog.Outcome) {
	r := &reply{Outcome: *o, fence: of.Fence, ref: of.Ref}
	r.Command.Text, r.Body, r.Replaced, r.Renamed = "", "", nil, nil
	s.send(message{reply: r})
}

// enqueue makes the owner call f. It returns false if the session has ended; then f is not called.
func (s *Session) enqueue(f func()) bool { return s.send(message{do: f}) }

// ended marks a closed mailbox: no message is accepted after it.
var ended = new(message)

func (s *Session) send(l message) bool {
	for {
		l.next = s.mailbox.Load()
		if l.next == ended {
			return false
		}
		if s.mailbox.CompareAndSwap(l.next, &l) {
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
