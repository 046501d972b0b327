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

// Bits of a socket's state. The loop serves it once for all that was asked meanwhile.
const (
	queued uint32 = 1 << iota // it is in a list of the loop, or being served: whoever sets it puts it there
	woken                     // Wake was called
	timed                     // WakeAfter was called
	finish                    // Finish was called; stays
	lost                      // the peer takes nothing any more, see lose; stays
)

// socket is one connection of an Epoll. It is the Conn that its Source sees, so it is never used again for another.
type socket struct {
	loop   *loop
	src    Source
	next   *socket       // the list that it is in
	state  atomic.Uint32 // bits above
	wakeAt atomic.Int64  // when WakeAfter is over, as the loop counts time; 0: never

	// Below: owned by the loop's goroutine.

	fd         int32 // changed with loop.descriptors held; -1: closed
	slot       uint32
	generation uint32 // 0: the loop does not know it yet

	readable    bool // there may be something to read
	hungUp      bool // the peer has ended, or broken, the connection: read until the end of it is seen
	sawEOF      bool // the end of it was seen
	eofReported bool // and the Source was told
	broken      bool // it broke after that
	blocked     bool // the socket takes no more for now
	mayWrite    bool // Next may have something
	finishSeen  bool // finish was noticed
	draining    bool // our direction is closed, and what comes is thrown away
	closeNow    bool // close it at the end of the turn

	rare      *rareState    // nil: nothing
	deadline  time.Duration // blocked, gone, ending or draining: not longer than until then; 0: for ever
	slowUntil time.Duration // a turn took long, and the next ones are taken to do so until then; 0: none did
	nextCheck time.Duration // when to ask whether the peer is dead; 0: nothing is unacknowledged
	silence   silence
}

// aside is what a socket seldom has.
type rareState struct {
	backlog
	closeErr error // what Closed is told
}

func (s *socket) unread() []byte {
	if s.rare == nil {
		return nil
	}
	return s.rare.unread
}

// retain has only the end of what was received be kept.
func (s *socket) retain(rest []byte) {
	if s.rare == nil {
		return
	}
	if s.rare.retain(&s.loop.opt, rest); len(rest) == 0 && s.rare.closeErr == nil {
		s.rare = nil
	}
}

// add keeps a copy of what was received, behind what is kept.
func (s *socket) add(b []byte) {
	if len(b) == 0 {
		return
	}
	if s.rare == nil {
		s.rare = new(rareState)
	}
	s.rare.add(&s.loop.opt, b)
}

// hasRoom tells whether more may be read than the Source has used.
func (s *socket) hasRoom() bool {
	return s.rare == nil || s.rare.hasRoom(&s.loop.opt, len(s.loop.readBuf))
}

func (s *socket) closeErr() error {
	if s.rare == nil {
		return nil
	}
	return s.rare.closeErr
}

// setCloseErr says what Closed is told.
func (s *socket) setCloseErr(why error) {
	if s.rare == nil {
		s.rare = new(rareState)
	}
	s.rare.closeErr = why
}

// request has the loop serve the socket because of bits.
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

// notifyClosed makes the last call.
func (s *socket) notifyClosed() {
	defer func() { _ = recover() }() // the connection is closed already, and the panic harms nobody else
	s.src.Closed(s.closeErr())
}

// finishing tells whether Finish was called.
func (s *socket) finishing() bool { return s.state.Load()&finish != 0 }

// fail ends the connection for a reason.
func (s *socket) fail(why error) {
	s.setCloseErr(why)
	s.closeNow = true
}

// noteEvents notes events, and returns whether there is something to do about them.
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
	if events&broken != 0 && s.sawEOF { // a read would tell of the end once more, and not of what came after it
		s.broken, do = true, true
	}
	return do
}

// hasWork tells whether there is something to do at once.
func (s *socket) hasWork() bool {
	return s.readable && (s.finishSeen || s.hasRoom()) || s.mayWrite && !s.blocked
}

// redeliver hands over what was received and not used, and behind that the end, unless the turn is over.
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

