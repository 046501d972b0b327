package client

import (
	"context"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"ramai/wire"
)

// What a program can ask of the server, besides joining rooms.

// Say posts text in room, joined or not, and returns the id that [Sent] events carry. While there is no connection the
// message waits; see [Client.Pending]. A text that is not UTF-8 is an error. It is sent as [wire.NormalizeText] returns
// it.
func (c *Client) Say(room, text string) (id string, err error) {
	return c.Post(wire.Say{Room: room, Text: text})
}

// SayWithID is Say with an id chosen by the caller: see [Client.Post].
func (c *Client) SayWithID(room, id, text string) error {
	if err := wire.CheckID(id); err != nil {
		return err
	}
	_, err := c.Post(wire.Say{Room: room, ID: id, Text: text})
	return err
}

// Post posts a message as Say does. If it has no ID, it gets a new one. A sender's second message with an id in a room is not
// posted; its [Sent] event has the number of the first. Post fails if something with this id is waiting already.
func (c *Client) Post(m wire.Say) (id string, err error) {
	return c.post(say{room: m.Room, id: m.ID, text: m.Text, re: m.Re, as: m.As, options: m.Options})
}

// A Change edits or deletes a message of this sender, or withdraws one that is held for a moderator. One of Of, OfID and Held is set.
type Change struct {
	Room string
	Of   uint64  // number of the message
	OfID string  // the id of a message in the outbox: the change is sent after it
	Held string  // the id of a message that is held: it is withdrawn. Text must be nil
	Text *string // the new text; nil deletes the message
	ID   string  // 1 to 64 of [A-Za-z0-9_-]; empty: a new one
}

// Change changes a message, whether the room is joined or not. It is queued and resent like a message, in order with the
// messages, and its [Sent] events have its id. It fails under the same conditions as Post, and with the plain protocol.
func (c *Client) Change(change Change) (id string, err error) {
	s := say{room: change.Room, id: change.ID, of: change.Of, ofID: change.OfID, withdraws: change.Held}
	if s.changes() {
		s.deletes = change.Text == nil
	}
	if change.Text != nil {
		s.text = *change.Text
	}
	which := 0
	for _, is := range [...]bool{s.of > 0, s.ofID != "", s.withdraws != ""} {
		if is {
			which++
		}
	}
	switch {
	case which != 1:
		return "", &wire.CodedError{Code: wire.BadRequest, Reason: "a change needs the number of a message, or the id of one that is waiting or held"}
	case s.withdraws != "" && change.Text != nil:
		return "", &wire.CodedError{Code: wire.BadRequest, Reason: "a message that is held for a moderator can be withdrawn, but not edited"}
	}
	return c.post(s)
}

// Edit replaces the text of message n: see [Client.Change].
func (c *Client) Edit(room string, n uint64, text string) (id string, err error) {
	return c.Change(Change{Room: room, Of: n, Text: &text})
}

// Delete deletes message n: see [Client.Change].
func (c *Client) Delete(room string, n uint64) (id string, err error) {
	return c.Change(Change{Room: room, Of: n})
}

// Withdraw takes back a message of this sender that is held for a moderator, by its id: see [Client.Change]. If the message was posted
// meanwhile, the withdrawal fails with the code gone.
func (c *Client) Withdraw(room, id string) (withdrawal string, err error) {
	return c.Change(Change{Room: room, Held: id})
}

// Set changes a setting of a room, whether the room is joined or not; a null value unsets it. If it has no ID, it gets a new one.
// It is queued and resent like a message, in order with the messages, and its [Sent] events have its id. It fails under the same
// conditions as Post, and with the plain protocol.
func (c *Client) Set(s wire.Set) (id string, err error) {
	if s.Key == "" {
		return "", &wire.CodedError{Code: wire.BadRequest, Reason: "a setting needs a key, for example " + wire.TopicKey}
	}
	return c.post(say{room: s.Room, id: s.ID, key: s.Key, value: s.Value, until: s.Until, addressOf: s.AddressOf})
}

// post checks a message or a change, and queues it.
func (c *Client) post(s say) (id string, err error) {
	if err := wire.CheckRoom(s.room); err != nil {
		return "", err
	}
	if s.id != "" {
		if err := wire.CheckID(s.id); err != nil {
			return "", err
		}
	}
	if s.withdraws != "" {
		if err := wire.CheckID(s.withdraws); err != nil {
			return "", err
		}
	}
	invalid := func(text string) bool { return !utf8.ValidString(text) }
	if invalid(s.text) || slices.ContainsFunc(s.options, invalid) || s.value.Text != nil && invalid(*s.value.Text) {
		return "", errNotUTF8
	}
	err = c.do(func() error {
		if c.core.plain && (s.room != c.core.room || !s.isLine()) {
			return errPlain
		}
		if s.id != "" && c.core.outbox.has(s.room, s.id) {
			return fmt.Errorf("a message, a change or a setting with the id %q is waiting to be sent", s.id)
		}
		if s.ofID != "" && !c.core.outbox.has(s.room, s.ofID) {
			return fmt.Errorf("no message with the id %q is waiting to be sent; use its number", s.ofID)
		}
		id = c.core.post(s)
		return nil
	})
	return id, err
}

