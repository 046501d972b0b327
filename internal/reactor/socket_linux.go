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

	readable bool // there may be something to read
	hungUp   bool // the peer has ended, or broken, the connection: read until the end of it is seen
	ended    bool // the end of it was seen
	told     bool // and the Source was told
	broken   bool // it broke after that
	blocked  bool // the socket takes no more for now
	pull     bool // Next may have something
	ending   bool // finish was noticed
	draining bool // our direction is closed, and what comes is thrown away
	over     bool // close it at the end of the turn

	aside   *aside        // nil: nothing
	giveUp  time.Duration // blocked, gone, ending or draining: not longer than until then; 0: for ever
	slow    time.Duration // a turn took long, and the next ones are taken to do so until then; 0: none did
	watch   time.Duration // when to ask whether the peer is dead; 0: nothing is unacknowledged
	silence silence
}

// aside is what a socket seldom has.
type aside struct {
	backlog
	why error // what Closed is told
}

func (s *socket) rest() []byte {
	if s.aside == nil {
		return nil
	}
	return s.aside.rest
}

// keep has only the end of what was received be kept.
func (s *socket) keep(rest []byte) {
	if s.aside == nil {
		return
	}
	if s.aside.keep(&s.loop.opt, rest); len(rest) == 0 && s.aside.why == nil {
		s.aside = nil
	}
}

// add keeps a copy of what was received, behind what is kept.
func (s *socket) add(b []byte) {
	if len(b) == 0 {
		return
	}
	if s.aside == nil {
		s.aside = new(aside)
	}
	s.aside.add(&s.loop.opt, b)
}

// room tells whether more may be read than the Source has used.
func (s *socket) room() bool {
	return s.aside == nil || s.aside.room(&s.loop.opt, len(s.loop.in))
}

func (s *socket) why() error {
	if s.aside == nil {
		return nil
	}
	return s.aside.why
}

// blame says what Closed is told.
func (s *socket) blame(why error) {
	if s.aside == nil {
		s.aside = new(aside)
	}
	s.aside.why = why
}

// ask has the loop serve the socket because of bits.
func (s *socket) ask(bits uint32) {
	bits |= queued
	if s.state.Load()&bits == bits {
		return
	}
	if s.state.Or(bits)&queued == 0 {
		s.loop.push(s)
	}
}

// Wake implements Conn.
func (s *socket) Wake() { s.ask(woken) }

// WakeAfter implements Conn.
func (s *socket) WakeAfter(d time.Duration) {
	now := s.loop.since()
	s.wakeAt.Store(int64(now + min(max(d, 1), math.MaxInt64-now)))
	s.ask(timed)
}

// Finish implements Conn.
func (s *socket) Finish() { s.ask(woken | finish) }

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
	s.loop.load.Add(-1)
}

// tell makes the last call.
func (s *socket) tell() {
	defer func() { _ = recover() }() // the connection is closed already, and the panic harms nobody else
	s.src.Closed(s.why())
}

// finishing tells whether Finish was called.
func (s *socket) finishing() bool { return s.state.Load()&finish != 0 }

// fail ends the connection for a reason.
func (s *socket) fail(why error) {
	s.blame(why)
	s.over = true
}

// happened notes events, and returns whether there is something to do about them.
func (s *socket) happened(events uint32) bool {
	const broken = unix.EPOLLERR | unix.EPOLLHUP
	do := false
	if events&(unix.EPOLLIN|unix.EPOLLRDHUP|broken) != 0 && !s.ended {
		s.readable, do = true, true
	}
	if events&(unix.EPOLLRDHUP|broken) != 0 {
		s.hungUp = true
	}
	if events&(unix.EPOLLOUT|broken) != 0 && s.blocked {
		s.blocked, s.pull, do = false, true, true
	}
	if events&broken != 0 && s.ended { // a read would tell of the end once more, and not of what came after it
		s.broken, do = true, true
	}
	return do
}

// busy tells whether there is something to do at once.
func (s *socket) busy() bool {
	return s.readable && (s.ending || s.room()) || s.pull && !s.blocked
}

