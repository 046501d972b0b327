package tui

import (
	"slices"
	"time"

	tea "charm.land/bubbletea/v2"

	"ramai/client"
	"ramai/internal/commands"
	"ramai/wire"
)

// room is one room on the screen: its timeline, who is in it, how far it was read, and its draft. It handles the events of
// the room.
type room struct {
	*shared
	name     string
	timeline timeline
	people   people
	read     readMark
	editor   editor
	lines    lineQueue
	writing  writing
	settings roomSettings

	standing           standing                 // of this user
	commandChanges     map[string]commandChange // by their ids
	lastErasure        uint64                   // of this user; 0: none in this run
	settingsGeneration int                      // counts joins and gaps: pages of settings from before are dropped

	watched     bool      // the user sees what arrives here
	resumed     bool      // the program was suspended, and no message by others has arrived since
	serverEpoch string    // of what the server sends now
	last        int       // number of old messages requested by the first join
	warnedAt    time.Time // when /leave warned about losses

	openedModerators bool // the room of its moderators was opened beside it
}

// people are those in a room.
type people struct {
	present  int
	names    []string
	speakers []string        // latest first
	senders  commands.People // of the messages that have been in memory
	typing   []wire.Sender
}

// known returns the names that can be mentioned.
func (p *people) known() []string { return slices.Concat(p.speakers, p.names) }

func newRoom(h *shared, name string) *room {
	r := &room{shared: h, name: name, last: wire.DefaultJoin}
	r.timeline = timeline{shared: h, name: name, plain: h.chat.Plain(), attached: true, first: 1, people: &r.people}
	return r
}

// update handles an event of the room.
func (r *room) update(msg any) tea.Cmd {
	if f, ok := msg.(wire.RoomFrame); ok {
		if _, joins := f.(wire.Joined); joins || r.timeline.joined { // others are of a time before the room was left and joined again
			r.timeline.replica.Apply(f)
		}
	}
	switch msg := msg.(type) {
	case wire.Joined:
		return r.joined(msg)
	case wire.Left:
		r.left(msg)
	case wire.OwnRole:
		r.ownRole(msg)
	case wire.Epoch:
		r.serverEpoch = msg.Epoch
	case wire.Message:
		r.message(msg)
	case client.Line:
		r.line(msg)
	case client.Sent:
		return r.sent(msg)
	case wire.Presence:
		r.people.present, r.people.names = msg.Count, msg.Names
	case wire.Typing:
		r.people.typing = msg.By
	case wire.Gap:
		r.timeline.gap(msg, r.now())
		return r.reloadSettings()
	case wire.Tally:
		r.skip(msg.N)
		for n := range msg.Of {
			r.timeline.refresh(n)
		}
	case wire.Marked:
		r.timeline.refresh(msg.Of)
	case wire.State:
		r.setting(msg)
		if msg.Key == wire.PresetKey { // it has changed other settings, too
			return r.reloadSettings()
		}
	case wire.Changed:
		r.changed(msg)
	case wire.Restored:
		return r.restored(msg)
	case wire.Unknown:
		r.skip(msg.N)
	case client.Disconnected:
		r.people.typing = nil
		if r.timeline.plain {
			r.timeline.noteOutage(r.now())
		}
	case page:
		return r.pageLoaded(msg)
	case proof:
		return r.proven(msg)
	case settingsPage:
		return r.settingsLoaded(msg)
	case settingsRetry:
		if msg.generation != r.settingsGeneration {
			return nil
		}
		return r.askSettings(msg.ask.After)
	case submit:
		return r.submit(msg.text)
	case submitLines:
		return r.submitLines(msg.lines)
	}
	return nil
}

// sent handles the state of something that this user has posted.
func (r *room) sent(f client.Sent) tea.Cmd {
	switch {
	case f.Key != "":
		r.settingSent(f)
		return nil
	case f.Moderate != nil:
		r.moderated(f)
		return nil
	case f.Withdraws != "":
		r.answered(f, "")
		return nil
	case f.Changes():
		r.changeSent(f)
		return nil
	}
	switch {
	case f.Withdrawn():
		r.inform("withdrawn: %s", oneLine(f.Text, r.method))
	case f.State == client.Saved:
		r.posted(f.At)
	case f.State == client.Failed:
		r.refused(refusalOf(f))
	}
	r.timeline.changed(f)
	return r.postLines(f)
}

// pageLoaded handles a page of history.
func (r *room) pageLoaded(p page) tea.Cmd {
	switch p.kind {
	case original:
		r.originalLoaded(p)
		return nil
	case restored:
		return r.restoredLoaded(p)
	}
	return tea.Batch(r.timeline.loaded(p), r.timeline.loadRestored(0))
}

// hasUnsent reports whether the room has a draft, or messages that the server has not confirmed.
func (r *room) hasUnsent() bool {
	return r.draft() != "" || len(r.timeline.unsavedChanges()) > 0 || len(r.timeline.outbox) > 0
}

