package tui

import (
	"fmt"
	"hash/fnv"
	"io"
	"strings"

	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/ansi"
)

// Theme is the background that the colours are chosen for.
type Theme string

// The themes. Auto asks the terminal.
const (
	Auto  Theme = "auto"
	Dark  Theme = "dark"
	Light Theme = "light"
)

// CheckTheme returns s as a Theme, or an error.
func CheckTheme(s string) (Theme, error) {
	switch t := Theme(s); t {
	case Auto, Dark, Light:
		return t, nil
	}
	return "", fmt.Errorf("unknown theme %q (want auto, dark or light)", s)
}

// profileOf returns the colours that a terminal supports. Any value of NO_COLOR means none: https://no-color.org.
func profileOf(environ []string) colorprofile.Profile {
	profile := colorprofile.Env(environ)
	for _, v := range environ {
		if value, ok := strings.CutPrefix(v, "NO_COLOR="); ok && value != "" {
			return min(profile, colorprofile.ASCII)
		}
	}
	return profile
}

// palette is the style of everything. Everything that has a colour also has a sign, for people who cannot see the colour.
// The styles are ansi's, not lipgloss's, which splits underlined text into characters.
type palette struct {
	textStyles [alert + 1]ansi.Style
	names      []ansi.Style
	tab        ansi.Style // the current room
	other      ansi.Style // a room with nothing new
	fresh      ansi.Style // a room with something new
	calls      ansi.Style // a room with a mention
	good       ansi.Style
	warn       ansi.Style
	rule       ansi.Style // a horizontal rule
	unread     ansi.Style
	below      ansi.Style // news below a view that is scrolled back
	chosen     ansi.Style
	key        ansi.Style
	strong     ansi.Style
	prompt     ansi.Style
	target     ansi.Style // the target of a jump
	qr         ansi.Style // dark modules on light ones, whatever the background
	colours    bool
}

// Names have colours of similar contrast, so that none stands out; with 16 colours, only the readable ones are used.
var (
	namesDark    = []ansi.IndexedColor{75, 114, 180, 211, 141, 80, 222, 176, 109, 150, 216, 147}
	namesLight   = []ansi.IndexedColor{25, 28, 94, 161, 55, 30, 130, 90, 24, 64, 124, 61}
	namesDark16  = []ansi.IndexedColor{14, 10, 11, 13, 12}
	namesLight16 = []ansi.IndexedColor{4, 2, 5, 6}
)

// paletteFor returns the colours for a background and a terminal.
func paletteFor(dark bool, profile colorprofile.Profile) *palette {
	pick := func(onDark, onLight ansi.IndexedColor) ansi.IndexedColor {
		if dark {
			return onDark
		}
		return onLight
	}
	few := profile <= colorprofile.ANSI
	names := namesLight
	switch {
	case few && dark:
		names = namesDark16
	case few:
		names = namesLight16
	case dark:
		names = namesDark
	}
	style := func() ansi.Style { return ansi.NewStyle() }
	red, amber, green, blue := pick(203, 160), pick(221, 130), pick(108, 28), pick(117, 25)
	soft, thin, brown := style().ForegroundColor(pick(245, 243)), style().ForegroundColor(pick(239, 250)), pick(180, 94)
	if few { // the terminal decides how they look, so only strong ones are used, and faint for what matters less
		soft, thin, brown = style().Faint(), style().Faint(), pick(6, 5)
		red, amber, green, blue = pick(9, 1), pick(11, 3), pick(10, 2), pick(14, 4)
	}
	p := &palette{
		tab:     style().Reverse(true).Bold(),
		other:   soft,
		fresh:   style().Bold(),
		calls:   style().Bold().ForegroundColor(amber),
		good:    style().ForegroundColor(green),
		warn:    style().ForegroundColor(amber).Bold(),
		rule:    thin,
		unread:  style().ForegroundColor(red),
		below:   style().ForegroundColor(red).Bold(),
		chosen:  style().Reverse(true),
		key:     style().Bold(),
		strong:  style().Bold(),
		prompt:  style().ForegroundColor(blue).Bold(),
		target:  style().ForegroundColor(amber).Bold(),
		colours: profile > colorprofile.ASCII,
		qr:      style().ForegroundColor(ansi.IndexedColor(16)).BackgroundColor(ansi.IndexedColor(231)),
	}
	switch {
	case profile <= colorprofile.ASCII: // the text has the colour opposite to the background
		p.qr = style().Reverse(dark)
	case few:
		p.qr = style().ForegroundColor(ansi.Black).BackgroundColor(ansi.BrightWhite)
	}
	p.textStyles = [...]ansi.Style{
		plain:   style(),
		link:    style().ForegroundColor(blue).Underline(true),
		code:    style().ForegroundColor(brown),
		mention: style().Bold(),
		mine:    style().Reverse(true).Bold(),
		name:    style().Bold(),
		dim:     soft,
		bad:     style().ForegroundColor(red),
		found:   style().Bold().ForegroundColor(amber).Underline(true),
		alert:   style().Bold().ForegroundColor(amber),
	}
	if !p.colours {
		p.textStyles[code] = style().Italic(true)
	}
	for _, c := range names {
		p.names = append(p.names, style().ForegroundColor(c).Bold())
	}
	return p
}

// nameStyle returns the style of a sender's name, always the same.
func (p *palette) nameStyle(by string) ansi.Style {
	h := fnv.New32a()
	io.WriteString(h, by)
	return p.names[h.Sum32()%uint32(len(p.names))]
}

// paint draws one line. by is the sender of spans that are names.
func (p *palette) paint(line []span, by string) string {
	var b strings.Builder
	for _, s := range line {
		style := p.textStyles[s.kind]
		if s.kind == name {
			style = p.nameStyle(by)
		}
		if s.href != "" {
			b.WriteString(ansi.SetHyperlink(s.href))
		}
		if s.kind == plain {
			b.WriteString(s.text)
		} else {
			b.WriteString(style.Styled(s.text))
		}
		if s.href != "" {
			b.WriteString(ansi.ResetHyperlink())
		}
	}
	return b.String()
}
