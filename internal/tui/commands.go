package tui

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"ramai/client"
	"ramai/internal/commands"
	"ramai/internal/nearest"
	"ramai/wire"
)

// command is a word after a slash, with its keys.
type command struct {
	name  string
	words string // the arguments
	keys  []string
	help  string
	needs bool // arguments are required
	do    func(s *screen, words string) tea.Cmd
}

// allCommands returns all commands, in the order in which they are offered: those of the screen, and those that it shares with line mode.
func allCommands() []command { return append(ownCommands(), sharedCommands()...) }

func ownCommands() []command {
	return []command{
		{"join", "ROOM", []string{"alt+j"}, "go to a room", true, func(s *screen, words string) tea.Cmd { return s.join(words, 0) }},
		{"leave", "[ROOM]", []string{"alt+x"}, "leave this room, or another", false, (*screen).leaveRoom},
		{"name", "NAME", []string{"alt+n"}, "set your name; - releases it", true, (*screen).setName},
		{"who", "", []string{"alt+w"}, "who is here; /who AN lists names that begin with AN", false, (*screen).who},
		{"search", "WORDS", []string{"alt+s", "ctrl+s"}, "find messages, in all rooms", true, (*screen).search},
		{"history", "[N]", []string{"alt+h"}, "go to message N, or the oldest", false, (*screen).toNumber},
		{"last", "[N]", []string{"alt+l"}, "go to the newest, or N before it", false, (*screen).toLast},
		{"rooms", "", nil, "list the rooms of this server", false, (*screen).listRooms},
		{"link", "[N]", []string{"alt+k"}, "address and QR code of this room, or of message N", false, (*screen).link},
		{"me", "TEXT", []string{"alt+m"}, "post what you are doing", true, (*screen).me},
		{"reply", "[N] [TEXT]", nil, "reply to the newest message, or to message N", false, (*screen).reply},
		{"edit", "[N] [TEXT]", nil, "edit your last message, or message N", false, (*screen).edit},
		{"delete", "[N]", nil, "delete your last message, or message N", false, (*screen).delete},
		{"react", "[N] EMOJI", nil, "react to the newest message, or to message N; again takes it back", true, (*screen).react},
		{"upvote", "[N]", nil, "upvote the newest message, or message N; again takes it back", false, (*screen).upvote},
		{"ask", "TEXT", nil, "ask a question that others can upvote", true, (*screen).ask},
		{"questions", "", nil, "the questions of this room, those with the most upvotes first", false, (*screen).questions},
		{"answered", "[N]", nil, "mark the newest question, or question N, as answered", false, (*screen).answered},
		{"poll", "TEXT OPTIONS", nil, "take a vote: /poll Which day? | Monday | Tuesday", true, (*screen).poll},
		{"vote", "[N] OPTION", nil, "vote in the newest poll, or in poll N; again takes it back", true, (*screen).voteFor},
		{"close", "[N]", nil, "close the newest poll, or poll N", false, (*screen).closePoll},
		{"hide", "[N]", nil, "hide the votes of the poll until it is closed", false, (*screen).hidePoll},
		{"topic", "[TEXT]", nil, "set the topic of this room; - removes it", false, (*screen).setTopic},
		{"pin", "[N]", nil, "pin the newest message, or message N", false, (*screen).pin},
		{"unpin", "[N]", nil, "unpin the newest pinned message, or message N", false, (*screen).unpin},
		{"pins", "", nil, "the pinned messages", false, (*screen).listPins},
		{"stage", "[N]", nil, "show what is on stage, or put message N there; - removes it", false, (*screen).stage},
		{"numbers", "", []string{"alt+i"}, "show numbers instead of times", false, func(s *screen, _ string) tea.Cmd { return s.toggleNumbers() }},
		{"copy", "[N]", nil, "copy the newest message, or message N", false, (*screen).copyMessage},
		{"retry", "", nil, "connect now", false, func(s *screen, _ string) tea.Cmd { s.retry(); return nil }},
		{"help", "", []string{"f1"}, "all keys and commands", false, (*screen).help},
		{"quit", "", nil, "leave the chat", false, func(s *screen, _ string) tea.Cmd { return s.leave() }},
	}
}

// beginsCommand reports whether a text is a command or the beginning of one.
func beginsCommand(text string) bool {
	word, ok := strings.CutPrefix(text, "/")
	word, _, _ = strings.Cut(strings.ToLower(word), " ")
	return ok && slices.ContainsFunc(allCommands(), func(c command) bool { return strings.HasPrefix(c.name, word) })
}

