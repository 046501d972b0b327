package client

import (
	"context"
	"time"

	"ramai/wire"
)

// What moderators do to messages of others.

// Preview returns what an erasure would erase. The number To of the preview belongs into the [wire.Moderate] that erases it. While it
// waits, the number of buffered events is not limited.
func (c *Client) Preview(ctx context.Context, room string, selection wire.Selection) (wire.Preview, error) {
	return answerOf[wire.Preview](c.ask(ctx, wire.Moderate{Room: room, ID: previewID, Erase: &selection, Dry: true}))
}

// previewID is the id of requests for a preview. They are sent one at a time.
const previewID = "preview"

// Moderate erases messages, or undoes that, whether the room is joined or not. If m has no ID, it gets a new one. It is queued and
// resent like a message, in order with the messages, and its [Sent] events have its id. It fails under the same conditions as Post, and
// with the plain protocol.
func (c *Client) Moderate(m wire.Moderate) (id string, err error) {
	if bad := m.Check(); bad != nil {
		return "", bad
	}
	if m.Dry || m.UndoBy != nil {
		return "", &wire.CodedError{Code: wire.BadRequest, Reason: "use Preview to learn what would be erased, and UndoBy to undo what a moderator did"}
	}
	return c.post(say{room: m.Room, id: m.ID, moderate: &m})
}

// UndoBy undoes what a sender has done in a room as its moderator, or with to = 0 says what that would undo. Otherwise to is the To of the
// answer to that. It is for owners of the room. While it waits, the number of buffered events is not limited.
func (c *Client) UndoBy(ctx context.Context, room string, actions wire.ActionsOf, to uint64) (wire.Undone, error) {
	if bad := actions.Check(); bad != nil {
		return wire.Undone{}, bad
	}
	id, err := c.newID()
	if err != nil {
		return wire.Undone{}, err
	}
	return answerOf[wire.Undone](c.ask(ctx, wire.Moderate{Room: room, ID: id, UndoBy: &actions, Dry: to == 0, To: to}))
}

// Settle says that a report needs nothing more. n is its number in the room of moderators or of owners that it is in, where it is deleted.
// While it waits, the number of buffered events is not limited.
func (c *Client) Settle(ctx context.Context, room string, n uint64) error {
	id, err := c.newID()
	if err == nil {
		_, err = c.ask(ctx, wire.Change{Room: room, ID: id, Of: n})
	}
	return err
}

// newID returns an id that this client has not used.
func (c *Client) newID() (id string, err error) {
	err = c.do(func() error {
		id = c.core.newID()
		return nil
	})
	return id, err
}

// isPreview reports whether a request is for a preview of a room.
func (a *ask) isPreview(room string) bool {
	m, ok := a.frame.(wire.Moderate)
	return ok && m.Erase != nil && m.Room == room
}

// answersAsk reports whether a room and an id are those of the request that waits for its answer.
func (c *core) answersAsk(room, id string) bool {
	if len(c.asks) == 0 || !c.asks[0].sent {
		return false
	}
	switch f := c.asks[0].frame.(type) {
	case wire.Moderate:
		return f.Room == room && f.ID == id
	case wire.Report:
		return f.Room == room && f.ID == id
	case wire.Change:
		return f.Room == room && f.ID == id
	}
	return false
}

// refusedAsk handles the refusal of such a request, and reports whether it is one.
func (c *core) refusedAsk(now time.Time, f wire.Refused) bool {
	if !c.answersAsk(f.Room, f.ID) {
		return false
	}
	if f.RetryAfterMS > 0 {
		c.asks[0].sent, c.asks[0].notBefore = false, now.Add(retryAfter(f.RetryAfterMS))
		return true
	}
	a := c.asks[0]
	c.asks = c.asks[1:]
	a.done(nil, &wire.CodedError{Code: f.Code, Reason: f.Reason, Rule: f.Rule, Params: f.Params, Until: f.Until})
	return true
}
