package linemode

import (
	"cmp"
	"context"
	"strconv"
	"strings"
	"time"

	"ramai/client"
	"ramai/internal/commands"
	"ramai/wire"
)

// host is line mode as the shared commands see it.
type host struct {
	*runner
	ctx context.Context
}

var _ commands.Host = host{}

// question is what the next line answers.
type question struct {
	confirmation *commands.Confirmation // one of both
	choice       *commands.Choice
}

// maxAuthors is how many messages are remembered with their senders.
const maxAuthors = 1000

// authors are the senders of the newest messages, by number.
type authors struct {
	of    map[uint64]string
	order []uint64
}

func (a *authors) saw(n uint64, senderID string) {
	if a.of == nil {
		a.of = make(map[uint64]string)
	}
	if _, known := a.of[n]; known {
		return
	}
	a.of[n], a.order = senderID, append(a.order, n)
	if len(a.order) > maxAuthors {
		delete(a.of, a.order[0])
		a.order = a.order[1:]
	}
}

// sawSender notes the sender of a message.
func (r *runner) sawSender(m wire.Message) {
	r.people.Saw(m)
	r.authors.saw(m.N, m.SenderID)
}

// sawTime takes the server's time of a message that has just arrived. The clock here may be ahead of the server's.
func (r *runner) sawTime(at time.Time) {
	if ahead := time.Since(at); !r.clockKnown || ahead < r.clockAhead {
		r.clockAhead, r.clockKnown = ahead, true
	}
}

func (h host) Link() string             { return cmp.Or(h.Config.Link, "/r/"+h.Config.Room) }
func (h host) Room() string             { return h.Config.Room }
func (h host) Device() string           { return cmp.Or(h.Config.Device, "a terminal") }
func (h host) SenderID() string         { return h.senderID }
func (h host) Role() wire.Role          { return h.role }
func (h host) People() *commands.People { return &h.people }
func (h host) Author(n uint64) string   { return h.authors.of[n] }
func (h host) Now() time.Time           { return time.Now().Add(-h.clockAhead) }
func (h host) Inform(words string)      { h.note("%s", client.OneLine(words)) }
func (h host) Warn(words string)        { h.note("%s", client.OneLine(words)) }

func (h host) When(t time.Time) string { return when(t) }

func (h host) Say(m wire.Say, _ string) { h.sayAs(m) }

func (h host) Set(c commands.Change) {
	c.Room = h.Config.Room
	id, err := h.Client.Set(c.Set)
	if err != nil {
		h.note("%v", err)
		return
	}
	h.pending = append(h.pending, client.Sent{Room: c.Room, ID: id, Key: c.Key, Value: c.Value})
	h.changes(id, func(uint64) string { return c.Done })
}

// changes notes what is so once something is saved.
func (h host) changes(id string, done func(n uint64) string) {
	if h.done == nil {
		h.done = make(map[string]func(uint64) string)
	}
	h.done[id] = done
}

func (h host) Held() (held []commands.Held) {
	for _, s := range h.Client.PendingIn(h.Config.Room).Sent {
		if s.State == client.Held {
			held = append(held, commands.Held{ID: s.ID, Text: s.Text})
		}
	}
	return held
}

func (h host) Withdraw(id string) {
	withdrawal, err := h.Client.Withdraw(h.Config.Room, id)
	if err != nil {
		h.note("%v", err)
		return
	}
	h.pending = append(h.pending, client.Sent{Room: h.Config.Room, ID: withdrawal, Withdraws: id})
}

func (h host) LastErasure() uint64 { return h.lastErasure }

func (h host) Moderate(m wire.Moderate, done func(n uint64) string) {
	m.Room = h.Config.Room
	id, err := h.Client.Moderate(m)
	if err != nil {
		h.note("%v", err)
		return
	}
	h.pending = append(h.pending, client.Sent{Room: m.Room, ID: id, Moderate: &m})
	h.changes(id, done)
}

func (h host) Ask(ask func(ctx context.Context, server commands.Server) (func(h commands.Host) commands.Answer, error)) {
	h.askThen(h.ctx, func(ctx context.Context) (func(), error) {
		answer, err := ask(ctx, h.Client)
		return func() {
			if a := answer(h); a.Title != "" {
				h.note("%s", lines(a.Title, a.Rows))
			}
		}, err
	})
}

// refusal says why the server has refused something.
func (r *runner) refusal(why commands.Refusal) string {
	h := host{runner: r}
	return why.Sentence(h.Now(), h.When)
}

// refusalOf is why the server has refused something that was sent.
func refusalOf(f client.Sent) commands.Refusal {
	return commands.Refusal{Code: f.Code, Reason: f.Reason, Rule: f.Rule, Params: f.Params, Until: f.RuleUntil}
}

// lines writes a list, one row per line.
func lines(title string, rows []commands.Row) string {
	var b strings.Builder
	b.WriteString(client.OneLine(title))
	for _, row := range rows {
		if !row.Action {
			b.WriteString("\n  " + rowLine(row))
		}
	}
	return b.String()
}

func rowLine(row commands.Row) string {
	return strings.TrimSpace(client.OneLine(row.Name) + "  " + client.OneLine(row.Text))
}

func (h host) Choose(c commands.Choice) {
	h.note("%s", client.OneLine(c.Title))
	for i, row := range c.Rows {
		h.note("%3d  %s", i+1, rowLine(row))
	}
	h.note("type the number of a line; anything else cancels")
	h.unanswered = &question{choice: &c}
}

func (h host) Confirm(c commands.Confirmation) {
	h.note("%s", lines(c.Question, c.Rows))
	h.note("type y to %s; anything else cancels", client.OneLine(c.Yes))
	h.unanswered = &question{confirmation: &c}
}

// answerQuestion takes a line that answers a question. It returns false if the line is none: the question is cancelled then.
func (r *runner) answerQuestion(ctx context.Context, line string) bool {
	q := r.unanswered
	r.unanswered = nil
	word, h := strings.ToLower(strings.TrimSpace(line)), host{r, ctx}
	switch {
	case q.confirmation != nil && (word == "y" || word == "yes"):
		q.confirmation.Do(h)
		return true
	case q.choice != nil:
		if i, err := strconv.Atoi(word); err == nil && i >= 1 && i <= len(q.choice.Rows) {
			q.choice.Do(h, i-1)
			return true
		}
	}
	r.note("cancelled")
	_, err := strconv.Atoi(word)
	return word == "" || word == "n" || word == "no" || err == nil
}

// sharedCommands returns the commands that line mode shares with the screen.
func sharedCommands() (all []command) {
	for _, c := range commands.Table() {
		all = append(all, command{names: append([]string{c.Name}, c.Also...), words: c.Args, help: c.Help, do: func(r *runner, ctx context.Context, words string) {
			if r.plain {
				r.note("this server has no names and no rules")
				return
			}
			c.Do(host{r, ctx}, words)
		}})
	}
	return all
}
