package tui

import (
	"fmt"

	tea "charm.land/bubbletea/v2"

	"ramai/client"
	"ramai/wire"
)

// openPanel covers the messages with a panel. A paste that waits for an answer stays.
func (s *screen) openPanel(m showPanel) {
	switch {
	case m.late && s.composer.question != nil:
		s.inform("%s", m.panel.title)
		return
	case m.late:
		m.panel.openedAt = s.now()
	}
	s.status.update(clearNotice{})
	s.panel, s.composer.completion = m.panel, nil
}

// who shows who is in the room: all members, or those whose name begins with prefix.
func (s *screen) who(prefix string) tea.Cmd {
	if s.plainOnly() {
		return nil
	}
	r, h := s.room(), s.shared
	return func() tea.Msg {
		who, err := h.chat.Who(h.ctx, wire.Who{Room: r.name, Prefix: prefix})
		if err != nil {
			return notice{text: reason(err, h.method), isError: true}
		}
		return whoAnswer{who}
	}
}

// Answers of the server, which the screen shows as panels.
type (
	whoAnswer   struct{ who wire.Who }
	foundAnswer struct {
		words string
		found wire.SearchResponse
	}
)

// whoPanel lists who is in a room.
func (h *shared) whoPanel(who wire.Who) *panel {
	p := &panel{title: plural(who.Count, "is", "are") + " in " + oneLine(who.Room, h.method), empty: "nobody here has a name"}
	if len(who.Names) > 0 && who.Count > len(who.Names) {
		p.title += fmt.Sprintf(", %s by name", thousands(uint64(len(who.Names))))
	}
	if who.Prefix != "" {
		p.title += fmt.Sprintf("; %s with %s", thousands(uint64(who.Matching)), oneLine(who.Prefix, h.method))
		p.empty = "no name begins with that"
	}
	for _, n := range who.Names {
		r := row{text: []span{{text: oneLine(n, h.method)}}}
		if n == h.self.name {
			r.text = append(r.text, span{text: "  you", kind: dim})
		}
		p.rows = append(p.rows, r)
	}
	return p
}

// search searches all rooms.
func (s *screen) search(words string) tea.Cmd {
	if s.Search == nil || s.chat.Plain() {
		s.warn("this server cannot be searched")
		return nil
	}
	s.inform("searching …")
	find, h := s.Search, s.shared
	return func() tea.Msg {
		got, err := find(h.ctx, client.Search{Words: words})
		if err != nil {
			return notice{text: reason(err, h.method), isError: true}
		}
		return foundAnswer{words, got.SearchResponse}
	}
}

// foundPanel lists the messages that a search has found.
func (h *shared) foundPanel(words string, got wire.SearchResponse) *panel {
	p := &panel{title: plural(len(got.Hits), "message", "messages") + " with " + oneLine(words, h.method), empty: "no messages found"}
	if got.More {
		p.title = "the newest " + p.title
	}
	if got.Behind > 0 {
		p.title += fmt.Sprintf("; %s not searched yet", thousands(got.Behind))
	}
	for _, hit := range got.Hits {
		who := h.style.senderLabel(&item{senderID: hit.SenderID, displayName: hit.DisplayName, own: hit.SenderID == h.self.senderID})
		at := hit.At.Std().In(h.zone)
		p.rows = append(p.rows, row{senderID: hit.SenderID, text: h.marked(hit), before: []span{
			{text: at.Format(h.formats.moment) + "  ", kind: dim}, {text: oneLine(hit.Room, h.method) + "  ", kind: dim}, {text: who, kind: name}, {text: "  "},
		}})
	}
	p.pick = func(i int) tea.Msg { return goTo{got.Hits[i].Room, got.Hits[i].N} }
	return p
}

// marked returns a snippet with the matches marked.
func (h *shared) marked(hit wire.Hit) (out []span) {
	runes, end := []rune(hit.Snippet), 0
	for _, m := range hit.Marks {
		if m[0] < end || m[1] <= m[0] || m[1] > len(runes) {
			continue
		}
		out = append(out, span{text: oneLine(string(runes[end:m[0]]), h.method)}, span{text: oneLine(string(runes[m[0]:m[1]]), h.method), kind: found})
		end = m[1]
	}
	return append(out, span{text: oneLine(string(runes[end:]), h.method)})
}
