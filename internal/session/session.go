// Package session is one connected client of any transport. It checks, limits and submits what the client sends, and reads
// what the client receives from the fan-out buffers of its rooms.
//
// A [Session] is a [reactor.Source]. Its fields belong to the goroutine that calls it as one. Other goroutines reach it only
// through its inbox (outcomes, backfills, pages), followed by a Wake. Nothing queues up for a client: each room has the number
// that the session has reached, and answers wait in a control queue, whose size stops the reading of further requests.
//
// A protocol ([plain], [v1] or [stream]) decodes requests and encodes answers; everything else is the same for all.
package session

import (
	"bytes"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"ramai/internal/chat"
	"ramai/internal/eventlog"
	"ramai/internal/fanout"
	"ramai/internal/frame"
	"ramai/internal/reactor"
	"ramai/internal/room"
	"ramai/wire"
)

// Bounds of one session.
const (
	// controlHighWater is how many bytes in the private buffer stop the reading of requests: answers that the client has not
	// taken yet, and before them the rest of a room's frame that was cut, which counts as they do.
	controlHighWater = 64 << 10
	maxInFlight      = 256              // events submitted and not yet stored
	pingEvery        = 25 * time.Second // below the usual time-out of proxies, 30 s
	pongTimeout      = 10 * time.Minute // a peer that gets our pings and says nothing for so long is gone
	messageTimeout   = 30 * time.Second // a message that takes longer from its first byte to its last is not waited for
	overdueFor       = 5 * time.Second  // between the finding that a client is overdue and its end, see certain
	readRetry        = time.Second      // after the journal could not be read
	damagedRetry     = 10 * time.Second // what a client is asked to wait if that is because it is damaged

	shortestPause = 100 * time.Millisecond // of reading, where too much comes: so that what comes is read in large parts
	workAtOnce    = 32                     // units that are done before they are counted
	workATurn     = 64                     // units of one session that are done before others have their turn
)

// Env is what all sessions of a server share.
type Env struct {
	Chat    *chat.Service
	Budget  *fanout.Budget // of what waits for sockets
	Frame   *frame.Config
	Deflate *frame.Config // replaces Frame for clients that negotiated permessage-deflate
	Server  string        // program and version, for the welcome
	Start   time.Time     // times in sessions count from here; not after any Now
	Now     func() time.Time
	Logger  *slog.Logger
	Clients *chat.ClientLog       // nil: nothing is logged about clients
	Closed  func(*Session, error) // is told of the end of each session, and why; may be nil
	Refused func(wire.Code)       // is told of each refusal that did not come from the log; may be nil
}

// Client is what is known of a client before its first byte.
type Client struct {
	Addr      netip.AddrPort
	Session   string // the session's secret: made by the server, or derived from a key
	HasKey    bool   // the client has proved that it has the key, see chat.Actor
	Transport chat.Transport
	Deflate   bool // permessage-deflate was negotiated

	// Of all transports but V1 and SSH, whose frames say these.
	Room  string         // of the path
	Last  int            // how many old messages are requested; on a stream if After is nil
	After *wire.Position // on a stream: everything after it is requested
	Named bool           // on the plain protocol: the client has a name, which is bound to the connection
}

// protocol is one way of talking with a client.
type protocol interface {
	// open greets.
	open(c *Client)
	// received takes what came, see [reactor.Source]; b is not empty.
	received(b []byte) (used int, err error)
	// reply handles the outcome of a submission of this session.
	reply(r *reply)
	// presence and typing tell what has changed in a room, if the encoding is one that does.
	presence(payload []byte)
	typing(payload []byte)
	// renamed tells the name that the sender holds now, where the client knows of names and has not asked for this one.
	renamed(name string)
	// gap tells that numbers are gone for good.
	gap(room string, from, to uint64)
	// unreadable tells that what follows in a room cannot be read now.
	unreadable(room string, why *wire.CodedError)
	// ping has something pass, and returns whether a living client answers it.
	ping() (answered bool)
	// bye says that the server goes.
	bye(retry time.Duration)
	// last is the end of what is sent, with a close code and a reason where there is a place for them.
	last(code uint16, reason string)
	// encoding is how rooms are read, if not deflated.
	encoding() room.Encoding
}

