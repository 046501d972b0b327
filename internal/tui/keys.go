package tui

import (
	"strings"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
)

// action is what a key does besides typing and editing. Commands are actions too.
type action struct {
	name string
	keys []string
	help string
	do   func(s *screen) tea.Cmd
}

// actions returns all actions that are not commands.
func actions() []action {
	return []action{
		{"next", []string{"ctrl+n", "alt+down"}, "the next room", func(s *screen) tea.Cmd { return s.show((s.rooms.current + 1) % len(s.rooms.all)) }},
		{"previous", []string{"ctrl+p", "alt+up"}, "the previous room", func(s *screen) tea.Cmd { return s.show((s.rooms.current + len(s.rooms.all) - 1) % len(s.rooms.all)) }},
		{"active", []string{"alt+a"}, "the next room with something new", (*screen).toActive},
		{"older", []string{"pgup"}, "older messages", func(s *screen) tea.Cmd { return s.room().timeline.move(-max(s.messageRows()-1, 1)) }},
		{"newer", []string{"pgdown"}, "newer messages", func(s *screen) tea.Cmd { return s.room().timeline.move(max(s.messageRows()-1, 1)) }},
		{"up", []string{"shift+up", "ctrl+up"}, "a line up", func(s *screen) tea.Cmd { return s.room().timeline.move(-1) }},
		{"down", []string{"shift+down", "ctrl+down"}, "a line down", func(s *screen) tea.Cmd { return s.room().timeline.move(1) }},
		{"newest", []string{"ctrl+end", "alt+>"}, "the newest message; so does End while scrolled back", func(s *screen) tea.Cmd { return s.room().timeline.end() }},
		{"new", []string{"alt+u"}, "the first unread message", func(s *screen) tea.Cmd { return s.room().timeline.toDivider() }},
		{"select", []string{"alt+v"}, "select a message, to reply, edit, delete or copy", (*screen).selectMessage},
		{"more", []string{"alt+e"}, "show long messages in full, or fold them", func(s *screen) tea.Cmd { s.room().timeline.toggleFolds(); return nil }},
		{"recall", []string{"ctrl+r"}, "search your messages", (*screen).startSearch},
		{"redraw", []string{"ctrl+l"}, "redraw the screen", func(*screen) tea.Cmd { return tea.ClearScreen }},
		{"suspend", []string{"ctrl+z"}, "suspend; fg resumes", (*screen).suspend},
	}
}

// key handles a key. Open parts come first: the question, the panel, the selection, the search, the commands. Then come the
// keys of the screen. The rest goes to the editor.
func (s *screen) key(msg tea.KeyPressMsg) tea.Cmd {
	key := pressed(msg.Key())
	if key != "ctrl+c" && key != "ctrl+d" {
		s.status.leaving = false
	}
	if s.composer.question != nil {
		s.composer.answerPaste(key)
		return nil
	}
	if s.panel != nil && s.panelKey(key) {
		return nil
	}
	if s.selecting() {
		if cmd, ok := s.selectionKey(key, msg.Text); ok {
			return cmd
		}
	}
	if s.composer.openKey(key, msg.Text) {
		return nil
	}
	if n, ok := strings.CutPrefix(key, "alt+"); ok && len(n) == 1 && n >= "1" && n <= "9" {
		return s.show(int(n[0] - '1'))
	}
	if name, ok := s.bindings[key]; ok {
		return s.perform(name)
	}
	if cmd, ok := s.rootKey(key); ok {
		return cmd
	}
	if s.room().editByUp(key) {
		return nil
	}
	if s.composer.key(key, msg.Text) {
		s.notifyTyping()
	}
	return nil
}

// panelKey passes a key to the panel, and reports whether it was handled.
func (s *screen) panelKey(key string) bool {
	chosen, closed, handled := s.panel.key(key, max(s.messageRows()-1, 1), !s.room().editor.empty(), s.now(), s.style)
	if closed {
		s.panel = nil
	}
	if chosen != nil {
		s.send(chosen)
	}
	return handled
}

// rootKey handles the keys that cannot be reassigned and are not for the editor, and reports whether it was one.
func (s *screen) rootKey(key string) (tea.Cmd, bool) {
	switch key {
	case "enter":
		s.composer.enter()
		return nil, true
	case "esc":
		s.escape()
		return nil, true
	case "ctrl+c":
		return s.interrupt(), true
	case "ctrl+d":
		if s.room().editor.empty() {
			return s.leave(), true
		}
	case "end":
		if t := &s.room().timeline; !t.atEnd() {
			return t.end(), true
		}
	}
	return nil, false
}

