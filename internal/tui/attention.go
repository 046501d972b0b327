package tui

import (
	"time"

	tea "charm.land/bubbletea/v2"
)

// attention is whether anybody can see the screen, and calls this user if somebody else does.
type attention struct {
	*shared
	bell      bool // rings at a mention
	blurred   bool
	suspended bool      // since Ctrl-Z
	bellAt    time.Time // when the bell last rang
}

// present reports whether somebody sees the screen.
func (a *attention) present() bool { return !a.blurred && !a.suspended }

// update takes what the terminal reports about its user.
func (a *attention) update(msg tea.Msg) {
	switch msg.(type) {
	case tea.FocusMsg:
		a.blurred = false
	case tea.BlurMsg:
		a.blurred = true
	case tea.KeyPressMsg:
		a.suspended = false // it could not be
	}
}

// called rings the bell for the user.
func (a *attention) called(called) tea.Cmd {
	now := a.now()
	if !a.bell || now.Sub(a.bellAt) < betweenBells {
		return nil
	}
	a.bellAt = now
	return tea.Raw("\a")
}
