package rehearse

import (
	"bytes"
	"encoding/binary"
	"errors"
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
	publisher int // index of the publisher, or -1
	slow      bool
	leaving   atomic.Bool // its connection is about to be closed on purpose

	mu        sync.Mutex // guards what publishing shares with the reactor
	conn      reactor.Conn
	out       []byte // frames to be written
	published int    // messages queued so far
	text      []byte // newest of them; the memory is reused
	request   []byte // ramai.v1: the same

	// Owned by the caller of the Source.
	receiver
	part     []byte // beginning of a frame
	joined   bool
	n        uint64 // ramai.v1: newest number received
	jumps    int64  // numbers that did not follow the previous one
	epoch    string // of n, to resume
	known    bool   // n is known: the client has joined before
	inFlight int    // closed loop: published and not yet received
	behind   int    // after a cut: complete when behind-1 messages are received; 0: it is complete
	writing  []byte // returned by Next; the memory is reused
	written  []byte // the part of it that is not yet written
	ended    chan error
}

// attach gives the client a new connection.
func (c *client) attach(conn reactor.Conn) reactor.Source {
	c.mu.Lock()
	c.conn, c.out = conn, nil
	c.mu.Unlock()
	c.part, c.writing, c.written, c.joined = c.part[:0], nil, nil, false
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
	ended := c.ended            // one per connection; the client may get another connection from now on
	c.r.connectionEnded(c, err) // before ended is sent: then the client is no longer leaving
	ended <- err
}

// Received implements reactor.Source. Unless the client is slow, it uses everything.
func (c *client) Received(b []byte) (used int, err error) {
	if len(b) == 0 {
		return 0, io.EOF
	}
	if c.r.isPaused(c) {
		return 0, nil
	}
	before := c.received()
	now := c.r.since()
	waits := c.r.latencies.begin()
	err = c.receiveFrames(b, now, waits)
	c.r.latencies.end(waits)
	c.r.delivered.Add(c.received() - before)
	if c.behind > 0 && c.joined && c.next >= c.behind-1 {
		c.behind = 0
		c.r.reconnects.complete(now)
	}
	return len(b), err
}

// receiveFrames handles the frames in b where they are. Only a frame whose end is still to come is copied, to c.part.
func (c *client) receiveFrames(b []byte, now int64, waits *shard) error {
	for len(c.part) > 0 && len(b) > 0 {
		n := min(missing(c.part), len(b))
		c.part, b = append(c.part, b[:n]...), b[n:]
		if missing(c.part) > 0 {
			continue
		}
		whole := c.part
		c.part = c.part[:0]
		if err := c.receiveFrame(whole, now, waits); err != nil {
			return err
		}
	}
	for len(b) > 0 {
		if k := c.matchRecent(b, now, waits); k > 0 {
			b = b[k:]
			continue
		}
		if missing(b) > 0 {
			c.part = append(c.part[:0], b...)
			return nil
		}
		head, n := frameSize(b)
		if err := c.receiveFrame(b[:min(head+n, len(b))], now, waits); err != nil {
			return err
		}
		b = b[head+n:]
	}
	return nil
}

// matchRecent consumes the frames at the beginning of b that come next and equal, byte for byte, those that another
// client has received and checked. For these the comparison is the whole check. It returns their length. The rest is
// left to receiveFrame.
func (c *client) matchRecent(b []byte, now int64, waits *shard) (used int) {
	if !c.joined || len(c.early) > 0 {
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

// receiveFrame handles one whole frame from the server, which must not be masked or fragmented. Its text is not checked
// for UTF-8 because it is compared anyway.
func (c *client) receiveFrame(f []byte, now int64, waits *shard) error {
	head, n := frameSize(f)
	switch payload := f[head:]; {
	case n > maxMessage:
		return fmt.Errorf("received a frame of %d bytes; want at most %d", n, maxMessage)
	case f[1] >= 0x80:
		return errors.New("received a masked frame")
	case f[0] == fin|byte(frame.Text):
		return c.receiveText(payload, now, waits)
	case f[0] == fin|byte(frame.Ping):
		c.send(payload, frame.Pong)
	case f[0] == fin|byte(frame.Close):
		code, reason := frame.CloseCode(payload)
		return fmt.Errorf("the server closed the connection with code %d %s", code, reason)
	case f[0] != fin|byte(frame.Pong):
		return fmt.Errorf("received a frame that begins with the byte %#x; want a text in one frame", f[0])
	}
	return nil
}

const (
	fin        = 0x80 // RFC 6455, section 5.2
	maxMessage = 1 << 20
)

// frameSize returns the sizes of the header and the payload of the frame at the beginning of b, or the size of as much of
// the header as is known to exist. A frame that receiveFrame refuses by its size is reported without its payload.
func frameSize(b []byte) (head, n int) {
	if len(b) < 2 {
		return 2, 0
	}
	switch n = int(b[1] & 0x7f); {
	case n < 126:
		return 2, n
	case n == 126:
		if len(b) < 4 {
			return 4, 0
		}
		return 4, int(binary.BigEndian.Uint16(b[2:]))
	case len(b) < 10:
		return 10, 0
	}
	return 10, int(min(binary.BigEndian.Uint64(b[2:]), maxMessage+1))
}

// missing returns how many bytes of the frame at the beginning of b are known to be missing.
func missing(b []byte) int {
	head, n := frameSize(b)
	if n > maxMessage {
		n = 0
	}
	return max(0, head+n-len(b))
}

// receiveText handles one text message from the server.
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
		return fmt.Errorf("received a message without a number: %.100s", b)
	}
	if !c.known {
		return fmt.Errorf("received a message before joining the room: %.100s", b)
	}
	if n != c.n+1 {
		c.jumps++
	}
	c.n = n
	size := len(b) - c.r.cfg.Size - 2 // the text is the last field, before "}
	if size < 0 {
		return nil
	}
	return c.check(b, b[size:len(b)-2], now, waits)
}

