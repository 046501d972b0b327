package tui

import (
	"time"

	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/ansi"
)

// display is the terminal as all models see it.
type display struct {
	width, height int
	dark          bool
	profile       colorprofile.Profile
	method        ansi.Method
	numbers       bool // of messages are shown in place of their times
	zone          *time.Location
	style         *style
}

func newDisplay(config Config) *display {
	d := &display{dark: config.Theme != Light, profile: profileOf(config.Environ), method: ansi.WcWidth,
		width: max(config.Width, 1), height: max(config.Height, 1), zone: config.Zone}
	if d.width == 1 {
		d.width, d.height = 80, 24
	}
	return d
}

// newStyle returns the style of the display as it is now.
func (d *display) newStyle(ownName string) *style {
	return &style{palette: paletteFor(d.dark, d.profile), method: d.method, width: d.width, numbers: d.numbers, ownName: ownName, zone: d.zone}
}

// wrapped breaks words into lines.
func (d *display) wrapped(words string, width int) (lines []string) {
	for _, line := range wrap([]span{{text: words}}, width, 0, d.method) {
		lines = append(lines, flat(line))
	}
	return lines
}