// stopPhase is how far a server's stop has come, as a session sees it.
type phase uint8

const (
	phaseRunning phase = iota
	phaseQuiet         // nothing more is taken from the client
	phaseLeaving       // once everything is told: goodbye
	phaseForced        // goodbye now
)

// Session is one connected client. An idle one should cost little, so what only few need is behind pointers, and times
// are durations since Env.Start; 0: never.
type Session struct {
	env      *Env
	conn     reactor.Conn
	protocol protocol
	addr     netip.Addr

	stop atomic.Int64 // written by the server: the phase of its stop, and what the goodbye says, see raise

	mailbox  atomic.Pointer[message] // from other goroutines, the newest first
	mu       sync.Mutex              // for by, where others read it
	senderID [wire.SenderIDLen]byte  // the sender; written by the owner

	// Below: owned by who calls the Source.

	port         uint16 // of addr
	next         uint16 // where the next round over places begins
	nameBound    bool   // the sender's name is bound to this connection
	closing      bool   // the last of all is in private: nothing may follow it
	reading      bool   // the answer to a request is read from the journal
	backfilling  bool   // so is a part of the past of a room, that may have been left meanwhile
	deflate      bool   // permessage-deflate was negotiated
	sawRequest   bool   // something came on ramai.v1: too late for hello
	holdsPartial bool   // the message under way counts in the budget
	hasKey       bool   // the sender has proved to have the key that it is named after
	transport    chat.Transport
	charged      uint32 // bytes of the budget that private takes

	dec       *frame.Decoder // nil between messages
	cursors   []*cursor      // rooms joined
	control   []byte         // frames for this client alone; before them the rest of a room's frame of which a part was sent
	writing   *cursor        // whose span Next handed out; nil: it was private
	span      fanout.Span
	publisher *publisher // nil until something is said or has to wait

	now        time.Duration // of this turn
	pingAt     time.Duration // when the next ping is due
	unanswered time.Duration // when the ping was sent that no byte has followed
	partial    time.Duration // since when a message is incomplete
	renewAt    time.Duration // when the name held is claimed once more
	armed      time.Duration // what conn.WakeAfter was last asked for
}

// publisher is what a session needs to have something said, or to let a request wait.
type publisher struct {
	replyTo       eventlog.ReplyTo
	fence         uint64 // of origin
	inFlight      int    // events submitted and not yet answered
	actor         chat.Actor
	space         func()        // queueHasSpace
	blocked       func() bool   // what was accepted from the client but has to wait; false: still
	blockedUntil  time.Duration // stalled need not be tried before; 0: at any time
	queueFull     bool          // the orderer's queue was full, and it will say when it is not: stalled need not be tried before
	refusal       *fence        // of ramai.v1; nil: open
	overdueSince  time.Duration // since when the client is overdue, see certain; 0: it is not
	eof           bool          // the client sends nothing more, but may be listening
	closeReceived bool          // the client has sent a close frame, which is answered when it has heard what it said
	closeCode     uint16        // with the code of that; 0: it has none
	lastSaid      uint64        // on the plain door: the number of what was said last; 0: nothing was
	lostToStop    bool          // the server stops, and has not said all that was accepted
	naming        bool          // on ramai.v1: a name was asked for and is not answered
	pausedUntil   time.Duration // nothing is read before: too much has come
}

// A reply is the outcome of a submission of this session.
type reply struct {
	eventlog.Outcome
	fence uint64 // of the submission
	ref   string // of the submission
}

// A message is something from another goroutine: either a reply or something to do.
type message struct {
	reply *reply
	do    func()
	next  *message // the one before it
}

// cursor is where a client stands in one room.
type cursor struct {
	sub       *room.Subscription
	n         uint64           // everything up to n was sent, or its rest is in private
	backfill  *fanout.Backfill // a part of the past that is being read; nil: read from the tape
	again     time.Duration    // not to be asked for before
	presence  uint32           // version last sent
	typing    uint32           // version last sent
	errorSent bool             // that no chunk can be read
	left      bool             // the client has left
}

