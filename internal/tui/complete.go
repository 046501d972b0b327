package tui

import (
	_ "embed"
	"slices"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"ramai/internal/commands"
	"ramai/wire"
)

// emoji has a line for each emoji, with its names. tools/page/vendor.mjs generates it from the page's data.
//
//go:embed emoji.txt
var emoji string

// completion is the state of a completion with Tab.
type completion struct {
	before, after string   // the text before and after the completed word
	labels        []string // the candidates, as shown
	texts         []string // the text that each candidate inserts
	at            int
}

const maxCandidates = 50

// complete completes the word before the cursor, or goes on to the next candidate.
func (c *composer) complete(forwards bool) {
	e := c.editor()
	if d := c.completion; d != nil {
		step := 1
		if !forwards {
			step = len(d.texts) - 1
		}
		d.at = (d.at + step) % len(d.texts)
	} else if c.completion = c.candidates(e); c.completion == nil {
		return
	}
	d := c.completion
	e.set(d.before + d.texts[d.at] + d.after)
	e.cursor = len(split(d.before + d.texts[d.at]))
	if len(d.texts) == 1 {
		c.completion = nil
	}
}

// candidates finds completions of the word before the cursor.
func (c *composer) candidates(e *editor) *completion {
	before := strings.Join(e.text[:e.cursor], "")
	word := before[strings.LastIndexAny(before, " \n")+1:]
	d := &completion{before: strings.TrimSuffix(before, word), after: strings.Join(e.text[e.cursor:], "")}
	add := func(shown, put string) {
		if !slices.Contains(d.texts, put) && len(d.texts) < maxCandidates {
			d.labels, d.texts = append(d.labels, shown), append(d.texts, put)
		}
	}
	name, args, ok := strings.Cut(before, " ")
	if shared := commands.Find(strings.TrimPrefix(name, "/")); ok && c.isCommand() && shared != nil {
		start, texts := shared.Complete(c.host(), args)
		d.before = name + " " + start
		for _, text := range texts {
			add(oneLine(text, c.method), text+" ")
		}
		if len(texts) > 0 {
			return d
		}
		return nil
	}
	switch {
	case d.before == "" && strings.HasPrefix(word, "/"):
		for _, command := range allCommands() {
			if strings.HasPrefix("/"+command.name, strings.ToLower(word)) && c.offers(command.name) {
				add("/"+command.name, "/"+command.name+" ")
			}
		}
	case d.before == "/join " || d.before == "/leave " || strings.HasPrefix(word, "#"):
		start := strings.ToLower(strings.TrimPrefix(word, "#"))
		for _, name := range c.roomNames() {
			if strings.HasPrefix(name, start) {
				add(name, strings.Repeat("#", len(word)-len(strings.TrimPrefix(word, "#")))+name+" ")
			}
		}
	case len(word) > 1 && word[0] == ':':
		emojiFor(word[1:], c.method, add)
	case word != "":
		c.nameFor(word, d.before == "", add)
	}
	if len(d.texts) == 0 {
		return nil
	}
	return d
}

// nameFor adds names that begin with word, latest speakers first. At the beginning of a text, a name addresses its owner.
func (c *composer) nameFor(word string, first bool, add func(shown, put string)) {
	r := c.shown()
	start, at := strings.CutPrefix(word, "@")
	for _, n := range r.people.known() {
		if n == c.self.name || len(n) < len(start) || !strings.EqualFold(n[:len(start)], start) {
			continue
		}
		put := "@" + n
		switch {
		case !at && first:
			put += ": "
		default:
			put += " "
		}
		add(oneLine(n, c.method), put)
	}
}

// emojiFor adds emoji by name: exact matches, then prefixes, then parts.
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

// matches returns the commands that match a draft that begins with a slash.
func (c *composer) matches() []command {
	word := strings.TrimPrefix(c.editor().String(), "/")
	if !c.isCommand() || strings.ContainsAny(word, " \n") {
		return nil
	}
	var fit []command
	for _, command := range allCommands() {
		if strings.HasPrefix(command.name, strings.ToLower(word)) && c.offers(command.name) {
			fit = append(fit, command)
		}
	}
	return fit
}

// offers reports whether a command is offered to this user: not if it is known that the role is too low for it.
func (c *composer) offers(name string) bool {
	command, role := commands.Find(name), c.shown().standing.role
	return command == nil || role == wire.RoleNone || role >= command.Needs
}

// paletteKey handles a key while commands are offered, and reports whether it was for them.
func (c *composer) paletteKey(key string) bool {
	fit := c.matches()
	if len(fit) == 0 {
		return false
	}
	c.chosen = min(c.chosen, len(fit)-1)
	switch key {
	case "up", "ctrl+p":
		c.chosen = (c.chosen + len(fit) - 1) % len(fit)
	case "down", "ctrl+n":
		c.chosen = (c.chosen + 1) % len(fit)
	case "enter":
		e := c.editor()
		if chosen := fit[c.chosen]; chosen.words != "" && e.String() != "/"+chosen.name {
			e.set("/" + chosen.name + " ")
		} else {
			c.send(commandLine{"/" + chosen.name})
		}
	default:
		return false
	}
	return true
}
