package tui

import (
	"strings"
	"time"
	"unicode/utf8"
)

// longPaste is how many characters can be pasted in one line without a question.
const longPaste = 500

// pasteQuestion asks what to do with a paste of several lines, or of one very long line.
type pasteQuestion struct {
	text       string
	lines      []string  // to be posted one by one, without empty ones
	fitsOne    bool      // it can be one message
	confirming bool      // Enter posts the lines one by one
	strayAt    time.Time // when a letter was typed that is not an answer
}

// strayPause is how long letters are ignored after a letter that is not an answer. Typing blindly answers nothing.
const strayPause = 500 * time.Millisecond

// paste handles pasted text, and reports whether it was accepted. A newline at its end is dropped, because Enter posts.
func (c *composer) paste(text string) bool {
	text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n")
	text = strings.TrimRight(sayable(text), "\n")
	if text == "" {
		return false
	}
	if len(text) >= maxPaste-utf8.UTFMax {
		c.warn("the paste was cut off after %d KiB", maxPaste>>10)
	}
	if q := c.question; q != nil { // another paste
		if len(q.text)+len(text) > maxPaste {
			c.warn("too much to paste at once")
			return false
		}
		text = q.text + "\n" + text
	}
	c.completion = nil
	if e := c.editor(); e.searching { // a search is one line
		line, _, _ := strings.Cut(text, "\n")
		e.searchWords += line
		e.search(len(e.history))
		return true
	}
	limit := c.self.limits.Text
	if limit == 0 {
		limit = 4000
	}
	if !strings.Contains(text, "\n") && utf8.RuneCountInString(text) <= longPaste {
		c.insert(text, false)
		return true
	}
	q := &pasteQuestion{text: text, fitsOne: len(text) <= limit}
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
	c.question = q
	return true
}

// sayable returns a text without characters that a message cannot contain.
func sayable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r >= 0x7f && r < 0xa0 {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\ufffd"))
}

// words returns the question.
func (q *pasteQuestion) words() string {
	what := plural(len(q.lines), "line", "lines")
	if !strings.Contains(q.text, "\n") {
		what = plural(utf8.RuneCountInString(q.text), "character", "characters")
	}
	switch {
	case q.confirming:
		return "Enter posts " + plural(len(q.lines), "message", "messages") + ", one after the other"
	case !q.fitsOne:
		return "pasted " + what + ": too much for one message"
	}
	return "pasted " + what
}

// insert inserts text at the cursor, and reports whether it fits.
func (c *composer) insert(text string, typed bool) bool {
	if !c.editor().insert(text, typed) {
		c.warn("too long for one message")
		return false
	}
	return true
}

// answerPaste handles a key as the answer to the question.
func (c *composer) answerPaste(key string) {
	q := c.question
	sure := q.confirming
	q.confirming = false
	key = strings.TrimPrefix(key, "shift+")
	if now := c.now(); utf8.RuneCountInString(key) == 1 && (!strings.Contains("olc", key) || now.Sub(q.strayAt) < strayPause) {
		q.strayAt = now
		return
	}
	switch key {
	case "o":
		if q.fitsOne && c.insert(q.text, false) {
			c.question = nil
		}
	case "l": // a letter alone posts nothing: it may have been meant for a text
		q.confirming = true
	case "enter":
		if sure {
			c.question = nil
			c.send(submitLines{q.lines})
		}
	case "c", "esc", "ctrl+c", "ctrl+g":
		c.question = nil
		c.editor().killed = q.text
		c.inform("Ctrl-Y brings it back")
	}
}
