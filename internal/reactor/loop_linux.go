package reactor

import (
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	turnReads  = 64 << 10 // bytes read in one turn of a connection
	turnWrites = 4        // calls of write in one turn of a connection
	yieldEvery = 256      // turns and writes after which other goroutines may run
	eventBatch = 256
)

// longAgo, as a deadline, ends a wait at once.
var longAgo = time.Unix(1, 0)

// loop serves sockets from one goroutine. Whoever has work for a socket of it puts that into the list pushed; the loop
// goes round over what is in ready, and sleeps in the poller of the Go runtime, on which its epoll descriptor hangs
// like any other file: no thread waits with it.
type loop struct {
	opt   Options
	start time.Time // what all times of the loop count from
	file  *os.File  // the epoll descriptor
	raw   syscall.RawConn
	epoll int                // file's descriptor; valid while run runs
	poll  func(uintptr) bool // fetches what happened, for raw.ReadSize

	pushed   atomic.Pointer[socket] // a stack, linked by next, of sockets that others have put in
	sleeping atomic.Bool            // a push has to rouse the loop
	stop     atomic.Bool
	conns    atomic.Int32 // connections, those included that are about to be pushed

	descriptors sync.Mutex // held while a descriptor is closed, and by others while they use one

	// Below: owned by the goroutine of run.

	now         time.Duration // of this round
	table       table
	wheel       wheel
	ready       fifo // sockets that have work; their state is queued
	slow        fifo // those of them whose turns take long
	steps       int  // turns and writes since the last yield
	due         []uint32
	readBuf     []byte        // Options.ReadSize
	turnStart   time.Duration // when the Source that has its turn was first given something; 0: it was not yet
	turnOver    bool          // that is so long ago that the turn is over
	undelivered bool          // something was not handed over for that reason, and is in the next turn
	info        unix.TCPInfo
	events      []unix.EpollEvent
}

func newLoop(opt Options) (*loop, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil { // as os.NewFile needs it to use the poller
		unix.Close(fd)
		return nil, os.NewSyscallError("fcntl", err)
	}
	l := &loop{
		opt: opt, start: time.Now(), file: os.NewFile(uintptr(fd), "epoll"), epoll: fd,
		readBuf: make([]byte, opt.ReadSize), events: make([]unix.EpollEvent, eventBatch),
	}
	l.poll = func(uintptr) bool { return l.fetch() }
	l.raw, err = l.file.SyscallConn()
	if err == nil {
		err = l.file.SetReadDeadline(time.Time{}) // fails if the poller did not take it
	}
	if err != nil {
		l.file.Close()
		return nil, fmt.Errorf("waiting for epoll in the runtime's poller: %w", err)
	}
	return l, nil
}

// since returns the time now as the loop counts it.
func (l *loop) since() time.Duration { return time.Since(l.start) }

// push puts in a socket whose state the caller has made queued.
func (l *loop) push(s *socket) {
	for {
		s.next = l.pushed.Load()
		if l.pushed.CompareAndSwap(s.next, s) {
			break
		}
	}
	l.interrupt()
}

// interrupt ends the loop's sleep. A deadline that has passed makes its goroutine ready at once, where an eventfd would
// cost a system call and wait until the poller is looked at.
func (l *loop) interrupt() {
	if l.sleeping.Load() && l.sleeping.CompareAndSwap(true, false) {
		_ = l.file.SetReadDeadline(longAgo) // fails only once the loop has ended
	}
}

func (l *loop) run() {
	for !l.stop.Load() {
		l.wait()
		l.now = l.since()
		l.acceptPushed()
		l.due = l.wheel.tick(l.now, l.due[:0])
		for _, slot := range l.due {
			l.enqueue(l.table.sockets[slot])
		}
		l.round()
	}
	l.acceptPushed() // nothing is pushed any more but by sockets that the table has
	for _, s := range l.table.sockets {
		if s != nil {
			s.setCloseErr(ErrStopped)
			l.close(s)
		}
	}
	l.file.Close()
}

