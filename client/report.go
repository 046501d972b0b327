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
