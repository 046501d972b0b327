package commands

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"ramai/wire"
)

var start = time.Date(2026, 11, 25, 14, 2, 0, 0, time.UTC)

// fakeHost records what commands do, one line each.
type fakeHost struct {
	room      string // empty: lobby
	people    People
	authors   map[uint64]string
	said      []string
	choice    *Choice
	confirm   *Confirmation
	fail      error
	unsettled map[string]error // why reports of a room are not settled
	role      wire.Role
	erasure   uint64
	held      []Held
	preview   wire.Preview
	undone    wire.Undone
	answer    Answer
	logged    []wire.Message // in the moderators' room
	settings  []wire.Setting // in the order of their keys
}

func newHost() *fakeHost {
	h := &fakeHost{authors: map[uint64]string{}}
	for i, m := range []wire.Message{
		{SenderID: "idOfBudi00000000", DisplayName: "budi"},
		{SenderID: "idOfAnna00000000", DisplayName: "anna"},
		{SenderID: "idOfAnnaMaria000", DisplayName: "Anna Maria"},
		{SenderID: "idOfOther0000000", DisplayName: "аnna"}, // with a Cyrillic а
		{SenderID: "idOfMe0000000000", DisplayName: "me"},
		{SenderID: "guestAbc00000000"},
		{SenderID: "idOfSeven0000000", DisplayName: "7"},
	} {
		m.N, m.At = uint64(10+i), wire.TimeOf(start)
		h.people.Saw(m)
		h.authors[m.N] = m.SenderID
	}
	return h
}

func (h *fakeHost) note(format string, args ...any) {
	h.said = append(h.said, fmt.Sprintf(format, args...))
}

func (h *fakeHost) Room() string            { return cmp.Or(h.room, "lobby") }
func (h *fakeHost) SenderID() string        { return "idOfMe0000000000" }
func (h *fakeHost) Role() wire.Role         { return h.role }
func (h *fakeHost) People() *People         { return &h.people }
func (h *fakeHost) Author(n uint64) string  { return h.authors[n] }
func (h *fakeHost) Now() time.Time          { return start }
func (h *fakeHost) When(t time.Time) string { return t.UTC().Format("15:04") }
func (h *fakeHost) Inform(words string)     { h.note("%s", words) }
func (h *fakeHost) Warn(words string)       { h.note("! %s", words) }
func (h *fakeHost) Confirm(c Confirmation) {
	h.confirm = &c
	h.note("? %s", c.Question)
	for _, r := range c.Rows {
		h.note("  %s %s", r.Name, r.Text)
	}
}
func (h *fakeHost) Choose(c Choice) {
	h.choice = &c
	h.note("? %s", c.Title)
	for _, r := range c.Rows {
		h.note("  %s %s", r.Name, r.Text)
	}
}

func (h *fakeHost) Say(m wire.Say, line string) { h.note("say %q as %s, typed %q", m.Text, m.As, line) }

func (h *fakeHost) Set(c Change) {
	value, _ := json.Marshal(c.Value)
	until := ""
	if c.Until != 0 {
		until = " until " + h.When(c.Until.Std())
	}
	if c.AddressOf != 0 {
		until += fmt.Sprint(" of ", c.AddressOf)
	}
	h.note("set %s %s%s: %s", c.Key, value, until, c.Done)
}

func (h *fakeHost) Ask(ask func(context.Context, Server) (func(Host) Answer, error)) {
	get, err := ask(context.Background(), h)
	if err != nil {
		h.note("! %v", err)
		return
	}
	answer := get(h)
	h.answer = answer
	if answer.Title != "" {
		h.note("%s", answer.Title)
	}
	for _, r := range answer.Rows {
		h.note("  %s %s", r.Name, r.Text)
	}
}

func (h *fakeHost) Link() string { return "https://chat.example.org/" }

func (h *fakeHost) Invite(_ context.Context, ask wire.Invite) (wire.Invited, error) {
	h.note("invite %v uses %d until %s", ask.Role, ask.Uses, h.When(ask.Until.Std()))
	return wire.Invited{Room: ask.Room, Invite: theInvite, Role: ask.Role, Uses: max(ask.Uses, 1), Until: ask.Until}, h.fail
}

