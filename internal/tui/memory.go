package tui

import (
	"reflect"
	"slices"
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"

	"ramai/client"
)

// State is what a screen stores for its next run.
type State struct {
	Room  string      `json:"room"` // that was shown
	Rooms []RoomState `json:"rooms"`
}

// RoomState is the stored state of a room.
type RoomState struct {
	Name      string   `json:"name"`
	HistoryID string   `json:"log"`
	Epoch     string   `json:"epoch,omitempty"` // in which Read was seen; empty: stored by an older program, which cannot prove it
	Read      uint64   `json:"read"`            // everything up to here was seen
	At        uint64   `json:"at,omitempty"`    // the message at the top of the view; 0: the view was at the end
	Draft     string   `json:"draft,omitempty"`
	Unsaved   []string `json:"unsaved,omitempty"` // posted, but not confirmed
	History   []string `json:"history,omitempty"` // messages that Up and Ctrl-R recall, oldest first
}

// StateStore stores a State. Its methods are not called concurrently.
type StateStore interface {
	Load() State // empty if there is none
	Store(State)
}

const (
	saveInterval   = 30 * time.Second
	maxUnsaved     = 256 << 10 // bytes of a room's unsaved texts that are stored, newest first
	maxRecalled    = 200       // entries of the history of a room that are stored
	maxRecallSize  = 32 << 10  // and their size in bytes
	maxStoredRooms = 8         // including those of other screens that are kept beside one's own
)

// merged returns the state to store when another screen of the same person may have changed what is stored. before is what
// this screen stored last, loaded is what it started with. What did not change here stays as it is stored.
func (m State) merged(before, loaded, stored State) State {
	out := State{Room: m.Room}
	for _, p := range m.Rooms {
		was, now := before.room(p.Name), stored.room(p.Name)
		p.mergeRead(was, now)
		if untouched := p.Draft == "" || p.Draft == loaded.room(p.Name).Draft; untouched && p.Draft == was.Draft && now.Name != "" {
			p.Draft = now.Draft
		}
		p.Unsaved = slices.DeleteFunc(slices.Clone(p.Unsaved), func(text string) bool { // the other screen decides whether it is unsaved
			return now.Name != "" && slices.Contains(was.Unsaved, text) && !slices.Contains(now.Unsaved, text)
		})
		for _, text := range now.Unsaved {
			if !slices.Contains(was.Unsaved, text) && !slices.Contains(p.Unsaved, text) {
				p.Unsaved = append(p.Unsaved, text)
			}
		}
		p.History = mergeHistory(p.History, now.History)
		out.Rooms = append(out.Rooms, p)
	}
	for _, p := range stored.Rooms {
		if out.room(p.Name).Name == "" && before.room(p.Name).Name == "" && len(out.Rooms) < maxStoredRooms {
			out.Rooms = append(out.Rooms, p)
		}
	}
	return out
}

// mergeHistory puts the entries that another screen has stored before this screen's.
func mergeHistory(mine, stored []string) []string {
	if len(mine) == 0 {
		return mine
	}
	others := slices.DeleteFunc(slices.Clone(stored), func(text string) bool { return slices.Contains(mine, text) })
	return latest(append(others, mine...), maxRecalled, maxRecallSize, func(s string) int { return len(s) })
}

// mergeRead picks the read position to store: was is what this screen stored last, now is what is stored. Within an epoch
// it is the larger one. Numbers of different epochs may belong to different histories: then it is the one that has changed.
func (p *RoomState) mergeRead(was, now RoomState) {
	moved := func(a, b RoomState) bool { return a.HistoryID != b.HistoryID || a.Epoch != b.Epoch || a.Read != b.Read }
	switch {
	case now.HistoryID != p.HistoryID:
	case now.Epoch == p.Epoch:
		p.Read = max(p.Read, now.Read)
	case !moved(*p, was) && moved(now, was):
		p.Epoch, p.Read = now.Epoch, now.Read
	}
}

