package reactor

import (
	"errors"
	"io"
	"math"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Bits of a socket's state. One turn handles all that are set.
const (
	queued      uint32 = 1 << iota // in a list of the loop, or being served; whoever sets it pushes the socket
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

// redeliver delivers unused input again, and then the end of input, unless the turn is over.
func (l *loop) redeliver(s *socket) {
	if rest := s.unread(); len(rest) > 0 && !s.finishing() {
		if l.turnOver {
			l.undelivered = true
		} else {
			s.retain(l.deliver(s, rest))
		}
	}
	l.reportEOF(s)
}

// reportEOF reports the end of input once all input is used.
func (l *loop) reportEOF(s *socket) {
	if s.sawEOF && !s.eofReported && len(s.unread()) == 0 && !s.finishing() {
		s.eofReported, s.mayWrite = true, true
		l.deliver(s, nil)
	}
}

// deliver passes b to the Source and returns the unused part.
func (l *loop) deliver(s *socket, b []byte) []byte {
	if l.turnStart == 0 {
		l.turnStart = l.since()
	}
	used, err := s.src.Received(b)
	l.turnOver = l.since()-l.turnStart >= l.opt.MaxTurn
	if l.turnOver {
		s.slowUntil = l.now + slowWindow
	}
	if s.Gone() && used > 0 {
		s.deadline = l.now + l.opt.SlowTimeout
	}
	if err != nil {
		if !errors.Is(err, io.EOF) {
			s.setCloseErr(err)
		}
		s.Finish()
		return nil
	}
	if used == len(b) {
		return nil
	}
	return b[used:]
}

// serve gives s a turn: it delivers input and writes output within the limits of a turn.
func (l *loop) serve(s *socket) {
	defer l.recoverPanic(s)
	l.turnStart, l.turnOver, l.undelivered = 0, false, false
	l.updateState(s)
	if !s.closeNow {
		l.input(s)
	}
	if !s.closeNow {
		l.output(s)
	}
	if !s.closeNow && s.deadline != 0 && l.now >= s.deadline {
		l.timeOut(s)
	}
	if s.closeNow {
		l.close(s)
		return
	}
	if l.undelivered {
		s.mayWrite = true
	}
	l.finishTurn(s)
}

// timeOut handles a socket whose deadline has passed.
func (l *loop) timeOut(s *socket) {
	switch {
	case s.Gone() || s.draining:
		s.closeNow = true
	case s.finishSeen:
		s.fail(ErrSlow)
	default:
		l.markLost(s, ErrSlow)
	}
}

// markLost records that nothing written reaches the peer any more, because of why. Input received before is still
// delivered; output is discarded.
func (l *loop) markLost(s *socket, why error) {
	if s.finishSeen {
		s.fail(why)
		return
	}
	if s.state.Or(lost)&lost != 0 {
		return
	}
	if s.closeErr() == nil {
		s.setCloseErr(why)
	}
	s.blocked, s.mayWrite, s.readable = false, true, !s.sawEOF
	s.nextCheck, s.deadline = 0, l.now+l.opt.SlowTimeout
}

// recoverPanic closes this connection, and no other, if the Source panics.
func (l *loop) recoverPanic(s *socket) {
	if p := recover(); p != nil {
		s.setCloseErr(panicked(p))
		l.close(s)
	}
}

// updateState handles wakes, deadlines and broken connections before the turn.
func (l *loop) updateState(s *socket) {
	state := s.state.Load()
	if state&aborted != 0 {
		s.fail(ErrAborted)
		return
	}
	if state&interrupted != 0 {
		s.state.And(^interrupted)
		if src, ok := s.src.(Interrupter); ok {
			src.Interrupted()
		}
	}
	if state&woken != 0 {
		s.state.And(^woken)
		s.mayWrite = true
	}
	if at := s.wakeAt.Load(); at != 0 && int64(l.now) >= at && s.wakeAt.CompareAndSwap(at, 0) {
		s.mayWrite = true
	}
	if !s.finishSeen && s.finishing() { // before Next is called: output from before Finish is written
		s.retain(nil)
		s.finishSeen, s.deadline = true, l.now+l.opt.LingerTimeout
	}
	if s.broken {
		s.broken = false
		l.markLost(s, os.NewSyscallError("read", unix.ECONNRESET))
	}
	if s.deadline != 0 && l.now >= s.deadline { // the deadline may have passed while this process was stopped: try again before the socket times out
		s.readable, s.blocked, s.mayWrite = !s.sawEOF, false, true
	}
	if s.draining {
		s.mayWrite = false
	}
	if s.nextCheck != 0 && l.now >= s.nextCheck {
		l.checkAlive(s)
	}
}

// checkAlive asks the kernel whether the peer is dead, and sets the time of the next check.
func (l *loop) checkAlive(s *socket) {
	info := &l.info
	ok := tcpInfo(int(s.fd), info)
	switch {
	case !ok:
		s.nextCheck = 0
	case l.now-s.nextCheck > l.opt.checkInterval(): // this process or its machine was stopped, which may be why nothing was acknowledged
		s.silence = silence{}
		s.nextCheck = l.now + l.opt.checkInterval()
	case s.silence.dead(info, l.now, l.opt.DeadTimeout):
		l.markLost(s, ErrDead)
	case info.Unacked == 0 && info.Probes == 0 && info.Notsent_bytes == 0:
		s.nextCheck = 0
	default:
		s.nextCheck = l.now + l.opt.checkInterval()
	}
}

// input reads and delivers. Unused input is kept, and reading continues while there is room.
func (l *loop) input(s *socket) {
	if s.mayWrite {
		l.redeliver(s)
	}
	for budget := turnReads; budget > 0 && !s.closeNow && s.readable && !l.turnOver; {
		ending := s.finishing()
		if !ending && !s.hasRoom() {
			return
		}
		n := l.read(s)
		budget -= n
		switch b := l.readBuf[:n]; { // readBuf is shared with other connections
		case n == 0 || ending:
		case len(s.unread()) > 0:
			s.add(b)
		default:
			s.mayWrite = true
			s.add(l.deliver(s, b))
		}
	}
	l.reportEOF(s)
}

// read reads once and updates the state.
func (l *loop) read(s *socket) int {
	n, err := readFD(s.fd, l.readBuf)
	if n > 0 {
		s.readable = n == len(l.readBuf) || s.hungUp || s.Gone() // epoll(7): a short read has emptied the socket
		return n
	}
	s.readable = false
	switch {
	case err == unix.EAGAIN:
		s.sawEOF = s.Gone() // the kernel does not report the end of input of a lost connection
	case err != nil && s.finishing():
		if s.closeNow = true; s.closeErr() == nil {
			s.setCloseErr(os.NewSyscallError("read", err))
		}
	case err != nil:
		s.sawEOF = true
		l.markLost(s, os.NewSyscallError("read", err))
	case s.draining:
		s.closeNow = true
	default:
		s.sawEOF = true
	}
	return 0
}

// output writes the output of the Source.
func (l *loop) output(s *socket) {
	for range turnWrites {
		if !s.mayWrite || s.blocked || s.closeNow {
			return
		}
		if s.Gone() && s.finishSeen {
			s.closeNow = true
			return
		}
		b, ok := s.src.Next(writeSize)
		if !ok {
			l.nothingToWrite(s)
			return
		}
		if s.Gone() {
			s.src.Wrote(len(b))
			l.redeliver(s)
			continue
		}
		n, err := writeFD(s.fd, b)
		l.steps++
		s.src.Wrote(n)
		if err != nil && err != unix.EAGAIN {
			l.markLost(s, os.NewSyscallError("write", err))
			return
		}
		l.noteWritten(s, n, n == len(b))
		l.redeliver(s) // written output may have made room for input
	}
}

// noteWritten updates the state after a write of n bytes; all reports that nothing was left.
func (l *loop) noteWritten(s *socket, n int, all bool) {
	if s.nextCheck == 0 && n > 0 {
		s.nextCheck = l.now + l.opt.checkInterval()
	}
	s.blocked = !all // epoll reports when the socket has room
	if s.finishSeen {
		return
	}
	if all {
		s.deadline = 0
	} else if n > 0 || s.deadline == 0 {
		s.deadline = l.now + l.opt.SlowTimeout
	}
}

// nothingToWrite handles a Source without output. If the connection is finishing, our direction is closed first, and
// the loop waits for the peer to close its own. Closing with unread input would send a reset, which may destroy bytes
// that the peer has not read yet, such as the close frame.
func (l *loop) nothingToWrite(s *socket) {
	s.mayWrite = false
	switch {
	case s.Gone():
		return
	case !s.finishSeen:
		s.deadline = 0
		return
	}
	if s.sawEOF || unix.Shutdown(int(s.fd), unix.SHUT_WR) != nil {
		s.closeNow = true
		return
	}
	s.draining, s.deadline = true, l.now+l.opt.drainTimeout()
}

// finishTurn leaves s until the next event, unless there is work already.
func (l *loop) finishTurn(s *socket) {
	for {
		state := s.state.Load()
		if state&(woken|interrupted|aborted) != 0 || s.hasWork() {
			l.schedule(s)
			return
		}
		l.arm(s)
		if s.state.CompareAndSwap(state, state&^(queued|timed)) {
			return
		}
	}
}

// arm sets the timer of s to its earliest deadline. A timer armed earlier may fire in vain once, which is cheaper than
// to move it each time.
func (l *loop) arm(s *socket) {
	first := time.Duration(s.wakeAt.Load())
	for _, at := range [...]time.Duration{s.deadline, s.nextCheck} {
		if at != 0 && (first == 0 || at < first) {
			first = at
		}
	}
	if first != 0 {
		l.wheel.arm(s.slot, first)
	}
}
