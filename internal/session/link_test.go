package session

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"

	"ramai/internal/frame"
	"ramai/internal/reactor"
	"ramai/wire"
)

// clientFrames is the frame configuration of test clients; one message of the server is one frame.
var clientFrames = frame.Config{Client: true, TextOnly: true, MaxMessage: 1 << 20, MaxFragments: 1}

// deflatedFrames is the same for a client that negotiated permessage-deflate.
var deflatedFrames = frame.Config{Client: true, TextOnly: true, Deflate: true, MaxMessage: 1 << 20, MaxFragments: 1}

// link is one connection: the reactor, in the manner of Portable, and the client at the other end.
type link struct {
	st *harness
	s  *Session
	v1 bool

	// The reactor's side.
	ready           bool      // Next may have something
	wakeAt          time.Time // zero: never
	finishing       bool
	closed          bool
	interrupted     bool   // Interrupt was called
	aborted         bool   // Abort was called
	unread          []byte // received and not consumed
	unconfirmed     []byte // returned by Next and not confirmed by Wrote
	unconfirmedCopy []byte // its copy
	err             error

	// How the bytes are transferred.
	up        []byte // sent by the client, not yet received by the server
	readSize  int    // bytes received at once; 0: all
	max       int    // the argument of Next
	writeSize int    // bytes written at once; 0: all
	blocked   bool   // the client reads nothing
	window    int    // the socket buffers this many bytes and no more, as with Epoll, until it is raised; 0: any number
	unsent    int    // the result of Undelivered
	blind     bool   // the result of Undelivered is unknown
	gone      bool   // the client is gone
	eof       bool   // the session knows that the client sends nothing more

	// The client's side.
	dec     frame.Decoder
	raw     []byte       // everything received
	log     []string     // what was received since the last call of heard, see describe
	frames  []wire.Frame // the same, without WebSocket control frames
	code    uint16       // of the close frame; 0: none was received
	onFrame func(wire.Frame)
	onLine  func(string)
	onBytes func([]byte) // receives a stream, which is not WebSocket
	onWrite func([]byte) // called with everything that is handed to the socket
	mask    byte
}

// Wake implements reactor.Conn.
func (l *link) Wake() { l.ready = true }

// WakeAfter implements reactor.Conn.
func (l *link) WakeAfter(d time.Duration) { l.wakeAt = l.st.clock.Add(d) }

// Finish implements reactor.Conn.
func (l *link) Finish() { l.finishing, l.ready = true, true }

// Interrupt implements reactor.Conn.
func (l *link) Interrupt() { l.interrupted = true }

// Abort implements reactor.Conn.
func (l *link) Abort() { l.aborted = true }

// Undelivered implements reactor.Conn.
func (l *link) Undelivered() (int, bool) { return l.unsent, !l.blind }

// Gone implements reactor.Conn.
func (l *link) Gone() bool { return l.gone }

// send sends one or several frames of ramai.v1.
func (l *link) send(frames ...wire.Frame) {
	for _, f := range frames {
		l.sendText(string(wire.Append(nil, f)))
	}
}

// say posts a text under an id in the lobby.
func (l *link) say(id, text string) { l.send(wire.Say{Room: wire.Lobby, ID: id, Text: text}) }

// sendText sends a text message, deflated if that was negotiated and the text is long.
func (l *link) sendText(s string) {
	if !l.s.deflate || len(s) < 300 {
		l.sendFrame(frame.Text, []byte(s))
		return
	}
	f := frame.AppendDeflated(nil, []byte(s))
	start := 2
	switch f[1] {
	case 126:
		start = 4
	case 127:
		start = 10
	}
	l.sendFrame(frame.Op(f[0]&0x7f), f[start:])
}

func (l *link) sendFrame(op frame.Op, payload []byte) {
	l.mask++
	l.up = frame.AppendMasked(l.up, op, payload, [4]byte{l.mask, 7, 0, 200})
}

// interrupt makes the calls that Interrupt and Abort ask for. It reports whether there were any.
func (l *link) interrupt() bool {
	switch {
	case l.closed || !l.interrupted && !l.aborted:
		return false
	case l.aborted:
		l.st.aborted++
		l.end(reactor.ErrAborted)
	default:
		l.interrupted = false
		l.s.Interrupted()
		l.check()
	}
	return true
}

