package session

import (
	"ramai/internal/chat"
	"ramai/internal/eventlog"
	"ramai/wire"
)

// mark adds a mark or takes it away. It waits behind no fence: a client sends an unanswered mark again unless it has
// changed its mind.
func (v v1) mark(r wire.Request, f wire.Mark) {
	p := v.ensurePublisher()
	m, reply := chat.Mark{Room: f.Room, Of: f.Of, Key: f.Key, On: f.On}, v.replyWith(r.Ref)
	err := v.env.Chat.Mark(&p.actor, &m, reply)
	if refused := chat.Refusal(err); refused != nil {
		v.refuse(r, refused)
		return
	}
	if !v.submitted(err) {
		v.blockUntil(0, func() bool { return v.submitted(v.env.Chat.Mark(&v.publisher.actor, &m, reply)) })
	}
}

// answerMark answers a mark.
func (v v1) answerMark(r *reply) {
	if r.status == eventlog.Refused {
		v.send(wire.Request{Type: wire.Mark{}.Type(), Room: r.room, Ref: r.ref}.Refused(r.err))
		return
	}
	body, _ := r.body.(eventlog.MarkBody)
	v.sendMarked(r.room, &body, r.formerVote, r.ref)
}

// sendMarked sends the marks that a command has changed: a vote may have replaced another one.
func (v v1) sendMarked(room string, m *eventlog.MarkBody, formerVote, ref string) {
	if formerVote != "" {
		v.send(wire.Marked{Room: room, Of: m.Of, Key: formerVote, On: false})
	}
	v.send(wire.Marked{Room: room, Of: m.Of, Key: m.Key, On: m.On, Ref: ref})
}

// Marked implements room.Member: it sends what another connection of the sender has marked.
func (s *Session) Marked(o *eventlog.Outcome, asked *eventlog.ReplyTo) {
	v, ok := s.codec.(v1)
	if !ok {
		return
	}
	body, _ := o.Command.Body.(eventlog.MarkBody)
	room, formerVote := o.Command.Room, o.FormerVote // o is valid only during the call
	s.enqueue(func() {
		if s.publisher == nil || asked != &s.publisher.replyTo {
			v.sendMarked(room, &body, formerVote, "")
		}
	})
}
