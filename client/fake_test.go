package client

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"ramai/wire"
)

// fakeServer follows the guarantees of ramai.v1 for one client, one step at a time: the test decides when a frame arrives,
// what is refused, and when the connection is cut. It implements only those rules that a client can observe.
type fakeServer struct {
	sessions  int
	historyID string
	rooms     map[string]*fakeRoom

	// State of the connection.
	session    string
	joined     map[string]uint64 // position by room
	refused    string            // the id that must be sent again first
	toClient   [][]byte          // frames in transit to the client
	fromClient [][]byte          // frames in transit from the client

	refuseNext time.Duration // if not 0, the next say is refused and may be sent again after this time
	saves      []string      // texts of this client in the order in which they were stored
}

type fakeRoom struct {
	first    uint64
	messages []wire.Message // numbers first, first+1, ...
	saved    map[string]uint64
	others   map[uint64]wire.Frame // records that are not messages, by number; messages has an empty one in their place
	marks    map[wire.Mark]bool    // of this client's sender, with On false
	n        uint64
}

func newFakeServer() *fakeServer {
	s := &fakeServer{historyID: "log0", rooms: map[string]*fakeRoom{}}
	s.cut()
	return s
}

func (s *fakeServer) room(name string) *fakeRoom {
	if s.rooms[name] == nil {
		s.rooms[name] = &fakeRoom{first: 1, saved: map[string]uint64{}, others: map[uint64]wire.Frame{}, marks: map[wire.Mark]bool{}}
	}
	return s.rooms[name]
}

// connect greets a new connection.
func (s *fakeServer) connect() {
	s.sessions++
	s.session = fmt.Sprintf("session%015d", s.sessions)
	s.send(s.welcome())
}

func (s *fakeServer) welcome() wire.Welcome {
	return wire.Welcome{Protocol: wire.Protocol, SenderID: wire.SenderIDOf(s.session), Session: s.session, Text: wire.Greeting,
		Limits: wire.Limits{Text: 4000, Frame: 64 << 10}}
}

// cut loses all frames in transit.
func (s *fakeServer) cut() {
	s.joined, s.refused, s.toClient, s.fromClient = map[string]uint64{}, "", nil, nil
}

func (s *fakeServer) send(f wire.Frame) { s.toClient = append(s.toClient, wire.Append(nil, f)) }

// work handles one frame of the client.
func (s *fakeServer) work() {
	request, bad := wire.ParseRequest(s.fromClient[0])
	s.fromClient = s.fromClient[1:]
	if bad != nil {
		panic(bad)
	}
	switch f := request.Frame.(type) {
	case wire.Hello:
		s.session = f.Session
		s.send(s.welcome())
	case wire.Join:
		s.join(f)
	case wire.Leave:
		delete(s.joined, f.Room)
	case wire.Say:
		s.say(f)
	case wire.Change:
		s.change(f)
	case wire.Set:
		s.set(f)
	case wire.Mark:
		s.mark(f, request)
	case wire.History:
		s.send(wire.Page{Room: f.Room, HistoryID: s.historyID})
	default:
		panic(fmt.Sprintf("unexpected %T", f))
	}
}

func (s *fakeServer) join(f wire.Join) {
	r := s.room(f.Room)
	answer := wire.Joined{Room: f.Room, HistoryID: s.historyID, N: r.n, First: r.first, State: map[string]wire.Value{}}
	for n := r.first; n <= r.n; n++ {
		if set, ok := r.others[n].(wire.State); ok {
			answer.State[set.Key] = set.Value
		}
	}
	last := uint64(wire.DefaultJoin)
	if f.Last != nil {
		last = uint64(*f.Last)
	}
	at := r.n - min(last, r.n)
	if f.After != nil {
		answer.Reset = f.After.HistoryID != s.historyID || f.After.N > r.n
		if !answer.Reset {
			at = f.After.N
		}
	}
	if f.After == nil || answer.Reset {
		at = max(at, r.first-1)
	}
	s.send(answer)
	s.joined[f.Room] = at
}

// sendRoom sends everything that the client has not received yet of a joined room.
func (s *fakeServer) sendRoom(name string) {
	at, ok := s.joined[name]
	r := s.room(name)
	if !ok || at >= r.n {
		return
	}
	if at+1 < r.first {
		s.send(wire.Gap{Room: name, From: at + 1, To: r.first - 1})
		at = r.first - 1
	}
	for _, m := range r.messages[at+1-r.first:] {
		if f, ok := r.others[m.N]; ok {
			s.send(f)
		} else {
			s.send(m)
		}
	}
	s.joined[name] = r.n
}

