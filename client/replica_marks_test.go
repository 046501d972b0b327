package client

import (
	"maps"
	"slices"
	"strconv"

	"ramai/wire"
)

// mark adds or removes a mark of somebody. The client is told of those of its sender, whichever device they are from.
func (m *roomModel) mark() {
	f := m.anyMessage()
	if f == nil {
		return
	}
	keys := []string{"up", "👍", "❤️"}
	if f.As == wire.Poll {
		keys = []string{"0", "1", "👍"}
	}
	key := keys[m.random.IntN(len(keys))]
	if m.counts[f.N] == nil {
		m.counts[f.N] = wire.Counts{}
	}
	if m.random.IntN(3) == 0 {
		m.counts[f.N][key]++
		m.pending[f.N] = true
		return
	}
	on := !m.mine[f.N][key]
	for _, vote := range []string{"0", "1"} {
		if isOption(key) && on && vote != key && m.mine[f.N][vote] {
			m.setMine(f, vote, false)
		}
	}
	m.setMine(f, key, on)
}

func (m *roomModel) setMine(f *wire.Message, key string, on bool) {
	if m.mine[f.N] == nil {
		m.mine[f.N] = map[string]bool{}
	}
	if on {
		m.mine[f.N][key] = true
		m.counts[f.N][key]++
	} else {
		delete(m.mine[f.N], key)
		if m.counts[f.N][key]--; m.counts[f.N][key] == 0 {
			delete(m.counts[f.N], key)
		}
	}
	m.pending[f.N] = true
	if m.joined {
		m.flight = append(m.flight, flightFrame{raw: wire.Append(nil, wire.Marked{Room: "r", Of: f.N, Key: key, On: on})})
	}
}

// mineOf returns the keys of the marks of the client's sender.
func (m *roomModel) mineOf(n uint64) []string { return slices.Sorted(maps.Keys(m.mine[n])) }

// tally stores the counts of some of the messages whose counts have changed.
func (m *roomModel) tally() {
	t := &wire.Tally{Room: "r", N: m.head() + 1, Of: map[uint64]wire.Counts{}}
	for _, n := range slices.Sorted(maps.Keys(m.pending)) {
		f := m.message(n)
		if f == nil || f.Gone {
			delete(m.pending, n)
		} else if m.random.IntN(4) > 0 {
			delete(m.pending, n)
			t.Of[n] = maps.Clone(m.counts[n])
			f.Tally, f.Tallied = nil, t.N
			if len(t.Of[n]) > 0 {
				f.Tally = t.Of[n]
			}
		}
	}
	if len(t.Of) > 0 {
		m.record(storedRecord{tally: t})
	}
}

// set changes a setting, often the status of a poll or a question. Its sender learns the number in an answer of its own.
func (m *roomModel) set() {
	n := m.head() + 1
	s := &wire.State{Room: "r", N: n, ID: "s" + strconv.FormatUint(n, 10)}
	switch f := m.anyMessage(); {
	case f != nil && f.As == wire.Poll:
		s.Key, s.Value = statusKey(f), wire.TextValue([]string{wire.Open, wire.PollOver, wire.Hidden}[m.random.IntN(3)])
	case f != nil && f.As == wire.Question:
		s.Key, s.Value = statusKey(f), wire.TextValue([]string{wire.Open, wire.Answered}[m.random.IntN(2)])
	case f != nil && m.random.IntN(3) == 0:
		s.Key, s.Value = wire.StageKey, wire.NumberValue(f.N)
	case f != nil && m.random.IntN(2) == 0:
		s.Key, s.Value = wire.PinKey, wire.Value{Numbers: []uint64{f.N}}
	case m.random.IntN(2) == 0:
		s.Key = []string{wire.StageKey, wire.PinKey, wire.TopicKey}[m.random.IntN(3)]
	default:
		s.Key, s.Value = wire.TopicKey, wire.TextValue("topic "+strconv.FormatUint(n, 10))
	}
	m.record(storedRecord{state: s})
	m.settings[s.Key] = s.Value
	if s.Value.IsNull() {
		delete(m.settings, s.Key)
	}
	if m.random.IntN(2) == 0 {
		m.saves = append(m.saves, replicaChange{N: n, Key: s.Key, Value: s.Value})
	}
}

// forgetMarks drops what is stored about a message that is gone.
func (m *roomModel) forgetMarks(f *wire.Message) {
	delete(m.settings, statusKey(f))
	delete(m.mine, f.N)
	delete(m.counts, f.N)
	delete(m.pending, f.N)
}

// state returns the settings as a joined has them: without polls and questions that are open, and sometimes without old ones.
func (m *roomModel) state() map[string]wire.Value {
	state := map[string]wire.Value{}
	above := uint64(0)
	if m.random.IntN(4) == 0 {
		above, m.partial = m.random.Uint64N(m.head()+1), true
	}
	for key, v := range m.settings {
		if !ofMessage(key) || *v.Text != wire.Open && keyNumber(key) > above {
			state[key] = v
		}
	}
	return state
}

// readSettings reads a page of settings, which arrives later.
func (m *roomModel) readSettings() {
	page := wire.Settings{Room: "r", N: m.head(), Settings: []wire.Setting{}}
	for _, key := range slices.Sorted(maps.Keys(m.settings)) {
		page.Settings = append(page.Settings, wire.Setting{Key: key, Value: m.settings[key]})
	}
	m.pages = append(m.pages, page)
}

func (m *roomModel) receiveSettings() {
	if len(m.pages) > 0 && m.log == m.historyID() {
		m.steps = append(m.steps, replicaStep{Settings: &m.pages[0]})
		m.pages = m.pages[1:]
	}
}
