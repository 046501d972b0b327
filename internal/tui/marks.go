package tui

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"ramai/client"
	"ramai/wire"
)

// Marks: reactions, upvotes and votes in polls. The replica of a room has their counts; this file draws them and changes
// those of this user.

// quickReactions are offered first, each with the key of its position.
var quickReactions = []string{"👍", "❤️", "😂", "🎉", "😮", "❓"}

// marks is what is drawn below a message.
type marks struct {
	as      string
	options []string
	counts  wire.Counts
	mine    []string
	status  string // of a poll or a question
}

// marksOf returns what is drawn below the present form of a message.
func marksOf(m *client.ShownMessage) marks {
	return marks{m.As, m.Options, m.Tally, m.Mine, m.Status}
}

// markLines draws them in width cells.
func (b *style) markLines(m *marks, width int) (lines []string) {
	if m.as == wire.Poll {
		lines = b.pollLines(m, width)
	}
	if chips := b.chips(m); len(chips) > 0 {
		used := 0
		for _, chip := range chips {
			words, style := " "+chip.words+" ", b.textStyles[dim]
			if chip.mine {
				words, style = "["+chip.words+"]", b.strong
			}
			w := b.method.StringWidth(words)
			if used == 0 || used+1+w > width {
				lines, used = append(lines, style.Styled(words)), w
				continue
			}
			lines[len(lines)-1] += " " + style.Styled(words)
			used += 1 + w
		}
	}
	return lines
}

// chip is a reaction with its count.
type chip struct {
	words string
	mine  bool
}

// chips returns the reactions and the upvotes: upvotes first, then the quick reactions, then the others.
func (b *style) chips(m *marks) (chips []chip) {
	keys := slices.Sorted(maps.Keys(m.counts))
	rank := func(key string) int {
		if i := slices.Index(quickReactions, key); i >= 0 {
			return i
		}
		return len(quickReactions)
	}
	slices.SortStableFunc(keys, func(a, b string) int { return rank(a) - rank(b) })
	mine := func(key string) bool { return slices.Contains(m.mine, key) }
	switch n := m.counts[wire.Upvote]; {
	case m.as == wire.Question:
		words := "▲ " + plural(int(n), "upvote", "upvotes")
		if m.status == wire.Answered {
			words += " · answered"
		}
		chips = append(chips, chip{words, mine(wire.Upvote)})
	case n > 0:
		chips = append(chips, chip{"▲ " + thousands(n), mine(wire.Upvote)})
	}
	for _, key := range keys {
		if _, vote := wire.OptionOf(key); vote || key == wire.Upvote || m.counts[key] == 0 {
			continue
		}
		chips = append(chips, chip{oneLine(key, b.method) + " " + thousands(m.counts[key]), mine(key)})
	}
	return chips
}

// maxBar is the longest bar of a poll, in cells.
const maxBar = 20

// pollLines draws the options of a poll, each with its share of the votes as a bar, and a line with the state of the poll.
func (b *style) pollLines(m *marks, width int) (lines []string) {
	total, longest := uint64(0), 0
	labels := make([]string, len(m.options))
	for i, o := range m.options {
		total += m.counts[strconv.Itoa(i)]
		labels[i] = oneLine(o, b.method)
		longest = max(longest, b.method.StringWidth(labels[i]))
	}
	const before = len("o 12 ")
	bar := min(maxBar, width/3)
	column := max(width-before-1-bar-len(" 100% ")-len(thousands(total)), 1) // of the labels
	below := longest > column && width < narrow                              // the bars stand below the labels
	if column = min(column, longest); below {
		column = max(width-before, 1)
	}
	for i, label := range labels {
		key := strconv.Itoa(i)
		sign, style := "○", b.textStyles[plain]
		if slices.Contains(m.mine, key) {
			sign, style = "●", b.strong
		}
		share := b.share(m.counts[key], total, bar, style)
		if m.status == wire.Hidden {
			share = ""
		}
		for j, part := range b.wrapped(label, column) {
			line := style.Styled(strings.Repeat(" ", before) + part)
			if j == 0 {
				line = style.Styled(fmt.Sprintf("%s %-2d ", sign, i+1) + part)
			}
			if j == 0 && !below && share != "" {
				line += strings.Repeat(" ", column-b.method.StringWidth(part)+1) + share
			}
			lines = append(lines, line)
		}
		if below && share != "" {
			lines = append(lines, strings.Repeat(" ", before)+share)
		}
	}
	words := plural(int(total), "vote", "votes")
	switch m.status {
	case wire.Hidden:
		words = "the votes are shown when the poll is closed"
	case wire.PollOver:
		words += " · closed"
	}
	words, _ = fit(words, width, b.method)
	return append(lines, b.textStyles[dim].Styled(words))
}

// share draws the share of an option in all votes: a bar of so many cells, and numbers.
func (b *style) share(n, total uint64, bar int, style ansi.Style) string {
	percent := 0
	if total > 0 {
		percent = int((n*100 + total/2) / total)
	}
	full := (bar*percent + 50) / 100
	return b.good.Styled(strings.Repeat("█", full)) + b.rule.Styled(strings.Repeat("░", bar-full)) + style.Styled(fmt.Sprintf(" %3d%% %s", percent, thousands(n)))
}

