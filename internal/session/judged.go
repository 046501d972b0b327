package session

import (
	"ramai/internal/chat"
	"ramai/internal/eventlog"
	"ramai/wire"
)

// onHold answers a message that waits for a moderator. A client that does not know such messages is told that it was refused,
// and why.
func (v v1) onHold(r *reply) {
	if v.knowsHeld {
		v.send(wire.HeldBack{Room: r.room, ID: r.id, Ref: r.ref})
		return
	}
	refused := wire.RefusedBy(r.room, r.id, r.err)
	refused.Ref = r.ref
	v.send(refused)
}

// Judged implements room.Member: it sends the client what was decided about a message of its sender.
func (s *Session) Judged(j *eventlog.Judged) {
	s.enqueue(func() { s.codec.judged(j) })
}

// judged follows a HeldBack, so only clients that know those get it.
func (v v1) judged(j *eventlog.Judged) {
	switch {
	case !v.knowsHeld:
	case j.Err != nil:
		v.send(wire.RefusedBy(j.Room, j.ID, j.Err))
	default:
		v.send(wire.Saved{Room: j.Room, ID: j.ID, N: j.N, At: j.At})
	}
}

// judged says nothing about an approved message, which the client receives like everyone.
func (p plain) judged(j *eventlog.Judged) {
	if j.Err != nil {
		p.notice(j.Err.Reason)
	}
}

// withdraw withdraws a message that waits for a moderator.
func (v v1) withdraw(r wire.Request, f wire.Change) {
	v.submitModeration(r, func(reply chat.Reply) error {
		return v.env.Chat.Withdraw(&v.ensurePublisher().actor, f.Room, f.ID, f.Held, reply)
	})
}

// report reports a message to the moderators of its room.
func (v v1) report(r wire.Request, f wire.Report) {
	v.submitModeration(r, func(reply chat.Reply) error { return v.env.Chat.Report(&v.ensurePublisher().actor, &f, reply) })
}
