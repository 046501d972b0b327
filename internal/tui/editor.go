package tui

import (
	"slices"
	"strings"

	"github.com/charmbracelet/x/ansi"
)

// editor edits the draft of a room and has the history of posted texts. It works on user-perceived characters, with the
// keys of readline.
type editor struct {
	text       []string   // user-perceived characters
	cursor     int        // 0 to len(text)
	killed     string     // the text that yank inserts
	appendKill bool       // the last key cut text into killed, and another one appends to it
	undoStack  []snapshot // for undo, oldest first
	typing     bool       // the last change was typing; undo takes back adjacent typing as one change

	history       []string // messages posted here, oldest first
	historyAt     int      // index of the entry in text; len(history): none
	beforeHistory []string // text before history was used

	// Search in history: the words, and the entry that contains them.
	searching   bool
	searchWords string
	searchHit   int // -1: none

	stash *snapshot // a draft that was replaced by a command
}

type snapshot struct {
	text   []string
	cursor int
}

const (
	maxHistory = 500
	maxUndo    = 200
	maxDraft   = 16 << 10 // bytes of a text: the maximum that any server accepts
	maxKept    = 64 << 10 // total size of what undo keeps, in characters, and of the history, in bytes
)

// split splits a text into user-perceived characters.
func split(s string) (all []string) {
	s = strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\r", "\n")
	for len(s) > 0 {
		cluster, _ := ansi.FirstGraphemeCluster(s, ansi.GraphemeWidth)
		if len(cluster) == 0 {
			break
		}
		all, s = append(all, cluster), s[len(cluster):]
	}
	return all
}

func (c *editor) String() string { return strings.Join(c.text, "") }

func (c *editor) empty() bool { return len(c.text) == 0 }

// save saves the text for undo.
func (c *editor) save(typing bool) {
	if typing && c.typing && len(c.undoStack) > 0 {
		return
	}
	c.typing = typing
	c.undoStack = append(c.undoStack, snapshot{slices.Clone(c.text), c.cursor})
	c.undoStack = latest(c.undoStack, maxUndo, maxKept, func(s snapshot) int { return len(s.text) })
}

// latest returns the end of all: at most most entries of total size room, but always at least the last one.
func latest[T any](all []T, most, room int, size func(T) int) []T {
	kept := 0
	for i, one := range slices.Backward(all) {
		if kept += size(one); i < len(all)-1 && (kept > room || len(all)-i > most) {
			return slices.Delete(all, 0, i+1)
		}
	}
	return all
}

func (c *editor) undo() {
	if last := len(c.undoStack) - 1; last >= 0 {
		c.text, c.cursor = c.undoStack[last].text, c.undoStack[last].cursor
		c.undoStack, c.typing = c.undoStack[:last], false
	}
}

// set replaces the text.
func (c *editor) set(s string) {
	c.save(false)
	c.text = split(s)
	c.cursor = len(c.text)
}

// size is the length of the text in bytes.
func (c *editor) size() (bytes int) {
	for _, character := range c.text {
		bytes += len(character)
	}
	return bytes
}

// insert inserts s at the cursor if it fits. It may combine with the character before it.
func (c *editor) insert(s string, typed bool) bool {
	if c.size()+len(s) > maxDraft {
		return false
	}
	c.appendKill = false
	c.save(typed && s != " " && s != "\n")
	before := strings.Join(c.text[:c.cursor], "") + s
	head := split(before)
	c.text = split(before + strings.Join(c.text[c.cursor:], ""))
	c.cursor = min(len(head), len(c.text))
	return true
}

// cut removes the characters from i to j. If kill is set, yank restores them.
func (c *editor) cut(i, j int, kill bool) {
	if i = max(i, 0); i >= j {
		return
	}
	c.save(false)
	if kill {
		cut, more := strings.Join(c.text[i:j], ""), c.appendKill
		switch {
		case !more:
			c.killed = cut
		case i < c.cursor: // backwards
			c.killed = cut + c.killed
		default:
			c.killed += cut
		}
		c.appendKill = true
	}
	c.text = slices.Delete(c.text, i, j)
	c.cursor = i
}

// clear empties the editor and returns its text. A draft that the history had replaced is stashed for unstash.
func (c *editor) clear() string {
	s := c.String()
	c.text, c.cursor, c.undoStack, c.appendKill = nil, 0, nil, false
	if c.historyAt < len(c.history) && len(c.beforeHistory) > 0 { // a draft existed before the history was used
		if c.stash == nil {
			c.stash = &snapshot{c.beforeHistory, len(c.beforeHistory)}
		} else {
			c.killed = strings.Join(c.beforeHistory, "")
		}
	}
	c.historyAt, c.beforeHistory = len(c.history), nil
	return s
}

// line returns the bounds of the cursor's line.
func (c *editor) line() (from, to int) {
	for from = c.cursor; from > 0 && c.text[from-1] != "\n"; from-- {
	}
	for to = c.cursor; to < len(c.text) && c.text[to] != "\n"; to++ {
	}
	return from, to
}

func word(s string) bool {
	for _, r := range s {
		return wordRune(r)
	}
	return false
}

func (c *editor) wordLeft() int {
	i := c.cursor
	for ; i > 0 && !word(c.text[i-1]); i-- {
	}
	for ; i > 0 && word(c.text[i-1]); i-- {
	}
	return i
}

func (c *editor) wordRight() int {
	i := c.cursor
	for ; i < len(c.text) && !word(c.text[i]); i++ {
	}
	for ; i < len(c.text) && word(c.text[i]); i++ {
	}
	return i
}