// reportEOF tells the Source that all was used that came, once that is so.
func (l *loop) reportEOF(s *socket) {
	if s.sawEOF && !s.eofReported && len(s.unread()) == 0 && !s.finishing() {
		s.eofReported, s.mayWrite = true, true
		l.deliver(s, nil)
	}
}

// deliver gives b to the Source and returns what it does not use.
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

// serve gives s its turn: what came goes in and what waits goes out, as far as a turn reaches.
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

// timeOut ends what has taken too long.
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

// markLost notes that the peer takes nothing any more, because of why. What came from it is still used, for it was sent to be;
// what is to be written is thrown away.
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

// updateState finds out why s has a turn.
func (l *loop) updateState(s *socket) {
	if s.state.Load()&woken != 0 {
		s.state.And(^woken)
		s.mayWrite = true
	}
	if at := s.wakeAt.Load(); at != 0 && int64(l.now) >= at && s.wakeAt.CompareAndSwap(at, 0) {
		s.mayWrite = true
	}
	if !s.finishSeen && s.finishing() { // noticed before Next is asked: what was there when Finish was called is written
		s.retain(nil)
		s.finishSeen, s.deadline = true, l.now+l.opt.LingerTimeout
	}
	if s.broken {
		s.broken = false
		l.markLost(s, os.NewSyscallError("read", unix.ECONNRESET))
	}
	if s.deadline != 0 && l.now >= s.deadline { // the time may have passed while this process was stopped: it is tried before it is judged
		s.readable, s.blocked, s.mayWrite = !s.sawEOF, false, true
	}
	if s.draining {
		s.mayWrite = false
	}
	if s.nextCheck != 0 && l.now >= s.nextCheck {
		l.checkAlive(s)
	}
}

// checkAlive asks the kernel whether the peer is dead, and until when that is no question.
func (l *loop) checkAlive(s *socket) {
	info := &l.info
	ok := tcpInfo(int(s.fd), info)
	switch {
	case !ok:
		s.nextCheck = 0
	case l.now-s.nextCheck > l.opt.checkInterval(): // this process, or its machine, was stopped: what is silent then may be so because of us
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

// input reads, and hands over what came. What the Source does not use is kept, and it is read on as far as there is room.
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
		switch b := l.readBuf[:n]; { // which is the next connection's then
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

// read reads once, and notes what it tells of the connection.
func (l *loop) read(s *socket) int {
	n, err := readFD(s.fd, l.readBuf)
	if n > 0 {
		s.readable = n == len(l.readBuf) || s.hungUp || s.Gone() // epoll(7): a short read has emptied the socket
		return n
	}
	s.readable = false
	switch {
	case err == unix.EAGAIN:
		s.sawEOF = s.Gone() // of what is lost nobody tells the end
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

// output writes what the Source has.
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
		l.redeliver(s) // what went out may have made room for what came
	}
}

// noteWritten notes what the socket noteWritten: n bytes, all there were or fewer.
func (l *loop) noteWritten(s *socket, n int, all bool) {
	if s.nextCheck == 0 && n > 0 {
		s.nextCheck = l.now + l.opt.checkInterval()
	}
	s.blocked = !all // and the kernel will say when that is over
	if s.finishSeen {
		return
	}
	if all {
		s.deadline = 0
	} else if n > 0 || s.deadline == 0 {
		s.deadline = l.now + l.opt.SlowTimeout
	}
}

// nothingToWrite notes that Next has nothing. If that is the end, our direction is closed first, and the peer's awaited:
// closing with unread bytes would send a reset, which may destroy what the peer has not read yet, the reason for
// closing among it.
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

// finishTurn lets s rest until something happens, unless something has.
func (l *loop) finishTurn(s *socket) {
	for {
		state := s.state.Load()
		if state&woken != 0 || s.hasWork() {
			l.schedule(s)
			return
		}
		l.arm(s)
		if s.state.CompareAndSwap(state, state&^(queued|timed)) {
			return
		}
	}
}

// arm has s come up when the first of its times has come. If that is later than it is armed for, it comes up in vain
// once, which is cheaper than to move it each time.
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
