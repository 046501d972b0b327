package tui

import (
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"

	"ramai/internal/commands"
)

// composer is the input area. It edits the draft of the room that is shown, completes words, offers matching commands, and
// asks what to do with a long paste.
type composer struct {
	*shared
	bindings  bindings
	shown     func() *room         // whose draft it edits
	roomNames func() []string      // to complete
	host      func() commands.Host // to complete, too

	question   *pasteQuestion // nil: no question is open
	completion *completion    // nil: Tab was not the last key
	chosen     int            // index among the matching commands
}

// editor is the draft of the room that is shown.
func (c *composer) editor() *editor { return &c.shown().editor }

// rows returns the height of the composer.
func (c *composer) rows() int {
	e := c.editor()
	if e.searching {
		return 1
	}
	rows, _, _ := e.lines(c.textWidth(), c.method)
	return max(min(len(rows), maxComposer, c.height/3), 1)
}

// textWidth returns the width of a row of the draft.
func (c *composer) textWidth() int { return max(c.width-3, 1) }

// completionLine lists the candidates, starting with the chosen one.
func (c *composer) completionLine() string {
	d := c.completion
	return "[" + d.labels[d.at] + "] " + strings.Join(append(append([]string{}, d.labels[d.at+1:]...), d.labels[:d.at]...), "  ")
}

// view draws the draft: height rows around the cursor.
func (c *composer) view(height int) ([]string, *tea.Cursor) {
	e := c.editor()
	prompt, rows, x, y := "› ", []string(nil), 0, 0
	if e.searching {
		prompt = "? "
		shown := e.searchWords
		if e.searchHit >= 0 {
			shown += "  → " + strings.ReplaceAll(e.history[e.searchHit], "\n", " ")
		}
		shown, _ = fit(oneLine(shown, c.method), c.textWidth(), c.method)
		rows, x = []string{shown}, c.method.StringWidth(oneLine(e.searchWords, c.method))
	} else {
		rows, x, y = e.lines(c.textWidth(), c.method)
	}
	from := max(min(y-height+1, len(rows)-height), 0)
	var out []string
	for i := from; i < len(rows) && len(out) < height; i++ {
		before := "  "
		if i == 0 {
			before = c.style.prompt.Styled(prompt)
		}
		out = append(out, before+rows[i])
	}
	if e.empty() && !e.searching {
		words, _ := fit(c.placeholder(), c.textWidth(), c.method)
		out[0] += c.style.textStyles[dim].Styled(words)
	}
	cursor := tea.NewCursor(min(x+2, c.width-1), y-from)
	// The shape of the cursor is the user's. bubbletea always sets one, and does not restore a blinking block at the end;
	// this value is none of its shapes, so the terminal's stays.
	cursor.Shape, cursor.Blink = tea.CursorBlock-1, false
	return out, cursor
}

// placeholder returns the text of an empty composer: the room, and the name of this user.
func (c *composer) placeholder() string {
	r, as := c.shown(), c.ownLabel()
	if why, blocked := r.blocked(); blocked {
		return c.refusalWords(why)
	}
	switch {
	case r.standing.closed != "":
		return r.standing.closed
	case c.width < narrow:
		return as
	}
	return strings.TrimSpace("say something in " + r.name + " " + as)
}

// paletteView draws the matching commands.
func (c *composer) paletteView(fit []command, height int) []string {
	chosen := min(c.chosen, len(fit)-1)
	from := max(min(chosen-height+1, len(fit)-height), 0)
	rows := []string{c.style.rule.Styled(strings.Repeat("─", c.width))}
	if height < len(fit) || c.height < forKeys {
		rows = nil
	}
	for i := from; i < len(fit) && i < from+height; i++ {
		command := fit[i]
		name := strings.TrimSpace("/" + command.name + " " + command.words)
		pad, key := " ", ""
		if c.width >= narrow {
			pad = strings.Repeat(" ", max(18-len(name), 1))
			key = fmt.Sprintf("%-7s", c.bindings.keyOf(command.name))
		}
		if i == chosen {
			line := " " + name + pad + key + command.help
			rows = append(rows, c.style.chosen.Styled(line+strings.Repeat(" ", max(c.width-c.method.StringWidth(line), 0))))
			continue
		}
		rows = append(rows, " "+c.style.strong.Styled(name)+pad+c.style.textStyles[dim].Styled(key+command.help))
	}
	return rows
}

// isCommand reports whether the draft is a command: it begins with one slash.
func (c *composer) isCommand() bool {
	text := c.editor().String()
	return strings.HasPrefix(text, "/") && !strings.HasPrefix(text, "//")
}

// enter posts the draft, or runs it if it is a command.
func (c *composer) enter() {
	e := c.editor()
	text := strings.TrimRight(e.String(), "\n")
	if strings.TrimSpace(text) == "" {
		return
	}
	if c.isCommand() {
		c.send(commandLine{text})
		return
	}
	c.send(submit{strings.TrimPrefix(text, "/")}) // two slashes post one
}

// openKey passes a key to what is open in the composer: the search of the history, a completion, the list of commands. It
// reports whether the key was handled.
func (c *composer) openKey(key, text string) bool {
	if e := c.editor(); e.searching && !e.searchKey(key, text) {
		return true
	}
	if key == "tab" || key == "shift+tab" {
		c.complete(key == "tab")
		return true
	}
	c.completion = nil
	return c.paletteKey(key)
}

// key passes a key to the editor, and reports whether it typed text.
func (c *composer) key(key, text string) (typed bool) {
	if e := c.editor(); key == "ctrl+y" && e.size()+len(e.killed) > maxDraft {
		c.paste(e.killed)
		return false
	} else if e.edit(key) {
		c.chosen = 0
		return false
	}
	if text == "" || strings.HasPrefix(key, "alt+") {
		return false
	}
	c.insert(text, true)
	c.chosen = 0
	return true
}
