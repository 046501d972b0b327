package tui

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
)

// action is what a key does besides writing and editing. Commands are actions too.
type action struct {
	name string
	keys []string
	help string
	do   func(s *screen) tea.Cmd
}

// actions are all but the commands.
func actions() []action {
	return []action{
		{"next", []string{"ctrl+n", "alt+down"}, "the next room", func(s *screen) tea.Cmd { return s.show((s.rooms.current + 1) % len(s.rooms.all)) }},
		{"previous", []string{"ctrl+p", "alt+up"}, "the room before", func(s *screen) tea.Cmd { return s.show((s.rooms.current + len(s.rooms.all) - 1) % len(s.rooms.all)) }},
		{"active", []string{"alt+a"}, "the next room with something new", (*screen).toActive},
		{"older", []string{"pgup"}, "older messages", func(s *screen) tea.Cmd { return s.move(-max(s.messageRows()-1, 1)) }},
		{"newer", []string{"pgdown"}, "newer messages", func(s *screen) tea.Cmd { return s.move(max(s.messageRows()-1, 1)) }},
		{"up", []string{"shift+up", "ctrl+up"}, "a line up", func(s *screen) tea.Cmd { return s.move(-1) }},
		{"down", []string{"shift+down", "ctrl+down"}, "a line down", func(s *screen) tea.Cmd { return s.move(1) }},
		{"newest", []string{"ctrl+end", "alt+>"}, "the newest message; so does End while you look back", (*screen).end},
		{"new", []string{"alt+u"}, "the first unread message", (*screen).toUnread},
		{"recall", []string{"ctrl+r"}, "search your messages", (*screen).startSearch},
		{"redraw", []string{"ctrl+l"}, "redraw the screen", func(*screen) tea.Cmd { return tea.ClearScreen }},
		{"suspend", []string{"ctrl+z"}, "suspend; fg resumes", (*screen).suspend},
	}
}

// bindings are names of actions and commands by key.
type bindings map[string]string

// bind makes the table of keys: those of actions and commands, overridden by settings such as "who=alt+q".
func bind(wishes []string) (bindings, error) {
	keys := bindings{}
	var known []string
	add := func(name string, defaults []string) {
		known = append(known, name)
		for _, k := range defaults {
			keys[k] = name
		}
	}
	for _, a := range actions() {
		add(a.name, a.keys)
	}
	for _, c := range commands() {
		add(c.name, c.keys)
	}
	wished := map[string]string{}
	for _, wish := range wishes {
		name, key, ok := strings.Cut(wish, "=")
		if name, key = strings.TrimSpace(name), strings.ToLower(strings.TrimSpace(key)); !ok || key == "" {
			return nil, fmt.Errorf("invalid key setting %q (want, for example, who=alt+w)", wish)
		}
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("invalid key setting %q: unknown action %q (want one of %s)", wish, name, strings.Join(known, ", "))
		}
		if base, modifiers := bare(key); strings.HasSuffix(modifiers, "shift+") && len(base) == 1 && strings.Contains("`1234567890=[]\\;',/", base) {
			return nil, fmt.Errorf("invalid key setting %q: use the character that the key writes with Shift, as in alt+! for alt+shift+1", wish)
		}
		key = normal(key)
		if err := checkFree(key); err != nil {
			return nil, fmt.Errorf("invalid key setting %q: %w", wish, err)
		}
		if other, taken := wished[key]; taken && other != name {
			return nil, fmt.Errorf("invalid key setting %q: the key is also set for %s", wish, other)
		}
		wished[key] = name
		for k, n := range keys {
			if n == name {
				delete(keys, k)
			}
		}
		keys[key] = name
	}
	return keys, nil
}

// Keys that write nothing, and keys that cannot be assigned.
var (
	namedKeys    = strings.Fields("up down left right home end pgup pgdown insert delete backspace f1 f2 f3 f4 f5 f6 f7 f8 f9 f10 f11 f12")
	reservedKeys = strings.Fields("enter esc tab shift+tab space backspace ctrl+c ctrl+d ctrl+h ctrl+j")
)

