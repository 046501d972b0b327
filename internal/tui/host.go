package tui

import (
	"context"
	"time"

	tea "charm.land/bubbletea/v2"

	"ramai/internal/commands"
	"ramai/wire"
)

// host is the screen as the shared commands see it, in the room that was shown when the command was run.
type host struct {
	*screen
	r    *room
	cmds []tea.Cmd // for bubbletea
}

var _ commands.Host = (*host)(nil)

// withHost runs a part of a shared command in a room.
func (s *screen) withHost(r *room, do func(h commands.Host)) tea.Cmd {
	h := &host{screen: s, r: r}
	do(h)
	return tea.Batch(h.cmds...)
}

// continuation continues a command in a room, after the user or the server has answered.
type continuation struct {
	room *room
	do   func(h commands.Host)
}

// commandAnswer is what the server has answered to a command in a room.
type commandAnswer struct {
	room   *room
	answer commands.Answer
	err    error
}

func (h *host) Room() string             { return h.r.name }
func (h *host) SenderID() string         { return h.self.senderID }
func (h *host) People() *commands.People { return &h.r.people.senders }
func (h *host) Now() time.Time           { return h.screen.now().Add(-h.self.clockAhead) }
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

func (h *host) Set(s wire.Set) error {
	s.Room = h.r.name
	if _, err := h.chat.Set(s); err != nil {
		return err
	}
	h.r.settingChanged(s.Key)
	return nil
}

func (h *host) Ask(ask func(ctx context.Context, server commands.Server) (commands.Answer, error)) {
	ctx, chat, r := h.ctx, h.chat, h.r
	h.cmds = append(h.cmds, func() tea.Msg {
		answer, err := ask(ctx, chat)
		return commandAnswer{r, answer, err}
	})
}

// showAnswer shows what the server has answered to a command.
func (s *screen) showAnswer(a commandAnswer) {
	switch {
	case a.err != nil:
		s.warn("%s", reason(a.err, s.method))
	case len(a.answer.Rows) == 0:
		s.inform("%s", oneLine(a.answer.Title, s.method))
	default:
		s.openPanel(showPanel{&panel{title: oneLine(a.answer.Title, s.method), rows: s.panelRows(a.answer.Rows)}, true})
	}
}

// panelRows makes rows of a panel.
func (h *shared) panelRows(rows []commands.Row) (out []row) {
	for _, r := range rows {
		out = append(out, h.panelRow(r))
	}
	return out
}

func (h *shared) panelRow(r commands.Row) row {
	out := row{senderID: r.SenderID, text: []span{{text: oneLine(r.Text, h.method)}}}
	if r.Name != "" {
		out.before = []span{{text: oneLine(r.Name, h.method), kind: name}, {text: "  "}}
	}
	return out
}

func (h *host) Choose(c commands.Choice) {
	r := h.r
	p := &panel{title: oneLine(c.Title, h.method), rows: h.panelRows(c.Rows)}
	p.pick = func(i int) tea.Msg { return continuation{r, func(h commands.Host) { c.Do(h, i) }} }
	h.openPanel(showPanel{panel: p})
}

func (h *host) Confirm(c commands.Confirmation) {
	r := h.r
	question := row{text: []span{{text: oneLine(c.Question, h.method), kind: mention}}}
	p := &panel{title: "Please confirm", rows: append([]row{question}, h.panelRows(c.Rows)...), yes: oneLine(c.Yes, h.method)}
	p.confirm = func() tea.Msg { return continuation{r, c.Do} }
	h.openPanel(showPanel{panel: p})
}

// shared commands as commands of the screen.
func sharedCommands() (all []command) {
	for _, c := range commands.Table() {
		all = append(all, command{name: c.Name, words: c.Args, help: c.Help, needs: c.Required(), do: func(s *screen, words string) tea.Cmd {
			if s.plainOnly() {
				return nil
			}
			return s.withHost(s.room(), func(h commands.Host) { c.Run(h, words) })
		}})
	}
	return all
}