// receive passes up to k bytes to the server. It reports whether there were any.
func (l *link) receive(k int) bool {
	if l.closed || len(l.up) == 0 || len(l.unread) > 0 {
		return false
	}
	k = min(k, len(l.up))
	b := slices.Clone(l.up[:k])
	l.up = l.up[k:]
	if !l.finishing {
		l.input(b)
	}
	l.ready = true
	return true
}

func (l *link) input(b []byte) {
	used, err := l.s.Received(b)
	if used < 0 || used > len(b) {
		l.st.tb.Fatalf("Received used %d of %d bytes", used, len(b))
	}
	l.unread = b[used:]
	if err != nil {
		l.err, l.unread = err, nil
		l.Finish()
	}
	l.check()
}

// next asks the session for bytes to write. It reports whether anything moved.
func (l *link) next() bool {
	if l.closed || !l.ready || l.unconfirmed != nil || l.window < 0 {
		return false
	}
	finishing := l.finishing
	l.ready = false // later wake-ups are for the next call
	if len(l.unread) > 0 && !l.finishing {
		l.input(l.unread)
	}
	if l.gone && !l.eof && !l.finishing && len(l.unread)+len(l.up) == 0 {
		l.eof = true
		if _, err := l.s.Received(nil); err != nil {
			l.st.tb.Fatalf("at the end of the input: %v", err)
		}
	}
	b, ok := l.s.Next(l.max)
	if ok && (len(b) == 0 || len(b) > l.max) {
		l.st.tb.Fatalf("Next(%d) returned %d bytes", l.max, len(b))
	}
	l.check()
	if ok {
		l.unconfirmed, l.unconfirmedCopy = b, slices.Clone(b)
		l.ready = true
		return true
	}
	if finishing {
		l.end(l.err)
	}
	return true
}

// write passes up to k of the bytes that Next returned to the client.
func (l *link) write(k int) {
	b := l.unconfirmed
	if !bytes.Equal(b, l.unconfirmedCopy) {
		l.st.tb.Fatal("bytes that Next returned changed before Wrote")
	}
	k = min(k, len(b))
	if l.window > 0 {
		k = min(k, l.window)
		if l.window -= k; l.window == 0 {
			l.window = -1 // blocked: Next is not called
		}
	}
	if l.onWrite != nil {
		l.onWrite(b[:k])
	}
	if !l.gone {
		l.decode(b[:k])
	}
	l.unconfirmed, l.unconfirmedCopy = nil, nil
	l.s.Wrote(k)
	l.check()
}

// disconnect closes the client's end, as the reactor reports it: sent bytes are still read, written bytes are lost.
func (l *link) disconnect() {
	l.gone = true
	l.Wake()
}

// end ends the connection.
func (l *link) end(why error) {
	if l.closed {
		return
	}
	l.closed = true
	l.st.links = slices.DeleteFunc(l.st.links, func(other *link) bool { return other == l })
	l.s.Closed(why)
}

// run moves everything that can move.
func (l *link) run() bool {
	moved := false
	for {
		k := l.readSize
		if k == 0 {
			k = len(l.up)
		}
		progress := l.interrupt()
		if l.closed {
			return moved || progress
		}
		progress = l.receive(k) || progress
		progress = l.next() || progress
		if l.unconfirmed != nil && !l.blocked {
			if l.writeSize == 0 {
				l.write(len(l.unconfirmed))
			} else {
				l.write(l.writeSize)
			}
			progress = true
		}
		if !progress {
			return moved
		}
		moved = true
	}
}

// decode decodes what the client received.
func (l *link) decode(b []byte) {
	l.raw = append(l.raw, b...)
	if l.onBytes != nil {
		l.onBytes(b)
		return
	}
	b = slices.Clone(b)
	for len(b) > 0 {
		m, used, err := l.dec.Next(b)
		if err != nil {
			l.st.tb.Fatalf("the client cannot decode what the server sent: %v", err)
		}
		b = b[used:]
		if m.Op != 0 && l.code != 0 {
			l.st.tb.Fatalf("received %q after the close frame", m.Payload)
		}
		switch m.Op {
		case frame.Text:
			l.message(m.Payload)
		case frame.Ping:
			l.log = append(l.log, "PING")
		case frame.Pong:
			l.log = append(l.log, "PONG "+string(m.Payload))
		case frame.Close:
			var reason string
			l.code, reason = frame.CloseCode(m.Payload)
			l.log = append(l.log, fmt.Sprintf("CLOSE %d %s", l.code, reason))
		}
	}
}

