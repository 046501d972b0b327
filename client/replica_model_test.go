package client

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"

	"ramai/wire"
)

// A replicaCase is a sequence of inputs for a client, and the room that it has afterwards. client/testdata holds them for
// the tests of Replica in Go and in JavaScript.
type replicaCase struct {
	Name     string         `json:"name"`
	Steps    []replicaStep  `json:"steps"`
	Messages []wire.Message `json:"messages"`
	Missing  []wire.Range   `json:"missing"`

	Mine  wire.Mine             `json:"mine,omitempty"`
	State map[string]wire.Value `json:"state,omitempty"` // settings, and the status of each poll and question
}

// A replicaStep has one of these fields.
type replicaStep struct {
	Frame  json.RawMessage `json:"frame,omitempty"`
	Saved  *replicaChange  `json:"saved,omitempty"` // a change of this client
	Ask    *replicaAsk     `json:"ask,omitempty"`
	Page   *replicaPage    `json:"page,omitempty"`
	Cancel string          `json:"cancel,omitempty"` // the id of a request

	Settings *wire.Settings `json:"settings,omitempty"` // a page of settings
	Forget   *wire.Range    `json:"forget,omitempty"`
}

type replicaChange struct {
	N    uint64  `json:"n"`
	Of   uint64  `json:"of"`
	Text *string `json:"text"`

	Key   string     `json:"key,omitempty"` // of a setting
	Value wire.Value `json:"value"`
	At    wire.Time  `json:"at"`
}

type replicaAsk struct {
	ID     string     `json:"id"`
	Before *uint64    `json:"before,omitempty"`
	After  *uint64    `json:"after,omitempty"`
	At     *wire.Time `json:"at,omitempty"`
	As     string     `json:"as,omitempty"`
}

type replicaPage struct {
	ID   string          `json:"id"`
	Page json.RawMessage `json:"page"`
	Used bool            `json:"used"` // false: the page must be requested again
}

// roomModel is a server with one room and one client. It records what the client receives.
type roomModel struct {
	random *rand.Rand
	epoch  int // of the history: each has another log
	first  uint64
	stored []storedRecord // numbers 1, 2, 3 ...

	mine     map[uint64]map[string]bool // marks of the client's sender
	counts   map[uint64]wire.Counts     // of all senders
	pending  map[uint64]bool            // messages whose counts have changed since their last tally
	settings map[string]wire.Value
	pages    []wire.Settings // pages of settings in transit
	partial  bool            // a joined has left out the status of polls and questions, or settings were in a gap

	steps    []replicaStep
	joined   bool
	position uint64          // everything up to here was received by the client
	log      string          // of position
	read     uint64          // everything up to here was sent to the client
	flight   []flightFrame   // frames in transit, in order
	saves    []replicaChange // answers in transit, in any order
	asks     []*modelAsk
	asked    int
}

type storedRecord struct {
	message *wire.Message // nil: it is another kind of record
	change  *wire.Changed
	tally   *wire.Tally
	state   *wire.State
	erased  *wire.Message // as it was before somebody else deleted it
	status  wire.Value    // of erased

	restored *wire.Restored
}

type flightFrame struct {
	n   uint64 // the position after it; 0: unchanged
	raw []byte
}

func (m *roomModel) historyID() string { return "log" + strconv.Itoa(m.epoch) }

func (m *roomModel) head() uint64 { return uint64(len(m.stored)) }

func (m *roomModel) record(s storedRecord) uint64 {
	m.stored = append(m.stored, s)
	return m.head()
}

// message returns the message with a number, or nil.
func (m *roomModel) message(n uint64) *wire.Message {
	if n < m.first || n == 0 || n > m.head() {
		return nil
	}
	return m.stored[n-1].message
}

func (m *roomModel) say() {
	n := m.head() + 1
	f := &wire.Message{Room: "r", N: n, SenderID: string(rune('a' + m.random.IntN(3))), ID: "i" + strconv.FormatUint(n, 10), Text: "text " + strconv.FormatUint(n, 10)}
	if n > 1 && m.random.IntN(4) == 0 {
		f.Re = 1 + m.random.Uint64N(n-1)
	}
	switch m.random.IntN(8) {
	case 0:
		f.As, f.Options = wire.Poll, []string{"one", "two"}
	case 1:
		f.As = wire.Question
	}
	m.record(storedRecord{message: f})
}

