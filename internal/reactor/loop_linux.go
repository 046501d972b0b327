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
	yieldEvery = 256      // turns and writes between calls of Gosched
	eventBatch = 256
)

// loop serves sockets from one goroutine. Other goroutines push sockets that have work. The loop gives each ready
// socket a turn, and sleeps in the poller of the Go runtime, where its epoll descriptor is registered like any other
// file, so no thread blocks.
type loop struct {
	opt   Options
	start time.Time // zero of all times in the loop
	file  *os.File  // epoll descriptor
	raw   syscall.RawConn
	epoll int                // file's descriptor; valid while run runs
	poll  func(uintptr) bool // calls fetch, for raw.Read

	pushed   atomic.Pointer[socket] // stack of sockets pushed by others, linked by next
	sleeping atomic.Bool            // a push must interrupt the loop
	stop     atomic.Bool
	conns    atomic.Int32 // including connections about to be pushed

	descriptors sync.Mutex // held to close a descriptor, and by other goroutines while they use one

	// Owned by run.

	now         time.Duration // at the start of this round
	table       table
	wheel       wheel
	ready       fifo // sockets that have work; their state is queued
	slow        fifo // the ones among them with long turns
	steps       int  // turns and writes since the last Gosched
	due         []uint32
	readBuf     []byte        // of Options.ReadSize
	turnStart   time.Duration // when the current Source was first called with bytes; 0: not yet
	turnOver    bool          // the current turn has used up Options.MaxTurn
	undelivered bool          // input was left for the next turn because of that
	info        unix.TCPInfo
	events      []unix.EpollEvent
}

func newLoop(opt Options) (*loop, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil { // required by os.NewFile to use the poller
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
		err = l.file.SetReadDeadline(time.Time{}) // fails if the poller does not accept the descriptor
	}
	if err != nil {
		l.file.Close()
		return nil, fmt.Errorf("waiting for epoll in the runtime's poller: %w", err)
	}
	return l, nil
}

// since returns the current time of the loop.
func (l *loop) since() time.Duration { return time.Since(l.start) }

// push adds a socket whose state the caller has changed to queued.
func (l *loop) push(s *socket) {
	for {
		s.next = l.pushed.Load()
		if l.pushed.CompareAndSwap(s.next, s) {
			break
		}
	}
	l.interrupt()
}

// interrupt ends the loop's sleep. An expired deadline makes its goroutine ready at once; an eventfd would cost a
// system call and wait until the poller runs.
func (l *loop) interrupt() {
	if l.sleeping.Load() && l.sleeping.CompareAndSwap(true, false) {
		_ = l.file.SetReadDeadline(inThePast) // fails only after the loop has ended
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
	l.acceptPushed() // from now on only sockets in the table are pushed
	for _, s := range l.table.sockets {
		if s != nil {
			s.setCloseErr(ErrStopped)
			l.close(s)
		}
	}
	l.file.Close()
}

// wait fetches events, and sleeps until there is something to do.
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
	// Set after the deadline, which interrupt replaces, and before the checks below.
	l.sleeping.Store(true)
	if l.pushed.Load() != nil || l.stop.Load() || l.raw.Read(l.poll) != nil { // the error is that of the deadline
		l.fetch()
	}
	l.sleeping.Store(false)
}

// fetch records what happened to sockets and reports whether anything did.
func (l *loop) fetch() bool {
	n, err := unix.EpollWait(l.epoll, l.events, 0)
	for err == unix.EINTR {
		n, err = unix.EpollWait(l.epoll, l.events, 0)
	}
	if err != nil {
		panic(os.NewSyscallError("epoll_wait", err)) // the descriptor is our own, so this is a bug in this package
	}
	for i := range l.events[:n] {
		e := &l.events[i]
		if s := l.table.get(uint32(e.Fd), uint32(e.Pad)); s != nil && s.noteEvents(e.Events) {
			l.enqueue(s)
		}
	}
	return n > 0
}

// enqueue makes s ready unless it is queued already.
func (l *loop) enqueue(s *socket) {
	if s.state.Or(queued)&queued == 0 {
		l.schedule(s)
	}
}

// schedule queues s for a turn.
func (l *loop) schedule(s *socket) {
	if l.now < s.slowUntil {
		l.slow.push(s)
	} else {
		l.ready.push(s)
	}
}

// acceptPushed schedules pushed sockets, the longest waiting first.
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

// register adds a new socket to the table and the epoll set (epoll(7), edge-triggered).
func (l *loop) register(s *socket) {
	l.table.put(s)
	if err := unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, int(s.fd), &unix.EpollEvent{
		Events: unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET,
		Fd:     int32(s.slot), Pad: int32(s.generation),
	}); err != nil {
		s.fail(os.NewSyscallError("epoll_ctl", err))
	}
}

// round gives each ready socket a turn. Sockets with long turns share the time of one turn, so that others wait for one
// of them at most, however many there are. Sockets that become ready meanwhile have their turn in the next round.
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

// turn gives s a turn, and yields to other goroutines now and then.
func (l *loop) turn(s *socket) {
	l.serve(s)
	if l.steps++; l.steps >= yieldEvery || l.turnOver {
		l.steps = 0
		runtime.Gosched()
	}
}

// close closes s. Past events are in its fields, and the epoll set reports no new ones, so its slot is free at once.
func (l *loop) close(s *socket) {
	l.wheel.clear(s.slot)
	l.table.remove(s)
	s.state.Or(queued) // for good: never pushed again
	s.release()
	s.notifyClosed()
	s.retain(nil)
	s.rare = nil
}