// command runs a line that begins with a slash.
func (s *screen) command(line string) tea.Cmd {
	word, words, _ := strings.Cut(strings.TrimPrefix(line, "/"), " ")
	words = strings.TrimSpace(words)
	c := &s.room().editor
	name := strings.ToLower(word)
	if known, ok := otherNames[name]; ok {
		name = known
	} else if shared := commands.Find(name); shared != nil {
		name = shared.Name
	}
	for _, command := range allCommands() {
		if command.name != name {
			continue
		}
		if command.needs && words == "" {
			s.warn("/%s %s: %s", command.name, command.words, command.help)
			return nil
		}
		c.clear()
		c.unstash()
		s.room().writing.edits = 0
		if shared := commands.Find(name); words != "" && (shared == nil || !shared.Secret) {
			c.remember(line)
		}
		s.composer.chosen = 0
		return command.do(s, words)
	}
	s.warn("%s", unknownCommand(name, s.method))
	return nil
}

// otherNames maps the names of commands in other programs to ours.
var otherNames = map[string]string{"nick": "name", "part": "leave", "list": "rooms", "names": "who", "exit": "quit", "j": "join", "re": "reply", "del": "delete", "up": "upvote", "h": "help"}

// privately lists commands of other programs for private messages, which do not exist here. Their text must not be posted
// in the room.
var privately = []string{"msg", "query", "dm", "whisper", "w"}

// unknownCommand returns the notice about a command that does not exist.
func unknownCommand(name string, method ansi.Method) string {
	if slices.Contains(privately, name) {
		return "there are no private messages: everyone in a room reads what is posted there; @NAME mentions somebody"
	}
	words := "there is no command /" + oneLine(name, method)
	var known []string
	for _, c := range allCommands() {
		known = append(known, c.name)
	}
	for other := range otherNames {
		known = append(known, other)
	}
	for _, c := range commands.Table() {
		known = append(known, c.Also...)
	}
	if best := nearest.Word(name, known); best != "" {
		return words + "; did you mean /" + best + "?"
	}
	return words + "; // posts a line that begins with a slash"
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
		if r := s.rooms.all[i]; r.standing.closed != "" { // the user may have been given a role
			if err := s.chat.Join(name, wire.DefaultJoin); err != nil {
				s.warn("%s", reason(err, s.method))
			}
		}
		return s.show(i)
	}
	if s.plainOnly() {
		return nil
	}
	if err := wire.CheckRoom(name); err != nil {
		if like := wire.SuggestRoom(name); like != "" { // shorter than the reason, and enough
			s.warn("no room can have that name; try /join %s", like)
		} else {
			s.warn("%s", err.Reason)
		}
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
	} else if r.draft() != "" {
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

// number parses a message number, and warns if it is invalid.
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

// copyMessage writes a message to the clipboard of the terminal.
func (s *screen) copyMessage(words string) tea.Cmd {
	if !s.Clipboard {
		s.warn("/copy is off here; --clipboard turns it on")
		return nil
	}
	t := &s.room().timeline
	i := len(t.items) - 1
	for i >= 0 && t.items[i].note {
		i--
	}
	if words != "" {
		n, ok := s.number(words)
		if !ok {
			return nil
		}
		if i, ok = t.find(n); !ok {
			s.warn("message %s is not in memory; /history %d goes there", thousands(n), n)
			return nil
		}
	}
	if i < 0 {
		s.inform("no messages here yet")
		return nil
	}
	return s.copyItem(t.items[i])
}

// copyItem writes a message to the clipboard of the terminal.
func (s *screen) copyItem(it *item) tea.Cmd {
	s.inform("copied %s", plural(utf8.RuneCountInString(it.text), "character", "characters"))
	return tea.SetClipboard(client.Printable(it.text))
}

// retry connects now if there is no connection.
func (s *screen) retry() {
	if s.status.live {
		s.inform("already connected")
		return
	}
	s.chat.Retry()
}

func (s *screen) me(words string) tea.Cmd {
	r := s.room()
	if _, err := r.post(wire.Say{Text: "* " + words}); err != nil {
		s.warn("%v", err)
		r.editor.stashFor("/me " + words)
		return nil
	}
	return r.timeline.end()
}