// mark adds a mark of this user to a message, or takes it away.
func (r *room) mark(n uint64, key string, on bool) error {
	if err := r.chat.Mark(wire.Mark{Room: r.name, Of: n, Key: key, On: on}); err != nil {
		return fmt.Errorf("%s", reason(err, r.method))
	}
	r.timeline.refresh(n)
	return nil
}

// toggle adds a mark of this user, or takes it away if it is there.
func (s *screen) toggle(it *item, key string) tea.Cmd {
	if err := s.room().mark(it.n, key, !slices.Contains(it.marks.mine, key)); err != nil {
		s.warn("%v", err)
	}
	return nil
}

func (s *screen) canMark(it *item) bool { return !s.chat.Plain() && !it.gone && it.n > 0 && !it.note }

func (s *screen) upvoteItem(it *item) tea.Cmd { return s.toggle(it, wire.Upvote) }

// reactToItem asks for a reaction.
func (s *screen) reactToItem(it *item) tea.Cmd {
	t := &s.room().timeline
	t.selected, t.reacting = it.n, it.n
	return nil
}

// reactionKey takes the answer to that.
func (s *screen) reactionKey(it *item, key string) {
	t := &s.room().timeline
	t.reacting = 0
	if i, err := strconv.Atoi(key); err == nil && i >= 1 && i <= len(quickReactions) {
		t.selected = 0
		s.toggle(it, quickReactions[i-1])
	} else if key == ":" {
		t.selected = 0
		s.room().endEdit()
		s.room().editor.stashFor(fmt.Sprintf("/react %d :", it.n))
	}
}

// reactionWords lists the quick reactions.
func (h *shared) reactionWords() string {
	var b strings.Builder
	b.WriteString("react:")
	for i, emoji := range quickReactions {
		fmt.Fprintf(&b, " %d %s ", i+1, oneLine(emoji, h.method))
	}
	return b.String()
}

// canVote reports whether a message is a poll that takes votes.
func (s *screen) canVote(it *item) bool {
	return s.canMark(it) && it.marks.as == wire.Poll && it.marks.status != wire.PollOver
}

// vote votes for an option, counted from 1. Voting for it again takes the vote back.
func (s *screen) vote(it *item, option int) tea.Cmd {
	switch {
	case it.marks.as != wire.Poll:
		s.warn("message %s is not a poll", thousands(it.n))
	case it.marks.status == wire.PollOver:
		s.warn("this poll is closed")
	case option < 1 || option > len(it.marks.options):
		s.warn("there is no option %d (want 1 to %d)", option, len(it.marks.options))
	default:
		return s.toggle(it, strconv.Itoa(option-1))
	}
	return nil
}

// Commands for the same.

// emojiOf returns the emoji that a word means: itself, or the one with that name between colons or after one.
func emojiOf(word string) (emoji string, ok bool) {
	if name, found := strings.CutPrefix(word, ":"); found {
		put := ""
		emojiFor(strings.TrimSuffix(name, ":"), 0, func(_, text string) {
			if put == "" {
				put = strings.TrimSpace(text)
			}
		})
		return put, put != ""
	}
	_, option := wire.OptionOf(word)
	return word, !option && wire.CheckMarkKey(word) == nil
}

func (s *screen) react(words string) tea.Cmd {
	if s.plainOnly() {
		return nil
	}
	word := words
	if i := strings.LastIndexByte(words, ' '); i >= 0 {
		words, word = strings.TrimSpace(words[:i]), words[i+1:]
	} else {
		words = "last"
	}
	emoji, ok := emojiOf(word)
	if !ok {
		s.warn("%s is not an emoji (want, for example, 👍 or :heart:)", oneLine(word, s.method))
		return nil
	}
	it, _, ok := s.target(words, false)
	if !ok {
		return nil
	}
	return s.toggle(it, emoji)
}

func (s *screen) upvote(words string) tea.Cmd {
	if s.plainOnly() {
		return nil
	}
	if it, _, ok := s.target(words, false); ok {
		return s.toggle(it, wire.Upvote)
	}
	return nil
}

func (s *screen) voteFor(words string) tea.Cmd {
	if s.plainOnly() {
		return nil
	}
	word := words
	var it *item
	if i := strings.LastIndexByte(words, ' '); i >= 0 {
		word = words[i+1:]
		var ok bool
		if it, _, ok = s.target(strings.TrimSpace(words[:i]), false); !ok {
			return nil
		}
	} else if it = s.room().newestAs(wire.Poll); it == nil {
		s.warn("there is no poll here; /vote N OPTION votes in the poll with the number N")
		return nil
	}
	option, err := strconv.Atoi(word)
	if err != nil {
		s.warn("invalid option %s (want its number, for example 1)", oneLine(word, s.method))
		return nil
	}
	return s.vote(it, option)
}

// newestAs returns the newest message of a kind in the window, or nil.
func (r *room) newestAs(as string) *item {
	for _, it := range slices.Backward(r.timeline.items) {
		if it.marks.as == as && !it.gone {
			return it
		}
	}
	return nil
}