// anyMessage returns a message that is not deleted, or nil. It is one of the newest, or one of a few that are changed often.
func (m *roomModel) anyMessage() *wire.Message {
	for range 10 {
		n := m.head() - min(m.random.Uint64N(8), m.head())
		if m.random.IntN(3) == 0 {
			n = m.first + m.random.Uint64N(6)
		}
		if f := m.message(n); f != nil && !f.Gone {
			return f
		}
	}
	return nil
}

// other stores a record that is not a message and changes none.
func (m *roomModel) other() { m.record(storedRecord{}) }

// frame returns a record as it is sent now.
func (m *roomModel) frame(n uint64) []byte {
	switch s := m.stored[n-1]; {
	case s.message != nil && m.random.IntN(2) == 0: // with the counts that it had at first: its tallies follow
		f := *s.message
		f.Tally, f.Tallied = nil, 0
		return wire.Append(nil, f)
	case s.message != nil:
		return wire.Append(nil, *s.message)
	case s.tally != nil:
		return wire.Append(nil, *s.tally)
	case s.state != nil:
		return wire.Append(nil, *s.state)
	case s.change != nil:
		return wire.Append(nil, *s.change)
	case s.restored != nil:
		m.partial = true
		return wire.Append(nil, *s.restored)
	}
	return fmt.Appendf(nil, `{"type":"unheard","room":"r","n":%d,"of":[[1,2]]}`, n)
}

// trim deletes the oldest numbers.
func (m *roomModel) trim() {
	if m.head() >= m.first {
		m.first += m.random.Uint64N(m.head() - m.first + 2)
	}
	maps.DeleteFunc(m.settings, func(key string, _ wire.Value) bool { return ofMessage(key) && keyNumber(key) < m.first })
	maps.DeleteFunc(m.mine, func(n uint64, _ map[string]bool) bool { return n < m.first })
}

// anotherHistory loses the newest records, and the client reconnects.
func (m *roomModel) anotherHistory() {
	m.epoch++
	m.stored = slices.Clone(m.stored[:m.first-1+m.random.Uint64N(m.head()-m.first+2)])
	for i := range m.stored { // undo the changes made by lost records
		m.stored[i].erased = nil
		if f := m.stored[i].message; f != nil && f.Edited > m.head() {
			m.stored[i].message = &wire.Message{Room: "r", N: f.N, SenderID: f.SenderID, ID: f.ID, Text: "as before"}
		} else if f != nil && f.Tallied > m.head() {
			f.Tally, f.Tallied = nil, 0
		}
	}
	m.saves, m.pages = nil, nil
	m.mine, m.counts, m.pending, m.settings = map[uint64]map[string]bool{}, map[uint64]wire.Counts{}, map[uint64]bool{}, map[string]wire.Value{}
	for _, s := range m.stored {
		if s.state == nil {
			continue
		}
		m.settings[s.state.Key] = s.state.Value
		if f := m.message(keyNumber(s.state.Key)); s.state.Value.IsNull() || ofMessage(s.state.Key) && (f == nil || f.Gone || f.As == "") {
			delete(m.settings, s.state.Key)
		}
	}
	m.cut()
}

func (m *roomModel) cut() { m.joined, m.flight = false, nil }

// join starts or resumes.
func (m *roomModel) join() {
	f := wire.Joined{Room: "r", HistoryID: m.historyID(), N: m.head(), First: m.first, Count: 1, State: m.state(), Mine: wire.Mine{}}
	from := m.position
	if m.log != m.historyID() {
		f.Reset = m.log != ""
		from = max(m.head()-min(m.head(), m.random.Uint64N(12)), m.first-1)
		if m.random.IntN(2) == 0 {
			f.From = &from
		}
	}
	for n := from + 1; n <= m.head(); n++ {
		if keys := m.mineOf(n); keys != nil {
			f.Mine[n] = keys
		}
	}
	m.joined, m.read = true, from
	m.flight = append(m.flight, flightFrame{raw: wire.Append(nil, f)})
	if m.log != m.historyID() {
		m.log, m.position = m.historyID(), from
		for _, a := range m.asks {
			a.void = a.void || f.Reset
		}
		m.receive() // until then nothing of another history is received
	}
}

// send puts the next frames in transit, with their current content.
func (m *roomModel) send(most int) {
	if !m.joined {
		return
	}
	if m.read+1 < m.first {
		m.partial = true
		m.flight = append(m.flight, flightFrame{m.first - 1, wire.Append(nil, wire.Gap{Room: "r", From: m.read + 1, To: m.first - 1})})
		m.read = m.first - 1
	}
	for ; most > 0 && m.read < m.head(); most-- {
		m.read++
		m.flight = append(m.flight, flightFrame{m.read, m.frame(m.read)})
	}
}

