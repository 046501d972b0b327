package tui

import (
	"context"
	"errors"
	"slices"
	"time"

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

// settingsRetry asks for that page again.
type settingsRetry struct{ settingsPage }

// settingsRetryAfter is how long the room waits after an error before it asks again.
const settingsRetryAfter = 5 * time.Second

// reloadSettings loads all settings of the room if some may have changed in a gap. Pages that are on their way are older
// than the gap and are dropped.
func (r *room) reloadSettings() tea.Cmd {
	r.settingsGeneration++
	return r.askStale()
}

// askStale asks for all settings if some are not known.
func (r *room) askStale() tea.Cmd {
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

// settingsLoaded takes a page of settings, and asks for the next one, or after an error for the same one again.
func (r *room) settingsLoaded(p settingsPage) tea.Cmd {
	switch {
	case p.generation != r.settingsGeneration:
		return nil
	case p.err != nil && isFinal(p.err):
		return nil
	case p.err != nil:
		ctx, sleep := r.ctx, r.sleep
		return func() tea.Msg {
			sleep(ctx, settingsRetryAfter)
			return settingsRetry{p}
		}
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

// isFinal reports whether the server would answer a request for settings with this error again: it is an older one, or the user may not
// read them.
func isFinal(err error) bool {
	var coded *wire.CodedError
	return errors.As(err, &coded) && slices.Contains([]wire.Code{wire.BadFrame, wire.BadRequest, wire.NotAllowed}, coded.Code)
}

// sleep waits for a time, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
