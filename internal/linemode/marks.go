package linemode

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"ramai/client"
	"ramai/wire"
)

// Commands for marks, polls, questions and the settings of the room.

// Counts is what a message's marks come to, for a person: reactions and upvotes, or the votes for each option of a poll. It is
// empty if there are none.
func Counts(m wire.Message) string {
	var parts []string
	for i := range m.Options {
		if n := m.Tally[strconv.Itoa(i)]; n > 0 {
			parts = append(parts, fmt.Sprintf("(%d) %d", i+1, n))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(m.Tally)) {
		if _, vote := wire.OptionOf(key); vote {
			continue
		}
		parts = append(parts, fmt.Sprintf("%s %d", client.OneLine(key), m.Tally[key]))
	}
	if len(parts) == 0 {
		return ""
	}
	return "  [" + strings.Join(parts, ", ") + "]"
}

// mark adds a mark, or takes it away if off follows the key.
func (r *runner) mark(n uint64, words string) {
	key, rest, _ := strings.Cut(words, " ")
	if rest = strings.TrimSpace(rest); rest != "" && rest != "off" {
		r.note("invalid %s (want off, or nothing)", client.OneLine(rest))
		return
	}
	r.marked = true
	if err := r.Client.Mark(wire.Mark{Room: r.Room, Of: n, Key: key, On: rest == ""}); err != nil {
		r.note("%v", err)
	}
}

func (r *runner) react(_ context.Context, words string) {
	if n, key, ok := r.target(words, r.newest); ok {
		r.mark(n, key)
	}
}

func (r *runner) upvote(_ context.Context, words string) {
	if n, rest, ok := r.target(words, r.newestAs[wire.Question]); ok {
		r.mark(n, strings.TrimSpace(wire.Upvote+" "+rest))
	}
}

func (r *runner) vote(_ context.Context, words string) {
	n, rest, ok := r.target(words, r.newestAs[wire.Poll])
	if !ok {
		return
	}
	option, off, _ := strings.Cut(rest, " ")
	i, err := strconv.Atoi(option)
	if err != nil || i < 1 || i > wire.MaxOptions {
		r.note("invalid option %s (want its number, 1 to %d)", client.OneLine(option), wire.MaxOptions)
		return
	}
	r.mark(n, strings.TrimSpace(strconv.Itoa(i-1)+" "+off))
}

func (r *runner) question(_ context.Context, words string) {
	r.sayAs(wire.Say{Text: words, As: wire.Question})
}

func (r *runner) poll(_ context.Context, words string) {
	parts := strings.Split(words, "|")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	r.sayAs(wire.Say{Text: parts[0], As: wire.Poll, Options: parts[1:]})
}

// sayAs queues a message of a kind.
func (r *runner) sayAs(m wire.Say) {
	if err := wire.CheckAs(m.As, m.Options); err != nil {
		r.note("%s", err.Reason)
		return
	}
	r.say(m)
}

// set queues a setting.
func (r *runner) set(key string, v wire.Value) {
	if err := wire.CheckSetting(key, v); err != nil {
		r.note("%s", err.Reason)
		return
	}
	id, err := r.Client.Set(wire.Set{Room: r.Room, Key: key, Value: v})
	if err != nil {
		r.note("%v", err)
		return
	}
	r.pending = append(r.pending, client.Sent{Room: r.Room, ID: id, Key: key, Value: v})
}

func (r *runner) topic(_ context.Context, words string) {
	if words == "-" {
		r.set(wire.TopicKey, wire.Value{})
		return
	}
	r.set(wire.TopicKey, wire.TextValue(words))
}

func (r *runner) stage(_ context.Context, words string) {
	if words == "-" {
		r.set(wire.StageKey, wire.Value{})
	} else if n, _, ok := r.target(words, r.newest); ok {
		r.set(wire.StageKey, wire.NumberValue(n))
	}
}

func (r *runner) pin(_ context.Context, words string) {
	if n, _, ok := r.target(words, r.newest); ok {
		r.setPins(append(r.unpinned(n), n))
	}
}

func (r *runner) unpin(_ context.Context, words string) {
	last := uint64(0)
	if len(r.pins) > 0 {
		last = r.pins[len(r.pins)-1]
	}
	n, _, ok := r.target(words, last)
	switch {
	case !ok:
	case !slices.Contains(r.pins, n):
		r.note("message %d is not pinned", n)
	default:
		r.setPins(r.unpinned(n))
	}
}

// unpinned returns the pins without n.
func (r *runner) unpinned(n uint64) []uint64 {
	return slices.DeleteFunc(slices.Clone(r.pins), func(p uint64) bool { return p == n })
}

// setPins queues the pins. The next command counts on them.
func (r *runner) setPins(pins []uint64) {
	slices.Sort(pins)
	v := wire.Value{Numbers: pins}
	if len(pins) == 0 {
		v = wire.Value{}
	}
	if r.set(wire.PinKey, v); wire.CheckSetting(wire.PinKey, v) == nil {
		r.pins = pins
	}
}

func (r *runner) closePoll(_ context.Context, words string) {
	if n, _, ok := r.target(words, r.newestAs[wire.Poll]); ok {
		r.set(wire.PollPrefix+strconv.FormatUint(n, 10), wire.TextValue(wire.PollOver))
	}
}

func (r *runner) answered(_ context.Context, words string) {
	if n, _, ok := r.target(words, r.newestAs[wire.Question]); ok {
		r.set(wire.QuestionPrefix+strconv.FormatUint(n, 10), wire.TextValue(wire.Answered))
	}
}
