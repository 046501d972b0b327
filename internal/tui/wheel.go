package tui

import (
	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
)

// alternateScroll is the mode in which a terminal sends Up and Down for the mouse wheel. They would replace the draft with
// entries of the history.
const alternateScroll = ansi.DECMode(1007)

// wheel switches that mode off while the screen is on, if the terminal reports that it is set.
type wheel struct{ asked, on bool }

// reported handles the state of a mode. Only terminals that have answered another such query, which bubbletea sends, are
// asked for this mode: some print the query.
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

// disable switches the mode off and restore switches it on again. Both return nil if it was off.
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