// reach notes that everything up to n was sent.
func (p *cursor) reach(n uint64) {
	p.n = n
	p.sub.SetPosition(n)
}

// leave gives up the place, and what is held or comes for it. It may come again.
func (p *cursor) leave() {
	if p.left {
		return
	}
	p.left = true
	p.release()
	p.sub.Leave()
}

// release gives back the part of the past that is being read, if there is one.
func (p *cursor) release() {
	p.backfill.Release()
	p.backfill = nil
}

// New returns the session of a client that is connected by conn, and greets it.
func New(env *Env, conn reactor.Conn, client Client) *Session {
	s := &Session{
		env: env, conn: conn, addr: client.Addr.Addr(), port: client.Addr.Port(), nameBound: client.Named || client.Transport == chat.SSH && !client.HasKey, deflate: client.Deflate,
		transport: client.Transport, hasKey: client.HasKey,
	}
	s.clock()
	s.become(client.Session)
	s.pingAt, s.renewAt = s.now+pingEvery, s.now+eventlog.NameLeaseTime/4
	switch client.Transport {
	case chat.Plain:
		s.protocol = plain{websocket{s}}
	case chat.V1, chat.SSH:
		s.protocol = v1{websocket{s}}
	default:
		s.protocol = stream{s}
	}
	s.protocol.open(&client)
	s.account()
	return s
}

// clock reads the time of this turn. It is never 0.
func (s *Session) clock() { s.now = s.env.Now().Sub(s.env.Start) + 1 }

// ensurePublisher returns s.publisher, made now if it was not there.
func (s *Session) ensurePublisher() *publisher {
	if s.publisher == nil {
		s.publisher = &publisher{
			fence: 1, replyTo: eventlog.ReplyTo{Deliver: s.deliver, Lost: func() { s.Force(0) }}, actor: s.newActor(), space: s.queueHasSpace,
		}
	}
	return s.publisher
}

// blocked tells whether something that was accepted from the client has to wait.
func (s *Session) blocked() bool { return s.publisher != nil && s.publisher.blocked != nil }

// pausedUntil tells whether more is read only later: too much has come, or a name is not answered yet.
func (s *Session) paused() bool {
	return s.publisher != nil && (s.now < s.publisher.pausedUntil || s.publisher.naming)
}

// inFlight is how many events are submitted and not yet answered.
func (s *Session) inFlight() int {
	if s.publisher == nil {
		return 0
	}
	return s.publisher.inFlight
}

// become makes this the session of the sender that secret belongs to.
func (s *Session) become(secret string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	copy(s.senderID[:], wire.SenderIDOf(secret))
	if s.publisher != nil {
		s.publisher.actor = s.newActor()
	}
}

// newActor is what the chat service knows the client as.
func (s *Session) newActor() chat.Actor {
	return chat.Actor{SenderID: s.sender(), Addr: s.addrPort(), Transport: s.transport, HasKey: s.hasKey, NameBound: s.nameBound}
}

// actor is the client for the chat service. Only those who post or wait keep theirs.
func (s *Session) actor() *chat.Actor {
	if s.publisher != nil {
		return &s.publisher.actor
	}
	a := s.newActor()
	return &a
}

// SenderID implements room.Member.
func (s *Session) SenderID() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sender()
}

// sender is By for the owner.
func (s *Session) sender() string { return string(s.senderID[:]) }

// addrPort is the client's address and port.
func (s *Session) addrPort() netip.AddrPort { return netip.AddrPortFrom(s.addr, s.port) }

// RemoteAddr is the client's address and port; the zero value if that is unknown.
func (s *Session) RemoteAddr() netip.AddrPort { return s.addrPort() }

// Transport is how the client came in.
func (s *Session) Transport() chat.Transport { return s.transport }

// refused counts a refusal.
func (e *Env) refused(code wire.Code) {
	if e.Refused != nil {
		e.Refused(code)
	}
}

// Wake implements room.Member.
func (s *Session) Wake() { s.conn.Wake() }

// Quiet has the session take nothing more from its client. Part of a server's stop.
func (s *Session) Quiet() { s.shutdownPhase(phaseQuiet, 0) }

