package session

import (
	"ramai/internal/chat"
	"ramai/internal/eventlog"
	"ramai/wire"
)

// moderate erases messages, undoes that or what a moderator did, or decides about a held message. It waits behind no fence: a client sends an unanswered request again.
func (v v1) moderate(r wire.Request, f wire.Moderate) {
	if f.Approve != nil || f.Reject != nil {
		v.submitModeration(r, func(reply chat.Reply) error { return v.env.Chat.Judge(&v.publisher.actor, &f, reply) })
		return
	}
	if f.Undo > 0 {
		v.submitModeration(r, func(reply chat.Reply) error { return v.env.Chat.Undo(&v.publisher.actor, &f, reply) })
		return
	}
	if f.UndoBy != nil {
		if err := v.env.Chat.UndoBy(v.actor(), &f, v.receiveUndone(r)); err != nil {
			v.refuseWith(r, err)
		}
		return
	}
	if err := v.env.Chat.Select(v.actor(), &f, v.receiveSelected(r, f)); err != nil {
		v.refuseWith(r, err)
		return
	}
	v.reading = true
}

// receiveUndone returns the receiver of what was undone. Requests are read meanwhile.
func (v v1) receiveUndone(r wire.Request) func(wire.Undone, error) {
	return func(u wire.Undone, err error) {
		v.enqueue(func() {
			if refused := chat.Refusal(err); refused != nil {
				v.refuse(r, refused)
				return
			}
			u.Ref = r.Ref
			v.send(u)
		})
	}
}

// submitModeration submits a command. If the queue is full, it is submitted later.
func (v v1) submitModeration(r wire.Request, submit func(chat.Reply) error) {
	reply, counted := v.replyWith(r.Ref), false
	try := func() bool {
		err := submit(reply)
		if refused := chat.Refusal(err); refused != nil && !counted {
			v.refuse(r, refused)
			return true
		}
		return v.submitted(err)
	}
	if !try() {
		counted = true
		v.blockUntil(0, try)
	}
}

// receiveSelected returns the receiver of what a selection finds. Nothing is read from the client before that. If a message of the
// sample is erased meanwhile, it is selected again.
func (v v1) receiveSelected(r wire.Request, f wire.Moderate) func(chat.Selected, error) {
	since := v.env.Chat.ErasureMark()
	return func(found chat.Selected, err error) {
		v.enqueue(func() {
			v.reading = false
			refused := chat.Refusal(err)
			switch {
			case refused != nil:
				v.refuse(r, refused)
			case !f.Dry:
				v.submitModeration(r, func(reply chat.Reply) error { return v.env.Chat.Erase(&v.publisher.actor, &f, &found, reply) })
			default:
				preview := found.Preview(&f)
				preview.Ref = r.Ref
				if !v.sendExposed(f.Room, found.Sample, since, func() { v.send(preview) }) {
					v.reading = true
					v.env.Chat.SelectAgain(v.actor(), &f, v.receiveSelected(r, f))
				}
			}
		})
	}
}

// moderated answers an erasure or its undoing.
func (v v1) moderated(o *reply) {
	if o.status == eventlog.Refused {
		refused := wire.RefusedBy(o.room, o.id, o.err)
		refused.Ref = o.ref
		v.send(refused)
		return
	}
	v.send(wire.Saved{Room: o.room, ID: o.id, N: o.n, At: o.at, Ref: o.ref})
}
