// Package session is one connected client of any door: what it sends is checked, limited and submitted; what its rooms
// hear, it reads from their tapes.
//
// A [Session] is a [reactor.Source]. Its fields belong to whoever calls that; from other goroutines it is reached
// through its inbox alone (outcomes, refills, pages), each followed by a Wake. Nothing queues up for a client: for each
// room there is the number it has got to, and what is for this client alone waits in a private buffer whose size stops
// the reading of further requests.
//
// A protocol ([plain] or [v1]) says what requests and answers look like; everything else is the same for both.
package session

import (
	"errors"
	"io"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"ramai/internal/frame"
	"ramai/internal/journal"
	"ramai/internal/reactor"
	"ramai/internal/room"
	"ramai/internal/tape"
	"ramai/wire"
)

// Bounds of one session.
const (
	highWater    = 64 << 10         // bytes of private answers at which requests are read no further
	maxFlight    = 256              // events submitted and not yet stored
	pingEvery    = 25 * time.Second // below the usual time-out of proxies, 30 s
	pongWithin   = 10 * time.Minute // a peer that gets our pings and says nothing for so long is gone
	messageTakes = 30 * time.Second // a message that takes longer from its first byte to its last is not waited for
	tryAgain     = time.Second      // after the journal could not be read
)

// Env is what all sessions of a server share.
type Env struct {
	Hub    *room.Hub
	Store  journal.Store
	Submit func(e journal.Event, room func()) error // the orderer's
	Rates  *Rates
	Limits wire.Limits
	Frame  *frame.Config
	Server string // program and version, for the welcome
	Now    func() time.Time
	Random io.Reader // for sessions; safe for concurrent use
	Log    *slog.Logger
	Quiet  bool // no line per connection or message

	Deflate *frame.Config // takes the place of Frame for clients that negotiated permessage-deflate
}

// Client is what is known of a client before its first byte.
type Client struct {
	Addr    netip.AddrPort
	Session string // drawn by the server
	Room    string // of the path: what the plain door talks in
	Last    int    // old messages the plain door asks for
	Named   bool   // the plain door's client holds a name, bound to the connection
	V1      bool   // ramai.v1 was selected
	Deflate bool   // permessage-deflate was
}

// protocol is one way of talking with a client.
type protocol interface {
	// open greets.
	open()
	// text handles one text message, valid until it returns.
	text(b []byte)
	// outcome hears what became of an event of this session.
	outcome(o *journal.Outcome)
	// gap tells that numbers are gone for good.
	gap(room string, from, to uint64)
	// bye says that the server goes.
	bye(retry time.Duration)
	// encoding is how rooms are read, if not deflated.
	encoding() room.Encoding
}

// stages of a server's stop, as a session sees them.
const (
	running int32 = iota
	quiet         // nothing more is taken from the client
	leaving       // once everything is told: goodbye
	forced        // goodbye now
)

// Session is one connected client.
type Session struct {
	env      *Env
	conn     reactor.Conn
	client   Client
	protocol protocol
	origin   journal.Origin

	stage atomic.Int32           // written by the server
	retry atomic.Int64           // written by the server: what the goodbye says, in nanoseconds
	by    atomic.Pointer[string] // the sender; changed by hello alone

	mu       sync.Mutex        // for the inbox
	outcomes []journal.Outcome // guarded by mu
	posted   []func()          // guarded by mu

	// Below: owned by who calls the Source.

	dec     frame.Decoder
	places  []*place // rooms joined
	private []byte   // frames for this client alone
	cut     []byte   // the rest of a room's frame of which a part was sent; goes first
	writing *place   // whose span Next handed out; nil: the cut or private
	span    tape.Span
	fromCut bool // Next handed out the cut
	next    int  // where the next round over places begins

	stalled func() bool // what was accepted from the client but has to wait; false: still
	until   time.Time   // stalled need not be tried before; zero: at any time
	crowded bool        // the orderer's queue was full, and it will say when it is not: stalled need not be tried before
	made    string      // the last room that was paid for as a new one; it may not be stored yet
	flight  int         // events submitted and not yet answered
	asking  bool        // the answer to a request is read from the journal
	epoch   uint64      // of origin
	eof     bool        // the client sends nothing more, but may be listening
	closing bool        // the close frame is in private: nothing may follow it

	now        time.Time // of this turn
	pingAt     time.Time // when the next ping is due
	unanswered time.Time // when the ping was sent that no byte has followed; zero: none
	partial    time.Time // since when a message is incomplete; zero: none is
	renewAt    time.Time // when the name held is claimed once more
	armed      time.Time // what conn.WakeAfter was last asked for
}

// place is where a client stands in one room.
type place struct {
	seat     *room.Seat
	n        uint64        // everything up to n was sent, or its rest is in cut
	chunk    *tape.Segment // a part of the past that is being read; nil: read from the tape
	asked    bool          // a chunk is on its way
	left     bool          // the client has left
	again    time.Time     // not to be asked for before
	presence uint64        // version last sent
	typing   uint64        // version last sent
}

// New returns the session of a client that is connected by conn, and greets it.
func New(env *Env, conn reactor.Conn, client Client) *Session {
	frames := env.Frame
	if client.Deflate {
		frames = env.Deflate
	}
	s := &Session{env: env, conn: conn, client: client, dec: frame.NewDecoder(frames), epoch: 1, now: env.Now()}
	s.become(client.Session)
	s.origin.Deliver = s.deliver
	s.pingAt, s.renewAt = s.now.Add(pingEvery), s.now.Add(journal.HoldName/4)
	if client.V1 {
		s.protocol = &v1{Session: s}
	} else {
		s.protocol = &plain{Session: s}
	}
	s.protocol.open()
	return s
}

