package tui

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"ramai/client"
	"ramai/internal/commands"
	"ramai/wire"
)

// host is the screen as the shared commands see it, in the room that was shown when the command was run.
type host struct {
	*screen
	r    *room
	line string    // the command as it was typed
	late bool      // the server has answered: a question that is asked now surprises the user
	cmds []tea.Cmd // for bubbletea
}

var _ commands.Host = (*host)(nil)

// withHost runs a part of a shared command in a room. line is the command as it was typed.
func (s *screen) withHost(r *room, line string, do func(h commands.Host)) tea.Cmd {
	h := &host{screen: s, r: r, line: line}
	do(h)
	return tea.Batch(h.cmds...)
}

// continuation continues a command in a room, after the user or the server has answered.
type continuation struct {
	room *room
	line string
	do   func(h commands.Host)
}

// commandAnswer is what the server has answered to a command in a room.
type commandAnswer struct {
	room   *room
	line   string
	answer func(h commands.Host) commands.Answer
	err    error
}

// commandChange is what a command has changed, until the server has answered.
type commandChange struct {
	line string
	done func(n uint64) string // what is so once it is saved under a number; nil: it shows
}

func (h *host) Room() string             { return h.r.name }
func (h *host) Link() string             { address := h.address(h.r.name); return address.String() }
func (h *host) Device() string           { return cmp.Or(h.Config.Device, "a terminal") }
func (h *host) SenderID() string         { return h.self.senderID }
func (h *host) Role() wire.Role          { return h.r.standing.role }
func (h *host) People() *commands.People { return &h.r.people.senders }
func (h *host) Now() time.Time           { return h.serverTime() }
func (h *host) Inform(words string)      { h.inform("%s", oneLine(words, h.method)) }
func (h *host) Warn(words string)        { h.warn("%s", oneLine(words, h.method)) }
func (h *host) When(t time.Time) string  { return h.when(t) }
func (h *host) Author(n uint64) (id string) {
	if m, ok := h.r.timeline.replica.Message(n, nil); ok {
		return m.SenderID
	}
	return ""
}

// when returns a time as people read it: with the day unless it is today.
func (h *shared) when(t time.Time) string {
	if t = t.In(h.zone); sameDay(t, h.now().In(h.zone)) {
		return t.Format(h.formats.clock)
	}
	return t.Format(h.formats.moment)
}

func (h *host) Say(m wire.Say, line string) { h.cmds = append(h.cmds, h.postAs(m, line)) }

func (h *host) Set(c commands.Change) {
	c.Room = h.r.name
	id, err := h.chat.Set(c.Set)
	if err != nil {
		h.warn("%s", h.reason(err))
		return
	}
	h.changes(id, func(uint64) string { return c.Done })
	h.r.settingChanged(c.Key)
}

// changes notes what a command has changed.
func (h *host) changes(id string, done func(n uint64) string) {
	if h.r.commandChanges == nil {
		h.r.commandChanges = make(map[string]commandChange)
	}
	h.r.commandChanges[id] = commandChange{h.line, done}
}

func (h *host) Held() (held []commands.Held) {
	for _, s := range h.r.timeline.pending().Sent {
		if s.State == client.Held {
			held = append(held, commands.Held{ID: s.ID, Text: s.Text})
		}
	}
	return held
}

func (h *host) Withdraw(id string) {
	withdrawal, err := h.chat.Change(client.Change{Room: h.r.name, Held: id})
	if err != nil {
		h.warn("%s", h.reason(err))
		return
	}
	h.changes(withdrawal, nil) // the message itself says that it is withdrawn
}

func (h *host) LastErasure() uint64 { return h.r.lastErasure }

func (h *host) Moderate(m wire.Moderate, done func(n uint64) string) {
	m.Room = h.r.name
	id, err := h.chat.Moderate(m)
	if err != nil {
		h.warn("%s", h.reason(err))
		return
	}
	h.changes(id, done)
}

// moderated handles the new state of what this user did as a moderator.
func (r *room) moderated(f client.Sent) {
	if f.State == client.Saved {
		r.timeline.head = max(r.timeline.head, f.N)
		if f.Moderate.Erase != nil {
			r.lastErasure = f.N
		}
	}
	r.answered(f, "")
}

// answered says what has become of what a command has changed. what is said if it was no command.
func (r *room) answered(f client.Sent, what string) {
	by, ok := r.commandChanges[f.ID]
	switch {
	case f.State == client.Saved && by.done != nil:
		r.inform("%s", oneLine(by.done(f.N), r.method))
	case f.State == client.Failed:
		if ok {
			what = by.line
		}
		r.warn("%s: %s", oneLine(what, r.method), r.refusalWords(refusalOf(f)))
	}
	if f.State.Final() {
		delete(r.commandChanges, f.ID)
	}
}

