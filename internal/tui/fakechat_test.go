package tui

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"ramai/client"
	"ramai/wire"
)

// fakeChat is a client without a server. The test plays the server; fakeChat records requests and has a history.
type fakeChat struct {
	plain     bool
	asked     []string // requests, one per line
	history   map[string][]wire.Message
	who       wire.Who
	typing    []string // rooms
	fail      error    // of the next request
	count     int
	pending   client.Pending
	questions []wire.Message
	preview   wire.Preview
	logged    []wire.Message    // in the moderators' room
	settings  []wire.Settings   // the next answers of Settings
	head      uint64            // of the pages that History returns; 0: as of an older server
	events    chan client.Event // returned by Next; nil: none
	epoch     string            // of the server
	gone      bool              // the server was rolled back: positions of other epochs belong to another history
}

func (f *fakeChat) Plain() bool { return f.plain }

func (f *fakeChat) Next(ctx context.Context) (client.Event, error) {
	select {
	case e := <-f.events:
		return e, nil
	case <-ctx.Done():
		return client.Event{}, ctx.Err()
	}
}

func (f *fakeChat) note(format string, args ...any) error {
	f.asked = append(f.asked, fmt.Sprintf(format, args...))
	err := f.fail
	f.fail = nil
	return err
}

func (f *fakeChat) Post(m wire.Say) (string, error) {
	f.count++
	re := ""
	if m.As != "" {
		re = fmt.Sprintf(" as %s %q", m.As, m.Options)
	}
	if m.Re > 0 {
		re = fmt.Sprintf(" re %d", m.Re)
	}
	return fmt.Sprintf("id-%d", f.count), f.note("say %s %q%s", m.Room, m.Text, re)
}

func (f *fakeChat) Change(c client.Change) (string, error) {
	f.count++
	s := client.Sent{Room: c.Room, ID: fmt.Sprintf("id-%d", f.count), Of: c.Of, Deletes: c.Text == nil}
	if c.Text != nil {
		s.Text = *c.Text
	}
	if c.Held != "" {
		return s.ID, f.note("withdraw %s %s", c.Room, c.Held)
	}
	if f.fail == nil {
		f.pending.Sent = append(f.pending.Sent, s)
	}
	if c.Text == nil {
		return fmt.Sprintf("id-%d", f.count), f.note("delete %s %d", c.Room, c.Of)
	}
	return fmt.Sprintf("id-%d", f.count), f.note("edit %s %d %q", c.Room, c.Of, *c.Text)
}

func (f *fakeChat) Set(s wire.Set) (string, error) {
	f.count++
	id := fmt.Sprintf("id-%d", f.count)
	if f.fail == nil {
		f.pending.Sent = append(f.pending.Sent, client.Sent{Room: s.Room, ID: id, Key: s.Key, Value: s.Value})
	}
	value, err := s.Value.MarshalJSON()
	return id, errors.Join(err, f.note("set %s %s %s", s.Room, s.Key, value))
}

func (f *fakeChat) Moderate(m wire.Moderate) (string, error) {
	f.count++
	if m.Erase != nil {
		return fmt.Sprintf("id-%d", f.count), f.note("erase %s %s to %d", m.Room, m.Erase, m.To)
	}
	return fmt.Sprintf("id-%d", f.count), f.note("undo %s %d", m.Room, m.Undo)
}

func (f *fakeChat) Preview(_ context.Context, room string, s wire.Selection) (wire.Preview, error) {
	return f.preview, f.note("preview %s %s", room, &s)
}

func (f *fakeChat) Mark(m wire.Mark) error {
	if f.fail == nil {
		f.pending.Marks = append(f.pending.Marks, m)
	}
	return f.note("mark %s %d %s %v", m.Room, m.Of, m.Key, m.On)
}

func (f *fakeChat) PendingIn(room string) (p client.Pending) {
	for _, s := range f.pending.Sent {
		if s.Room == room {
			p.Sent = append(p.Sent, s)
		}
	}
	p.Marks = slices.DeleteFunc(slices.Clone(f.pending.Marks), func(m wire.Mark) bool { return m.Room != room })
	return p
}

// answered removes what an event answers from what is pending.
func (f *fakeChat) answered(e wire.Frame) {
	switch e := e.(type) {
	case client.Sent:
		if e.State.Final() {
			f.pending.Sent = slices.DeleteFunc(f.pending.Sent, func(s client.Sent) bool { return s.ID == e.ID })
		}
	case wire.Marked:
		f.pending.Marks = slices.DeleteFunc(f.pending.Marks, func(m wire.Mark) bool { return m.Of == e.Of && m.Key == e.Key })
	case client.RequestFailed:
		f.pending.Marks = slices.DeleteFunc(f.pending.Marks, func(m wire.Mark) bool { return m == e.Request })
	}
}