// become makes this the session of the sender that secret belongs to.
func (s *Session) become(secret string) {
	s.client.Session = secret
	by := wire.By(secret)
	s.by.Store(&by)
}

// By implements room.Member.
func (s *Session) By() string { return *s.by.Load() }

// Wake implements room.Member.
func (s *Session) Wake() { s.conn.Wake() }

// Quiet has the session take nothing more from its client. Part of a server's stop.
func (s *Session) Quiet() { s.raise(quiet) }

// Leave has the session say goodbye once everything is told; the client is asked to come back after retry.
func (s *Session) Leave(retry time.Duration) {
	s.retry.Store(int64(retry))
	s.raise(leaving)
}

// Force has the session say goodbye at once.
func (s *Session) Force() { s.raise(forced) }

func (s *Session) raise(stage int32) {
	s.stage.Store(stage)
	s.conn.Wake()
}

// deliver takes an outcome from the feed.
func (s *Session) deliver(o journal.Outcome) {
	s.mu.Lock()
	s.outcomes = append(s.outcomes, o)
	s.mu.Unlock()
	s.conn.Wake()
}

// post has f called by the owner.
func (s *Session) post(f func()) {
	s.mu.Lock()
	s.posted = append(s.posted, f)
	s.mu.Unlock()
	s.conn.Wake()
}

// Received implements reactor.Source.
func (s *Session) Received(b []byte) (used int, err error) {
	s.unanswered = time.Time{}
	s.turn()
	if len(b) == 0 {
		s.eof = true
		return 0, nil
	}
	for used < len(b) && !s.closing && !s.full() {
		m, k, err := s.dec.Next(b[used:])
		used += k
		if err != nil {
			return used, s.fail(err)
		}
		if !s.dec.Partial() { // after each message: the next may begin in the same bytes
			s.partial = time.Time{}
		}
		if err := s.handle(m); err != nil {
			return used, err
		}
	}
	if s.dec.Partial() && s.partial.IsZero() {
		s.partial = s.now
	}
	if s.closing {
		used = len(b)
	}
	return used, nil
}

// full tells whether the client has to wait before more of it is read.
func (s *Session) full() bool {
	return s.stalled != nil || s.asking || s.flight >= maxFlight || len(s.private) > highWater || s.stage.Load() != running
}

// errPeerClosed ends a connection that the client closed in good order.
var errPeerClosed = errors.New("closed by the client")

func (s *Session) handle(m frame.Message) error {
	switch m.Op {
	case frame.Text:
		s.protocol.text(m.Payload)
	case frame.Ping:
		s.private = frame.AppendPong(s.private, m.Payload)
	case frame.Close:
		code, _ := frame.CloseCode(m.Payload)
		if code == 1005 { // none was given: none is given back
			code = 0
		}
		s.close(code, "")
		return errPeerClosed
	}
	return nil
}

// fail closes with the code that err carries. It returns err.
func (s *Session) fail(err error) error {
	code, reason := uint16(wire.CloseProtocolError), err.Error()
	if e := (*frame.Error)(nil); errors.As(err, &e) {
		code, reason = e.Code, e.Reason
	}
	s.close(code, reason)
	return err
}

// close puts the close frame behind what is already to be sent.
func (s *Session) close(code uint16, reason string) {
	if !s.closing {
		s.private = frame.AppendClose(s.private, code, reason)
		s.closing = true
	}
}

// Next implements reactor.Source.
func (s *Session) Next(max int) ([]byte, bool) {
	s.turn()
	for {
		if b := s.own(max); b != nil {
			return b, true
		}
		if s.closing {
			return nil, false
		}
		if s.stage.Load() < forced {
			if b := s.pull(max); b != nil {
				return b, true
			}
			s.tell()
		}
		if len(s.private) > 0 { // a gap, or the state of a room
			continue
		}
		if s.stage.Load() < leaving || s.stage.Load() == leaving && s.behind() {
			s.arm()
			if s.eof && s.stalled == nil && s.flight == 0 && !s.asking { // it has heard what it said
				s.conn.Finish()
			}
			return nil, false
		}
		s.protocol.bye(time.Duration(s.retry.Load()))
		s.close(wire.CloseRestart, "the server restarts")
		s.conn.Finish()
	}
}

// own returns what is for this client alone, the rest of a cut frame first.
func (s *Session) own(max int) []byte {
	b := s.cut
	if s.fromCut = len(b) > 0; !s.fromCut {
		b = s.private
	}
	if len(b) == 0 {
		return nil
	}
	return b[:min(len(b), max)]
}

// Wrote implements reactor.Source.
func (s *Session) Wrote(k int) {
	if p := s.writing; p != nil {
		n, rest := s.span.Taken(k)
		p.n = n
		if len(rest) > 0 {
			s.cut = append([]byte(nil), rest...)
		}
		s.writing, s.span = nil, tape.Span{}
		return
	}
	own := &s.private
	if s.fromCut {
		own = &s.cut
	}
	if *own = (*own)[k:]; len(*own) == 0 {
		*own = nil // an idle client holds no buffer
	}
}

// Closed implements reactor.Source.
func (s *Session) Closed(err error) {
	for _, p := range s.places {
		p.left = true
		p.seat.Leave()
	}
	s.places = nil
	if s.client.Named {
		s.env.Release(s.By())
	}
	if s.env.Quiet {
		return
	}
	why := "the client ended it"
	if err != nil && !errors.Is(err, errPeerClosed) {
		why = err.Error()
	}
	s.env.Log.Info("Connection closed: "+s.client.Addr.String(), "why", why)
}
