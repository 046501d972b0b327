package tui

import (
	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
)

// alternateScroll is the mode in which a terminal makes Up and Down of the wheel of its mouse. What was said here before would
// come and go with it, in place of what is being written.
const alternateScroll = ansi.DECMode(1007)

// wheel keeps that mode off while the screen is on, where the terminal says that it is on: others have it off, or always on.
type wheel struct{ asked, on bool }

// reported takes the state of a mode. Only a terminal that has told of one, as bubbletea asks it to, is asked for this one:
// there are those that show the question.
func (w *wheel) reported(m tea.ModeReportMsg) tea.Cmd {
	switch {
	case m.Mode == alternateScroll && m.Value == ansi.ModeSet:
		w.on = true
		return w.disable()
	case m.Mode != alternateScroll && !w.asked:
		w.asked = true
		return tea.Raw(ansi.RequestMode(alternateScroll))
	}
	return nil
}

// disable and give are what switches the mode off, and on as it was; nil: it was off.
func (w *wheel) disable() tea.Cmd {
	if !w.on {
		return nil
	}
	return tea.Raw(ansi.ResetMode(alternateScroll))
}

func (w *wheel) restore() tea.Cmd {
	if !w.on {
		return nil
	}
	return tea.Raw(ansi.SetMode(alternateScroll))
}