// bigWordLeft returns the beginning of the word between spaces, for Ctrl-W.
func (c *editor) bigWordLeft() int {
	space := func(s string) bool { return s == " " || s == "\n" || s == "\t" }
	i := c.cursor
	for ; i > 0 && space(c.text[i-1]); i-- {
	}
	for ; i > 0 && !space(c.text[i-1]); i-- {
	}
	return i
}

// killers are the keys that cut text for yank. Consecutive cuts form one text.
var killers = []string{"ctrl+w", "alt+backspace", "ctrl+backspace", "alt+d", "alt+delete", "ctrl+delete", "ctrl+u", "ctrl+k"}

// edit handles a readline key, and reports whether it is one.
func (c *editor) edit(key string) bool {
	if !slices.Contains(killers, key) {
		c.appendKill = false
	}
	if !c.move(key) && !c.remove(key) && !c.change(key) {
		return false
	}
	if key != "ctrl+y" {
		c.typing = false
	}
	return true
}

// move handles a key that moves the cursor or shows another entry of the history.
func (c *editor) move(key string) bool {
	from, to := c.line()
	switch key {
	case "left", "ctrl+b":
		c.cursor = max(c.cursor-1, 0)
	case "right", "ctrl+f":
		c.cursor = min(c.cursor+1, len(c.text))
	case "alt+left", "ctrl+left", "alt+b":
		c.cursor = c.wordLeft()
	case "alt+right", "ctrl+right", "alt+f":
		c.cursor = c.wordRight()
	case "home", "ctrl+a":
		c.cursor = from
	case "end", "ctrl+e":
		c.cursor = to
	case "up":
		if from > 0 {
			c.vertical(-1)
		} else {
			c.recall(-1)
		}
	case "down":
		if to < len(c.text) {
			c.vertical(1)
		} else {
			c.recall(1)
		}
	default:
		return false
	}
	return true
}

// remove handles a key that cuts text.
func (c *editor) remove(key string) bool {
	from, to := c.line()
	switch key {
	case "backspace", "ctrl+h", "shift+backspace":
		c.cut(c.cursor-1, c.cursor, false)
	case "delete", "ctrl+d":
		c.cut(c.cursor, min(c.cursor+1, len(c.text)), false)
	case "ctrl+w":
		c.cut(c.bigWordLeft(), c.cursor, true)
	case "alt+backspace", "ctrl+backspace":
		c.cut(c.wordLeft(), c.cursor, true)
	case "alt+d", "alt+delete", "ctrl+delete":
		c.cut(c.cursor, c.wordRight(), true)
	case "ctrl+u":
		c.cut(from, c.cursor, true)
	case "ctrl+k":
		if to == c.cursor {
			to = min(to+1, len(c.text)) // the end of the line itself
		}
		c.cut(c.cursor, to, true)
	default:
		return false
	}
	return true
}

// change handles a key that changes the text in another way.
func (c *editor) change(key string) bool {
	switch key {
	case "ctrl+y":
		c.insert(c.killed, false)
	case "ctrl+t":
		if i := min(c.cursor, len(c.text)-1); i > 0 {
			c.save(false)
			c.text[i-1], c.text[i] = c.text[i], c.text[i-1]
			c.cursor = i + 1
		}
	case "ctrl+_", "ctrl+/", "ctrl+7":
		c.undo()
	case "alt+enter", "shift+enter", "ctrl+j":
		c.insert("\n", false)
	default:
		return false
	}
	return true
}

// vertical moves the cursor to the line above or below.
func (c *editor) vertical(by int) {
	from, to := c.line()
	column := c.cursor - from
	if by < 0 {
		c.cursor = from - 1
	} else {
		c.cursor = to + 1
	}
	from, to = c.line()
	c.cursor = min(from+column, to)
}

// stashFor saves the draft while a command is typed; unstash restores it. A command that was begun is kept for yank.
func (c *editor) stashFor(command string) {
	switch {
	case c.empty():
	case c.stash == nil && !beginsCommand(c.String()):
		c.stash = &snapshot{c.text, c.cursor}
	default:
		c.killDraft()
	}
	c.text = split(command)
	c.cursor, c.appendKill = len(c.text), false
}

// killDraft keeps the draft for yank, unless it is a command without arguments.
func (c *editor) killDraft() {
	if text := c.String(); !beginsCommand(text) || strings.Contains(strings.TrimSpace(text), " ") {
		c.killed = text
	}
}

func (c *editor) unstash() {
	if c.stash != nil {
		c.text, c.cursor, c.stash = c.stash.text, c.stash.cursor, nil
	}
}

// draft returns the text that was begun and not posted.
func (c *editor) draft() string {
	if c.stash != nil {
		return strings.Join(c.stash.text, "")
	}
	if c.recalled() {
		return strings.Join(c.beforeHistory, "")
	}
	return c.String()
}

// lines returns the text in rows of width cells, and the cursor's position.
func (c *editor) lines(width int, method ansi.Method) (rows []string, x, y int) {
	var row strings.Builder
	used := 0
	next := func() {
		rows = append(rows, row.String())
		row.Reset()
		used = 0
	}
	for i, s := range c.text {
		shown, w := "", 0
		if s != "\n" {
			shown = oneLine(s, method)
			w = method.StringWidth(shown)
			if w == 0 {
				shown = ""
			}
			if used+w > width {
				next()
			}
		}
		if i == c.cursor {
			x, y = used, len(rows)
		}
		if s == "\n" {
			next()
			continue
		}
		row.WriteString(shown)
		used += w
	}
	if used >= width {
		next()
	}
	if c.cursor == len(c.text) {
		x, y = used, len(rows)
	}
	next()
	return rows, x, y
}
