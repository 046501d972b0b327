package tui

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	tea "charm.land/bubbletea/v2"

	"ramai/wire"
)

// command is a word after a slash, and its keys.
type command struct {
	name  string
	words string // what may follow
	keys  []string
	help  string
	needs bool // there have to be words
	do    func(s *screen, words string) tea.Cmd
}

// commands are all, in the order in which they are offered.
func commands() []command {
	return []command{
		{"join", "ROOM", []string{"alt+j"}, "go to a room", true, func(s *screen, words string) tea.Cmd { return s.join(words, 0) }},
		{"leave", "[ROOM]", []string{"alt+x"}, "leave this room, or another", false, (*screen).leaveRoom},
		{"name", "NAME", []string{"alt+n"}, "take a name; - gives it up", true, (*screen).setName},
		{"who", "", []string{"alt+w"}, "who is here", false, (*screen).who},
		{"search", "WORDS", []string{"alt+s", "ctrl+s"}, "find messages, in all rooms", true, (*screen).search},
		{"history", "[N]", []string{"alt+h"}, "go to message N, or the oldest", false, (*screen).toNumber},
		{"last", "[N]", []string{"alt+l"}, "go to the newest, or N before it", false, (*screen).toLast},
		{"link", "[N]", []string{"alt+k"}, "the address of this room, or of message N", false, (*screen).link},
		{"me", "TEXT", []string{"alt+m"}, "say what you do", true, (*screen).me},
		{"numbers", "", []string{"alt+i"}, "show numbers instead of times", false, func(s *screen, _ string) tea.Cmd { return s.toggleNumbers() }},
		{"help", "", []string{"f1"}, "all keys and commands", false, (*screen).help},
		{"quit", "", nil, "leave the chat", false, func(s *screen, _ string) tea.Cmd { return s.leave() }},
	}
}

// beginsCommand reports whether a text is a command or the beginning of one.
func beginsCommand(text string) bool {
	word, ok := strings.CutPrefix(text, "/")
	word, _, _ = strings.Cut(strings.ToLower(word), " ")
	return ok && slices.ContainsFunc(commands(), func(c command) bool { return strings.HasPrefix(c.name, word) })
}

// command runs a line that begins with a slash.
func (s *screen) command(line string) tea.Cmd {
	word, words, _ := strings.Cut(strings.TrimPrefix(line, "/"), " ")
	words = strings.TrimSpace(words)
	c := &s.room().editor
	for _, command := range commands() {
		if command.name != strings.ToLower(word) {
			continue
		}
		if command.needs && words == "" {
			s.warn("/%s %s: %s", command.name, command.words, command.help)
			return nil
		}
		c.clear()
		c.unstash()
		if words != "" {
			c.remember(line)
		}
		s.composer.chosen = 0
		return command.do(s, words)
	}
	s.warn("there is no command /%s; two slashes say a line that begins with one", oneLine(word, s.method))
	return nil
}

// plainOnly warns and reports true if the server speaks the plain protocol.
func (s *screen) plainOnly() bool {
	if s.chat.Plain() {
		s.warn("this server has one room, no names and no history")
		return true
	}
	return false
}

// join shows a room, and joins it first if necessary. If n is not 0, it shows that message.
func (s *screen) join(name string, n uint64) tea.Cmd {
	name = strings.ToLower(strings.TrimPrefix(name, "#"))
	if i := s.rooms.index(name); i >= 0 {
		return s.show(i)
	}
	if s.plainOnly() {
		return nil
	}
	if err := wire.CheckRoom(name); err != nil {
		s.warn("%s", err.Reason)
		return nil
	}
	if limit := s.self.limits.Rooms; limit > 0 && len(s.rooms.all) >= limit {
		s.warn("this server allows %d rooms at once; /leave one first", limit)
		return nil
	}
	if err := s.chat.Join(name, wire.DefaultJoin); err != nil {
		s.warn("%s", reason(err, s.method))
		return nil
	}
	r := s.rooms.add(name)
	r.timeline.jumpTargetAt, r.timeline.pendingJump = n, n > 0
	return s.show(len(s.rooms.all) - 1)
}

