package tui

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	tea "charm.land/bubbletea/v2"

	"ramai/internal/qr"
	"ramai/wire"
)

// reachable is the answer of Config.Reachable.
type reachable struct {
	server *url.URL // nil: unknown
	show   tea.Msg  // routed afterwards; nil: nothing
}

// showLink is the message to show the address of a room, or of message n if n is not 0.
type showLink struct {
	room string
	n    uint64
}

// findAddress looks up the address for other machines, and then routes show.
func (s *screen) findAddress(show tea.Msg) tea.Cmd {
	if s.Reachable == nil {
		if show != nil {
			s.send(show)
		}
		return nil
	}
	find, ctx := s.Reachable, s.ctx
	return func() tea.Msg { return reachable{find(ctx), show} }
}

// address returns the address of a room for browsers.
func (s *screen) address(room string) url.URL {
	server := s.Server
	if s.reachable != nil {
		server = s.reachable
	}
	address := url.URL{Scheme: "http", Host: server.Host, Path: "/r/" + room}
	if server.Scheme == "https" || server.Scheme == "wss" {
		address.Scheme = "https"
	}
	if room == wire.Lobby {
		address.Path = "/"
	}
	return address
}

// onlyHere reports whether an address refers to the machine on which it is used.
func onlyHere(address url.URL) bool {
	host := address.Hostname()
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// link shows the address of the room or of a message.
func (s *screen) link(words string) tea.Cmd {
	if words == "" {
		return s.linkTo(0)
	}
	if n, ok := s.number(words); ok {
		return s.linkTo(n)
	}
	return nil
}

// linkTo shows the address of message n, or of the room if n is 0.
func (s *screen) linkTo(n uint64) tea.Cmd { return s.findAddress(showLink{s.room().name, n}) }

// linkPanel shows an address, and its QR code for phones.
func (s *screen) linkPanel(m showLink) *panel {
	address, title := s.address(m.room), "The address of "+m.room
	if m.n > 0 {
		address.Fragment = fmt.Sprintf("n%d", m.n)
		title = "The address of message " + thousands(m.n) + " in " + m.room
	}
	p := &panel{title: title, rows: []row{{text: []span{{text: address.String(), kind: link, href: address.String()}}}}}
	if onlyHere(address) {
		p.rows = append(p.rows, row{text: []span{{text: "It works on this machine only.", kind: dim}}})
		return p
	}
	p.below = func(b *style, height int) []string { return b.qrCode(address.String(), height) }
	return p
}

// qrCode draws a QR code of at most height rows. If it does not fit, it returns a message with the size that is needed.
func (b *style) qrCode(text string, height int) []string {
	code, err := qr.Encode(text)
	if err != nil {
		return nil // too long
	}
	lines := code.Blocks()
	if width := utf8.RuneCountInString(lines[0]) + 1; len(lines) > height || width > b.width {
		return b.dimmed(fmt.Sprintf("The QR code does not fit: it needs %d columns and %d rows.", width, len(lines)))
	}
	for i := range lines {
		lines[i] = " " + b.qr.Styled(lines[i])
	}
	return lines
}

// maxRoomPages is how many pages of the list of rooms are fetched, with wire.MaxRooms rooms each.
const maxRoomPages = 4

// roomsAnswer is the list of the server's rooms.
type roomsAnswer struct {
	rooms []wire.RoomInfo
	more  bool // there are more
	err   error
}

// listRooms shows the rooms of the server, to go to one.
func (s *screen) listRooms(string) tea.Cmd {
	if s.ServerRooms == nil || s.chat.Plain() {
		s.openPanel(showPanel{panel: s.roomsPanel(roomsAnswer{})})
		return nil
	}
	list, ctx := s.ServerRooms, s.ctx
	return func() tea.Msg {
		var all roomsAnswer
		for after := ""; ; {
			page, err := list(ctx, after)
			if err != nil {
				all.err = err
				return all
			}
			all.rooms = append(all.rooms, page.Rooms...)
			if !page.More || len(page.Rooms) == 0 {
				return all
			}
			if after = page.Rooms[len(page.Rooms)-1].Room; len(all.rooms) >= maxRoomPages*wire.MaxRooms {
				all.more = true
				return all
			}
		}
	}
}

// roomsPanel lists the rooms on the screen, and then the others of the server: those with the most people first, and among
// those the ones with the newest messages.
func (s *screen) roomsPanel(server roomsAnswer) *panel {
	type entry struct {
		name   string
		people int
		info   *wire.RoomInfo // nil: unknown
		joined *room          // nil: it is not on the screen
	}
	var all []entry
	for _, r := range s.rooms.all {
		all = append(all, entry{name: r.name, people: r.people.present, joined: r})
	}
	for i, info := range server.rooms {
		if wire.CheckRoom(info.Room) != nil {
			continue
		}
		if at := s.rooms.index(info.Room); at >= 0 {
			all[at].info = &server.rooms[i]
			continue
		}
		all = append(all, entry{name: info.Room, people: info.Count, info: &server.rooms[i]})
	}
	slices.SortStableFunc(all[len(s.rooms.all):], func(a, b entry) int {
		if a.people != b.people {
			return b.people - a.people
		}
		return b.info.At.Std().Compare(a.info.At.Std())
	})
	p := &panel{title: plural(len(all), "room", "rooms") + "; /join ROOM creates another", chosen: s.rooms.current}
	switch {
	case server.err != nil:
		p.title = "the rooms on this screen; the others are unknown: " + reason(server.err, s.method)
	case server.more:
		p.title = "the first " + p.title
	}
	widest := 0
	for _, e := range all {
		widest = max(widest, min(len(e.name), 20))
	}
	for _, e := range all {
		words := []string{thousands(uint64(e.people)) + " here"}
		name := span{text: fmt.Sprintf("%-*s  ", widest, e.name)}
		if e.info != nil && s.width >= narrow {
			words = append(words, "newest "+e.info.At.Std().In(s.zone).Format(s.formats.moment))
		}
		if e.joined != nil {
			name.kind = mention
			words = append(words, "joined")
			if n := e.joined.unread(); n > 0 {
				words = append(words, thousands(n)+" new")
			}
		}
		p.rows = append(p.rows, row{before: []span{name}, text: []span{{text: strings.Join(words, " · "), kind: dim}}})
	}
	p.pick = func(i int) tea.Msg { return goTo{room: all[i].name} }
	return p
}
