package tui

import (
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"
)

func (s *screen) help(string) tea.Cmd {
	s.openPanel(showPanel{panel: s.helpPanel()})
	return nil
}

// helpPanel lists keys and commands.
func (s *screen) helpPanel() *panel {
	p := &panel{title: "Keys and commands"}
	add := func(key, words, help string) {
		if s.width < narrow {
			if words != "" {
				key = words
			}
			p.rows = append(p.rows, row{before: []span{{text: key, kind: mention}, {text: " "}}, text: []span{{text: help, kind: dim}}})
			return
		}
		p.rows = append(p.rows, row{before: []span{{text: fmt.Sprintf("%-12s", key), kind: mention}, {text: fmt.Sprintf("%-19s", words)}}, text: []span{{text: help, kind: dim}}})
	}
	add("Enter", "", "post it")
	add("Alt-Enter", "", "a new line")
	add("Tab", "", "complete a name, a room, a command, an :emoji:")
	add("Alt-1 … 9", "", "the first room … the ninth")
	for _, a := range actions() {
		add(s.bindings.keyOf(a.name), "", a.help)
	}
	for _, c := range ownCommands() {
		add(s.bindings.keyOf(c.name), strings.TrimSpace("/"+c.name+" "+c.words), c.help)
	}
	for _, a := range messageActions() {
		add(a.key, "", a.help)
	}
	add("1 … 9", "", "vote in the selected poll")
	add("Up, Down", "", "edit your last message; your earlier messages")
	add("Ctrl-A E B F", "", "begin, end, back, forward; Alt-B, Alt-F by words")
	add("Ctrl-W U K", "", "cut a word, to the start, to the end")
	add("Ctrl-Y", "", "paste the text that was cut")
	add("Ctrl-_", "", "undo")
	add("Ctrl-D", "", "leave the chat")
	p.rows = append(p.rows, row{}, row{text: []span{{text: "For moderators", kind: mention}}})
	for _, c := range sharedCommands() {
		add(s.bindings.keyOf(c.name), strings.TrimSpace("/"+c.name+" "+c.words), c.help)
	}
	return p
}
