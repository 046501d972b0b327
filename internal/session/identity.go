package session

import (
	"cmp"
	"time"

	"ramai/internal/chat"
	"ramai/wire"
)

const (
	linkGrace = 500 * time.Millisecond // in which a device that is being linked receives its new session, after the former one has ended
)

// Recheck ends the connection if its session has ended, and reports whether it has. signedOut means that all sessions of its sender
// have. It may be called from any goroutine, and waits for the disk. A connection whose socket is blocked stays: see Abort.
func (s *Session) Recheck(signedOut bool) (ended bool) {
	if s.env.Chat.Valid(s.identity(), signedOut) {
		return false
	}
	s.enqueue(func() {
		if p := s.publisher; p != nil && p.forgetCode != nil {
			p.endAt = s.now + linkGrace
			return
		}
		s.endSession()
	})
	return true
}

// Abort closes the connection without writing anything more. It may be called from any goroutine.
func (s *Session) Abort() { s.conn.Abort() }

// endSession closes the connection because its session has ended.
func (s *Session) endSession() {
	if !s.closing {
		s.codec.ended(chat.ErrSessionEnded)
		s.end(wire.ClosePolicy, "this session has ended")
	}
}

// ended is answered like a hello: the client continues with a new session.
func (v v1) ended(why *wire.CodedError) { v.send(wire.Request{Type: wire.Hello{}.Type()}.Refused(why)) }

func (v v1) hello(r wire.Request, f wire.Hello, begun bool) {
	if begun {
		v.refuse(r, &wire.CodedError{Code: wire.BadRequest, Reason: "hello must be the first request on a connection"})
		return
	}
	v.knowsHeld = f.Held
	if v.proved { // the client in this process that serves an SSH session
		v.welcome(f.Session, true, r.Ref)
		return
	}
	if f.Token == "" {
		if who, ok := v.env.Chat.ResolveFast(f.Session); ok {
			v.greet(r, f, chat.SignedIn{Identity: who, Secret: f.Session}, nil)
			return
		}
	}
	v.identify(r, f, nil)
}

// identify reads who the client is, after a first attempt that was refused or not. Nothing is read from it meanwhile.
func (v v1) identify(r wire.Request, f wire.Hello, refused error) {
	v.reading = true
	v.env.Chat.Hello(v.addr, f, func(in chat.SignedIn, err error) {
		v.enqueue(func() {
			v.reading = false
			v.greet(r, f, in, cmp.Or(refused, err))
		})
	})
}

// greet answers hello. Sessions may have changed since the identity was read: then it is read again.
func (v v1) greet(r wire.Request, f wire.Hello, in chat.SignedIn, err error) {
	if in.SenderID == "" {
		v.refuseWith(r, err)
		v.end(wire.CloseTryAgain, "the session cannot be read now")
		return
	}
	v.hasKey = false
	v.setIdentity(in.Identity)
	if f.Token = ""; v.env.Chat.Changed(in.Identity) {
		f.Session = in.Secret
		v.identify(r, f, err)
		return
	}
	if err != nil {
		v.refuseWith(r, err)
	}
	v.welcome(in.Secret, in.Known, r.Ref)
}

// link connects a second device to a sender.
func (v v1) link(r wire.Request, f wire.Link) {
	switch {
	case f.Code == "":
		v.showCode(r, f)
	case f.Confirm:
		v.confirmLink(r, f)
	default:
		name, err := v.env.Chat.ShowLink(v.actor(), f.Code)
		if err != nil {
			v.refuseWith(r, err)
			return
		}
		v.send(wire.Linking{Code: f.Code, Name: name, Ref: r.Ref})
	}
}

// showCode answers a device that wants to be linked, with a code in place of the one that it may have already.
func (v v1) showCode(r wire.Request, f wire.Link) {
	p := v.ensurePublisher()
	if p.forgetCode != nil {
		p.forgetCode()
		p.forgetCode = nil
	}
	code, life, forget, err := v.env.Chat.NewLink(&p.actor, v.identity(), f.Name, func(in chat.SignedIn) bool {
		received := make(chan bool, 1)
		if !v.enqueue(func() { received <- v.linked(in) }) {
			return false
		}
		select {
		case ok := <-received:
			return ok
		case <-time.After(linkGrace):
			return false
		}
	})
	if err != nil {
		v.refuseWith(r, err)
		return
	}
	p.forgetCode = forget
	v.send(wire.LinkCode{Code: code, ExpiresMS: life.Milliseconds(), Ref: r.Ref})
}

// linked gives this device the session of another sender. The connection is closed, because rooms know its members by sender: the
// client continues with the new session on another one.
func (v v1) linked(in chat.SignedIn) bool {
	if v.closing {
		return false
	}
	v.setIdentity(in.Identity)
	v.welcome(in.Secret, in.Known, "")
	v.end(wire.CloseRestart, "this device is linked; reconnect with the new session")
	return true
}

// confirmLink links the device that has shown a code. Nothing is read from this one meanwhile.
func (v v1) confirmLink(r wire.Request, f wire.Link) {
	actor := *v.actor()
	v.reading = true
	v.env.Chat.ConfirmLink(&actor, f.Code, func(name string, err error) {
		v.enqueue(func() {
			v.reading = false
			if err != nil {
				v.refuseWith(r, err)
				return
			}
			v.send(wire.Linking{Code: f.Code, Name: name, Linked: true, Ref: r.Ref})
		})
	})
}

// signOut ends the session, or all of its sender. The connections are closed when that is stored.
func (v v1) signOut(r wire.Request, f wire.SignOut) {
	p, reply := v.ensurePublisher(), v.replyWith(r.Ref)
	who := v.identity()
	v.paced(func() error {
		err := v.env.Chat.SignOut(&p.actor, who, f.All, reply)
		if refused := chat.Refusal(err); refused != nil && chat.Wait(err) == 0 {
			v.refuse(r, refused)
			return nil
		}
		if err == nil {
			p.inFlight++
		}
		return err
	})
}
