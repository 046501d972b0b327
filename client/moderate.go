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
	if m.Dry {
		return "", &wire.CodedError{Code: wire.BadRequest, Reason: "use Preview to learn what would be erased"}
	}
	return c.post(say{room: m.Room, id: m.ID, moderate: &m})
}

// isPreview reports whether a request is for a preview of a room.
func (a *ask) isPreview(room string) bool {
	m, ok := a.frame.(wire.Moderate)
	return ok && m.Dry && m.Room == room
}

// refusedAsk handles the refusal of a preview or a report, and reports whether it is one.
func (c *core) refusedAsk(now time.Time, f wire.Refused) bool {
	preview := f.ID == previewID && len(c.asks) > 0 && c.asks[0].sent && c.asks[0].isPreview(f.Room)
	if !preview && !c.answersReport(f.Room, f.ID) {
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