// Leave has the session say goodbye once everything is told; the client is asked to come back after retry.
func (s *Session) Leave(retry time.Duration) {
	s.shutdownPhase(phaseLeaving, retry)
}

// Force has the session say goodbye at once; the client is asked to come back after retry.
func (s *Session) Force(retry time.Duration) { s.shutdownPhase(phaseForced, retry) }

// Renamed has the client told the name that its sender holds now, unless it was changed by what came from here: asked.
func (s *Session) Renamed(asked *eventlog.ReplyTo) {
	s.enqueue(func() {
		if s.publisher != nil {
			if asked == &s.publisher.replyTo {
				return
			}
			s.publisher.actor.NameChanged()
		}
		s.protocol.renamed(s.env.Chat.Name(s.sender()))
	})
}

// shutdownPhase stores a phase, in the lowest byte, and above it in milliseconds when the client is asked to come back.
func (s *Session) shutdownPhase(p phase, retry time.Duration) {
	s.stop.Store(retry.Milliseconds()<<8 | int64(p))
	s.conn.Wake()
}

func (s *Session) stopPhase() phase { return phase(s.stop.Load() & 0xff) }

func (s *Session) reconnectAfter() time.Duration {
	return time.Duration(s.stop.Load()>>8) * time.Millisecond
}

// deliver receives an outcome from the feed. It copies the outcome without its text: the message may stay in the mailbox
// for as long as the client reads nothing, and must not keep the whole batch or the text in memory.
func (s *Session) deliver(of *eventlog.Submission, o *eventlog.Outcome) {
	r := &reply{Outcome: *o, fence: of.Fence, ref: of.Ref}
	r.Command.Text = ""
	s.send(message{reply: r})
}

// enqueue has f called by the owner. It returns false if the session has ended: then f is not called.
func (s *Session) enqueue(f func()) bool { return s.send(message{do: f}) }

// ended is the last letter of all: no other is taken after it.
var ended = new(message)

func (s *Session) send(l message) bool {
	for {
		l.next = s.mailbox.Load()
		if l.next == ended {
			return false
		}
		if s.mailbox.CompareAndSwap(l.next, &l) {
			break
		}
	}
	s.conn.Wake()
	return true
}

// Received implements reactor.Source.
func (s *Session) Received(b []byte) (used int, err error) {
	defer s.account()
	s.unanswered = 0
	s.turn()
	if len(b) == 0 {
		s.ensurePublisher().eof = true
		return 0, nil
	}
	return s.protocol.received(b)
}

// full tells whether the client has to wait before more of it is read.
func (s *Session) full() bool {
	return s.blocked() || s.paused() || s.reading || s.inFlight() >= maxInFlight || len(s.control) > s.controlLimit() || s.stopPhase() != phaseRunning
}

// controlLimit is how many bytes may wait in the private buffer before requests do: none where the clients of this server take so
// little of what they have asked for that it is all that memory has room for.
func (s *Session) controlLimit() int {
	if s.env.Budget.Crowded() {
		return 0
	}
	return controlHighWater
}

// account takes from the budget what the private buffer has grown to. It ends every call of the Source.
func (s *Session) account() {
	if held := cap(s.control); held > int(s.charged) || held == 0 && s.charged > 0 {
		s.charge(held)
	}
}

func (s *Session) charge(held int) {
	s.env.Budget.Charge(int64(held) - int64(s.charged))
	s.charged = uint32(held)
}

// smallMessage is how much of an unfinished message is not worth counting, in bytes: most messages are no longer.
const smallMessage = 4 << 10

// holdPartial says that the message under way takes n bytes.
func (s *Session) holdPartial(n int) {
	if n <= smallMessage {
		n = 0
	}
	if n > 0 || s.holdsPartial {
		s.holdsPartial = n > 0
		s.env.Budget.SetPartial(s, int64(n))
	}
}

// GiveUp implements fanout.Unfinished: there is no memory for the message under way. A client that comes back can send it again.
func (s *Session) GiveUp() {
	s.enqueue(func() {
		if s.holdsPartial {
			s.end(wire.CloseTryAgain, "too many clients send long messages slowly, and there is no memory for more; send it again")
		}
	})
}

