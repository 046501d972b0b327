package linemode

import (
	"cmp"
	"fmt"
	"slices"

	"ramai/client"
	"ramai/internal/commands"
	"ramai/internal/exitcode"
	"ramai/wire"
)

// What the client reports: messages, answers, and the state of the connection.

// handle writes an event, and updates the state. An error ends the run.
func (r *runner) handle(e client.Event) error {
	if r.ofModerators(e.Frame) {
		return nil
	}
	if r.isRepeated(e.Frame) {
		r.shown = max(r.shown, e.Frame.(wire.Changed).N)
		return nil
	}
	if f, ok := e.Frame.(wire.Welcome); ok && r.senderID == "" && !r.inRoom {
		r.greeting = f.Text
	}
	if err := show(r.Out, e, r.JSON, r.plain, r.greeting); err != nil {
		return exitcode.With(exitcode.Unconfirmed, fmt.Errorf("writing to stdout: %w", err))
	}
	switch f := e.Frame.(type) {
	case wire.Welcome:
		r.welcomed(f)
	case wire.Name:
		r.nameChanged(f.Name)
	case wire.Joined:
		r.joined(f)
	case wire.Message:
		if r.Commands {
			r.sawSender(f)
			if f.N > r.showUntil {
				r.sawTime(f.At.Std())
			}
		}
		r.shown = f.N
		r.seen(f.N, f.As, f.SenderID == r.senderID && !f.Gone)
	case wire.Changed:
		r.shown = max(r.shown, f.N)
	case wire.Tally:
		r.shown = max(r.shown, f.N)
	case wire.Restored:
		r.shown = max(r.shown, f.N)
	case wire.State:
		r.shown = max(r.shown, f.N)
		if f.Key == wire.PinKey {
			r.pins = f.Value.Numbers
		}
	case wire.Unknown: // of a newer server
		r.shown = max(r.shown, f.N)
	case wire.Gap:
		r.shown = f.To
		r.note("messages %d to %d are no longer on the server", f.From, f.To)
	case client.Sent:
		r.sent(f)
	case wire.Restarting:
		r.note("the server has stopped")
	case client.Disconnected:
		r.disconnected(client.OneLine(f.Err.Error()))
	case client.RequestFailed:
		return r.requestFailed(f)
	case wire.OwnRole:
		if r.role != wire.RoleNone && r.role != f.Role {
			r.note("your role is now %s", f.Role)
		}
		r.role = f.Role
		r.followModerators()
	case wire.Left:
		why := r.refusal(commands.Refusal{Code: f.Code, Reason: f.Reason, Rule: f.Rule, Params: f.Params, Until: f.Until})
		return exitcode.With(exitcode.Refused, fmt.Errorf("the room %s: %s", r.Room, client.OneLine(why)))
	}
	return nil
}

// isRepeated reports whether f is an edit whose text was written already, because the message arrived with it.
func (r *runner) isRepeated(f wire.Frame) bool {
	switch f := f.(type) {
	case wire.Message:
		if f.Edited > 0 && !f.Gone && !r.JSON {
			if r.edits == nil {
				r.edits = make(map[uint64]bool)
			}
			r.edits[f.Edited] = true
		}
	case wire.Changed:
		repeated := r.edits[f.N]
		delete(r.edits, f.N)
		return repeated
	}
	return false
}

// sent handles the state of a message.
func (r *runner) sent(f client.Sent) {
	switch f.State {
	case client.Waiting:
		// The server slows down clients that post too fast; that needs no note.
		if why := client.OneLine(f.Reason); why != "" && f.Code != wire.RateLimited && !slices.Contains(r.refusals, why) {
			r.note("not saved yet: %s", why)
			r.refusals = append(r.refusals, why)
		}
		return
	case client.Sending:
		return
	case client.Saved:
		if f.Moderate != nil && f.Moderate.Erase != nil {
			r.lastErasure = f.N
		}
		if done, ok := r.done[f.ID]; ok {
			r.note("%s", client.OneLine(done(f.N)))
		}
		r.refusals = nil
		r.showUntil = max(r.showUntil, f.N)
		if f.IsMessage() {
			r.seen(f.N, f.As, true)
		} else if f.Deletes && f.Of == r.newestOwn {
			r.newestOwn = 0
		}
	case client.Held:
		hint := ""
		if r.Commands {
			hint = "; /withdraw takes it back"
		}
		r.note("waits for a moderator%s: %s", hint, what(f))
	case client.Failed:
		if f.Withdrawn() {
			r.note("withdrawn: %s", what(f))
		} else if f.Unknown {
			r.unconfirmed = true
			r.note("may or may not have been saved: %s", what(f))
		} else {
			r.refused(r.refusal(refusalOf(f)), f)
		}
	}
	delete(r.done, f.ID)
	r.pending = slices.DeleteFunc(r.pending, func(s client.Sent) bool { return s.ID == f.ID })
}

