package rehearse

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"ramai/internal/frame"
	"ramai/internal/reactor"
	"ramai/wire"
)

// client is one client of the rehearsal. It is a reactor.Source.
type client struct {
	r         *rehearsal
	publisher int // which it is, or -1
	slow      bool
	leaving   atomic.Bool // its connection ends because it is to

	mu        sync.Mutex // for what the talking goroutine shares with the reactor's
	conn      reactor.Conn
	out       []byte // frames to be written
	published int    // messages handed out
	text      []byte // the newest of them; its memory serves again

	// Owned by who calls the Source.
	receiver
	dec      frame.Decoder
	joined   bool
	n        uint64 // ramai.v1: the newest number heard
	jumps    int64  // numbers that did not follow the one before
	epoch    string // of n, for where to go on
	known    bool   // n is known: it was in the room before
	inFlight int    // closed loop: said and not yet heard
	behind   int    // it has been cut off, and is complete again when it has heard one less than so many; 0: it is complete
	writing  []byte // handed out by Next; its memory serves again
	written  []byte // the part of it that is not yet taken
	ended    chan error
}

// attach gives the client a new connection.
func (c *client) attach(conn reactor.Conn) reactor.Source {
	c.mu.Lock()
	c.conn, c.out = conn, nil
	c.mu.Unlock()
	c.dec, c.writing, c.written, c.joined = frame.NewDecoder(&c.r.frames), nil, nil, false
	c.ended = make(chan error, 1)
	return c
}

// Next implements reactor.Source.
func (c *client) Next(max int) ([]byte, bool) {
	if len(c.written) == 0 {
		c.mu.Lock()
		c.topUp()
		c.writing, c.out = c.out, c.writing[:0]
		c.mu.Unlock()
		c.written = c.writing
	}
	return c.written[:min(len(c.written), max)], len(c.written) > 0
}

// Wrote implements reactor.Source.
func (c *client) Wrote(n int) { c.written = c.written[n:] }

// Closed implements reactor.Source.
func (c *client) Closed(err error) {
	c.r.connectionEnded(c, err) // before ended is told: then the client is no longer leaving
	c.ended <- err              // of each connection there is one
}

// Received implements reactor.Source.
func (c *client) Received(b []byte) (used int, err error) {
	if len(b) == 0 {
		return 0, io.EOF
	}
	if c.r.isPaused(c) {
		return 0, nil
	}
	before := c.received()
	defer func() { c.r.delivered.Add(c.received() - before) }()
	now := c.r.since()
	waits := c.r.latencies.begin()
	defer c.r.latencies.end(waits)
	for used < len(b) {
		if k := c.matchRecent(b[used:], now, waits); k > 0 {
			used += k
			continue
		}
		if text, k := wholeText(b[used:]); k > 0 && !c.dec.Partial() {
			used += k
			if err := c.receiveText(text, now, waits); err != nil {
				return used, err
			}
			continue
		}
		m, k, err := c.dec.Next(b[used:])
		used += k
		if err != nil {
			return used, err
		}
		switch m.Op {
		case frame.Text:
			if err := c.receiveText(m.Payload, now, waits); err != nil {
				return used, err
			}
		case frame.Ping:
			c.send(m.Payload, frame.Pong)
		case frame.Close:
			return used, fmt.Errorf("the server closed the connection")
		}
	}
	if c.behind > 0 && c.joined && c.next >= c.behind-1 {
		c.behind = 0
		c.r.reconnects.complete(now)
	}
	return used, nil
}

// matchRecent takes from the beginning of b the frames that come next and are, byte for byte, those that another client has
// heard and checked: for these the comparison is the whole check. It returns how many bytes they have. All else is for
// text to check.
func (c *client) matchRecent(b []byte, now int64, waits *shard) (used int) {
	if !c.joined || c.dec.Partial() || len(c.early) > 0 {
		return 0
	}
	for {
		t := c.ledger.recentAt(c.next)
		if t == nil || t.n != c.n+1 && !c.r.cfg.Plain || !bytes.HasPrefix(b[used:], t.frame) {
			return used
		}
		used += len(t.frame)
		c.n = t.n
		c.next++
		c.Delivered++
		c.recordDelivery(t.stamp, t.due, now, waits)
	}
}

// wholeText returns the payload of the frame at the beginning of b, if that is a whole text as nearly all are, and how
// many bytes the frame has. The decoder takes all others. Whether it is UTF-8 is seen when it is compared.
func wholeText(b []byte) (payload []byte, used int) {
	const finText = 0x81 // RFC 6455, section 5.2
	if len(b) < 4 || b[0] != finText {
		return nil, 0
	}
	start, n := 2, int(b[1])
	if n == 126 {
		start, n = 4, int(binary.BigEndian.Uint16(b[2:]))
	}
	if start+n > len(b) || frame.HeaderLen(n) != start {
		return nil, 0
	}
	return b[start : start+n], start + n
}

