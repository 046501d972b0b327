package tui

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	tea "charm.land/bubbletea/v2"

	"ramai/client"
	"ramai/wire"
)

// Polls and questions: how they are posted, closed and answered.

func (s *screen) ask(words string) tea.Cmd {
	return s.postAs(wire.Say{Text: words, As: wire.Question}, "/ask "+words)
}

// poll posts a poll: its text and its options, with bars between them.
func (s *screen) poll(words string) tea.Cmd {
	parts := strings.Split(words, "|")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	m := wire.Say{Text: parts[0], As: wire.Poll, Options: parts[1:]}
	if err := wire.CheckAs(m.As, m.Options); err != nil {
		s.warn("%s: /poll Which day? | Monday | Tuesday", err.Reason)
		s.room().editor.stashFor("/poll " + words)
		return nil
	}
	return s.postAs(m, "/poll "+words)
}

// postAs posts a message of a kind. command is what was typed.
func (s *screen) postAs(m wire.Say, command string) tea.Cmd {
	if s.plainOnly() {
		return nil
	}
	r := s.room()
	if _, err := r.post(m); err != nil {
		s.warn("%v", err)
		r.editor.stashFor(command)
		return nil
	}
	return r.timeline.end()
}

// status changes the state of a poll or a question: message N, or this user's newest of that kind.
func (s *screen) setStatus(as, prefix, status, words string) tea.Cmd {
	if s.plainOnly() {
		return nil
	}
	var it *item
	if words == "" || words == "last" {
		if it = s.room().newestAs(as); it == nil {
			s.warn("there is no %s here", as)
			return nil
		}
	} else {
		var ok bool
		if it, _, ok = s.target(words, false); !ok {
			return nil
		}
	}
	if it.marks.as != as {
		s.warn("message %s is not a %s", thousands(it.n), as)
		return nil
	}
	return s.set(prefix+strconv.FormatUint(it.n, 10), wire.TextValue(status))
}

func (s *screen) closePoll(words string) tea.Cmd {
	return s.setStatus(wire.Poll, wire.PollPrefix, wire.PollOver, words)
}

func (s *screen) hidePoll(words string) tea.Cmd {
	return s.setStatus(wire.Poll, wire.PollPrefix, wire.Hidden, words)
}

func (s *screen) answered(words string) tea.Cmd {
	return s.setStatus(wire.Question, wire.QuestionPrefix, wire.Answered, words)
}

// toggleAnswered is answered for a selected question, and takes it back.
func (s *screen) toggleAnswered(it *item) tea.Cmd {
	status := wire.Answered
	if it.marks.status == wire.Answered {
		status = wire.Open
	}
	return s.set(wire.QuestionPrefix+strconv.FormatUint(it.n, 10), wire.TextValue(status))
}

// togglePoll closes a selected poll, or opens it again.
func (s *screen) togglePoll(it *item) tea.Cmd {
	status := wire.PollOver
	if it.marks.status == wire.PollOver {
		status = wire.Open
	}
	return s.set(wire.PollPrefix+strconv.FormatUint(it.n, 10), wire.TextValue(status))
}

// maxQuestions is how many questions are listed.
const maxQuestions = 100

// questionsAnswer is a page of questions, for the screen to show as a panel.
type questionsAnswer struct {
	room  string
	asked *client.PageRequest
	page  wire.Page
	err   error
}

// questions lists the questions of the room.
func (s *screen) questions(string) tea.Cmd {
	if s.plainOnly() {
		return nil
	}
	r, h := s.room(), wire.History{Room: s.room().name, As: wire.Question, Limit: maxQuestions}
	a := questionsAnswer{room: r.name, asked: r.timeline.replica.Ask(h)}
	ctx, chat := s.ctx, s.chat
	return func() tea.Msg {
		a.page, a.err = chat.History(ctx, h)
		return a
	}
}

// showQuestions shows them: those with the most upvotes first, and those that are answered last.
func (s *screen) showQuestions(a questionsAnswer) {
	r := s.rooms.find(a.room)
	switch {
	case r == nil:
		return
	case a.err != nil:
		r.timeline.replica.Cancel(a.asked)
		s.warn("%s", reason(a.err, s.method))
		return
	case a.page.As != wire.Question:
		r.timeline.replica.Cancel(a.asked)
		s.warn("this server has no questions")
		return
	}
	r.timeline.replica.AddPage(a.asked, a.page)
	var all []client.ShownMessage
	for _, m := range r.timeline.replica.Shown(r.chat.PendingIn(r.name)).Messages {
		if m.As == wire.Question && !m.Gone {
			all = append(all, m)
		}
	}
	sortQuestions(all)
	p := &panel{title: plural(len(all), "question", "questions") + " in " + r.name, empty: "no questions yet; /ask TEXT asks one"}
	for _, m := range all {
		row := s.messageRow(r, m.N)
		sign := fmt.Sprintf("▲ %-4s ", thousands(m.Tally[wire.Upvote]))
		if slices.Contains(m.Mine, wire.Upvote) {
			sign = fmt.Sprintf("▲[%s] ", thousands(m.Tally[wire.Upvote]))
		}
		row.before = append([]span{{text: sign}}, row.before...)
		if m.Status == wire.Answered {
			row.text = append(row.text, span{text: "  answered", kind: dim})
		}
		p.rows = append(p.rows, row)
	}
	p.pick = func(i int) tea.Msg { return goTo{r.name, all[i].N} }
	s.openPanel(showPanel{p, true})
}

// sortQuestions puts those with the most upvotes first, the newest first among equals, and those that are answered last.
func sortQuestions(all []client.ShownMessage) {
	slices.SortFunc(all, func(a, b client.ShownMessage) int {
		switch {
		case (a.Status == wire.Answered) != (b.Status == wire.Answered):
			if a.Status == wire.Answered {
				return 1
			}
			return -1
		case a.Tally[wire.Upvote] != b.Tally[wire.Upvote]:
			if a.Tally[wire.Upvote] > b.Tally[wire.Upvote] {
				return -1
			}
			return 1
		case a.N > b.N:
			return -1
		}
		return 1
	})
}