// check checks a text that was received in message b. Messages of other clients are ignored.
func (c *client) check(b, text []byte, now int64, waits *shard) error {
	if !c.joined { // the greeting of the plain protocol
		c.join()
		return nil
	}
	if len(text) < headLen || !bytes.HasPrefix(text, c.r.run) {
		return nil
	}
	s, due, ok := readHead(text)
	if !ok || string(text[headLen:]) != c.r.padding || !c.r.ledger.wasPublished(s) {
		return fmt.Errorf("received a text that was not published: %.100q", text)
	}
	if at, first := c.receive(s); first {
		c.ledger.remember(checkedMessage{index: at, n: c.n, stamp: s, due: due}, b)
	}
	c.recordDelivery(s, due, now, waits)
	return nil
}

// recordDelivery records the latency of a message.
func (c *client) recordDelivery(s stamp, due, now int64, waits *shard) {
	if !c.slow { // only the latency of the others is of interest
		waits.record(now - due)
	}
	if c.publisher >= 0 && s.publisher() == c.publisher && c.r.cfg.InFlight > 0 {
		c.inFlight--
	}
}

// control handles a frame of ramai.v1 other than a message.
func (c *client) control(b []byte) error {
	f, err := wire.ParseFrame(b)
	if err != nil {
		return err
	}
	switch f := f.(type) {
	case wire.Joined:
		c.r.historyID.Store(&f.HistoryID)
		c.epoch = f.Epoch // n belongs to this epoch
		if f.Reset {
			return fmt.Errorf("the history of the server has changed")
		}
		if !c.known {
			c.n, c.known = f.N, true
		}
		c.join()
	case wire.Epoch:
		c.epoch = f.Epoch
	case wire.Refused:
		return fmt.Errorf("message refused: %s (start the server with --rate 0)", f.Reason)
	case wire.Error:
		return fmt.Errorf("request refused: %s", f.Reason)
	}
	return nil
}

func (c *client) join() {
	c.joined = true
	if c.r.notJoined.Add(-1) == 0 {
		close(c.r.allJoined)
	}
}

// sendJoin sends the first request of ramai.v1.
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

// publish publishes the next message, due at the given time in nanoseconds since the beginning.
func (c *client) publish(due int64) {
	c.mu.Lock()
	c.queueMessage(due)
	conn := c.conn
	c.mu.Unlock()
	conn.Wake()
}

// topUp keeps the closed loop full. Called with mu held.
func (c *client) topUp() {
	if c.publisher < 0 || c.inFlight >= c.r.cfg.InFlight || !c.r.publishing.Load() {
		return
	}
	for due := c.r.since(); c.inFlight < c.r.cfg.InFlight; c.inFlight++ {
		c.queueMessage(due)
	}
}

// queueMessage queues the next message. Called with mu held.
func (c *client) queueMessage(due int64) {
	c.published++
	c.r.ledger.published[c.publisher].Store(int64(c.published))
	c.text = appendText(c.text[:0], c.r.run, stampOf(c.publisher, c.published), due, c.r.padding)
	payload := c.text
	if !c.r.cfg.Plain {
		c.request = wire.Append(c.request[:0], wire.Say{Room: c.r.room, ID: fmt.Sprintf("%s-%d-%d", c.r.run[1:], c.publisher, c.published), Text: string(c.text)})
		payload = c.request
	}
	c.out = frame.AppendMasked(c.out, frame.Text, payload, newMask())
}

func newMask() (mask [4]byte) {
	binary.NativeEndian.PutUint32(mask[:], rand.Uint32())
	return mask
}

// roomOf returns the room of a path: /r/ROOM, or the lobby.
func roomOf(path string) string {
	if room, ok := strings.CutPrefix(path, "/r/"); ok {
		return room
	}
	return wire.Lobby
}

// quantum is the precision of the open loop.
const quantum = time.Millisecond