// offer hands over what was received and not used, and behind that the end, unless the turn is over.
func (l *loop) offer(s *socket) {
	if rest := s.rest(); len(rest) > 0 && !s.finishing() {
		if l.spent {
			l.owed = true
		} else {
			s.keep(l.hand(s, rest))
		}
	}
	l.tellEnd(s)
}

// tellEnd tells the Source that all was used that came, once that is so.
func (l *loop) tellEnd(s *socket) {
	if s.ended && !s.told && len(s.rest()) == 0 && !s.finishing() {
		s.told, s.pull = true, true
		l.hand(s, nil)
	}
}

// hand gives b to the Source and returns what it does not use.
func (l *loop) hand(s *socket, b []byte) []byte {
	if l.began == 0 {
		l.began = l.since()
	}
	used, err := s.src.Received(b)
	l.spent = l.since()-l.began >= l.opt.Turn
	if l.spent {
		s.slow = l.now + slowFor
	}
	if s.Gone() && used > 0 {
		s.giveUp = l.now + l.opt.Stall
	}
	if err != nil {
		if !errors.Is(err, io.EOF) {
			s.blame(err)
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
	defer l.contain(s)
	l.began, l.spent, l.owed = 0, false, false
	l.notice(s)
	if !s.over {
		l.input(s)
	}
	if !s.over {
		l.output(s)
	}
	if !s.over && s.giveUp != 0 && l.now >= s.giveUp {
		l.stalled(s)
	}
	if s.over {
		l.close(s)
		return
	}
	if l.owed {
		s.pull = true
	}
	l.settle(s)
}

// stalled ends what has taken too long.
func (l *loop) stalled(s *socket) {
	switch {
	case s.Gone() || s.draining:
		s.over = true
	case s.ending:
		s.fail(ErrStalled)
	default:
		l.lose(s, ErrStalled)
	}
}

// lose notes that the peer takes nothing any more, because of why. What came from it is still used, for it was sent to be;
// what is to be written is thrown away.
func (l *loop) lose(s *socket, why error) {
	if s.ending {
		s.fail(why)
		return
	}
	if s.state.Or(lost)&lost != 0 {
		return
	}
	if s.why() == nil {
		s.blame(why)
	}
	s.blocked, s.pull, s.readable = false, true, !s.ended
	s.watch, s.giveUp = 0, l.now+l.opt.Stall
}

// contain closes this connection, and no other, if the Source panics.
func (l *loop) contain(s *socket) {
	if p := recover(); p != nil {
		s.blame(panicked(p))
		l.close(s)
	}
}

// notice finds out why s has a turn.
func (l *loop) notice(s *socket) {
	if s.state.Load()&woken != 0 {
		s.state.And(^woken)
		s.pull = true
	}
	if at := s.wakeAt.Load(); at != 0 && int64(l.now) >= at && s.wakeAt.CompareAndSwap(at, 0) {
		s.pull = true
	}
	if !s.ending && s.finishing() { // noticed before Next is asked: what was there when Finish was called is written
		s.keep(nil)
		s.ending, s.giveUp = true, l.now+l.opt.Linger
	}
	if s.broken {
		s.broken = false
		l.lose(s, os.NewSyscallError("read", unix.ECONNRESET))
	}
	if s.giveUp != 0 && l.now >= s.giveUp { // the time may have passed while this process was stopped: it is tried before it is judged
		s.readable, s.blocked, s.pull = !s.ended, false, true
	}
	if s.draining {
		s.pull = false
	}
	if s.watch != 0 && l.now >= s.watch {
		l.look(s)
	}
}

// look asks the kernel whether the peer is dead, and until when that is no question.
func (l *loop) look(s *socket) {
	info := &l.info
	ok := tcpInfo(int(s.fd), info)
	switch {
	case !ok:
		s.watch = 0
	case l.now-s.watch > l.opt.lookEvery(): // this process, or its machine, was stopped: what is silent then may be so because of us
		s.silence = silence{}
		s.watch = l.now + l.opt.lookEvery()
	case s.silence.dead(info, l.now, l.opt.Dead):
		l.lose(s, ErrDead)
	case info.Unacked == 0 && info.Probes == 0 && info.Notsent_bytes == 0:
		s.watch = 0
	default:
		s.watch = l.now + l.opt.lookEvery()
	}
}

// input reads, and hands over what came. What the Source does not use is kept, and it is read on as far as there is room.
func (l *loop) input(s *socket) {
	if s.pull {
		l.offer(s)
	}
	for budget := turnReads; budget > 0 && !s.over && s.readable && !l.spent; {
		ending := s.finishing()
		if !ending && !s.room() {
			return
		}
		n := l.read(s)
		budget -= n
		switch b := l.in[:n]; { // which is the next connection's then
		case n == 0 || ending:
		case len(s.rest()) > 0:
			s.add(b)
		default:
			s.pull = true
			s.add(l.hand(s, b))
		}
	}
	l.tellEnd(s)
}

// read reads once, and notes what it tells of the connection.
func (l *loop) read(s *socket) int {
	n, err := readFD(s.fd, l.in)
	if n > 0 {
		s.readable = n == len(l.in) || s.hungUp || s.Gone() // epoll(7): a short read has emptied the socket
		return n
	}
	s.readable = false
	switch {
	case err == unix.EAGAIN:
		s.ended = s.Gone() // of what is lost nobody tells the end
	case err != nil && s.finishing():
		if s.over = true; s.why() == nil {
			s.blame(os.NewSyscallError("read", err))
		}
	case err != nil:
		s.ended = true
		l.lose(s, os.NewSyscallError("read", err))
	case s.draining:
		s.over = true
	default:
		s.ended = true
	}
	return 0
}

// output writes what the Source has.
func (l *loop) output(s *socket) {
	for range turnWrites {
		if !s.pull || s.blocked || s.over {
			return
		}
		if s.Gone() && s.ending {
			s.over = true
			return
		}
		b, ok := s.src.Next(writeSize)
		if !ok {
			l.emptied(s)
			return
		}
		if s.Gone() {
			s.src.Wrote(len(b))
			l.offer(s)
			continue
		}
		n, err := writeFD(s.fd, b)
		l.steps++
		s.src.Wrote(n)
		if err != nil && err != unix.EAGAIN {
			l.lose(s, os.NewSyscallError("write", err))
			return
		}
		l.took(s, n, n == len(b))
		l.offer(s) // what went out may have made room for what came
	}
}

// took notes what the socket took: n bytes, all there were or fewer.
func (l *loop) took(s *socket, n int, all bool) {
	if s.watch == 0 && n > 0 {
		s.watch = l.now + l.opt.lookEvery()
	}
	s.blocked = !all // and the kernel will say when that is over
	if s.ending {
		return
	}
	if all {
		s.giveUp = 0
	} else if n > 0 || s.giveUp == 0 {
		s.giveUp = l.now + l.opt.Stall
	}
}

// emptied notes that Next has nothing. If that is the end, our direction is closed first, and the peer's awaited:
// closing with unread bytes would send a reset, which may destroy what the peer has not read yet, the reason for
// closing among it.
func (l *loop) emptied(s *socket) {
	s.pull = false
	switch {
	case s.Gone():
		return
	case !s.ending:
		s.giveUp = 0
		return
	}
	if s.ended || unix.Shutdown(int(s.fd), unix.SHUT_WR) != nil {
		s.over = true
		return
	}
	s.draining, s.giveUp = true, l.now+l.opt.drain()
}

// settle lets s rest until something happens, unless something has.
func (l *loop) settle(s *socket) {
	for {
		state := s.state.Load()
		if state&woken != 0 || s.busy() {
			l.line(s)
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
	for _, at := range [...]time.Duration{s.giveUp, s.watch} {
		if at != 0 && (first == 0 || at < first) {
			first = at
		}
	}
	if first != 0 {
		l.wheel.arm(s.slot, first)
	}
}