func (f *fakeChat) Join(room string, last int) error { return f.note("join %s %d", room, last) }

func (f *fakeChat) Leave(room string) error { return f.note("leave %s", room) }

func (f *fakeChat) SetName(name string) error { return f.note("name %s", name) }

func (f *fakeChat) LinkCode(_ context.Context, device string) (wire.LinkCode, error) {
	return wire.LinkCode{Code: "ABCD2345", ExpiresMS: 300_000}, f.note("link code for %s", device)
}

func (f *fakeChat) LinkDevice(_ context.Context, code string, confirm bool) (wire.Linking, error) {
	return wire.Linking{Code: code, Name: "anna's\x1b[2J phone", Linked: confirm}, f.note("link %s confirm %v", code, confirm)
}

func (f *fakeChat) SignOut(_ context.Context, all bool) error { return f.note("sign out all %v", all) }

func (f *fakeChat) Report(_ context.Context, r wire.Report) error {
	return f.note("report %s %d %q", r.Room, r.Of, r.Text)
}

func (f *fakeChat) Settle(_ context.Context, room string, n uint64) error {
	return f.note("settle %s %d", room, n)
}

func (f *fakeChat) UndoBy(_ context.Context, room string, actions wire.ActionsOf, to uint64) (wire.Undone, error) {
	return wire.Undone{Room: room, To: 7}, f.note("undo %s by %s to %d", room, actions.SenderID, to)
}

func (f *fakeChat) Retry() { f.note("retry") }

func (f *fakeChat) Check() { f.note("check") }

func (f *fakeChat) Typing(room string) { f.typing = append(f.typing, room) }

func (f *fakeChat) Who(_ context.Context, ask wire.Who) (wire.Who, error) {
	return f.who, f.note("%s", strings.TrimSpace("who "+ask.Room+" "+ask.Prefix))
}

func (f *fakeChat) Settings(_ context.Context, ask wire.StateRequest) (p wire.Settings, err error) {
	if len(f.settings) > 0 && f.fail == nil {
		p, f.settings = f.settings[0], f.settings[1:]
	}
	return p, f.note("settings %s after %q", ask.Room, ask.After)
}

func (f *fakeChat) Invite(_ context.Context, ask wire.Invite) (wire.Invited, error) {
	i := wire.Invited{Room: ask.Room, Invite: "0123456789abcdefABCDEF", Role: ask.Role, Uses: max(ask.Uses, 1), Until: ask.Until}
	return i, f.note("invite %s %v uses %d", ask.Room, ask.Role, ask.Uses)
}

func (f *fakeChat) Redeem(_ context.Context, ask wire.Redeem) (wire.OwnRole, error) {
	return wire.OwnRole{Room: ask.Room, Role: wire.RoleGuest}, f.note("redeem %s", ask.Room)
}

func (f *fakeChat) History(_ context.Context, h wire.History) (wire.Page, error) {
	p := wire.Page{Room: h.Room, HistoryID: "log", Epoch: f.epoch, Head: f.head}
	all := f.history[h.Room]
	if p.As = h.As; h.As != "" {
		p.Messages = f.questions
		return p, f.note("history %s as %s", h.Room, h.As)
	}
	switch {
	case strings.HasPrefix(h.Room, "~"):
		p.Messages = f.logged
		return p, f.note("history %s", h.Room)
	case h.After != nil && !h.After.Bare():
		p.Reset = f.gone && h.After.Epoch != f.epoch
		return p, f.note("prove %s %s", h.Room, wire.AppendPosition(nil, *h.After))
	case h.Before != nil:
		i, _ := slices.BinarySearchFunc(all, *h.Before, func(m wire.Message, n uint64) int { return int(m.N) - int(n) })
		from := max(i-h.Limit, 0)
		p.Messages, p.More = all[from:i], from > 0
		return p, f.note("history %s before %d", h.Room, *h.Before)
	case h.After != nil:
		i, _ := slices.BinarySearchFunc(all, h.After.N+1, func(m wire.Message, n uint64) int { return int(m.N) - int(n) })
		to := min(i+h.Limit, len(all))
		p.Messages, p.More = all[i:to], to < len(all)
		return p, f.note("history %s after %d", h.Room, h.After.N)
	}
	return p, errors.New("neither before nor after")
}