// theInvite is the invite that the fake server makes.
const theInvite = "0123456789abcdefABCDEF"

func (h *fakeHost) Redeem(_ context.Context, ask wire.Redeem) (wire.OwnRole, error) {
	h.note("redeem invite %q password %q", ask.Invite, ask.Password)
	if ask.Invite != theInvite && ask.Password != "right password" {
		return wire.OwnRole{}, &wire.CodedError{Code: wire.NotAllowed, Reason: "wrong"}
	}
	return wire.OwnRole{Room: ask.Room, Role: wire.RoleGuest}, h.fail
}

func (h *fakeHost) Device() string { return "a terminal" }

func (h *fakeHost) LinkCode(_ context.Context, device string) (wire.LinkCode, error) {
	h.note("link code for %s", device)
	return wire.LinkCode{Code: "ABCD2345", ExpiresMS: 300_000}, h.fail
}

func (h *fakeHost) LinkDevice(_ context.Context, code string, confirm bool) (wire.Linking, error) {
	h.note("link %s confirm %v", code, confirm)
	return wire.Linking{Code: code, Name: "anna's phone", Linked: confirm}, h.fail
}

func (h *fakeHost) SignOut(_ context.Context, all bool) error {
	h.note("sign out all %v", all)
	return h.fail
}

func (h *fakeHost) Report(_ context.Context, r wire.Report) error {
	h.note("report %d %q", r.Of, r.Text)
	return h.fail
}

func (h *fakeHost) Settle(_ context.Context, room string, n uint64) error {
	h.note("settle %s %d", room, n)
	if err := h.unsettled[room]; err != nil {
		return err
	}
	return h.fail
}

func (h *fakeHost) UndoBy(_ context.Context, _ string, actions wire.ActionsOf, to uint64) (wire.Undone, error) {
	since := ""
	if actions.Since != nil {
		since = " since " + h.When(actions.Since.Std())
	}
	h.note("undo by %s%s to %d", actions.SenderID, since, to)
	return h.undone, h.fail
}

// History returns the messages of the moderators' room.
func (h *fakeHost) History(_ context.Context, ask wire.History) (wire.Page, error) {
	h.note("history of %s", ask.Room)
	return wire.Page{Room: ask.Room, Messages: h.logged}, h.fail
}

func (h *fakeHost) Join(room string, _ int) error { h.note("join %s", room); return nil }

func (h *fakeHost) Held() []Held        { return h.held }
func (h *fakeHost) Withdraw(id string)  { h.note("withdraw %s", id) }
func (h *fakeHost) LastErasure() uint64 { return h.erasure }

func (h *fakeHost) Moderate(m wire.Moderate, done func(uint64) string) {
	switch {
	case m.Erase != nil:
		h.note("erase %s to %d", m.Erase, m.To)
	case m.Approve != nil:
		h.note("approve %s %s", m.Approve.SenderID, m.Approve.ID)
	case m.Reject != nil:
		h.note("reject %s %s", m.Reject.SenderID, m.Reject.ID)
	default:
		h.note("undo %d", m.Undo)
	}
	h.note("%s", done(77))
}

func (h *fakeHost) Preview(_ context.Context, _ string, s wire.Selection) (wire.Preview, error) {
	h.note("preview %s", &s)
	return h.preview, h.fail
}

// Settings returns one setting a page.
func (h *fakeHost) Settings(_ context.Context, ask wire.StateRequest) (page wire.Settings, err error) {
	for _, s := range h.settings {
		switch {
		case !strings.HasPrefix(s.Key, ask.Prefix) || s.Key <= ask.After:
		case len(page.Settings) == 1:
			page.More = true
		default:
			page.Settings = append(page.Settings, s)
		}
	}
	return page, h.fail
}

// run runs a line, and returns what it has done.
func (h *fakeHost) run(t *testing.T, line string) string {
	t.Helper()
	word, args, _ := strings.Cut(strings.TrimPrefix(line, "/"), " ")
	c := Find(word)
	if c == nil {
		t.Fatalf("there is no command %s", word)
	}
	h.said = nil
	c.Do(h, args)
	return strings.Join(h.said, "\n")
}
