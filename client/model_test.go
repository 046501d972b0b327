package client

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"ramai/wire"
)

// world is a core and a server that a test steps.
type world struct {
	t         interface{ Fatalf(string, ...any) }
	core      *core
	server    *fakeServer
	now       time.Time
	connected bool
	received  map[string][]wire.Message // by room
	at        map[string]uint64         // the position according to the events, by room
	gaps      map[string]int
	resets    int
	replicas  map[string]*Replica
	numbers   map[string]uint64 // of saved messages, by id
	said      []string          // what the server should store, in order
}

func newWorld(t interface{ Fatalf(string, ...any) }) *world {
	w := &world{t: t, core: newCore(), server: newFakeServer(), now: time.Unix(1e9, 0),
		received: map[string][]wire.Message{}, at: map[string]uint64{}, gaps: map[string]int{},
		replicas: map[string]*Replica{}, numbers: map[string]uint64{}}
	return w
}

// replica returns the user's copy of a room.
func (w *world) replica(room string) *Replica {
	if w.replicas[room] == nil {
		w.replicas[room] = new(Replica)
	}
	return w.replicas[room]
}

func (w *world) connect() {
	w.core.connected()
	w.server.connect()
	w.connected = true
}

func (w *world) cut() {
	w.server.cut()
	w.now = w.now.Add(w.core.disconnected(w.now, errCut))
	w.connected = false
	w.events()
}

// send moves one frame from the client to the wire, and reports whether there was one.
func (w *world) send() bool {
	b, ok := w.core.next(w.now)
	if ok {
		w.server.fromClient = append(w.server.fromClient, b)
	}
	w.check()
	return ok
}

// receive delivers one frame to the client, and reports whether there was one.
func (w *world) receive() bool {
	if len(w.server.toClient) == 0 {
		return false
	}
	b := w.server.toClient[0]
	w.server.toClient = w.server.toClient[1:]
	if err := w.core.received(w.now, b); err != nil {
		w.t.Fatalf("the server follows the protocol, but the client reports: %v", err)
	}
	w.check()
	w.events()
	return true
}

// check verifies the core's invariants.
func (w *world) check() {
	o := &w.core.outbox
	if o.sent > o.attempted || o.attempted > len(o.says) {
		w.t.Fatalf("outbox: sent %d, tried %d of %d", o.sent, o.attempted, len(o.says))
	}
	if wake := w.core.wake(w.now); !wake.IsZero() && !wake.After(w.now) {
		w.t.Fatalf("wake is %v, which is not after now, %v", wake, w.now)
	}
}

// events reads the events and checks promises 1 and 4: in order, each number once, gaps reported.
func (w *world) events() {
	for {
		e, ok := w.core.pop()
		if !ok {
			if w.core.size != 0 {
				w.t.Fatalf("no events are left, but they have %d bytes", w.core.size)
			}
			return
		}
		switch f := e.Frame.(type) {
		case wire.Joined:
			w.replica(f.Room).Apply(f)
			old, known := w.at[f.Room]
			if f.Reset {
				w.resets++
			}
			if !known || f.Reset {
				w.at[f.Room] = w.core.find(f.Room).n
			} else if now := w.core.find(f.Room).n; now != old {
				w.t.Fatalf("joined %s again at %d after %d", f.Room, now, old)
			}
		case wire.Gap:
			w.replica(f.Room).Apply(f)
			if f.From > w.at[f.Room]+1 || f.To <= w.at[f.Room] {
				w.t.Fatalf("gap %+v at position %d", f, w.at[f.Room])
			}
			w.at[f.Room] = f.To
			w.gaps[f.Room]++
		case wire.Changed:
			w.numbered(f.Room, f.N)
			w.replica(f.Room).Apply(f)
		case wire.State:
			w.numbered(f.Room, f.N)
			w.replica(f.Room).Apply(f)
		case wire.Marked:
			w.replica(f.Room).Apply(f)
		case Sent:
			if f.State == Saved {
				w.numbers[f.ID] = f.N
			}
			w.replica(f.Room).Apply(f)
		case wire.Message:
			w.replica(f.Room).Apply(f)
			if f.N != w.at[f.Room]+1 {
				w.t.Fatalf("the event has number %d of %s after %d", f.N, f.Room, w.at[f.Room])
			}
			w.at[f.Room] = f.N
			w.received[f.Room] = append(w.received[f.Room], f)
		}
	}
}

// numbered checks that a frame of a room has the next number.
func (w *world) numbered(room string, n uint64) {
	if n != w.at[room]+1 {
		w.t.Fatalf("received number %d of %s after %d", n, room, w.at[room])
	}
	w.at[room] = n
}