// close puts the last of all behind what is already to be sent.
func (s *Session) close(code uint16, reason string) {
	if !s.closing {
		s.protocol.last(code, reason)
		s.closing = true
	}
}

// Next implements reactor.Source.
func (s *Session) Next(max int) ([]byte, bool) {
	defer s.account()
	s.turn()
	for {
		if b := s.controlBytes(max); b != nil {
			return b, true
		}
		if s.closing {
			return nil, false
		}
		if s.closeReceived() && s.fullyAnswered() {
			s.close(s.publisher.closeCode, "")
			s.conn.Finish()
			continue
		}
		if s.stopPhase() < phaseForced && !s.conn.Gone() {
			if b := s.pull(max); b != nil {
				return b, true
			}
			s.sendState()
		}
		if len(s.control) > 0 { // a gap, or the state of a room
			continue
		}
		if s.stopPhase() < phaseLeaving || s.stopPhase() == phaseLeaving && !s.conn.Gone() && s.behind() {
			s.arm()
			if s.publisher != nil && s.publisher.eof && !s.closeReceived() && !s.reading && s.fullyAnswered() {
				s.conn.Finish()
			}
			return nil, false
		}
		s.protocol.bye(s.reconnectAfter())
		s.close(wire.CloseRestart, "the server restarts")
		s.conn.Finish()
	}
}

// closeReceived tells whether the client has sent a close frame.
func (s *Session) closeReceived() bool { return s.publisher != nil && s.publisher.closeReceived }

// fullyAnswered tells whether a client that says nothing more was told all that became of what it said, as far as it can be told.
func (s *Session) fullyAnswered() bool {
	return !s.blocked() && s.inFlight() == 0 && (s.conn.Gone() || s.publisher == nil || s.publisher.lastSaid == 0 || s.cursors[0].n >= s.publisher.lastSaid)
}

// controlBytes returns what is for this client alone.
func (s *Session) controlBytes(max int) []byte {
	if len(s.control) == 0 {
		return nil
	}
	return s.control[:min(len(s.control), max)]
}

// Wrote implements reactor.Source.
func (s *Session) Wrote(k int) {
	if p := s.writing; p != nil {
		n, rest := s.span.Advance(k)
		p.reach(n)
		s.writing, s.span = nil, fanout.Span{}
		if p.backfill != nil && n >= p.backfill.Last() {
			p.release()
		}
		if len(rest) > 0 {
			s.control = append(bytes.Clone(rest), s.control...)
			s.charge(cap(s.control))
		}
		return
	}
	switch s.control = s.control[k:]; {
	case len(s.control) == 0:
		s.control = nil // an idle client holds no buffer
		s.account()
	case len(s.control) < int(s.charged)/2:
		s.control = bytes.Clone(s.control) // what was sent goes
		s.charge(cap(s.control))
	}
}

// Closed implements reactor.Source.
func (s *Session) Closed(err error) {
	s.release(err)
	why := "the client ended it"
	if err != nil {
		why = err.Error()
	}
	s.env.Clients.Closed(s.addrPort(), s.transport, why)
}

// release gives back what the session holds. The server, whose stop waits for the end of each session, hears of it
// after that and whatever happens meanwhile, but before the log, which may be slow.
func (s *Session) release(why error) {
	if s.env.Closed != nil {
		defer s.env.Closed(s, why)
	}
	for _, p := range s.cursors {
		p.leave()
	}
	s.cursors = nil
	s.handleMessages(inOrder(s.mailbox.Swap(ended))) // what was read for this client is given back
	s.control = nil
	s.account()
	s.holdPartial(0)
	if s.nameBound {
		// Not when the peer is gone, but here, when all that it sent is said. What is stored bears the name that its sender holds
		// at that moment: freed sooner, the rest of it would be nobody's, or stand beside what the next holder says under the same
		// name, and a reader of the plain door could not tell the two apart. Who sends no faster than the rates has nothing left to
		// say, so the name is free at once.
		s.env.Chat.ReleaseBound(s.sender())
	}
}