func (s *screen) leaveRoom(name string) tea.Cmd {
	if s.plainOnly() {
		return nil
	}
	i := s.rooms.current
	if name = strings.ToLower(strings.TrimPrefix(name, "#")); name != "" {
		if i = s.rooms.index(name); i < 0 {
			s.warn("you are not in %s", oneLine(name, s.method))
			return nil
		}
	}
	if len(s.rooms.all) == 1 {
		s.inform("this is the only room; Ctrl-D leaves the chat")
		return nil
	}
	r := s.rooms.all[i]
	lost := ""
	if n := r.pending(); n > 0 {
		lost = plural(n, "message is", "messages are") + " not saved yet"
	} else if r.editor.draft() != "" {
		lost = "your draft would be lost"
	}
	if now := s.now(); lost != "" && now.Sub(r.warnedAt) >= warningTime {
		r.warnedAt = now
		s.warn("%s; /leave again leaves anyway", lost)
		return nil
	}
	name = r.name
	if err := s.chat.Leave(name); err != nil {
		s.warn("%s", reason(err, s.method))
		return nil
	}
	s.composer.completion = nil
	s.rooms.remove(i)
	s.inform("left %s", name)
	s.room().timeline.setRows(s.messageRows())
	return s.room().timeline.fill()
}

func (s *screen) setName(name string) tea.Cmd {
	if s.plainOnly() {
		return nil
	}
	if name == "-" {
		name = ""
	}
	if err := s.chat.SetName(name); err != nil {
		s.warn("%s", reason(err, s.method))
		return nil
	}
	s.self.renaming = true
	return nil
}

// number parses a message number, and warns if it is none.
func (s *screen) number(words string) (uint64, bool) {
	n, err := strconv.ParseUint(strings.ReplaceAll(strings.TrimPrefix(words, "#"), ",", ""), 10, 63)
	if err != nil {
		s.warn("invalid message number %s (want, for example, 150)", oneLine(words, s.method))
		return 0, false
	}
	return n, true
}

func (s *screen) toNumber(words string) tea.Cmd {
	if s.plainOnly() {
		return nil
	}
	t := &s.room().timeline
	n, ok := t.first, true
	if words != "" {
		n, ok = s.number(words)
	}
	switch {
	case !ok:
		return nil
	case t.head < t.first:
		s.inform("no messages here yet")
		return nil
	case words == "":
		return t.jump(n, withContext)
	}
	if n < t.first || n > t.head {
		s.warn("there is no message %s; there are %s to %s", thousands(n), thousands(t.first), thousands(t.head))
		return nil
	}
	return t.jump(n, marked)
}

func (s *screen) toLast(words string) tea.Cmd {
	t := &s.room().timeline
	if words == "" {
		return t.end()
	}
	n, ok := s.number(words)
	if !ok {
		return nil
	}
	if t.head < t.first || n == 0 {
		return t.end()
	}
	return t.jump(t.head-min(n, t.head)+1, withContext)
}

// link shows the address of the room or of a message.
func (s *screen) link(words string) tea.Cmd {
	r := s.room()
	address := url.URL{Scheme: "http", Host: s.Server.Host, Path: "/r/" + r.name}
	if s.Server.Scheme == "https" || s.Server.Scheme == "wss" {
		address.Scheme = "https"
	}
	if r.name == wire.Lobby {
		address.Path = "/"
	}
	if words != "" {
		n, ok := s.number(words)
		if !ok {
			return nil
		}
		address.Fragment = fmt.Sprintf("n%d", n)
	}
	s.openPanel(showPanel{panel: &panel{title: "The address of " + r.name, rows: []row{{text: []span{{text: address.String(), kind: link, href: address.String()}}}}}})
	return nil
}

func (s *screen) me(words string) tea.Cmd {
	r := s.room()
	if _, err := r.post("* " + words); err != nil {
		s.warn("%v", err)
		r.editor.stashFor("/me " + words)
		return nil
	}
	return r.timeline.end()
}

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
		p.rows = append(p.rows, row{before: []span{{text: fmt.Sprintf("%-12s", key), kind: mention}, {text: fmt.Sprintf("%-14s", words)}}, text: []span{{text: help, kind: dim}}})
	}
	add("Enter", "", "say it")
	add("Alt-Enter", "", "a new line")
	add("Tab", "", "complete a name, a room, a command, an :emoji:")
	add("Alt-1 … 9", "", "the first room … the ninth")
	for _, a := range actions() {
		add(s.bindings.keyOf(a.name), "", a.help)
	}
	for _, c := range commands() {
		add(s.bindings.keyOf(c.name), strings.TrimSpace("/"+c.name+" "+c.words), c.help)
	}
	add("Up, Down", "", "your earlier messages")
	add("Ctrl-A E B F", "", "begin, end, back, forward; Alt-B, Alt-F by words")
	add("Ctrl-W U K", "", "cut a word, to the start, to the end")
	add("Ctrl-Y", "", "put back what was cut")
	add("Ctrl-_", "", "undo")
	add("Ctrl-D", "", "leave the chat")
	return p
}
