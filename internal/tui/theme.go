package tui

import (
	"fmt"
	"image/color"
	"strings"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/ansi"
)

// Theme says for which background the screen is drawn.
type Theme string

// The themes. Auto asks the terminal.
const (
	Auto  Theme = "auto"
	Dark  Theme = "dark"
	Light Theme = "light"
)

// CheckTheme tells whether s is one.
func CheckTheme(s string) (Theme, error) {
	switch t := Theme(s); t {
	case Auto, Dark, Light:
		return t, nil
	}
	return "", fmt.Errorf("there is no theme %q; there are auto, dark and light", s)
}

// palette is how everything looks. Each look has a sign besides its colour, for who has none.
type palette struct {
	looks   [found + 1]lipgloss.Style
	names   []lipgloss.Style
	tab     lipgloss.Style // the room one is in
	other   lipgloss.Style // a room with nothing new
	fresh   lipgloss.Style // a room with something new
	calls   lipgloss.Style // a room where one is mentioned
	good    lipgloss.Style
	warn    lipgloss.Style
	rule    lipgloss.Style // a line across
	unread  lipgloss.Style
	chosen  lipgloss.Style
	key     lipgloss.Style
	strong  lipgloss.Style
	prompt  lipgloss.Style
	aimed   lipgloss.Style // the message that was jumped to
	colours bool
}

// Names have colours of like strength, so that none is louder; on 16 colours there are as many as can be read.
var (
	namesDark    = colours("75", "114", "180", "211", "141", "80", "222", "176", "109", "150", "216", "147")
	namesLight   = colours("25", "28", "94", "161", "55", "30", "130", "90", "24", "64", "124", "61")
	namesDark16  = colours("14", "10", "11", "13", "12", "9")
	namesLight16 = colours("4", "2", "5", "6", "1", "3")
)

func colours(codes ...string) (all []color.Color) {
	for _, c := range codes {
		all = append(all, lipgloss.Color(c))
	}
	return all
}

// paletteFor returns the colours for a background and what the terminal can do.
func paletteFor(dark bool, profile colorprofile.Profile) *palette {
	pick := func(onDark, onLight string) color.Color {
		if dark {
			return lipgloss.Color(onDark)
		}
		return lipgloss.Color(onLight)
	}
	names, soft := namesLight, pick("245", "243")
	switch few := profile <= colorprofile.ANSI; {
	case few && dark:
		names, soft = namesDark16, lipgloss.Color("7")
	case few:
		names, soft = namesLight16, lipgloss.Color("8")
	case dark:
		names = namesDark
	}
	style := lipgloss.NewStyle
	red, amber, green, blue := pick("203", "160"), pick("221", "130"), pick("108", "28"), pick("117", "25")
	if profile <= colorprofile.ANSI {
		red, amber, green, blue = pick("9", "1"), pick("11", "3"), pick("10", "2"), pick("14", "4")
	}
	p := &palette{
		tab:     style().Reverse(true).Bold(true),
		other:   style().Foreground(soft),
		fresh:   style().Bold(true),
		calls:   style().Bold(true).Foreground(amber),
		good:    style().Foreground(green),
		warn:    style().Foreground(amber).Bold(true),
		rule:    style().Foreground(pick("239", "250")),
		unread:  style().Foreground(red),
		chosen:  style().Reverse(true),
		key:     style().Bold(true),
		strong:  style().Bold(true),
		prompt:  style().Foreground(blue).Bold(true),
		aimed:   style().Foreground(amber).Bold(true),
		colours: profile > colorprofile.ASCII,
	}
	if profile <= colorprofile.ANSI {
		p.rule = style().Foreground(soft)
	}
	p.looks = [...]lipgloss.Style{
		plain:   style(),
		link:    style().Foreground(blue).Underline(true),
		code:    style().Foreground(pick("180", "94")),
		mention: style().Bold(true),
		mine:    style().Reverse(true).Bold(true),
		name:    style().Bold(true),
		dim:     style().Foreground(soft),
		bad:     style().Foreground(red),
		found:   style().Bold(true).Foreground(amber).Underline(true),
	}
	for _, c := range names {
		p.names = append(p.names, style().Foreground(c).Bold(true))
	}
	return p
}

// nameStyle is how a sender's name looks, each time.
func (p *palette) nameStyle(by string) lipgloss.Style {
	var n uint32
	for _, c := range []byte(by) {
		n = n*31 + uint32(c)
	}
	return p.names[n%uint32(len(p.names))]
}

// paint draws one line. by is whose name a span of that look is.
func (p *palette) paint(line []span, by string) string {
	var b strings.Builder
	for _, s := range line {
		style := p.looks[s.look]
		if s.look == name {
			style = p.nameStyle(by)
		}
		if s.href != "" {
			b.WriteString(ansi.SetHyperlink(s.href))
		}
		if s.look == plain {
			b.WriteString(s.text)
		} else {
			b.WriteString(style.Render(s.text))
		}
		if s.href != "" {
			b.WriteString(ansi.ResetHyperlink())
		}
	}
	return b.String()
}