// receive delivers a frame to the client.
func (m *roomModel) receive() {
	if len(m.flight) == 0 {
		return
	}
	f := m.flight[0]
	m.flight = m.flight[1:]
	m.position = max(m.position, f.n)
	m.steps = append(m.steps, replicaStep{Frame: f.raw})
}

// save delivers an answer to the client.
func (m *roomModel) save() {
	if len(m.saves) == 0 || m.log != m.historyID() {
		return
	}
	i := m.random.IntN(len(m.saves))
	saved := m.saves[i]
	m.steps = append(m.steps, replicaStep{Saved: &saved})
	m.saves = slices.Delete(m.saves, i, i+1)
}

func (m *roomModel) forget() {
	from := m.random.Uint64N(m.head() + 2)
	m.steps = append(m.steps, replicaStep{Forget: &wire.Range{From: from, To: from + m.random.Uint64N(10)}})
}

// finish delivers everything, and loads what is missing.
func (m *roomModel) finish() {
	if !m.joined || m.log != m.historyID() {
		m.join()
	}
	m.send(len(m.stored))
	for len(m.flight) > 0 {
		m.receive()
	}
	for len(m.saves) > 0 {
		m.save()
	}
	for len(m.asks) > 0 {
		m.answer()
	}
	if m.partial {
		m.readSettings()
	}
	for len(m.pages) > 0 {
		m.receiveSettings()
	}
	for a, more := (replicaAsk{}), true; more; {
		asked := m.ask(a)
		m.asks = nil
		page := m.page(a, 7)
		m.steps = append(m.steps, replicaStep{Page: &replicaPage{asked.ID, wire.Append(nil, *page), true}})
		if more = page.More; more {
			a = replicaAsk{Before: &page.Messages[0].N}
		}
	}
}

// generate returns a random sequence as a case.
func generate(seed uint64, length int) replicaCase {
	m := &roomModel{random: rand.New(rand.NewPCG(seed, 16)), first: 1,
		mine: map[uint64]map[string]bool{}, counts: map[uint64]wire.Counts{}, pending: map[uint64]bool{}, settings: map[string]wire.Value{}}
	for range 3 + m.random.IntN(12) {
		m.say()
	}
	m.join()
	harsh := m.random.IntN(3) == 0
	for len(m.steps) < length {
		switch k := m.random.IntN(100); {
		case k < 10:
			m.say()
		case k < 22:
			m.change()
		case k < 24:
			m.erase()
		case k == 24:
			m.eraseStep()
		case k == 25:
			m.restore()
		case k == 26:
			m.other()
		case k < 34:
			m.mark()
		case k < 38:
			m.tally()
		case k < 42:
			m.set()
		case k < 52:
			m.send(1 + m.random.IntN(4))
		case k < 71:
			m.receive()
		case k < 75:
			m.save()
		case k < 80:
			m.askAny()
		case k < 91:
			m.answer()
		case k < 92 && m.log == m.historyID():
			m.readSettings()
		case k < 93:
			m.receiveSettings()
		case k < 95:
			m.forget()
		case k < 96 && m.joined:
			m.cut()
		case k < 98 && !m.joined:
			m.join()
		case k == 98 && harsh:
			m.trim()
		case k == 99 && harsh && m.random.IntN(3) == 0:
			m.anotherHistory()
		}
	}
	m.finish()
	c := replicaCase{Name: "seed " + strconv.FormatUint(seed, 10), Steps: m.steps, Messages: []wire.Message{}, Missing: []wire.Range{}, Mine: wire.Mine{}, State: map[string]wire.Value{}}
	for n := m.first; n <= m.head(); n++ {
		f := m.message(n)
		if f == nil {
			continue
		}
		c.Messages = append(c.Messages, *f)
		if keys := m.mineOf(n); keys != nil {
			c.Mine[n] = keys
		}
		if key := statusKey(f); key != "" {
			c.State[key] = wire.TextValue(wire.Open)
		}
	}
	for _, key := range []string{wire.TopicKey, wire.PinKey, wire.StageKey} {
		c.State[key] = wire.Value{}
	}
	for key, v := range m.settings {
		if key == wire.PinKey && v.Numbers[0] < m.first || key == wire.StageKey && *v.Number < m.first {
			v = wire.Value{}
		}
		c.State[key] = v
	}
	return c
}
