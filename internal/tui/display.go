package tui

import (
	"context"
	"fmt"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/ansi"
)

// shared is what all models of a screen share. Models do not know each other: they send messages, which the screen routes.
type shared struct {
	display
	self self
	chat chat
	ctx  context.Context // ends with the screen
	now  func() time.Time

	sleep func(ctx context.Context, d time.Duration)

	queue []tea.Msg // sent and not yet routed
}

// send queues a message for another model.
func (h *shared) send(msg tea.Msg) { h.queue = append(h.queue, msg) }

// next removes the oldest message from the queue; nil: there is none.
func (h *shared) next() (msg tea.Msg) {
	if len(h.queue) > 0 {
		msg, h.queue = h.queue[0], h.queue[1:]
	}
	return msg
}

// inform shows a notice for a while, and warn shows an error. Text of others in it must be clean.
func (h *shared) inform(format string, args ...any) {
	h.send(notice{text: fmt.Sprintf(format, args...)})
}

func (h *shared) warn(format string, args ...any) {
	h.send(notice{text: fmt.Sprintf(format, args...), isError: true})
}

// restyle creates a new style. Everything is rendered again.
func (h *shared) restyle() {
	h.style = &style{palette: paletteFor(h.dark, h.profile), method: h.method, width: h.width, numbers: h.numbers, zone: h.zone,
		formats: h.formats, moreKey: h.moreKey, ownName: h.self.name, ownID: h.self.senderID}
}

// What models send to each other.
type (
	notice struct { // to the status
		text    string // clean
		isError bool
	}
	clearNotice struct{}                 // to the status
	submit      struct{ text string }    // to the room that is shown: post this
	submitLines struct{ lines []string } // to the room that is shown: post these, one by one
	commandLine struct{ line string }    // to the screen: run this command
	showPanel   struct {                 // to the screen
		panel *panel
		late  bool // the server's answer opens it, not a key
	}
	goTo struct { // to the screen: show a room and a message of it
		room string
		n    uint64
	}
	called struct { // to the attention: somebody has mentioned this user
		room, by string // by is clean
		text     string // as received
	}
)

// display is the terminal as all models see it.
type display struct {
	total         int // columns of the terminal
	width, height int // without the sidebar
	dark          bool
	profile       colorprofile.Profile
	method        ansi.Method
	numbers       bool // show the numbers of messages in place of their times
	zone          *time.Location
	formats       formats
	moreKey       string // the key that shows long messages in full
	style         *style
}

func newDisplay(config Config) display {
	d := display{dark: config.Theme != Light, profile: profileOf(config.Environ), method: ansi.WcWidth, zone: config.Zone, formats: formatsOf(config.Environ)}
	if d.setSize(80, 24); config.Width > 1 {
		d.setSize(config.Width, config.Height)
	}
	return d
}
