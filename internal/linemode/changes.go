package linemode

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"

	"ramai/client"
	"ramai/wire"
)

// Commands about a message of the room.

// defaultListed is how many messages /history lists.
const defaultListed = 10

// seen takes a message of the room: its number, and what it is besides its text.
func (r *runner) seen(n uint64, as string, own bool) {
	r.newest = max(r.newest, n)
	if own {
		r.newestOwn = max(r.newestOwn, n)
	}
	if as != "" {
		if r.newestAs == nil {
			r.newestAs = make(map[string]uint64)
		}
		r.newestAs[as] = max(r.newestAs[as], n)
	}
}

// target parses the message that a command is about, and what follows: its number, or "last", which is last.
func (r *runner) target(words string, last uint64) (n uint64, rest string, ok bool) {
	word, rest, _ := strings.Cut(words, " ")
	if r.plain {
		r.note("this server has no numbers")
		return 0, "", false
	}
	if word == "last" {
		if last == 0 {
			r.note("there is no such message yet")
		}
		return last, strings.TrimSpace(rest), last > 0
	}
	n, err := strconv.ParseUint(strings.TrimPrefix(word, "#"), 10, 63)
	if err != nil || n == 0 {
		r.note("invalid message %s (want its number, as /history shows it, or last)", client.OneLine(word))
		return 0, "", false
	}
	return n, strings.TrimSpace(rest), true
}

func (r *runner) edit(_ context.Context, words string) {
	n, text, ok := r.target(words, r.newestOwn)
	if ok && text == "" {
		r.note("the new text is missing; /delete %s deletes the message", strings.Fields(words)[0])
		return
	}
	if ok {
		r.change(n, &text)
	}
}

func (r *runner) delete(_ context.Context, words string) {
	if n, _, ok := r.target(words, r.newestOwn); ok {
		r.change(n, nil)
	}
}

// change queues a change of message n: a new text, or its deletion if text is nil.
func (r *runner) change(n uint64, text *string) {
	id, err := r.Client.Change(client.Change{Room: r.Room, Of: n, Text: text})
	s := client.Sent{ID: id, Of: n, Deletes: text == nil}
	if text != nil {
		s.Text = *text
	}
	if err != nil {
		r.notSent(s, err)
		return
	}
	r.pending = append(r.pending, s)
}

func (r *runner) reply(_ context.Context, words string) {
	n, text, ok := r.target(words, r.newest)
	if ok && text == "" {
		r.note("the text of the reply is missing")
		return
	}
	if ok {
		r.say(wire.Say{Text: text, Re: n})
	}
}

// what describes a message, a change or a setting to a person.
func what(s client.Sent) string {
	switch {
	case s.Moderate != nil && s.Moderate.Erase != nil:
		return "erasure"
	case s.Moderate != nil:
		return fmt.Sprintf("undoing erasure %d", s.Moderate.Undo)
	case s.Withdraws != "":
		return "withdrawal"
	case s.Key != "":
		return "setting " + s.Key
	case s.Deletes:
		return fmt.Sprintf("deletion of message %d", s.Of)
	}
	return client.Shortened(s.Text)
}

// history lists the newest messages with their numbers.
func (r *runner) history(ctx context.Context, words string) {
	count, err := strconv.Atoi(cmp.Or(words, strconv.Itoa(defaultListed)))
	if err != nil || count < 1 || count > wire.MaxPage {
		r.note("invalid number of messages %s (want 1 to %d)", client.OneLine(words), wire.MaxPage)
		return
	}
	if r.plain {
		r.note("this server has no history")
		return
	}
	r.askThen(ctx, func(ctx context.Context) (func(), error) {
		page, err := r.Client.History(ctx, wire.History{Room: r.Room, Limit: count})
		if err != nil {
			return nil, err
		}
		var b strings.Builder
		for _, m := range page.Messages {
			b.WriteString(Indent(fmt.Sprintf("%d  ", m.N), PlainText(m)+Counts(m)))
		}
		return func() {
			for _, m := range page.Messages {
				r.sawSender(m)
			}
			r.note("%s", cmp.Or(strings.TrimSuffix(b.String(), "\n"), "no messages here yet"))
		}, nil
	})
}
