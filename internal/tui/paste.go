package tui

import (
	"strings"
	"unicode/utf8"

	tea "charm.land/bubbletea/v2"
)

// longPaste is how many characters of one line are pasted without a question.
const longPaste = 500

// question is what to do with a paste of many lines, or of one very long one.
type question struct {
	text  string
	lines []string // to be said one by one, without empty ones
	one   bool     // it can be one message
	big   int      // bytes, if that is why it cannot be one
}

// paste takes what was pasted. A newline at its end is dropped: Enter is a key of its own.
func (s *screen) paste(text string) tea.Cmd {
	text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n")
	text = strings.TrimRight(sayable(text), "\n")
	if text == "" || s.question != nil {
		return nil
	}
	s.completed, s.panel = nil, nil
	if c := &s.room().composer; c.searching { // what is looked for is one line
		line, _, _ := strings.Cut(text, "\n")
		c.words += line
		c.search(len(c.said))
		return nil
	}
	limit := s.limits.Text
	if limit == 0 {
		limit = 4000
	}
	if !strings.Contains(text, "\n") && utf8.RuneCountInString(text) <= longPaste {
		s.put(text, false)
		return nil
	}
	q := &question{text: text, one: len(text) <= limit}
	if !q.one {
		q.big = len(text)
	}
	for line := range strings.Lines(text) {
		for line = strings.TrimRight(line, "\n"); len(line) > limit; {
			cut := limit
			for !utf8.RuneStart(line[cut]) {
				cut--
			}
			if space := strings.LastIndexByte(line[:cut], ' '); space > cut/2 {
				cut = space + 1
			}
			q.lines, line = append(q.lines, line[:cut]), line[cut:]
		}
		if strings.TrimSpace(line) != "" {
			q.lines = append(q.lines, line)
		}
	}
	s.question = q
	return nil
}

// sayable is a text without what cannot be said.
func sayable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r >= 0x7f && r < 0xa0 {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\ufffd"))
}

// words is the question.
func (q *question) words() string {
	what := plural(len(q.lines), "line", "lines")
	if len(q.lines) == 1 {
		what = plural(utf8.RuneCountInString(q.text), "character", "characters")
	}
	if !q.one {
		return "pasted " + what + ": too much for one message"
	}
	return "pasted " + what
}

// put writes a text where one writes, and tells whether there was room for it.
func (s *screen) put(text string, typed bool) bool {
	if !s.room().composer.insert(text, typed) {
		s.complain("that is more than fits into one message")
		return false
	}
	return true
}

// decide takes the answer.
func (s *screen) decide(key string) tea.Cmd {
	q := s.question
	switch strings.TrimPrefix(key, "shift+") {
	case "o":
		if !q.one {
			return nil
		}
		if s.put(q.text, false) {
			s.question = nil
		}
	case "l":
		for len(q.lines) > 0 && s.say(q.lines[0]) {
			q.lines = q.lines[1:]
		}
		if q.text, q.one = strings.Join(q.lines, "\n"), false; len(q.lines) == 0 {
			s.question = nil
		}
	case "c", "esc", "ctrl+c", "ctrl+g":
		s.question = nil
	}
	return nil
}
