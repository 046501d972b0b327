package session

import (
	"context"
	"fmt"

	"ramai/internal/journal"
	"ramai/internal/names"
	"ramai/wire"
)

// ClaimOf makes the event that claims a name for a sender, unless nobody may have that name.
func ClaimOf(by, asked string) (journal.Event, *wire.Error) {
	name, err := names.Parse(asked)
	switch {
	case err != nil:
		return journal.Event{}, &wire.Error{Code: wire.BadRequest, Reason: err.Error()}
	case names.Reserved(name):
		return journal.Event{}, &wire.Error{
			Code:   wire.NameTaken,
			Reason: fmt.Sprintf("the name %q, or one that looks like it, is kept for the server; choose another", name),
		}
	}
	return journal.Event{Kind: journal.Claim, By: by, Name: name, Key: names.Key(name)}, nil
}

// Release frees the name that was bound to a connection of by, as soon as there is room in the queue. After the last
// one nothing is held, so it may come too often.
func (e *Env) Release(by string) {
	_ = e.Submit(journal.Event{Kind: journal.Release, By: by}, func() { e.Release(by) })
}

// Decide has the journal decide about an event that is no session's, and waits for it as long as ctx lasts. An error of
// ctx leaves open what became of it; after any other nothing was stored.
func (e *Env) Decide(ctx context.Context, event journal.Event) (*journal.Outcome, error) {
	decided := make(chan *journal.Outcome, 1)
	event.Origin = &journal.Origin{Deliver: func(o *journal.Outcome) { decided <- o }}
	if err := e.Submit(event, nil); err != nil {
		return nil, err
	}
	select {
	case o := <-decided:
		return o, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
