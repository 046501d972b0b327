package reactor

import (
	"errors"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

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
