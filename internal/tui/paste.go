package tui

import (
	"strings"
	"time"
	"unicode/utf8"

	tea "charm.land/bubbletea/v2"
)

// longPaste is how many characters of one line are pasted without a question.
const longPaste = 500

// question is what to do with a paste of many lines, or of one very long one.
type question struct {
	text  string
	lines []string  // to be said one by one, without empty ones
	one   bool      // it can be one message
	sure  bool      // it is to be said line by line, if Enter comes next
	why   string    // not all of the lines could be said
	stray time.Time // when a letter came that is no answer
}

// pause is how long after a letter that is no answer one is taken for one: whoever types on without looking answers nothing.
const pause = 500 * time.Millisecond

// paste takes what was pasted. A newline at its end is dropped: Enter is a key of its own.
func (s *screen) paste(text string) tea.Cmd {
	text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n")
	text = strings.TrimRight(sayable(text), "\n")
	if text == "" {
		return nil
	}
	if len(text) >= maxPaste-utf8.UTFMax {
		s.complain("the end of what you pasted is cut off: no more than %d KiB can be pasted at once", maxPaste>>10)
	}
	if q := s.question; q != nil { // one more
		if len(q.text)+len(text) > maxPaste {
			s.complain("that is too much to be pasted at once")
			return nil
		}
		text = q.text + "\n" + text
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
	if !strings.Contains(q.text, "\n") {
		what = plural(utf8.RuneCountInString(q.text), "character", "characters")
	}
	switch {
	case q.sure:
		return "Enter says " + plural(len(q.lines), "message", "messages") + ", one after the other"
	case q.why != "":
		return what + " are left: " + q.why
	case !q.one:
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
	sure := q.sure
	q.sure = false
	key = strings.TrimPrefix(key, "shift+")
	if now := s.Now(); utf8.RuneCountInString(key) == 1 && (!strings.Contains("olc", key) || now.Sub(q.stray) < pause) {
		q.stray = now
		return nil
	}
	switch key {
	case "o":
		if !q.one {
			return nil
		}
		if s.put(q.text, false) {
			s.question = nil
		}
	case "l": // a letter alone says nothing: it may have been meant for a text
		q.sure = true
	case "enter":
		for sure && len(q.lines) > 0 && s.say(q.lines[0]) {
			q.lines = q.lines[1:]
		}
		if !sure {
			return nil
		}
		if q.text, q.one, q.why = strings.Join(q.lines, "\n"), false, s.notice; len(q.lines) == 0 {
			s.question = nil
		}
		return s.end()
	case "c", "esc", "ctrl+c", "ctrl+g":
		s.question = nil
		s.room().composer.killed = q.text
		s.tell("Ctrl-Y brings it back")
	}
	return nil
}
