package session

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"ramai/internal/chat"
	"ramai/wire"
)

// streamClient is a client of a stream: it resumes with the id of the last event, or, as a reader of lines, with the number
// that it has reached.
type streamClient struct {
	sim         *sim
	name        string
	protocol    chat.Protocol
	room        string
	last        int
	l           *link  // nil: not connected
	partial     string // of an event or line that has not come whole
	id          string // the last event's; empty: none yet
	position    uint64 // everything up to there was heard, or was said to be gone
	epoch       string // in which that was
	joinedEpoch string // the epoch of the newest joined
	view        view   // of what was received since the newest reset
	offline     bool   // it does not connect
	resets      int    // resets that it received
	count       int    // of the newest presence
}

func (c *streamClient) connect() {
	if c.l != nil || c.offline {
		return
	}
	client := Client{Protocol: c.protocol, Room: c.room, Last: c.last, Addr: c.sim.addr(200)}
	if c.id != "" {
		client.After = &wire.Position{HistoryID: c.sim.store.HistoryID(), Epoch: c.epoch, N: c.position}
	}
	c.l = c.sim.node().connect(client)
	c.l.onBytes, c.partial = c.receive, ""
}

func (c *streamClient) disconnect() {
	if c.l != nil {
		c.l.end(errors.New("cut"))
		c.l = nil
	}
}

func (c *streamClient) fail(format string, args ...any) {
	c.sim.t.Helper()
	c.sim.t.Fatalf(c.name+": "+format, args...)
}

// receive splits the bytes received into lines or events.
func (c *streamClient) receive(b []byte) {
	c.partial += string(b)
	end := "\n"
	if c.protocol == chat.Events {
		end = "\n\n"
	}
	for {
		one, rest, whole := strings.Cut(c.partial, end)
		if !whole {
			return
		}
		c.partial = rest
		if c.protocol == chat.Events {
			c.event(one)
		} else {
			c.frame(one, "")
		}
	}
}

// event parses the fields of one event, following the HTML Living Standard (section 9.2.6).
func (c *streamClient) event(s string) {
	var name, id, data string
	for field := range strings.SplitSeq(s, "\n") {
		key, value, _ := strings.Cut(field, ":")
		value = strings.TrimPrefix(value, " ")
		switch key {
		case "event":
			name = value
		case "id":
			id = value
		case "data":
			data = value
		case "", "retry":
		default:
			c.fail("an event with the field %q", field)
		}
	}
	if data == "" {
		return
	}
	if !strings.HasPrefix(data, `{"type":"`+name+`"`) {
		c.fail("the event %q is %s", name, data)
	}
	c.frame(data, id)
	if id != "" {
		c.id = id
		if p, ok := wire.ParsePosition(id); ok && c.sim.set.cluster != nil { // another node may have begun an epoch
			c.epoch = p.Epoch
		}
		if want := string(wire.AppendPosition(nil, wire.Position{HistoryID: c.sim.store.HistoryID(), Epoch: c.epoch, N: c.position})); id != want {
			c.fail("the id of %s is %s, want %s", data, id, want)
		}
	}
}

func (c *streamClient) frame(data, id string) {
	f, err := wire.ParseFrame([]byte(data))
	if err != nil {
		c.fail("received %q: %v", data, err)
	}
	switch f := f.(type) {
	case wire.Joined:
		if f.Epoch != c.joinedEpoch {
			c.view.forgetAbove(c.position)
		}
		c.view.join(f.State, f.N)
		c.joinedEpoch = f.Epoch
		if c.id == "" {
			c.epoch = f.Epoch
			c.position = *f.From
			c.id = strconv.FormatUint(c.position, 10)
		}
	case wire.Epoch:
		c.joinedEpoch = f.Epoch
		return
	case wire.Reset:
		if c.resets++; c.resets > c.sim.rewinds {
			c.fail("its position is unknown: %s", data)
		}
		c.joinedEpoch, c.epoch, c.view = f.Epoch, f.Epoch, view{}
		c.position = *f.From
		c.view.join(f.State, f.N)
	case wire.Message:
		if f.N != c.position+1 || f.Room != c.room {
			c.fail("received %s after %d of %s", describe(f), c.position, c.room)
		}
		c.position, c.epoch = f.N, c.joinedEpoch
		c.view.message(c.sim, c.name, f, 0)
	case wire.Changed:
		if f.N != c.position+1 || f.Room != c.room {
			c.fail("receives %s after %d of %s", data, c.position, c.room)
		}
		c.position, c.epoch = f.N, c.joinedEpoch
		c.view.change(c.sim, c.name, f)
	case wire.Tally:
		if f.N != c.position+1 || f.Room != c.room {
			c.fail("receives %s after %d of %s", data, c.position, c.room)
		}
		c.position, c.epoch = f.N, c.joinedEpoch
		c.view.tally(c.sim, c.name, f)
	case wire.State:
		if f.N != c.position+1 || f.Room != c.room {
			c.fail("receives %s after %d of %s", data, c.position, c.room)
		}
		c.position, c.epoch = f.N, c.joinedEpoch
		c.view.state(c.sim, c.name, f)
	case wire.Gap:
		if f.From != c.position+1 || f.To < f.From || f.To >= c.l.st.store.Bounds(c.room).First {
			c.fail("at %d: %s", c.position, describe(f))
		}
		c.position, c.epoch = f.To, c.joinedEpoch
		c.view.gap(f)
	case wire.Presence:
		c.count = f.Count
	default:
		if t := f.Type(); t != "ping" && t != "restarting" {
			c.fail("hears %s", data)
		}
	}
	if c.protocol == chat.Events && id == "" && f.Type() != (wire.Presence{}).Type() {
		c.fail("%s has no id", data)
	}
}

// newStreamClients returns one client of each format.
func newStreamClients(s *sim) []*streamClient {
	var all []*streamClient
	for i, protocol := range []chat.Protocol{chat.Events, chat.Lines} {
		all = append(all, &streamClient{sim: s, name: fmt.Sprint("listener ", i), protocol: protocol, room: simRooms[i], last: []int{0, 3, 500}[s.rng.IntN(3)]})
	}
	return all
}