// checkFree returns an error unless key can be assigned: it exists, in the spelling of a pressed key, it writes
// nothing, and the screen does not need it.
func checkFree(key string) error {
	base, modifiers := bare(key)
	held := modifiers != "" && modifiers != "shift+"
	character := utf8.RuneCountInString(base) == 1
	switch {
	case slices.Contains(reservedKeys, key) || character && !held || strings.HasPrefix(key, "alt+") && len(base) == 1 && base >= "1" && base <= "9":
		return errors.New("that key cannot be reassigned")
	case !character && !slices.Contains(namedKeys, base) && !slices.Contains(reservedKeys, base):
		return fmt.Errorf("unknown key (want a letter after ctrl+, alt+ or ctrl+alt+, or one of %s)", strings.Join(namedKeys, ", "))
	}
	return nil
}

// CheckKeys returns an error unless settings of keys are valid.
func CheckKeys(wishes []string) error {
	_, err := bind(wishes)
	return err
}

// keyOf returns the first key of an action as people write it.
func (b bindings) keyOf(name string) string {
	for _, k := range defaults(name) {
		if b[k] == name {
			return shownKey(k)
		}
	}
	for k, n := range b { // a wish, of which there is one
		if n == name {
			return shownKey(k)
		}
	}
	return ""
}

// defaults are the keys of an action or a command without settings.
func defaults(name string) []string {
	for _, a := range actions() {
		if a.name == name {
			return a.keys
		}
	}
	for _, c := range commands() {
		if c.name == name {
			return c.keys
		}
	}
	return nil
}

// shownKey is a key as people write it.
func shownKey(k string) string {
	parts := strings.Split(k, "+")
	for i, p := range parts {
		switch {
		case p == "pgup":
			parts[i] = "PgUp"
		case p == "pgdown":
			parts[i] = "PgDn"
		case p != "":
			parts[i] = strings.ToUpper(p[:1]) + p[1:]
		}
	}
	return strings.Join(parts, "-")
}

// key takes a key. Whatever is open comes first: the question, the panel, the search, the commands. Then come the keys
// of the screen. What is left is for the editor.
func (s *screen) key(msg tea.KeyPressMsg) tea.Cmd {
	key := pressed(msg.Key())
	if key != "ctrl+c" && key != "ctrl+d" {
		s.status.leaving = false
	}
	c := &s.room().editor
	if s.composer.question != nil {
		return s.composer.answerPaste(key)
	}
	if s.panel != nil {
		p := s.panel
		s.panel = nil // before a row is picked, which may open another
		cmd, closed, handled := p.key(key, max(s.messageRows()-1, 1), !c.empty(), s.Now(), s.style)
		if !closed {
			s.panel = p
		}
		if handled {
			return cmd
		}
	}
	if c.searching && !c.searchKey(key, msg.Text) {
		return nil
	}
	if key == "tab" || key == "shift+tab" {
		s.composer.complete(key == "tab")
		return nil
	}
	s.composer.completion = nil
	if cmd, ok := s.composer.paletteKey(key); ok {
		return cmd
	}
	if n, ok := strings.CutPrefix(key, "alt+"); ok && len(n) == 1 && n >= "1" && n <= "9" {
		return s.show(int(n[0] - '1'))
	}
	if name, ok := s.bindings[key]; ok {
		return s.perform(name)
	}
	switch key {
	case "enter":
		return s.composer.enter()
	case "esc":
		s.escape()
		return nil
	case "ctrl+c":
		return s.interrupt()
	case "ctrl+d":
		if c.empty() {
			return s.leave()
		}
	case "end":
		if r := s.room(); r.anchor != nil || r.jumping || r.jumpTargetAt != 0 {
			return s.end()
		}
	}
	if c.edit(key) {
		s.composer.chosen = 0
		return nil
	}
	if msg.Text != "" && !strings.HasPrefix(key, "alt+") {
		s.composer.insert(msg.Text, true)
		s.composer.chosen = 0
		s.notifyTyping()
	}
	return nil
}

