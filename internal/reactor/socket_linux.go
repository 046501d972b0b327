package reactor

import (
	"math"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Bits of a socket's state. One turn handles all that are set.
const (
	queued      uint32 = 1 << iota // in a list of the loop, or being served; the goroutine that sets it pushes the socket
	woken                          // Wake was called
	timed                          // WakeAfter was called
	finish                         // Finish was called; stays set
	interrupted                    // Interrupt was called
	aborted                        // Abort was called; stays set
	lost                           // nothing written reaches the peer, see markLost; stays set
)

// socket is one connection of an Epoll. Its Source holds it as a Conn, so it is never used for another connection.
type socket struct {
	loop   *loop
	src    Source
	next   *socket       // in the list that holds it
	state  atomic.Uint32 // bits above
	wakeAt atomic.Int64  // loop time at which WakeAfter fires; 0: never

	// Owned by the loop.

	fd         int32 // changed with loop.descriptors held; -1: closed
	slot       uint32
	generation uint32 // 0: not registered

	readable    bool // there may be something to read
	hungUp      bool // the peer has closed its direction, or the connection is broken: read to the end
	sawEOF      bool // the end of input was read
	eofReported bool // and reported to the Source
	broken      bool // the connection broke after the end of input
	blocked     bool // the socket accepts no more for now
	mayWrite    bool // Next may have output
	finishSeen  bool // the loop has seen the finish bit
	draining    bool // our direction is closed, and input is discarded
	closeNow    bool // close at the end of the turn

	rare      *rareState    // nil: nothing
	deadline  time.Duration // when a blocked, lost, finishing or draining socket times out; 0: never
	slowUntil time.Duration // until then turns are expected to be long; 0: they are not
	nextCheck time.Duration // when to check the peer; 0: nothing is unacknowledged
	silence   silence
}

// rareState is what few sockets have.
type rareState struct {
	backlog
	closeErr error // argument of Closed
}

func (s *socket) unread() []byte {
	if s.rare == nil {
		return nil
	}
	return s.rare.unread
}

// retain drops all but the last bytes of the input, rest.
func (s *socket) retain(rest []byte) {
	if s.rare == nil {
		return
	}
	if s.rare.retain(&s.loop.opt, rest); len(rest) == 0 && s.rare.closeErr == nil {
		s.rare = nil
	}
}

// add appends a copy of b to the unused input.
func (s *socket) add(b []byte) {
	if len(b) == 0 {
		return
	}
	if s.rare == nil {
		s.rare = new(rareState)
	}
	s.rare.add(&s.loop.opt, b)
}

// hasRoom reports whether more may be read before the Source has used its input.
func (s *socket) hasRoom() bool {
	return s.rare == nil || s.rare.hasRoom(&s.loop.opt, len(s.loop.readBuf))
}

func (s *socket) closeErr() error {
	if s.rare == nil {
		return nil
	}
	return s.rare.closeErr
}

// setCloseErr sets the argument of Closed.
func (s *socket) setCloseErr(why error) {
	if s.rare == nil {
		s.rare = new(rareState)
	}
	s.rare.closeErr = why
}

// request sets bits and makes the loop serve the socket.
func (s *socket) request(bits uint32) {
	bits |= queued
	if s.state.Load()&bits == bits {
		return
	}
	if s.state.Or(bits)&queued == 0 {
		s.loop.push(s)
	}
}

// Wake implements Conn.
func (s *socket) Wake() { s.request(woken) }

// WakeAfter implements Conn.
func (s *socket) WakeAfter(d time.Duration) {
	now := s.loop.since()
	s.wakeAt.Store(int64(now + min(max(d, 1), math.MaxInt64-now)))
	s.request(timed)
}

// Interrupt implements Conn.
func (s *socket) Interrupt() { s.request(interrupted) }

// Abort implements Conn.
func (s *socket) Abort() { s.request(aborted) }

// Finish implements Conn.
func (s *socket) Finish() { s.request(woken | finish) }

// Undelivered implements Conn.
func (s *socket) Undelivered() (int, bool) {
	s.loop.descriptors.Lock()
	defer s.loop.descriptors.Unlock()
	if s.fd < 0 {
		return 0, false
	}
	var info unix.TCPInfo
	if !tcpInfo(int(s.fd), &info) {
		return 0, false
	}
	return undelivered(&info), true
}

// Gone implements Conn.
func (s *socket) Gone() bool { return s.state.Load()&lost != 0 }

// release closes the descriptor.
func (s *socket) release() {
	s.loop.descriptors.Lock()
	defer s.loop.descriptors.Unlock()
	unix.Close(int(s.fd))
	s.fd = -1
	s.loop.conns.Add(-1)
}

// notifyClosed makes the last call of the Source.
func (s *socket) notifyClosed() {
	defer func() { _ = recover() }() // the connection is closed already
	s.src.Closed(s.closeErr())
}

// finishing reports whether Finish was called.
func (s *socket) finishing() bool { return s.state.Load()&finish != 0 }

// fail closes the connection with an error.
func (s *socket) fail(why error) {
	s.setCloseErr(why)
	s.closeNow = true
}

// noteEvents records epoll events and reports whether the socket has work.
func (s *socket) noteEvents(events uint32) bool {
	const broken = unix.EPOLLERR | unix.EPOLLHUP
	do := false
	if events&(unix.EPOLLIN|unix.EPOLLRDHUP|broken) != 0 && !s.sawEOF {
		s.readable, do = true, true
	}
	if events&(unix.EPOLLRDHUP|broken) != 0 {
		s.hungUp = true
	}
	if events&(unix.EPOLLOUT|broken) != 0 && s.blocked {
		s.blocked, s.mayWrite, do = false, true, true
	}
	if events&broken != 0 && s.sawEOF { // a read would only report the end of input again
		s.broken, do = true, true
	}
	return do
}

// hasWork reports whether the socket needs another turn at once.
func (s *socket) hasWork() bool {
	return s.readable && (s.finishSeen || s.hasRoom()) || s.mayWrite && !s.blocked
}