// refuses reports whether a message or a change must be sent again later, and answers so.
func (s *fakeServer) refuses(room, id string) bool {
	if s.refused == id {
		s.refused = ""
	}
	_, saved := s.room(room).saved[id] // the client may know it from the echo, and not send it again
	if s.refused == "" && s.refuseNext > 0 && !saved {
		s.refused = id
	}
	if s.refused == "" {
		return false
	}
	s.send(wire.RefusedBy(room, id, &wire.CodedError{Code: wire.Unavailable, Reason: "not now", RetryAfter: max(s.refuseNext, time.Millisecond)}))
	s.refuseNext = 0
	return true
}

func (s *fakeServer) change(f wire.Change) {
	if s.refuses(f.Room, f.ID) {
		return
	}
	r := s.room(f.Room)
	n, ok := r.saved[f.ID]
	if !ok {
		m := &r.messages[f.Of-r.first]
		if m.Gone {
			s.send(wire.RefusedBy(f.Room, f.ID, &wire.CodedError{Code: wire.Gone, Reason: "deleted"}))
			return
		}
		if m.Edited > 0 {
			r.others[m.Edited] = wire.Changed{Room: f.Room, N: m.Edited, Of: wire.Targets{}}
		}
		n = s.store(f.Room, m.SenderID, f.ID, "")
		m = &r.messages[f.Of-r.first]
		c := wire.Changed{Room: f.Room, N: n, Of: wire.Target(f.Of), SenderID: m.SenderID, ID: f.ID, Text: f.Text}
		r.others[n] = c
		*m = after(m, c)
		s.saves = append(s.saves, m.ID+" becomes "+m.Text)
	}
	s.send(wire.Saved{Room: f.Room, ID: f.ID, N: n})
}

func (s *fakeServer) set(f wire.Set) {
	if s.refuses(f.Room, f.ID) {
		return
	}
	r := s.room(f.Room)
	n, ok := r.saved[f.ID]
	if !ok {
		by := wire.SenderIDOf(s.session)
		n = s.store(f.Room, by, f.ID, "")
		r.others[n] = wire.State{Room: f.Room, N: n, Key: f.Key, Value: f.Value, SenderID: by, ID: f.ID}
		s.saves = append(s.saves, f.Key+" = "+*f.Value.Text)
	}
	s.send(wire.Saved{Room: f.Room, ID: f.ID, N: n})
}

// mark adds or removes a mark. One sender has at most one of the keys "0" and "1" of a message.
func (s *fakeServer) mark(f wire.Mark, request wire.Request) {
	if s.refuseNext > 0 {
		s.send(request.Refused(&wire.CodedError{Code: wire.RateLimited, Reason: "not now", RetryAfter: s.refuseNext}))
		s.refuseNext = 0
		return
	}
	s.setMark(f)
	s.send(wire.Marked{Room: f.Room, Of: f.Of, Key: f.Key, On: f.On, Ref: request.Ref})
}

// setMark stores a mark.
func (s *fakeServer) setMark(f wire.Mark) {
	on := f.On
	f.On = false
	marks := s.room(f.Room).marks
	delete(marks, f)
	if !on {
		return
	}
	if other := map[string]string{"0": "1", "1": "0"}[f.Key]; other != "" {
		g := f
		g.Key = other
		delete(marks, g)
	}
	marks[f] = true
}

func (s *fakeServer) say(f wire.Say) {
	if s.refuses(f.Room, f.ID) {
		return
	}
	r := s.room(f.Room)
	n, ok := r.saved[f.ID]
	if !ok {
		n = s.store(f.Room, wire.SenderIDOf(s.session), f.ID, f.Text)
		s.saves = append(s.saves, f.Text)
	}
	s.send(wire.Saved{Room: f.Room, ID: f.ID, N: n})
}

func (s *fakeServer) store(room, by, id, text string) uint64 {
	r := s.room(room)
	r.n++
	r.saved[id] = r.n
	r.messages = append(r.messages, wire.Message{Room: room, N: r.n, SenderID: by, ID: id, Text: text})
	return r.n
}

// forget applies retention: it deletes all but the newest keep messages of a room.
func (s *fakeServer) forget(room string, keep int) {
	r := s.room(room)
	if drop := len(r.messages) - keep; drop > 0 {
		r.messages = slices.Clone(r.messages[drop:])
		r.first += uint64(drop)
	}
}

// anotherLog renumbers everything, like a restore.
func (s *fakeServer) anotherLog(k int) {
	s.historyID = "log" + strconv.Itoa(k)
	for _, r := range s.rooms {
		for i := range r.messages {
			r.messages[i].N = uint64(i + 1)
			r.saved[r.messages[i].ID] = uint64(i + 1)
		}
		r.first, r.n = 1, uint64(len(r.messages))
	}
}
