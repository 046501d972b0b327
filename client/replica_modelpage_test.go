package client

import (
	"slices"
	"strconv"

	"ramai/wire"
)

type modelAsk struct {
	replicaAsk
	n    uint64 // the position at the request
	log  string
	void bool // the client has dropped everything since
	page *wire.Page
}

// ask makes the client request a page.
func (m *roomModel) ask(a replicaAsk) *modelAsk {
	m.asked++
	a.ID = "p" + strconv.Itoa(m.asked)
	asked := &modelAsk{replicaAsk: a, n: m.position, log: m.log}
	m.asks = append(m.asks, asked)
	m.steps = append(m.steps, replicaStep{Ask: &asked.replicaAsk})
	return asked
}

// askAny requests a random page. A server that is behind answers with an older one.
func (m *roomModel) askAny() {
	if m.log != m.historyID() { // a page of a history that the client does not know yet
		return
	}
	n := m.random.Uint64N(m.head() + 3)
	var a replicaAsk
	switch m.random.IntN(6) {
	case 0:
	case 5:
		a.Before, a.As = &n, []string{wire.Poll, wire.Question}[m.random.IntN(2)]
	case 1:
		a.After = &n
	case 2:
		at := wire.Time(n)
		a.At = &at
	default:
		a.Before = &n
	}
	if m.random.IntN(6) > 0 {
		m.ask(a)
		return
	}
	page := m.page(a, 5)
	for range m.random.IntN(4) {
		m.say()
		m.change()
		m.send(4)
		m.receive()
	}
	m.ask(a).page = page
}

// page reads a page.
func (m *roomModel) page(a replicaAsk, limit int) *wire.Page {
	p := &wire.Page{Room: "r", HistoryID: m.historyID(), First: m.first, Head: m.head(), As: a.As, Messages: []wire.Message{}, Mine: wire.Mine{}}
	var other ranges
	add := func(n uint64) bool {
		f := m.message(n)
		if f == nil {
			other.add(n, n)
			return true
		}
		if a.As != "" && f.As != a.As {
			return true
		}
		if p.More = len(p.Messages) == limit; p.More {
			return false
		}
		p.Messages = append(p.Messages, *f)
		if keys := m.mineOf(n); keys != nil {
			p.Mine[n] = keys
		}
		return true
	}
	if a.After != nil || a.At != nil {
		n := m.first
		if a.After != nil {
			n = max(n, *a.After+1)
		} else {
			n = max(n, uint64(*a.At))
		}
		for ; n <= m.head() && add(n); n++ {
		}
	} else {
		n := m.head()
		if a.Before != nil {
			n = min(n, max(*a.Before, 1)-1)
		}
		for ; n >= m.first && n > 0 && add(n); n-- {
		}
		slices.Reverse(p.Messages)
	}
	if a.As == "" {
		p.Skipped = other
	}
	return p
}

// answer reads the page of a request and delivers it, or loses it.
func (m *roomModel) answer() {
	if len(m.asks) == 0 {
		return
	}
	i := m.random.IntN(len(m.asks))
	a := m.asks[i]
	if a.page == nil {
		a.page = m.page(a.replicaAsk, 1+m.random.IntN(6))
		return
	}
	m.asks = slices.Delete(m.asks, i, i+1)
	m.deliver(a)
}

func (m *roomModel) deliver(a *modelAsk) {
	if m.random.IntN(6) == 0 {
		m.steps = append(m.steps, replicaStep{Cancel: a.ID})
		return
	}
	used := !a.void && a.page.HistoryID == m.log && a.page.Head >= a.n
	m.steps = append(m.steps, replicaStep{Page: &replicaPage{a.ID, wire.Append(nil, *a.page), used}})
}