// joined handles the answer to a join, and finds out what is unread.
func (r *room) joined(f wire.Joined) tea.Cmd {
	t := &r.timeline
	r.settingsGeneration++
	r.standing.role, r.standing.closed = f.Role, ""
	defer r.refreshSettings()
	r.people.present, t.first, t.head, r.serverEpoch = f.Count, max(f.First, 1), f.N, f.Epoch
	if t.joined && !f.Reset {
		return tea.Batch(r.askStale(), t.loadRestored(0))
	}
	last := uint64(wire.DefaultJoin)
	if !f.Reset {
		last = uint64(r.last)
	}
	t.received = max(f.N-min(last, f.N), t.first-1)
	if f.From != nil { // an older server counts numbers as messages
		t.received = max(*f.From, t.first-1)
	}
	known := r.read.remembered && t.historyID == f.HistoryID && r.read.upTo <= f.N
	if f.Reset || r.read.remembered && !known {
		r.inform(anotherHistory)
	}
	if f.Reset {
		t.reset()
		r.read.mentions = 0
	}
	if !known {
		r.resetRead(f.N)
	}
	t.originals.asked = nil
	t.joined, t.historyID, r.read.remembered, r.read.joinedAt = true, f.HistoryID, false, f.N
	t.setDivider(r.read.upTo, t.lastRead(r.read.upTo) < f.N)
	if r.read.unproven = known && r.read.epoch != "" && r.read.epoch != f.Epoch; r.read.unproven {
		return tea.Batch(r.prove(), r.askStale())
	}
	return r.askStale()
}

// left forgets everything about a room that the user may no longer read.
func (r *room) left(f wire.Left) {
	r.close(closedBy(f))
	r.warn("the room %s is closed for you: %s", r.name, r.standing.closed)
	r.people = people{}
	t := &r.timeline
	t.replace(nil, true)
	t.replica, t.joined, t.historyID, t.originals = client.Replica{}, false, "", originals{}
	t.first, t.received, t.latest, t.head = 1, 0, 0, 0
	t.jumpTarget, t.jumpTargetAt, t.pendingJump, t.unreadDivider, t.selected = 0, 0, false, false, 0
	r.settingsGeneration++
	r.settings = roomSettings{}
	r.read.remembered, r.read.unproven, r.read.mentions = false, false, 0
	r.read.upTo, r.read.joinedAt = 0, 0
}

// jumpWhenReady goes to the jump target of the timeline, once it is known to exist.
func (r *room) jumpWhenReady() tea.Cmd {
	if r.read.unproven && !r.timeline.pendingJump {
		return nil
	}
	return r.timeline.jumpWhenReady()
}

// message handles a new message.
func (r *room) message(m wire.Message) {
	t := &r.timeline
	if !t.joined || m.N <= t.received { // from before the room was left and joined again
		return
	}
	now, ok := t.replica.ShownMessage(m.N, client.Pending{})
	if !ok {
		return
	}
	m = now.Message // it may have been changed since
	it := t.itemOf(now)
	if it.n > r.read.joinedAt {
		r.self.sawTime(it.at, r.now())
	}
	if it.own && t.sent(it.id) == nil {
		r.editor.remember(it.text) // posted elsewhere, or in an earlier run
		t.confirmEarlier(it.text)
	}
	if t.receive(it); it.own {
		r.skipUnread(it.n)
	}
	r.people.spoke(m.DisplayName)
	r.updateRead(it)
	if it.own || it.n <= r.read.upTo && it.n <= r.read.joinedAt {
		return
	}
	if toMe, known := r.isToMe(m); toMe {
		r.mentioned(it, it.n)
	} else if !known {
		t.originals.wait(it.n, it.re)
	}
}

// mentioned notes a mention of this user that has number n: that of a message, or of its edit.
func (r *room) mentioned(it *item, n uint64) {
	if n > r.read.upTo {
		r.read.mentions++
	}
	if n > r.read.joinedAt {
		r.send(called{room: r.name, by: r.timeline.style.senderLabel(it), text: it.text})
	}
}

// line handles a line of the plain protocol. Such lines have no numbers, so they are counted here.
func (r *room) line(f client.Line) {
	t := &r.timeline
	it := &item{n: t.received + 1, at: r.now(), text: f.Text, id: f.ID, own: f.ID != ""}
	if it.own {
		it.state = client.Saved
		if sent := t.sent(f.ID); sent != nil {
			it.text = sent.text
		}
	}
	t.receive(it)
	r.updateRead(it)
}

// spoke moves a name to the front of the speakers.
func (p *people) spoke(from string) {
	if from == "" {
		return
	}
	if i := slices.Index(p.speakers, from); i >= 0 {
		p.speakers = slices.Delete(p.speakers, i, i+1)
	}
	p.speakers = slices.Insert(p.speakers, 0, from)
	if len(p.speakers) > 200 {
		p.speakers = p.speakers[:200]
	}
}