// room returns the stored state of a room.
func (m State) room(name string) RoomState {
	for _, p := range m.Rooms {
		if p.Name == name {
			return p
		}
	}
	return RoomState{}
}

// saver stores the state of a screen from time to time and at its end.
type saver struct {
	store StateStore

	mu         sync.Mutex
	loaded     State // guarded by mu: the state at the start of this screen
	lastStored State // guarded by mu: what this screen stored last, or loaded
	ended      bool  // guarded by mu: the last state was stored
}

// load returns the state of the last run.
func (k *saver) load() State {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.loaded = k.store.Load()
	k.lastStored = k.loaded
	return k.loaded
}

// save stores m if it has changed.
func (k *saver) save(m State, last bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	over := k.ended
	if k.ended = over || last; over || reflect.DeepEqual(m, k.lastStored) {
		return
	}
	k.store.Store(m.merged(k.lastStored, k.loaded, k.store.Load()))
	k.lastStored = m
}

// memory schedules storing the state of this screen.
type memory struct {
	saver     *saver // nil: nothing is stored
	scheduled bool   // a saveTick is scheduled
}

// saveTick is the message to store the state.
type saveTick struct{}

// scheduleSave stores the state after a while.
func (s *screen) scheduleSave() tea.Cmd {
	if s.memory.saver == nil || s.memory.scheduled {
		return nil
	}
	s.memory.scheduled = true
	ctx := s.ctx
	return func() tea.Msg {
		timer := time.NewTimer(saveInterval)
		defer timer.Stop()
		select {
		case <-timer.C:
			return saveTick{}
		case <-ctx.Done():
			return nil
		}
	}
}

// saveNow handles saveTick.
func (s *screen) saveNow() tea.Cmd {
	s.memory.scheduled = false
	m := s.snapshot()
	return func() tea.Msg {
		s.memory.saver.save(m, false)
		return nil
	}
}

// snapshot returns the state to store.
func (s *screen) snapshot() State {
	m := State{Room: s.room().name}
	for _, r := range s.rooms.all {
		p := r.snapshot()
		if s.KeepHistory {
			p.History = latest(slices.Clone(r.editor.history), maxRecalled, maxRecallSize, func(s string) int { return len(s) })
		}
		m.Rooms = append(m.Rooms, p)
	}
	return m
}

// snapshot returns the state of the room to store.
func (r *room) snapshot() RoomState {
	t := &r.timeline
	p := RoomState{Name: r.name, Draft: r.draft(), Unsaved: r.unsaved(true)}
	p.Unsaved = latest(p.Unsaved, maxOutbox, maxUnsaved, func(s string) int { return len(s) })
	if t.plain { // its numbers start again in each run
		return p
	}
	p.HistoryID, p.Epoch, p.Read = t.historyID, r.read.epoch, r.read.upTo
	switch {
	case t.anchor != nil:
		p.At = t.anchor.n
	case !t.pendingJump:
		p.At = t.jumpTargetAt // it never got there
	}
	return p
}

// restore applies the state of the last run.
func (l *roomList) restore(m State) {
	for _, p := range m.Rooms {
		if r := l.find(p.Name); r != nil {
			r.restore(p)
		}
	}
}

func (r *room) restore(p RoomState) {
	t := &r.timeline
	if !t.plain {
		t.historyID, r.read.epoch, r.read.upTo, r.read.remembered, t.jumpTargetAt = p.HistoryID, p.Epoch, p.Read, p.HistoryID != "", p.At
	}
	for _, text := range p.History {
		r.editor.remember(text)
	}
	for _, text := range p.Unsaved {
		r.editor.remember(text)
		t.outbox = append(t.outbox, &item{at: r.now(), text: text, own: true, state: client.Failed, reason: "not confirmed last time; it may or may not have been saved"})
	}
	r.editor.text = split(p.Draft)
	r.editor.cursor = len(r.editor.text)
}