func (l *link) message(payload []byte) {
	if !l.v1 {
		l.log = append(l.log, string(payload))
		if l.onLine != nil {
			l.onLine(string(payload))
		}
		return
	}
	f, err := wire.ParseFrame(payload)
	if err != nil {
		l.st.tb.Fatalf("the client cannot parse %.200q: %v", payload, err)
	}
	l.log, l.frames = append(l.log, describe(f)), append(l.frames, f)
	if l.onFrame != nil {
		l.onFrame(f)
	}
}

// heard settles and returns what the client has received since the last call.
func (l *link) heard() []string {
	l.st.settle()
	log := l.log
	l.log, l.frames = nil, nil
	return log
}

// expect settles and compares what the client has received with want. "CLOSE 1008" matches any reason.
func (l *link) expect(want ...string) {
	l.st.tb.Helper()
	l.compare(l.heard(), want)
}

// expectOf is expect for frames of some kinds, which are separated by spaces; others are ignored. The order is checked
// for each kind by itself.
func (l *link) expectOf(kinds string, want ...string) {
	l.st.tb.Helper()
	got := slices.DeleteFunc(l.heard(), func(s string) bool { return !slices.Contains(strings.Fields(kinds), kind(s)) })
	byKind := func(a, b string) int { return strings.Compare(kind(a), kind(b)) }
	slices.SortStableFunc(got, byKind)
	slices.SortStableFunc(want, byKind)
	l.compare(got, want)
}

func kind(s string) string {
	k, _, _ := strings.Cut(s, " ")
	return k
}

func (l *link) compare(got, want []string) {
	l.st.tb.Helper()
	for i := range got {
		if i < len(want) && strings.HasPrefix(want[i], "CLOSE") && strings.HasPrefix(got[i], want[i]) {
			got[i] = want[i]
		}
	}
	if !slices.Equal(got, want) {
		l.st.tb.Fatalf("received\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

// describe describes a frame in a few words.
func describe(f wire.Frame) string {
	switch f := f.(type) {
	case wire.Joined:
		reset := ""
		if f.Reset {
			reset = " reset"
		}
		return fmt.Sprintf("joined %s %d-%d count %d%s", f.Room, f.First, f.N, f.Count, reset)
	case wire.Message:
		return fmt.Sprintf("message %s %d %s", f.Room, f.N, wire.AppendLine(nil, &f))
	case wire.Saved:
		return fmt.Sprintf("saved %s %s %d", f.Room, f.ID, f.N)
	case wire.Refused:
		return fmt.Sprintf("refused %s %s %s %d", f.Room, f.ID, f.Code, f.RetryAfterMS)
	case wire.Error:
		return fmt.Sprintf("error %s", f.Code)
	case wire.Presence:
		return fmt.Sprintf("presence %s %d %s", f.Room, f.Count, strings.Join(f.Names, ","))
	case wire.Who:
		return fmt.Sprintf("who %s %d %s", f.Room, f.Count, strings.Join(f.Names, ","))
	case wire.Typing:
		who := make([]string, len(f.By))
		for i, by := range f.By {
			who[i] = by.DisplayName
		}
		return fmt.Sprintf("typing %s %s", f.Room, strings.Join(who, ","))
	case wire.Gap:
		return fmt.Sprintf("gap %s %d-%d", f.Room, f.From, f.To)
	case wire.Page:
		span := "empty"
		if k := len(f.Messages); k > 0 {
			span = fmt.Sprintf("%d-%d", f.Messages[0].N, f.Messages[k-1].N)
		}
		if f.Reset {
			span += " reset"
		}
		return fmt.Sprintf("page %s %s more %t", f.Room, span, f.More)
	case wire.Name:
		return "name " + f.Name
	case wire.Pong:
		return "pong " + f.ID
	case wire.Restarting:
		return fmt.Sprintf("restarting %d", f.RetryAfterMS)
	}
	return f.Type()
}