// disconnected reports why there is no connection, each reason once, to keep a terminal readable.
func (r *runner) disconnected(why string) {
	if !slices.Contains(r.outages, why) {
		r.note("%s; trying again", why)
		r.outages = append(r.outages, why)
	}
}

func (r *runner) welcomed(f wire.Welcome) {
	r.outages = nil
	switch {
	case r.senderID != "" && f.SenderID != r.senderID:
		r.note("%s", client.OneLine(commands.Identity(f)))
	case r.senderID != "" || r.inRoom:
		r.note("connected again")
	}
	if r.plain {
		r.inRoom, r.named, r.greeting = true, true, ""
		return
	}
	r.senderID, r.session, r.maxText = f.SenderID, f.Session, f.Limits.Text
	if r.Name == "" {
		r.named = true
	}
	if f.Name != "" {
		r.nameChanged(f.Name)
	}
}

// nameChanged reports a name that was granted, once, or taken away.
func (r *runner) nameChanged(name string) {
	if name == "" {
		r.note("you no longer have a name")
		return
	}
	if !r.named || r.Name == "" {
		r.note("your name is %s", client.OneLine(name))
	}
	r.named = true
	if r.OnName != nil {
		r.OnName(cmp.Or(r.Name, name), r.session)
	}
}

// joined determines how many old messages will arrive. The last of them has the number f.N.
func (r *runner) joined(f wire.Joined) {
	switch {
	case f.Reset:
		r.note("the server's history was replaced; its newest messages follow")
		r.shown, r.showUntil, r.newest, r.newestOwn, r.newestAs = 0, f.N, 0, 0, nil
	case !r.inRoom:
		r.shown, r.showUntil = f.N, max(r.showUntil, f.N)
		switch {
		case r.After != nil:
			r.shown = min(r.After.N, f.N)
		case r.Last > 0:
			r.shown = 0
		}
	default:
		r.showUntil = max(r.showUntil, f.N)
	}
	if f.From != nil && (f.Reset || !r.inRoom) { // an older server does not send it
		r.shown = *f.From
	}
	if f.First > f.N { // the server has no messages of the room
		r.shown = max(r.shown, f.N)
	}
	r.inRoom, r.greeting, r.role, r.pins = true, "", f.Role, f.State[wire.PinKey].Numbers
	r.followModerators()
}

// requestFailed returns an error if the run cannot continue: without the room, or without the name it started with.
func (r *runner) requestFailed(f client.RequestFailed) error {
	if _, join := f.Request.(wire.Join); join {
		return exitcode.With(exitcode.Refused, fmt.Errorf("the room %s: %s", r.Room, client.OneLine(f.Reason)))
	}
	if err := RefusedName(f); err != nil && !r.named {
		return exitcode.With(exitcode.Refused, err)
	}
	if m, ok := f.Request.(wire.Mark); ok {
		why := r.refusal(commands.RefusedBy(&wire.CodedError{Code: f.Code, Reason: f.Reason, Rule: f.Rule, Params: f.Params, Until: f.Until}))
		r.note("refused: %s: mark of message %d", client.OneLine(why), m.Of)
		r.unconfirmed = true
		return nil
	}
	r.note("the server says: %s", client.OneLine(f.Reason))
	return nil
}

// RefusedName returns the error of a name that was refused, or nil if another request failed.
func RefusedName(f client.RequestFailed) error {
	name, ok := f.Request.(wire.Name)
	if !ok {
		return nil
	}
	return fmt.Errorf("the name %s: %s", client.OneLine(name.Name), client.OneLine(f.Reason))
}
