package client

import (
	"maps"
	"slices"
	"strconv"
	"time"

	"ramai/wire"
)

// Pending is the unsaved messages and changes of a client in a room. The zero value is empty.
type Pending struct {
	Sent  []Sent
	Marks []wire.Mark // in order
}

// PendingIn returns the unsaved messages and changes of a room.
func (c *Client) PendingIn(room string) (p Pending) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p.Sent = slices.DeleteFunc(c.core.outbox.messages(), func(s Sent) bool { return s.Room != room })
	for i := range c.core.marks.waiting {
		if m := c.core.marks.waiting[i].Mark; m.Room == room {
			p.Marks = append(p.Marks, m)
		}
	}
	return p
}

// A ShownRoom is a room as a screen shows it.
type ShownRoom struct {
	Messages []ShownMessage // those that are here, in ascending order; deleted ones are Gone
	Topic    string         // empty: none
	Pins     []uint64       // pinned messages, ascending; some of them may be deleted
	Stage    uint64         // the message that is shown on the projector; 0: none
}

// A ShownMessage is a message as a screen shows it.
type ShownMessage struct {
	wire.Message          // Tally is at least 1 for each of Mine
	Mine         []string // keys of this sender's marks, sorted
	Status       string   // of a poll: wire.Open, wire.PollOver or wire.Hidden; of a question: wire.Open or wire.Answered
	Pending      bool     // a part of it is not saved
}

// Shown returns the room as it will be once pending is saved.
func (r *Replica) Shown(pending Pending) ShownRoom {
	room := ShownRoom{Messages: make([]ShownMessage, 0, len(r.rows))}
	for i := range r.rows {
		room.Messages = append(room.Messages, r.shown(&r.rows[i]))
	}
	at := func(n uint64) *ShownMessage {
		if i := r.find(n); i < len(r.rows) && r.rows[i].N == n {
			return &room.Messages[i]
		}
		return nil
	}
	r.applyPending(pending, at)
	for i := range room.Messages {
		room.Messages[i].countMine()
	}
	if v := r.setting(wire.TopicKey, pending); v.Text != nil {
		room.Topic = *v.Text
	}
	room.Pins = r.setting(wire.PinKey, pending).Numbers
	if v := r.setting(wire.StageKey, pending); v.Number != nil {
		room.Stage = *v.Number
	}
	return room
}

// ShownMessage returns message n as Shown does, if it is here.
func (r *Replica) ShownMessage(n uint64, pending Pending) (m ShownMessage, ok bool) {
	row := r.row(n)
	if row == nil {
		return ShownMessage{}, false
	}
	m = r.shown(row)
	r.applyPending(pending, func(of uint64) *ShownMessage {
		if of == n {
			return &m
		}
		return nil
	})
	m.countMine()
	return m, true
}

// shown returns a message without what is pending.
func (r *Replica) shown(row *row) ShownMessage {
	m := ShownMessage{Message: row.Message}
	if m.Gone {
		return m
	}
	m.Mine = r.mine[m.N]
	if key := statusKey(&m.Message); key != "" {
		m.Status = wire.Open
		if v := r.settings.values[key].value; v.Text != nil {
			m.Status = *v.Text
		}
	}
	return m
}

// statusKey returns the key of the setting that has the status of a message; empty: it has none.
func statusKey(m *wire.Message) string {
	switch m.As {
	case wire.Poll:
		return wire.PollPrefix + strconv.FormatUint(m.N, 10)
	case wire.Question:
		return wire.QuestionPrefix + strconv.FormatUint(m.N, 10)
	}
	return ""
}

// applyPending applies unsaved changes to the messages that at returns.
func (r *Replica) applyPending(pending Pending, at func(n uint64) *ShownMessage) {
	for _, s := range pending.Sent {
		of := s.Of
		if s.Key != "" {
			of = keyNumber(s.Key)
		}
		m := at(of)
		if of == 0 || m == nil || m.Gone {
			continue
		}
		if s.Key == "" {
			m.Message = after(&m.Message, s.changed())
		} else if s.Key == statusKey(&m.Message) && s.Value.Text != nil {
			m.Status = *s.Value.Text
		}
		m.Pending = true
	}
	for _, k := range pending.Marks {
		if m := at(k.Of); m != nil && !m.Gone {
			m.Mine, m.Pending = withMark(m.Mine, k, m.As == wire.Poll), true
		}
	}
}

// withMark returns keys after a mark. In a poll, a vote replaces another one.
func withMark(keys []string, mark wire.Mark, poll bool) []string {
	vote := poll && isOption(mark.Key)
	keys = slices.DeleteFunc(slices.Clone(keys), func(key string) bool { return key == mark.Key || mark.On && vote && isOption(key) })
	if mark.On {
		keys = append(keys, mark.Key)
	}
	return slices.Sorted(slices.Values(keys))
}

// isOption reports whether a key is the index of an option of a poll.
func isOption(key string) bool { return key != "" && key[0] >= '0' && key[0] <= '9' && len(key) <= 2 }

// countMine makes the counts include the marks of this sender. They may be newer than the counts.
func (m *ShownMessage) countMine() {
	if m.Gone {
		m.Mine, m.Status = nil, ""
		return
	}
	counts := m.Tally
	for _, key := range m.Mine {
		if counts[key] > 0 {
			continue
		}
		if counts = maps.Clone(counts); counts == nil {
			counts = wire.Counts{}
		}
		counts[key] = 1
		m.Tally = counts
	}
}

// setting returns a setting as it will be once pending is saved. Messages that were deleted for their age are left out.
func (r *Replica) setting(key string, pending Pending) wire.Value {
	v := r.settings.values[key].value
	for _, s := range pending.Sent {
		if s.Key == key {
			v = s.Value
		}
	}
	v.Numbers = slices.DeleteFunc(slices.Clone(v.Numbers), func(n uint64) bool { return n < r.first })
	if len(v.Numbers) == 0 {
		v.Numbers = nil
	}
	if v.Number != nil && *v.Number < r.first {
		v.Number = nil
	}
	return v
}

// Rule returns a rule of the room, such as wire.LockKey, as it will be once pending is saved: its value and its end, 0 if it has none.
// The value is null if the rule is not set, or is over at the given time. Rules that only moderators read are not known here.
func (r *Replica) Rule(key string, pending []Sent, at time.Time) (v wire.Value, until wire.Time) {
	s := r.settings.values[key]
	v, until = s.value, s.until
	for _, p := range pending {
		if p.Key == key {
			v, until = p.Value, p.Until
		}
	}
	if until != 0 && !at.Before(until.Std()) {
		return wire.Value{}, 0
	}
	return v, until
}

// Message returns message n, if it is here, with the changes of it among pending.
func (r *Replica) Message(n uint64, pending []Sent) (m wire.Message, ok bool) {
	shown, ok := r.ShownMessage(n, Pending{Sent: pending})
	return shown.Message, ok
}

// Messages returns the messages that are here, in ascending order, as they will be once the changes among pending are saved.
// Deleted messages are Gone. pending is what [Client.Outbox] has of the room.
func (r *Replica) Messages(pending []Sent) []wire.Message {
	messages := make([]wire.Message, 0, len(r.rows))
	for _, m := range r.Shown(Pending{Sent: pending}).Messages {
		messages = append(messages, m.Message)
	}
	return messages
}
