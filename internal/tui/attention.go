package tui

import (
	"fmt"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
)

// Notify is a way to ask a terminal for a desktop notification.
type Notify string

// The kinds of notifications. A terminal cannot be asked which of them it supports.
const (
	NoNotification Notify = "none"
	OSC9           Notify = "osc9"   // iTerm2, kitty, WezTerm, Ghostty, Windows Terminal
	OSC777         Notify = "osc777" // foot, urxvt, WezTerm, Ghostty
)

// CheckNotify returns s as a Notify, or an error.
func CheckNotify(s string) (Notify, error) {
	switch n := Notify(s); n {
	case NoNotification, OSC9, OSC777:
		return n, nil
	}
	return "", fmt.Errorf("unknown kind of notification %q (want none, osc9 or osc777)", s)
}

// The title of the window is saved and restored by the terminal (xterm's CSI 22 and 23).
const (
	saveTitle    = "\x1b[22;2t"
	restoreTitle = "\x1b[23;2t"
)

// attention knows whether the user can see the screen, and alerts them to mentions.
type attention struct {
	*shared
	bell      bool // rings at a mention
	notify    Notify
	blurred   bool
	suspended bool      // since Ctrl-Z
	calledAt  time.Time // when this user was last called
}

// present reports whether the user sees the screen.
func (a *attention) present() bool { return !a.blurred && !a.suspended }

// update handles what the terminal reports about its user.
func (a *attention) update(msg tea.Msg) {
	switch msg.(type) {
	case tea.FocusMsg:
		a.blurred = false
	case tea.BlurMsg:
		a.blurred = true
	case tea.KeyPressMsg:
		a.suspended = false // suspending failed
	}
}

// called alerts the user: with the bell, and with a notification if the screen is not visible.
func (a *attention) called(m called) tea.Cmd {
	now := a.now()
	if now.Sub(a.calledAt) < betweenBells {
		return nil
	}
	a.calledAt = now
	var cmds []tea.Cmd
	if a.bell {
		cmds = append(cmds, tea.Raw("\a"))
	}
	if sequence := a.notification(m); sequence != "" && a.blurred {
		cmds = append(cmds, tea.Raw(sequence))
	}
	return tea.Batch(cmds...)
}

// maxNotification is the length of a notification's text in cells.
const maxNotification = 120

// notification returns the sequence for a notification. It carries text of others outside of the renderer's cells, so the
// text must not end the sequence or change its meaning: no control characters, and no number at the beginning, which OSC 9
// takes for another command.
func (a *attention) notification(m called) string {
	plain := func(s string, width int) string {
		s = strings.Map(func(r rune) rune {
			if r < ' ' || r >= 0x7f && r < 0xa0 || r == ';' {
				return ' '
			}
			return r
		}, oneLine(s, a.method))
		s, _ = fit(s, width, a.method)
		return s
	}
	title, text := plain(m.by+" in "+m.room, maxNotification), plain(m.text, maxNotification)
	switch a.notify {
	case OSC9:
		return "\x1b]9;ramai: " + title + ": " + text + "\x1b\\"
	case OSC777:
		return "\x1b]777;notify;ramai: " + title + ";" + text + "\x1b\\"
	}
	return ""
}
