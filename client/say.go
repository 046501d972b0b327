package client

import (
	"fmt"
	"time"

	"ramai/wire"
)

// say is a message, what is done to one, or a setting, until its state is final.
type say struct {
	room, id, text string
	re             uint64   // the message that it replies to; 0: none
	of             uint64   // the message that it changes; 0: it is a message, or the number is not known yet
	ofID           string   // the id of the message that it changes, if that was in the outbox
	withdraws      string   // the id of the held message that it withdraws; empty: none
	deletes        bool     // it deletes that message
	as             string   // of a message
	options        []string // of a message
	key            string   // of a setting; empty: it is a message or a change
	value          wire.Value
	until          wire.Time      // of a setting
	addressOf      uint64         // of a setting
	moderate       *wire.Moderate // what a moderator does; nil: it is something else
	firstSent      time.Time      // wall-clock time; zero: never
}

// changes reports whether s is a change.
func (s *say) changes() bool { return s.of > 0 || s.ofID != "" }

// isMessage reports whether s is a message, and not something that is done to messages or a room.
func (s *say) isMessage() bool {
	return !s.changes() && s.withdraws == "" && s.key == "" && s.moderate == nil
}

// isLine reports whether the plain protocol has what s is.
func (s *say) isLine() bool {
	return s.isMessage() && s.re == 0 && s.as == ""
}

// blocked reports whether s changes a message that has no number yet.
func (s *say) blocked() bool { return s.ofID != "" && s.of == 0 }

// frame returns the frame to send. An older server knows only messages. Its error for others contains only the ref.
func (s *say) frame() []byte {
	switch {
	case s.moderate != nil:
		m := *s.moderate
		m.Room, m.ID = s.room, s.id
		return appendRef(wire.Append(nil, m), s.id)
	case s.key != "":
		return appendRef(wire.Append(nil, wire.Set{Room: s.room, ID: s.id, Key: s.key, Value: s.value, Until: s.until, AddressOf: s.addressOf}), s.id)
	case s.withdraws != "":
		return appendRef(wire.Append(nil, wire.Change{Room: s.room, ID: s.id, Held: s.withdraws}), s.id)
	case s.changes():
		f := wire.Change{Room: s.room, ID: s.id, Of: s.of}
		if !s.deletes {
			f.Text = &s.text
		}
		return appendRef(wire.Append(nil, f), s.id)
	}
	return wire.Append(nil, wire.Say{Room: s.room, ID: s.id, Text: s.text, Re: s.re, As: s.as, Options: s.options})
}

// appendRef adds a ref, which needs no escapes, to a request.
func appendRef(request []byte, ref string) []byte {
	return fmt.Appendf(request[:len(request)-1], `,"ref":"%s"}`, ref)
}

// sent returns the message as a value.
func (s *say) sent(state State) Sent {
	return Sent{Room: s.room, ID: s.id, Text: s.text, Re: s.re, Of: s.of, OfID: s.ofID, Deletes: s.deletes, Withdraws: s.withdraws,
		As: s.as, Options: s.options, Key: s.key, Value: s.value, Until: s.until, Moderate: s.moderate, State: state}
}