// Mark adds a mark of this sender to a message, or takes it away: a reaction, an upvote, or a vote in a poll. It is sent until it
// is answered, by a [wire.Marked] or, if the server refuses it, by [RequestFailed]. Marks are sent in order, one at a time,
// independently of messages. A mark that waits is replaced by a later one with the same key, unless it is a vote, and dropped if
// another connection of this sender has marked the message with the key after it was sent. At most 1,000 can wait. With the plain protocol Mark fails.
func (c *Client) Mark(m wire.Mark) error {
	if err := wire.CheckRoom(m.Room); err != nil {
		return err
	}
	if err := wire.CheckMarkKey(m.Key); err != nil {
		return err
	}
	if m.Of == 0 {
		return &wire.CodedError{Code: wire.BadRequest, Reason: "a mark needs the number of a message, from 1"}
	}
	return c.do(func() error {
		if c.core.plain {
			return errPlain
		}
		return c.core.mark(m)
	})
}

// Typing shows the others in room that a message is being written. It may be called for each key press: at most one frame
// in 3 s is sent, and none without a connection or with the plain protocol.
func (c *Client) Typing(room string) {
	_ = c.do(func() error { // a client that has ended sends nothing
		c.core.typing(time.Now(), room)
		return nil
	})
}

// History returns a page of messages. If h.As is set and page.As is not, the server is an older one, and the page has messages of
// all kinds. While it waits, the number of buffered events is not limited.
func (c *Client) History(ctx context.Context, h wire.History) (wire.Page, error) {
	return answerOf[wire.Page](c.ask(ctx, h))
}

// Who returns the members of a room. While it waits, the number of buffered events is not limited.
func (c *Client) Who(ctx context.Context, ask wire.Who) (wire.Who, error) {
	return answerOf[wire.Who](c.ask(ctx, ask))
}

// Settings returns a page of the settings of a room, in the order of their keys. While it waits, the number of buffered events is
// not limited.
func (c *Client) Settings(ctx context.Context, ask wire.StateRequest) (wire.Settings, error) {
	return answerOf[wire.Settings](c.ask(ctx, ask))
}

// Invite makes an invite to a room. If it has no ID, it gets a new one; if the connection breaks before the answer, it is asked for
// again, and the invite of the first request is void. While it waits, the number of buffered events is not limited.
func (c *Client) Invite(ctx context.Context, ask wire.Invite) (wire.Invited, error) {
	if ask.ID == "" {
		var err error
		if ask.ID, err = c.newID(); err != nil {
			return wire.Invited{}, err
		}
	}
	return answerOf[wire.Invited](c.ask(ctx, ask))
}

// Redeem asks for the role that an invite or the password of a room gives, and returns the role that this sender has then. While
// it waits, the number of buffered events is not limited.
func (c *Client) Redeem(ctx context.Context, ask wire.Redeem) (wire.OwnRole, error) {
	return answerOf[wire.OwnRole](c.ask(ctx, ask))
}

// SignOut ends the session of this client, or all sessions of its sender. The client then continues with a new session, as another
// sender, which the next Welcome event has. It is not repeated: if the connection breaks before the answer, it fails. While it waits,
// the number of buffered events is not limited.
func (c *Client) SignOut(ctx context.Context, all bool) error {
	_, err := c.ask(ctx, wire.SignOut{All: all})
	if err == nil {
		err = c.do(func() error {
			c.core.forgetName()
			return nil
		})
	}
	return err
}

// LinkCode returns a code that links this device to the sender of another one, on which its user types the code: see [Client.LinkDevice].
// device is what that one calls this device, a line of at most [wire.MaxDevice] bytes. Once it is linked, a Welcome event has the sender
// that this client is then. While it waits, the number of buffered events is not limited.
func (c *Client) LinkCode(ctx context.Context, device string) (wire.LinkCode, error) {
	return answerOf[wire.LinkCode](c.ask(ctx, wire.Link{Name: device}))
}

// LinkDevice returns the name of the device that shows a code. With confirm, it also makes that device one of this sender, which has to be
// asked first without confirm, and which is not repeated: if the connection breaks before the answer, it fails. While it waits, the
// number of buffered events is not limited.
func (c *Client) LinkDevice(ctx context.Context, code string, confirm bool) (wire.Linking, error) {
	code, bad := wire.ParseLinkCode(code)
	if bad != nil {
		return wire.Linking{}, bad
	}
	return answerOf[wire.Linking](c.ask(ctx, wire.Link{Code: code, Confirm: confirm}))
}

// answerOf returns an answer as the frame that it has to be.
func answerOf[F wire.Frame](f wire.Frame, err error) (F, error) {
	answer, _ := f.(F)
	return answer, err
}
