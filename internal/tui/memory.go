package tui

import (
	"reflect"
	"slices"
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"

	"ramai/client"
)

// State is what is remembered from one time to the next.
type State struct {
	Room  string      `json:"room"` // that was looked at
	Rooms []RoomState `json:"rooms"`
}

// RoomState is how far somebody is in a room.
type RoomState struct {
	Name      string   `json:"name"`
	HistoryID string   `json:"log"`
	Epoch     string   `json:"epoch,omitempty"` // in which Read was seen; empty: kept by an older program, which cannot prove it
	Read      uint64   `json:"read"`            // everything up to here was seen
	At        uint64   `json:"at,omitempty"`    // the message at the top of the view; 0: the view was at the end
	Draft     string   `json:"draft,omitempty"`
	Unsaved   []string `json:"unsaved,omitempty"` // said, and not confirmed
}

// StateStore keeps a Memory. Its methods are not called at the same time.
type StateStore interface {
	Load() State // empty if there is none
	Store(State)
}

const (
	keepEvery  = 30 * time.Second
	maxUnsaved = 256 << 10 // bytes of a room's texts that are kept; the newest are
	maxPlaces  = 8         // with those of other screens that are kept beside one's own
)

// merged is m as it is to be stored where another screen of the same person may have stored something since before, which
// is what was stored of m the last time, and loaded at first: what nobody has touched here stays as it is there.
func (m State) merged(before, loaded, stored State) State {
	out := State{Room: m.Room}
	for _, p := range m.Rooms {
		was, now := before.place(p.Name), stored.place(p.Name)
		p.mark(was, now)
		if untouched := p.Draft == "" || p.Draft == loaded.place(p.Name).Draft; untouched && p.Draft == was.Draft && now.Name != "" {
			p.Draft = now.Draft
		}
		p.Unsaved = slices.DeleteFunc(slices.Clone(p.Unsaved), func(text string) bool { // the other one knows what became of it
			return now.Name != "" && slices.Contains(was.Unsaved, text) && !slices.Contains(now.Unsaved, text)
		})
		for _, text := range now.Unsaved {
			if !slices.Contains(was.Unsaved, text) && !slices.Contains(p.Unsaved, text) {
				p.Unsaved = append(p.Unsaved, text)
			}
		}
		out.Rooms = append(out.Rooms, p)
	}
	for _, p := range stored.Rooms {
		if out.place(p.Name).Name == "" && before.place(p.Name).Name == "" && len(out.Rooms) < maxPlaces {
			out.Rooms = append(out.Rooms, p)
		}
	}
	return out
}

// mark makes the mark of what was read the one to be stored, where was and now are what was stored of the place. The further
// one is, within an epoch. Numbers of two epochs may be those of two histories: then the one that was moved is.
func (p *RoomState) mark(was, now RoomState) {
	moved := func(a, b RoomState) bool { return a.HistoryID != b.HistoryID || a.Epoch != b.Epoch || a.Read != b.Read }
	switch {
	case now.HistoryID != p.HistoryID:
	case now.Epoch == p.Epoch:
		p.Read = max(p.Read, now.Read)
	case !moved(*p, was) && moved(now, was):
		p.Epoch, p.Read = now.Epoch, now.Read
	}
}

// place returns what is remembered of a room.
func (m State) place(name string) RoomState {
	for _, p := range m.Rooms {
		if p.Name == name {
			return p
		}
	}
	return RoomState{}
}

// keeper stores what a screen is like, now and then and at its end.
type keeper struct {
	shelf StateStore

	mu     sync.Mutex
	loaded State // guarded by mu: what there was for this screen
	before State // guarded by mu: what was stored of it, or loaded for it
	ended  bool  // guarded by mu: the last was stored
}

// load returns what is remembered of the last time.
func (k *keeper) load() State {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.loaded = k.shelf.Load()
	k.before = k.loaded
	return k.loaded
}

// keep stores what has changed.
func (k *keeper) keep(m State, last bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	over := k.ended
	if k.ended = over || last; over || reflect.DeepEqual(m, k.before) {
		return
	}
	k.shelf.Store(m.merged(k.before, k.loaded, k.shelf.Load()))
	k.before = m
}

// keep is a message: it is time to.
type keep struct{}

// keepLater has what the screen is like stored in a while.
func (s *screen) keepLater() tea.Cmd {
	if s.keeper == nil || s.keeping {
		return nil
	}
	s.keeping = true
	return func() tea.Msg {
		timer := time.NewTimer(keepEvery)
		defer timer.Stop()
		select {
		case <-timer.C:
			return keep{}
		case <-s.ctx.Done():
			return nil
		}
	}
}

// keepNow is the answer to keep.
func (s *screen) keepNow() tea.Cmd {
	s.keeping = false
	m := s.memory()
	return func() tea.Msg {
		s.keeper.keep(m, false)
		return nil
	}
}

// memory is what is to be remembered.
func (s *screen) memory() State {
	m := State{Room: s.room().name}
	for _, r := range s.rooms {
		p := RoomState{Name: r.name, Draft: r.composer.draft(), Unsaved: r.unsaved(true)}
		p.Unsaved = latest(p.Unsaved, maxOutbox, maxUnsaved, func(s string) int { return len(s) })
		if !r.plain { // whose numbers begin anew each time
			p.HistoryID, p.Epoch, p.Read = r.historyID, r.epoch, r.read
			switch {
			case r.anchor != nil:
				p.At = r.anchor.n
			case !r.pendingJump:
				p.At = r.jumpTargetAt // it was never there
			}
		}
		m.Rooms = append(m.Rooms, p)
	}
	return m
}

// recall gives the rooms what is remembered of them.
func (s *screen) recall() {
	for _, p := range s.Memory.Rooms {
		i := s.indexOf(p.Name)
		if i < 0 {
			continue
		}
		r := s.rooms[i]
		if !r.plain {
			r.historyID, r.epoch, r.read, r.kept, r.jumpTargetAt = p.HistoryID, p.Epoch, p.Read, p.HistoryID != "", p.At
		}
		for _, text := range p.Unsaved {
			r.composer.remember(text)
			r.outbox = append(r.outbox, &item{at: s.Now(), text: text, own: true, state: client.Failed, why: "not confirmed last time; it may or may not have been saved"})
		}
		r.composer.text = split(p.Draft)
		r.composer.cursor = len(r.composer.text)
	}
}