func (h *host) Ask(ask func(ctx context.Context, server commands.Server) (func(h commands.Host) commands.Answer, error)) {
	ctx, chat, r, line := h.ctx, h.chat, h.r, h.line
	h.cmds = append(h.cmds, func() tea.Msg {
		answer, err := ask(ctx, chat)
		return commandAnswer{r, line, answer, err}
	})
}

// showAnswer shows what the server has answered to a command.
func (s *screen) showAnswer(a commandAnswer) tea.Cmd {
	if a.err != nil {
		s.warn("%s", s.reason(a.err))
		return nil
	}
	return s.withHost(a.room, a.line, func(h commands.Host) {
		h.(*host).late = true
		switch answer := a.answer(h); len(answer.Rows) {
		case 0:
			if answer.Title != "" {
				h.Inform(answer.Title)
			}
		default:
			p := &panel{title: oneLine(answer.Title, s.method), rows: s.panelRows(answer.Rows)}
			if answer.Pick != nil {
				p.chosen = max(slices.IndexFunc(answer.Rows, func(r commands.Row) bool { return r.Action }), 0)
				p.pick = func(i int) tea.Msg { return continuation{a.room, a.line, func(h commands.Host) { answer.Pick(h, i) }} }
			}
			if answer.QR != "" {
				p.below = func(b *style, height int) []string { return b.qrCode(answer.QR, height) }
			}
			s.openPanel(showPanel{p, true})
		}
	})
}

// refusalWords says why the server has refused something.
func (h *shared) refusalWords(r commands.Refusal) string {
	return oneLine(r.Sentence(h.serverTime(), h.when), h.method)
}

// reason is why a request failed.
func (h *shared) reason(err error) string {
	var coded *wire.CodedError
	if errors.As(err, &coded) {
		return h.refusalWords(commands.RefusedBy(coded))
	}
	return reason(err, h.method)
}

// refusalOf is why the server has refused something that was sent.
func refusalOf(f client.Sent) commands.Refusal {
	return commands.Refusal{Code: f.Code, Reason: f.Reason, Rule: f.Rule, Params: f.Params, Until: f.RuleUntil}
}

// serverTime is the time of the server, as far as it is known.
func (h *shared) serverTime() time.Time { return h.now().Add(-h.self.clockAhead) }

// panelRows makes rows of a panel.
func (h *shared) panelRows(rows []commands.Row) (out []row) {
	for _, r := range rows {
		out = append(out, h.panelRow(r))
	}
	return out
}

func (h *shared) panelRow(r commands.Row) row {
	out := row{senderID: r.SenderID, text: []span{{text: oneLine(r.Text, h.method)}}}
	if r.Action {
		out.text[0].kind = mention
	}
	if r.Name != "" {
		out.before = []span{{text: oneLine(r.Name, h.method), kind: name}, {text: "  "}}
	}
	return out
}

func (h *host) Choose(c commands.Choice) {
	r, line := h.r, h.line
	p := &panel{title: oneLine(c.Title, h.method), rows: h.panelRows(c.Rows)}
	p.pick = func(i int) tea.Msg { return continuation{r, line, func(h commands.Host) { c.Do(h, i) }} }
	h.openPanel(showPanel{p, h.late})
}

func (h *host) Confirm(c commands.Confirmation) {
	r, line := h.r, h.line
	question := row{text: []span{{text: oneLine(c.Question, h.method), kind: mention}}}
	p := &panel{title: "Please confirm", rows: append([]row{question}, h.panelRows(c.Rows)...), yes: oneLine(c.Yes, h.method)}
	p.confirm = func() tea.Msg { return continuation{r, line, c.Do} }
	h.openPanel(showPanel{p, h.late})
}

// sharedCommands returns the commands that the screen shares with line mode.
func sharedCommands() (all []command) {
	for _, c := range commands.Table() {
		all = append(all, command{name: c.Name, words: c.Args, help: c.Help, needs: c.Required(), do: func(s *screen, words string) tea.Cmd {
			if s.plainOnly() {
				return nil
			}
			line := strings.TrimSpace("/" + c.Name + " " + words)
			if c.Secret {
				line = ""
			}
			return s.withHost(s.room(), line, func(h commands.Host) { c.Do(h, words) })
		}})
	}
	return all
}