// notifyTyping shows others that a message is being written, unless it is a command.
func (s *screen) notifyTyping() {
	r := s.room()
	if r.timeline.joined && s.status.live && !s.composer.isCommand() {
		s.chat.Typing(r.name)
	}
}

// perform runs an action or a command by its name. A command that needs arguments is begun in the composer.
func (s *screen) perform(name string) tea.Cmd {
	for _, a := range actions() {
		if a.name == name {
			return a.do(s)
		}
	}
	for _, c := range allCommands() {
		if c.name == name {
			if c.needs {
				s.room().writing.edits = 0
				s.room().editor.stashFor("/" + c.name + " ")
				return nil
			}
			return c.do(s, "")
		}
	}
	return nil
}

// escape undoes one thing: a command that was begun, a paste that is being posted, the mark of a jump, failed messages, the
// divider, a notice.
func (s *screen) escape() {
	r := s.room()
	switch c := &r.editor; {
	case r.writing.edits > 0:
		if !r.editUnchanged() {
			c.killed = c.String()
			s.inform("Ctrl-Y brings it back")
		}
		r.endEdit()
	case c.stash != nil || s.composer.isCommand():
		if c.killDraft(); !beginsCommand(c.String()) {
			s.inform("Ctrl-Y brings it back")
		}
		c.clear()
		c.unstash()
	case r.writing.repliesTo > 0:
		r.writing.repliesTo = 0
	case r.lines.active():
		s.inform("%s", r.stopLines())
	case r.timeline.jumpTarget != 0:
		r.timeline.jumpTarget = 0
	case r.timeline.dismissFailed():
	case r.timeline.unreadDivider && r.allRead():
		r.timeline.unreadDivider = false
	default:
		s.send(clearNotice{})
	}
}

// interrupt clears the draft. If the draft is empty, the second press ends the screen.
func (s *screen) interrupt() tea.Cmd {
	r := s.room()
	c := &r.editor
	if !c.empty() {
		r.writing.edits = 0
		c.killed = c.clear()
		c.unstash()
		s.inform("Ctrl-Y brings it back")
		return nil
	}
	if r.writing != (writing{}) {
		r.writing = writing{}
		return nil
	}
	if s.status.leaving {
		return tea.Quit
	}
	s.status.leaving = true
	if n := s.rooms.sending(); n > 0 {
		s.warn("%s not saved yet; press Ctrl-C again to leave anyway", plural(n, "message is", "messages are"))
		return nil
	}
	s.inform("press Ctrl-C again to leave")
	return nil
}

// toActive shows the next room with a mention, or else the next with unread messages.
func (s *screen) toActive() tea.Cmd {
	i := s.rooms.nextActive()
	if i < 0 {
		s.inform("no unread messages in other rooms")
	}
	return s.show(i)
}

func (s *screen) toggleNumbers() tea.Cmd {
	s.numbers = !s.numbers
	s.rooms.restyle()
	return nil
}

// offline reports whether the connection is gone.
func (s *screen) offline() bool { return s.status.greeted && !s.status.live }

// startSearch searches the history. Without a connection and a draft, its key connects now.
func (s *screen) startSearch() tea.Cmd {
	if s.offline() && s.room().editor.empty() {
		s.retry()
		return nil
	}
	s.room().editor.startSearch()
	return nil
}

func (s *screen) suspend() tea.Cmd {
	if !s.Suspend {
		s.inform("nothing to suspend here; Ctrl-D leaves")
		return nil
	}
	s.attention.suspended, s.room().resumed = true, true
	return tea.Sequence(s.wheel.restore(), tea.Suspend)
}

// resume is called when the program continues after it was suspended. What arrived meanwhile is unread.
func (s *screen) resume() tea.Cmd {
	s.attention.suspended = false
	take := s.wheel.disable()
	if s.method != ansi.GraphemeWidth {
		return take
	}
	// The renderer switches the mode off when it stops, but not on again. What it has drawn since may be in the wrong
	// cells.
	return tea.Sequence(take, tea.Raw(ansi.SetModeUnicodeCore), tea.ClearScreen)
}