// notifyTyping shows others that a message is being written, unless it is a command.
func (s *screen) notifyTyping() {
	r := s.room()
	if r.joined && s.status.live && !s.composer.isCommand() {
		s.chat.Typing(r.name)
	}
}

// perform does an action or a command by its name. A command that needs words is begun in the composer.
func (s *screen) perform(name string) tea.Cmd {
	for _, a := range actions() {
		if a.name == name {
			return a.do(s)
		}
	}
	for _, c := range commands() {
		if c.name == name {
			if c.needs {
				s.room().editor.stashFor("/" + c.name + " ")
				return nil
			}
			return c.do(s, "")
		}
	}
	return nil
}

// escape undoes one thing: a command that was begun, the mark of a jump, failed messages, the divider, a notice.
func (s *screen) escape() {
	r := s.room()
	switch c := &r.editor; {
	case c.stash != nil || s.composer.isCommand():
		if c.killDraft(); !beginsCommand(c.String()) {
			s.status.inform("Ctrl-Y brings it back")
		}
		c.clear()
		c.unstash()
	case r.jumpTarget != 0:
		r.jumpTarget = 0
	case r.dismissFailed():
	case r.unreadDivider && r.allRead():
		r.unreadDivider = false
	default:
		s.status.notice = ""
	}
}

// interrupt clears the draft. With an empty one, the second press ends the screen.
func (s *screen) interrupt() tea.Cmd {
	c := &s.room().editor
	if !c.empty() {
		c.killed = c.clear()
		c.unstash()
		s.status.inform("Ctrl-Y brings it back")
		return nil
	}
	if s.status.leaving {
		return tea.Quit
	}
	s.status.leaving = true
	if n := s.rooms.sending(); n > 0 {
		s.status.warn("%s not saved yet; press Ctrl-C again to leave anyway", plural(n, "message is", "messages are"))
		return nil
	}
	s.status.inform("press Ctrl-C again to leave")
	return nil
}

// toActive shows the next room with a mention, or else the next with unread messages.
func (s *screen) toActive() tea.Cmd {
	for _, busy := range []func(*room) bool{func(r *room) bool { return r.mentions > 0 }, func(r *room) bool { return r.unread() > 0 }} {
		for step := 1; step < len(s.rooms.all); step++ {
			if i := (s.rooms.current + step) % len(s.rooms.all); busy(s.rooms.all[i]) {
				return s.show(i)
			}
		}
	}
	s.status.inform("nothing is new in other rooms")
	return nil
}

func (s *screen) toggleNumbers() tea.Cmd {
	s.numbers = !s.numbers
	s.restyle()
	return nil
}

func (s *screen) startSearch() tea.Cmd {
	c := &s.room().editor
	c.searching, c.searchWords = true, ""
	c.search(len(c.history))
	return nil
}

func (s *screen) suspend() tea.Cmd {
	if !s.Suspend {
		s.status.inform("nothing to suspend here; Ctrl-D leaves")
		return nil
	}
	s.attention.suspended, s.attention.resumed = true, true
	return tea.Sequence(s.wheel.restore(), tea.Suspend)
}

// resume is called when the program continues after it was suspended. What arrived meanwhile is unread.
func (s *screen) resume() tea.Cmd {
	s.attention.suspended = false
	take := s.wheel.disable()
	if s.method != ansi.GraphemeWidth {
		return take
	}
	// The renderer switches the mode off when it stops, and not on again. What it has drawn by now may stand in wrong cells.
	return tea.Sequence(take, tea.Raw(ansi.SetModeUnicodeCore), tea.ClearScreen)
}

// missedWhileSuspended reports whether an item of the shown room may have arrived while the program was suspended: the
// first by others after that.
func (s *screen) missedWhileSuspended(it *item) bool {
	missed := s.attention.resumed && !it.own
	s.attention.resumed = s.attention.resumed && !missed
	return missed
}
