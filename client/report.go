package client

import (
	"context"

	"ramai/wire"
)

// Report tells the moderators of a room about a message. Reporting the same one again does nothing. While it waits, the number of
// buffered events is not limited.
func (c *Client) Report(ctx context.Context, r wire.Report) error {
	if r.ID == "" {
		r.ID = wire.ReportID(r.Of)
	}
	_, err := c.ask(ctx, r)
	return err
}

// answersReport reports whether a room and an id are those of a report that waits for its answer.
func (c *core) answersReport(room, id string) bool {
	if len(c.asks) == 0 || !c.asks[0].sent {
		return false
	}
	r, ok := c.asks[0].frame.(wire.Report)
	return ok && r.Room == room && r.ID == id
}
