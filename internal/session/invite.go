package session

import (
	"ramai/internal/chat"
	"ramai/wire"
)

// invite makes an invite. Nothing is read from the client until it is answered.
func (v v1) invite(r wire.Request, f wire.Invite) {
	v.reading = true
	v.startedAsync(r, v.env.Chat.Invite(v.actor(), f, func(invited wire.Invited, err error) {
		invited.Ref = r.Ref
		v.answerAsync(r, invited, err)
	}))
}

// redeem redeems an invite or a password. Nothing is read from the client until it is answered.
func (v v1) redeem(r wire.Request, f wire.Redeem) {
	v.reading = true
	v.startedAsync(r, v.env.Chat.Redeem(v.actor(), f, func(role wire.OwnRole, err error) {
		role.Ref = r.Ref
		v.answerAsync(r, role, err)
	}))
}

// set changes a setting. A password is hashed first; nothing is read from the client meanwhile, so that no later post overtakes it.
func (v v1) set(r wire.Request, set *chat.Setting) {
	if !set.HasPassword() {
		v.post(r, set.Room, set.ID, posting{setting: set})
		return
	}
	v.reading = true
	v.startedAsync(r, v.env.Chat.HashPassword(v.actor(), set, func(err error) {
		v.enqueue(func() {
			v.reading = false
			if err != nil {
				v.refuseWith(r, err)
				return
			}
			v.post(r, set.Room, set.ID, posting{setting: set})
		})
	}))
}

// startedAsync refuses a request that was not begun.
func (v v1) startedAsync(r wire.Request, err error) {
	if err != nil {
		v.reading = false
		v.refuseWith(r, err)
	}
}

// answerAsync answers a request with a frame, or refuses it with the log's error. It may be called on any goroutine.
func (v v1) answerAsync(r wire.Request, f wire.Frame, err error) {
	v.enqueue(func() {
		v.reading = false
		if refused := chat.Refusal(err); refused != nil {
			v.send(r.Refused(refused))
			return
		}
		v.send(f)
	})
}