// wait fetches what happened, and sleeps until there is something to do.
func (l *loop) wait() {
	if l.ready.head != nil || l.slow.head != nil {
		l.fetch()
		return
	}
	var deadline time.Time
	if at, ok := l.wheel.next(); ok {
		deadline = l.start.Add(at)
	}
	_ = l.file.SetReadDeadline(deadline)
	// After the deadline, which rouse replaces, and before the look at what it announces.
	l.sleeping.Store(true)
	if l.pushed.Load() != nil || l.stop.Load() || l.raw.Read(l.poll) != nil { // the error is the deadline's
		l.fetch()
	}
	l.sleeping.Store(false)
}

// fetch notes what happened to sockets, and returns whether anything did.
func (l *loop) fetch() bool {
	n, err := unix.EpollWait(l.epoll, l.events, 0)
	for err == unix.EINTR {
		n, err = unix.EpollWait(l.epoll, l.events, 0)
	}
	if err != nil {
		panic(os.NewSyscallError("epoll_wait", err)) // of a descriptor of our own: a fault in this package
	}
	for i := range l.events[:n] {
		e := &l.events[i]
		if s := l.table.get(uint32(e.Fd), uint32(e.Pad)); s != nil && s.noteEvents(e.Events) {
			l.enqueue(s)
		}
	}
	return n > 0
}

// enqueue makes s ready, unless it is or is about to be.
func (l *loop) enqueue(s *socket) {
	if s.state.Or(queued)&queued == 0 {
		l.schedule(s)
	}
}

// schedule has s wait for its turn.
func (l *loop) schedule(s *socket) {
	if l.now < s.slowUntil {
		l.slow.push(s)
	} else {
		l.ready.push(s)
	}
}

// acceptPushed makes ready what was pushed, the longest waiting first.
func (l *loop) acceptPushed() {
	var first *socket
	for s := l.pushed.Swap(nil); s != nil; {
		next := s.next
		s.next = first
		first, s = s, next
	}
	for s := first; s != nil; {
		next := s.next
		s.next = nil
		if s.generation == 0 {
			l.register(s)
		}
		l.schedule(s)
		s = next
	}
}

// register makes a new socket the loop's: the kernel reports what happens to it, from now on and each thing once
// (epoll(7), edge-triggered).
func (l *loop) register(s *socket) {
	l.table.put(s)
	if err := unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, int(s.fd), &unix.EpollEvent{
		Events: unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET,
		Fd:     int32(s.slot), Pad: int32(s.generation),
	}); err != nil {
		s.fail(os.NewSyscallError("epoll_ctl", err))
	}
}

// round gives each ready socket a turn, but of those whose turns take long only as many as have room in one turn: however
// many they are, the others wait for one of them. What is ready again then, or meanwhile, has its turn in the next round.
func (l *loop) round() {
	batch := l.ready
	l.ready = fifo{}
	for s := batch.pop(); s != nil; s = batch.pop() {
		l.turn(s)
	}
	if l.slow.head == nil {
		return
	}
	end := l.since() + l.opt.MaxTurn
	for s := l.slow.pop(); s != nil; s = l.slow.pop() {
		if l.turn(s); l.since() >= end {
			return
		}
	}
}

// turn gives s its turn, and now and then other goroutines theirs.
func (l *loop) turn(s *socket) {
	l.serve(s)
	if l.steps++; l.steps >= yieldEvery || l.turnOver {
		l.steps = 0
		runtime.Gosched()
	}
}

// close ends s. All that happened to it before is in its fields and not in events, so its slot is free at once.
func (l *loop) close(s *socket) {
	l.wheel.clear(s.slot)
	l.table.remove(s)
	s.state.Or(queued) // for good: nobody pushes it any more
	s.release()
	s.notifyClosed()
	s.retain(nil)
	s.rare = nil
}
