package tui

import (
	_ "embed"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
)

// emoji has a line for each: the emoji and its names. tools/page/vendor.mjs makes it, from what the page has too.
//
//go:embed emoji.txt
var emoji string

// completion is what Tab goes through.
type completion struct {
	head, tail string   // of the text, before and after what is completed
	shown      []string // the candidates, for people
	put        []string // and what each becomes
	at         int
}

const maxCandidates = 50

// tab completes what stands before the cursor, or goes on to the next candidate.
func (s *screen) tab(forwards bool) tea.Cmd {
	c := &s.room().composer
	if d := s.completed; d != nil {
		step := 1
		if !forwards {
			step = len(d.put) - 1
		}
		d.at = (d.at + step) % len(d.put)
	} else if s.completed = s.candidates(c); s.completed == nil {
		return nil
	}
	d := s.completed
	c.set(d.head + d.put[d.at] + d.tail)
	c.cursor = len(split(d.head + d.put[d.at]))
	if len(d.put) == 1 {
		s.completed = nil
	}
	return nil
}

// candidates finds what the word before the cursor may become.
func (s *screen) candidates(c *composer) *completion {
	before := strings.Join(c.text[:c.cursor], "")
	word := before[strings.LastIndexAny(before, " \n")+1:]
	d := &completion{head: strings.TrimSuffix(before, word), tail: strings.Join(c.text[c.cursor:], "")}
	add := func(shown, put string) {
		if !slices.Contains(d.put, put) && len(d.put) < maxCandidates {
			d.shown, d.put = append(d.shown, shown), append(d.put, put)
		}
	}
	switch {
	case d.head == "" && strings.HasPrefix(word, "/"):
		for _, command := range commands() {
			if strings.HasPrefix("/"+command.name, strings.ToLower(word)) {
				add("/"+command.name, "/"+command.name+" ")
			}
		}
	case d.head == "/join " || d.head == "/leave " || strings.HasPrefix(word, "#"):
		start := strings.ToLower(strings.TrimPrefix(word, "#"))
		for _, r := range s.rooms {
			if strings.HasPrefix(r.name, start) {
				add(r.name, strings.Repeat("#", len(word)-len(strings.TrimPrefix(word, "#")))+r.name+" ")
			}
		}
	case len(word) > 1 && word[0] == ':':
		emojiFor(word[1:], s.method, add)
	case word != "":
		s.nameFor(word, d.head == "", add)
	}
	if len(d.put) == 0 {
		return nil
	}
	return d
}

// nameFor finds names that begin like word: of those who spoke last first. At the beginning of a text a name is who it
// is for.
func (s *screen) nameFor(word string, first bool, add func(shown, put string)) {
	r := s.room()
	start, at := strings.CutPrefix(word, "@")
	for _, n := range slices.Concat(r.speakers, r.names) {
		if n == s.name || len(n) < len(start) || !strings.EqualFold(n[:len(start)], start) {
			continue
		}
		put := "@" + n
		switch {
		case !at && first:
			put += ": "
		default:
			put += " "
		}
		add(oneLine(n, s.method), put)
	}
}

// emojiFor finds emoji by their names, then by how those begin, then by what is in them.
func emojiFor(start string, method ansi.Method, add func(shown, put string)) {
	start = strings.ToLower(strings.TrimSuffix(start, ":"))
	for _, fits := range []func(name string) bool{
		func(name string) bool { return name == start },
		func(name string) bool { return strings.HasPrefix(name, start) },
		func(name string) bool { return len(start) > 2 && strings.Contains(name, start) },
	} {
		for line := range strings.Lines(emoji) {
			if !strings.Contains(line, start) {
				continue
			}
			words := strings.Fields(line)
			if i := slices.IndexFunc(words[1:], fits); i >= 0 {
				add(oneLine(words[0], method)+" "+words[1+i], words[0]+" ")
			}
		}
	}
}

// palette returns the commands that fit what was begun with a slash, or none if nothing was.
func (s *screen) palette() []command {
	word := strings.TrimPrefix(s.room().composer.String(), "/")
	if !s.commanding() || strings.ContainsAny(word, " \n") {
		return nil
	}
	var fit []command
	for _, c := range commands() {
		if strings.HasPrefix(c.name, strings.ToLower(word)) {
			fit = append(fit, c)
		}
	}
	return fit
}

// paletteKey takes a key while the palette is open, and tells whether it was for it.
func (s *screen) paletteKey(key string) (tea.Cmd, bool) {
	fit := s.palette()
	if len(fit) == 0 {
		return nil, false
	}
	s.chosen = min(s.chosen, len(fit)-1)
	switch key {
	case "up", "ctrl+p":
		s.chosen = (s.chosen + len(fit) - 1) % len(fit)
	case "down", "ctrl+n":
		s.chosen = (s.chosen + 1) % len(fit)
	case "enter":
		c := &s.room().composer
		if chosen := fit[s.chosen]; chosen.words != "" && c.String() != "/"+chosen.name {
			c.set("/" + chosen.name + " ")
		} else {
			return s.command("/" + chosen.name), true
		}
	default:
		return nil, false
	}
	return nil, true
}
