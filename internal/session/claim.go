package session

import (
	"context"
	"fmt"

	"ramai/internal/eventlog"
	"ramai/internal/names"
	"ramai/wire"
)

// ReserveName makes the event that claims a name for a sender, unless nobody may have that name.
func ReserveName(by, asked string) (eventlog.Command, *wire.CodedError) {
	name, err := names.Parse(asked)
	switch {
	case err != nil:
		return eventlog.Command{}, &wire.CodedError{Code: wire.BadRequest, Reason: err.Error()}
	case names.Reserved(name):
		return eventlog.Command{}, &wire.CodedError{
			Code:   wire.NameTaken,
			Reason: fmt.Sprintf("the name %q, or one that looks like it, is kept for the server; choose another", name),
		}
	}
	return eventlog.Command{Kind: eventlog.ReserveName, SenderID: by, Body: eventlog.ReserveNameBody{Name: name, Key: names.Key(name)}}, nil
}

// ReleaseName frees the name that was bound to a connection of by, as soon as there is room in the queue. After the last
// one nothing is held, so it may come too often.
func (e *Env) Release(by string) {
	_ = e.Submit(eventlog.Submission{Command: eventlog.Command{Kind: eventlog.ReleaseName, SenderID: by}}, func() { e.Release(by) })
}

// Decide has the journal decide about an event that is no session's, and waits for it as long as ctx lasts. An error of
// ctx leaves open what became of it; after any other nothing was stored.
func (e *Env) Decide(ctx context.Context, event eventlog.Command) (*eventlog.Outcome, error) {
	decided := make(chan *eventlog.Outcome, 1)
	reply := &eventlog.ReplyTo{Deliver: func(_ *eventlog.Submission, o *eventlog.Outcome) { decided <- o }}
	if err := e.Submit(eventlog.Submission{Command: event, ReplyTo: reply}, nil); err != nil {
		return nil, err
	}
	select {
	case o := <-decided:
		return o, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
