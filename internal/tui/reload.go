package tui

import (
	tea "charm.land/bubbletea/v2"

	"ramai/wire"
)

// settingsPage is a page of settings, for the room to take after a gap.
type settingsPage struct {
	ask        wire.StateRequest
	generation int
	page       wire.Settings
	err        error
}

// reloadSettings loads all settings of the room if some may have changed in a gap. Pages that are on their way are older
// than the gap and are dropped.
func (r *room) reloadSettings() tea.Cmd {
	r.settingsGeneration++
	if !r.timeline.joined || !r.timeline.replica.StaleSettings() {
		return nil
	}
	return r.askSettings("")
}

// askSettings asks for the settings that follow a key.
func (r *room) askSettings(after string) tea.Cmd {
	p := settingsPage{ask: wire.StateRequest{Room: r.name, After: after}, generation: r.settingsGeneration}
	ctx, chat := r.ctx, r.chat
	return func() tea.Msg {
		p.page, p.err = chat.Settings(ctx, p.ask)
		return p
	}
}

// settingsLoaded takes a page of settings, and asks for the next one. After an error, the settings stay as they are until the
// next gap or join: the connection is lost, or the server is an older one.
func (r *room) settingsLoaded(p settingsPage) tea.Cmd {
	if p.generation != r.settingsGeneration || p.err != nil {
		return nil
	}
	r.timeline.replica.AddSettings(p.ask, p.page)
	for _, it := range r.timeline.items {
		if it.marks.as == wire.Poll || it.marks.as == wire.Question {
			r.timeline.refresh(it.n)
		}
	}
	r.refreshSettings()
	if n := len(p.page.Settings); p.page.More && n > 0 {
		return r.askSettings(p.page.Settings[n-1].Key)
	}
	return nil
}