// receiveText takes one message of the server.
func (c *client) receiveText(b []byte, now int64, waits *shard) error {
	if c.r.cfg.Plain {
		return c.check(b, b, now, waits)
	}
	rest, ok := bytes.CutPrefix(b, c.r.messageHead)
	if !ok {
		return c.control(b)
	}
	n, digits := uint64(0), 0
	for digits < min(len(rest), 19) && rest[digits]-'0' < 10 {
		n = n*10 + uint64(rest[digits]-'0')
		digits++
	}
	if digits == 0 {
		return fmt.Errorf("a message without a number: %.100s", b)
	}
	if !c.known {
		return fmt.Errorf("a message before the room was joined: %.100s", b)
	}
	if n != c.n+1 {
		c.jumps++
	}
	c.n = n
	size := len(b) - c.r.cfg.Size - 2 // the text stands last, before "}
	if size < 0 {
		return nil
	}
	return c.check(b, b[size:len(b)-2], now, waits)
}

// check checks a text, which came in message b. What is not of this rehearsal was said by somebody else.
func (c *client) check(b, text []byte, now int64, waits *shard) error {
	if !c.joined { // the plain door's welcome
		c.join()
		return nil
	}
	if len(text) < headLen || !bytes.HasPrefix(text, c.r.run) {
		return nil
	}
	s, due, ok := readHead(text)
	if !ok || string(text[headLen:]) != c.r.padding || !c.r.ledger.wasPublished(s) {
		return fmt.Errorf("a text that nobody said: %.100q", text)
	}
	if at, first := c.receive(s); first {
		c.ledger.remember(&checkedMessage{index: at, n: c.n, stamp: s, due: due, frame: frame.AppendText(nil, b)})
	}
	c.recordDelivery(s, due, now, waits)
	return nil
}

// recordDelivery notes how long a message took, and that it is no longer in flight.
func (c *client) recordDelivery(s stamp, due, now int64, waits *shard) {
	if !c.slow { // it is the others that one wants to know about
		waits.record(now - due)
	}
	if c.publisher >= 0 && s.publisher() == c.publisher && c.r.cfg.InFlight > 0 {
		c.inFlight--
	}
}

// control takes a frame of ramai.v1 that is no message.
func (c *client) control(b []byte) error {
	f, err := wire.ParseFrame(b)
	if err != nil {
		return err
	}
	switch f := f.(type) {
	case wire.Joined:
		c.r.historyID.Store(&f.HistoryID)
		c.epoch = f.Epoch // which n is proved to be of
		if f.Reset {
			return fmt.Errorf("the server's history is another than before")
		}
		if !c.known {
			c.n, c.known = f.N, true
		}
		c.join()
	case wire.Refused:
		return fmt.Errorf("refused: %s (start the server with --rate 0)", f.Reason)
	case wire.Error:
		return fmt.Errorf("refused: %s", f.Reason)
	}
	return nil
}

func (c *client) join() {
	c.joined = true
	if c.r.notJoined.Add(-1) == 0 {
		close(c.r.allJoined)
	}
}

// sendJoin sends what a client of ramai.v1 says first.
func (c *client) sendJoin(historyID string) {
	if c.r.cfg.Plain {
		return
	}
	none := 0
	j := wire.Join{Room: c.r.room, Last: &none}
	if c.known {
		j = wire.Join{Room: c.r.room, After: &wire.Position{HistoryID: historyID, Epoch: c.epoch, N: c.n}}
	}
	c.send(wire.Append(nil, j), frame.Text)
}

// send queues one frame.
func (c *client) send(payload []byte, op frame.Op) {
	c.mu.Lock()
	c.out = frame.AppendMasked(c.out, op, payload, newMask())
	conn := c.conn
	c.mu.Unlock()
	conn.Wake()
}

func (c *client) wake() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conn.Wake()
}

// publish says the next message, due at a time in nanoseconds since the beginning.
func (c *client) publish(due int64) {
	c.mu.Lock()
	c.queueMessage(due)
	conn := c.conn
	c.mu.Unlock()
	conn.Wake()
}

// topUp keeps the closed loop full. It is called with mu held.
func (c *client) topUp() {
	if c.publisher < 0 || c.inFlight >= c.r.cfg.InFlight || !c.r.publishing.Load() {
		return
	}
	for due := c.r.since(); c.inFlight < c.r.cfg.InFlight; c.inFlight++ {
		c.queueMessage(due)
	}
}

// queueMessage queues the next message. It is called with mu held.
func (c *client) queueMessage(due int64) {
	c.published++
	c.r.ledger.published[c.publisher].Store(int64(c.published))
	c.text = appendText(c.text[:0], c.r.run, stampOf(c.publisher, c.published), due, c.r.padding)
	payload := c.text
	if !c.r.cfg.Plain {
		payload = wire.Append(nil, wire.Say{Room: c.r.room, ID: fmt.Sprintf("%s-%d-%d", c.r.run[1:], c.publisher, c.published), Text: string(c.text)})
	}
	c.out = frame.AppendMasked(c.out, frame.Text, payload, newMask())
}

func newMask() (mask [4]byte) {
	binary.NativeEndian.PutUint32(mask[:], rand.Uint32())
	return mask
}

// rooms are at /r/ROOM; anything else is the lobby.
func roomOf(path string) string {
	if room, ok := strings.CutPrefix(path, "/r/"); ok {
		return room
	}
	return wire.Lobby
}

// quantum is how exactly the open loop keeps its time.
const quantum = time.Millisecond
