package client

import (
	"strconv"

	"ramai/wire"
)

// change edits or deletes a message. Its author receives the number in a separate answer.
func (m *roomModel) change() {
	f := m.anyMessage()
	if f == nil {
		return
	}
	m.supersede(f.Edited)
	n := m.head() + 1
	c := &wire.Changed{Room: "r", N: n, At: wire.Time(n) * 1000, Of: wire.Target(f.N), SenderID: f.SenderID, ID: "c" + strconv.FormatUint(n, 10)}
	if m.random.IntN(3) > 0 {
		text := "edited " + strconv.FormatUint(n, 10)
		c.Text = &text
		f.Text, f.Edited, f.EditedAt = text, n, c.At
	} else {
		m.forgetMarks(f)
		*f = wire.Message{Room: "r", N: f.N, SenderID: f.SenderID, ID: f.ID, Edited: n, Gone: true}
	}
	m.record(storedRecord{change: c})
	if m.random.IntN(2) == 0 {
		m.saves = append(m.saves, replicaChange{N: n, Of: f.N, Text: c.Text, At: c.At})
	}
}

// supersede makes the change n refer to nothing if it was an edit.
func (m *roomModel) supersede(n uint64) {
	if n > 0 && m.stored[n-1].change != nil {
		m.stored[n-1].change = &wire.Changed{Room: "r", N: n, Of: wire.Targets{}}
	}
}

// eraseStep deletes messages of a sender as a step of an erasure, which is an earlier record.
func (m *roomModel) eraseStep() {
	if m.head() == 0 {
		return
	}
	by, n, erasure := string(rune('a'+m.random.IntN(3))), m.head()+1, m.head()
	c := &wire.Changed{Room: "r", N: n, Erasure: erasure}
	for k := m.first + m.random.Uint64N(10); k < erasure && len(c.Of) < 3; k++ {
		if f := m.message(k); f != nil && !f.Gone && f.SenderID == by && f.Edited < erasure {
			m.eraseOne(f, erasure)
			c.Of = append(c.Of, wire.Range{From: k, To: k})
		}
	}
	if len(c.Of) > 0 {
		m.record(storedRecord{change: c})
	}
}

// eraseOne deletes a message so that it can be restored.
func (m *roomModel) eraseOne(f *wire.Message, edited uint64) {
	m.supersede(f.Edited)
	was := *f
	m.stored[f.N-1].erased, m.stored[f.N-1].status = &was, m.settings[statusKey(f)]
	m.forgetMarks(f)
	*f = wire.Message{Room: "r", N: f.N, SenderID: f.SenderID, ID: f.ID, Edited: edited, Gone: true}
}

// restore restores some of the messages that somebody else has deleted; their authors delete others first.
func (m *roomModel) restore() {
	n := m.head() + 1
	for k := m.first; k <= m.head() && m.random.IntN(2) == 0; k++ {
		if f := m.message(k); f != nil && f.Gone && m.stored[k-1].erased != nil && m.random.IntN(3) == 0 {
			m.stored[k-1].erased = nil
			f.Edited = n
			m.record(storedRecord{change: &wire.Changed{Room: "r", N: n, Of: wire.Target(k), SenderID: f.SenderID, ID: "c" + strconv.FormatUint(n, 10)}})
			n++
		}
	}
	c := &wire.Restored{Room: "r", N: n}
	for k := m.first; k <= m.head(); k++ {
		f := m.message(k)
		if f == nil || m.stored[k-1].erased == nil {
			continue
		}
		*f, m.stored[k-1].erased = *m.stored[k-1].erased, nil
		f.Tally, f.Tallied = nil, 0
		if v := m.stored[k-1].status; !v.IsNull() {
			m.settings[statusKey(f)] = v
		}
		c.Of = append(c.Of, wire.Range{From: k, To: k})
	}
	if len(c.Of) > 0 {
		m.record(storedRecord{restored: c})
	}
}

// erase deletes messages of one sender in some ranges.
func (m *roomModel) erase() {
	by := string(rune('a' + m.random.IntN(3)))
	n := m.head() + 1
	c := &wire.Changed{Room: "r", N: n, SenderID: by}
	for at := m.first; at <= m.head(); {
		from := at + m.random.Uint64N(10)
		to := from + 1 + m.random.Uint64N(5)
		if at = to + 2; to > m.head() {
			break
		}
		c.Of = append(c.Of, wire.Range{From: from, To: to})
		for k := from; k <= to; k++ {
			if f := m.message(k); f != nil && !f.Gone && f.SenderID == by {
				m.eraseOne(f, n)
			}
		}
	}
	if len(c.Of) > 0 {
		m.record(storedRecord{change: c})
	}
}