// settle lets everything finish without faults.
func (w *world) settle(rooms ...string) {
	w.server.refuseNext = 0
	for i := 0; ; i++ {
		if i > 100_000 {
			w.t.Fatalf("does not settle: %d pending, %d requests", len(w.core.outbox.says), len(w.core.asks))
		}
		if !w.connected {
			w.connect()
		}
		busy := w.send()
		for len(w.server.fromClient) > 0 {
			w.server.work()
			busy = true
		}
		for _, r := range rooms {
			w.server.sendRoom(r)
		}
		for w.receive() {
			busy = true
		}
		if busy {
			continue
		}
		wake := w.core.wake(w.now)
		if wake.IsZero() {
			return
		}
		w.now = wake
	}
}

// walk takes random steps: some of them are the test's, and all tests have those in which the client says something, frames move, the
// connection breaks, time passes, and the server refuses. Then everything runs to its end, and the server has stored what was said.
func (w *world) walk(t *rapid.T, rooms []string, steps ...func()) {
	room := rapid.SampledFrom(rooms)
	steps = append(steps, func() {
		text := "mine " + strconv.Itoa(len(w.said))
		w.say(say{room: room.Draw(t, "say in"), text: text}, text)
	}, func() {
		if !w.connected {
			w.connect()
		} else if rapid.IntRange(0, 3).Draw(t, "cut if 0") == 0 {
			w.cut()
		}
	}, func() { w.send() }, func() {
		for range min(len(w.server.fromClient), rapid.IntRange(1, 3).Draw(t, "the server takes")) {
			w.server.work()
		}
	}, func() { w.server.sendRoom(room.Draw(t, "send what is in")) }, func() {
		for range rapid.IntRange(1, 3).Draw(t, "receive") {
			w.receive()
		}
	}, func() { w.now = w.now.Add(7 * time.Millisecond) }, func() { w.server.refuseNext = 5 * time.Millisecond })
	for range rapid.IntRange(0, 300).Draw(t, "steps") {
		steps[rapid.IntRange(0, len(steps)-1).Draw(t, "step")]()
	}
	w.settle(rooms...)
	if o := &w.core.outbox; len(o.says) > 0 || o.blocked != 0 {
		t.Fatalf("%d are not settled, %d blocked", len(o.says), o.blocked)
	}
	if !slices.Equal(w.server.saves, w.said) {
		t.Fatalf("stored %q\nsaid   %q", w.server.saves, w.said)
	}
}

// say posts s, which the server stores as stored.
func (w *world) say(s say, stored string) (id string) {
	w.said = append(w.said, stored)
	return w.core.post(s)
}

// TestCoreModel steps a client through random cuts, refusals, retention and changes of the log, and checks what it received
// and what was stored against the promises.
func TestCoreModel(t *testing.T) {
	rooms := []string{"lobby", "tea"}
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		deletes := rapid.Bool().Draw(t, "harsh") // retention and new logs: then not everything is received
		others, logs := 0, 0
		for _, r := range rooms {
			w.core.join(room{name: r})
		}
		room := rapid.SampledFrom(rooms)
		steps := []func(){
			func() {
				others++
				w.server.store(room.Draw(t, "another says in"), "somebody else", "o"+strconv.Itoa(others), "other "+strconv.Itoa(others))
			},
			func() { // a frame twice: the second one is ignored
				if n := len(w.server.toClient); n > 0 && strings.Contains(string(w.server.toClient[n-1]), `"type":"message"`) {
					w.server.toClient = append(w.server.toClient, w.server.toClient[n-1])
				}
			},
		}
		if deletes {
			steps = append(steps, func() {
				if !w.connected { // a room that is being read keeps what its readers have not received
					w.server.forget(room.Draw(t, "forget of"), 2)
				}
			}, func() {
				if !w.connected && rapid.IntRange(0, 3).Draw(t, "another log if 0") == 0 {
					logs++
					w.server.anotherLog(logs)
				}
			})
		}
		w.walk(t, rooms, steps...)

		for _, name := range rooms {
			r := w.server.room(name)
			if w.at[name] != r.n {
				t.Fatalf("%s: at %d of %d", name, w.at[name], r.n)
			}
			if !deletes && !heardAll(w.received[name], r.messages) {
				t.Fatalf("%s: received %v\nof %v", name, texts(w.received[name]), texts(r.messages))
			}
			own, ownSaved := by(w.core.by, w.received[name]), by(w.core.by, r.messages)
			if !deletes && own != ownSaved {
				t.Fatalf("%s: received %d of its own %d", name, own, ownSaved)
			}
		}
	})
}

// heardAll reports whether heard is the end of messages: nothing is received before the first joined.
func heardAll(heard, messages []wire.Message) bool {
	start := len(messages) - len(heard)
	return start >= 0 && slices.Equal(texts(heard), texts(messages[start:]))
}

// by counts the messages of one sender.
func by(sender string, messages []wire.Message) (n int) {
	for _, m := range messages {
		if m.SenderID == sender {
			n++
		}
	}
	return n
}

func texts(messages []wire.Message) []string {
	var out []string
	for _, m := range messages {
		out = append(out, m.Text)
	}
	return out
}
