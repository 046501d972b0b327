package rehearse

import (
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"ramai/internal/reactor"
)

// loops is a reactor for the clients of a rehearsal, which must cost less than the server: each loop blocks a thread in
// epoll_wait, reads as much as there is, and has no timeouts. A client that uses no input, because it is to be slow,
// is not read any further; other clients use everything.
type loops struct {
	all     []*loop
	next    atomic.Uint32
	others  *reactor.Portable // for connections that are not TCP, such as TLS
	running sync.WaitGroup
}

const (
	readSize  = 256 << 10
	writeSize = 64 << 10
)

// newReactor returns a reactor that runs until Close. It has one loop for each four processors: the server needs the others.
func newReactor() (reactor.Reactor, error) {
	e := &loops{others: reactor.NewPortable(reactor.Options{ReadSize: readSize})}
	for range max(1, runtime.NumCPU()/4) {
		l, err := newLoop()
		if err != nil {
			e.Close()
			return nil, err
		}
		e.all = append(e.all, l)
		e.running.Go(l.run)
	}
	return e, nil
}

// Add implements reactor.Reactor.
func (e *loops) Add(nc net.Conn, early []byte, open func(reactor.Conn) reactor.Source) {
	fd := -1
	if tcp, ok := nc.(*net.TCPConn); ok {
		if raw, err := tcp.SyscallConn(); err == nil {
			raw.Control(func(own uintptr) { fd, _ = unix.FcntlInt(own, unix.F_DUPFD_CLOEXEC, 0) })
		}
	}
	if fd < 0 {
		e.others.Add(nc, early, open)
		return
	}
	nc.Close()
	s := &socket{loop: e.all[e.next.Add(1)%uint32(len(e.all))], fd: fd, slot: -1, rest: early}
	s.src = open(s)
	s.Wake()
}

// Close implements reactor.Reactor.
func (e *loops) Close() {
	for _, l := range e.all {
		l.mu.Lock()
		l.stop = true
		l.mu.Unlock()
		l.interrupt()
	}
	e.others.Close()
	e.running.Wait()
	for _, l := range e.all {
		l.close() // now, because interrupt writes to a descriptor
	}
}

// loop serves its sockets from one goroutine.
type loop struct {
	epoll, event int         // descriptors; the eventfd interrupts epoll_wait
	sleeping     atomic.Bool // in epoll_wait, or about to be

	mu    sync.Mutex
	woken []*socket // guarded by mu: sockets to be served
	stop  bool      // guarded by mu

	// Owned by run.

	sockets []*socket // by slot; nil: free
	free    []int
	serving []*socket // the former woken
	buf     []byte
	events  [256]unix.EpollEvent
}

func newLoop() (*loop, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	event, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err == nil {
		// Edge-triggered: each write is reported, so it is never read.
		err = unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, event, &unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLET, Fd: -1})
	}
	if err != nil {
		unix.Close(epoll)
		unix.Close(event)
		return nil, os.NewSyscallError("eventfd", err)
	}
	return &loop{epoll: epoll, event: event, buf: make([]byte, readSize)}, nil
}

func (l *loop) interrupt() {
	if l.sleeping.Load() && l.sleeping.CompareAndSwap(true, false) {
		one := [8]byte{1}
		_, _ = unix.Write(l.event, one[:]) // fails only if it has been written 2^64 times
	}
}

func (l *loop) run() {
	runtime.LockOSThread() // a thread that blocks in epoll_wait is woken sooner than the scheduler
	defer runtime.UnlockOSThread()
	for l.serveWoken() {
		n := l.wait()
		for i := range l.events[:n] {
			if slot := int(l.events[i].Fd); slot >= 0 && l.sockets[slot] != nil {
				l.sockets[slot].serve(l.events[i].Events)
			}
		}
	}
	for _, s := range l.sockets {
		if s != nil {
			s.end(reactor.ErrStopped)
		}
	}
}

// close releases the descriptors. Nobody uses the loop any more.
func (l *loop) close() {
	unix.Close(l.epoll)
	unix.Close(l.event)
}

// wait returns the number of events. Where a system call does not block, it is raw: the scheduler need not know.
func (l *loop) wait() int {
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(l.epoll), uintptr(unsafe.Pointer(&l.events[0])), uintptr(len(l.events)), 0, 0, 0)
	if errno == 0 && n > 0 {
		return int(n)
	}
	l.sleeping.Store(true)
	defer l.sleeping.Store(false)
	l.mu.Lock()
	work := l.stop || len(l.woken) > 0
	l.mu.Unlock()
	if work {
		return 0
	}
	got, _ := unix.EpollWait(l.epoll, l.events[:], -1) // fails only with EINTR
	return max(got, 0)
}

// serveWoken serves the sockets that were woken, and registers new ones. It returns false at the end.
func (l *loop) serveWoken() bool {
	l.mu.Lock()
	stop := l.stop
	l.serving, l.woken = l.woken, l.serving[:0]
	l.mu.Unlock()
	for _, s := range l.serving {
		s.queued.Store(false)
		if s.slot < 0 {
			l.register(s)
		}
		if !s.ended && !stop {
			s.serve(0)
		}
	}
	return !stop
}

// register gives s a slot. Events of the socket that had it before are all served by now.
func (l *loop) register(s *socket) {
	if n := len(l.free); n > 0 {
		s.slot, l.free = l.free[n-1], l.free[:n-1]
		l.sockets[s.slot] = s
	} else {
		s.slot = len(l.sockets)
		l.sockets = append(l.sockets, s)
	}
	e := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET, Fd: int32(s.slot)}
	if err := unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, s.fd, &e); err != nil {
		s.end(os.NewSyscallError("epoll_ctl", err))
	}
}

// socket is one connection.
type socket struct {
	loop      *loop
	src       reactor.Source
	queued    atomic.Bool // in loop.woken
	finishing atomic.Bool

	// Owned by the loop.

	fd, slot int
	rest     []byte // input that the Source has not used
	readable bool   // there may be something to read
	hungUp   bool   // the server has closed its direction, or the connection is broken: read to the end
	blocked  bool   // the socket accepts nothing for now
	ended    bool
}

// Wake implements reactor.Conn.
func (s *socket) Wake() {
	if s.queued.Load() || !s.queued.CompareAndSwap(false, true) {
		return
	}
	s.loop.mu.Lock()
	s.loop.woken = append(s.loop.woken, s)
	s.loop.mu.Unlock()
	s.loop.interrupt()
}

// Finish implements reactor.Conn.
func (s *socket) Finish() {
	s.finishing.Store(true)
	s.Wake()
}

// Abort implements reactor.Conn.
func (s *socket) Abort() { s.Finish() }

// WakeAfter implements reactor.Conn. No client needs it, nor the methods below.
func (s *socket) WakeAfter(d time.Duration) { time.AfterFunc(d, s.Wake) }

// Interrupt implements reactor.Conn.
func (*socket) Interrupt() {}

// Undelivered implements reactor.Conn.
func (*socket) Undelivered() (int, bool) { return 0, false }

// Gone implements reactor.Conn.
func (*socket) Gone() bool { return false }

// serve reads and writes as much as it can.
func (s *socket) serve(events uint32) {
	if events&^unix.EPOLLOUT != 0 {
		s.readable = true
	}
	if events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
		s.hungUp = true
	}
	if events&^unix.EPOLLIN != 0 {
		s.blocked = false
	}
	err := s.input()
	if err == nil && !s.blocked {
		err = s.output()
	}
	if err != nil {
		s.end(err)
	}
}

func (s *socket) input() error {
	if len(s.rest) > 0 {
		used, err := s.src.Received(s.rest)
		if s.rest = s.rest[used:]; err != nil || len(s.rest) > 0 {
			return err
		}
	}
	for s.readable {
		b := s.loop.buf
		n, errno := receive(s.fd, b)
		switch {
		case errno == unix.EAGAIN:
			s.readable = false
			return nil
		case errno != 0:
			return os.NewSyscallError("recv", errno)
		case n == 0:
			return io.EOF
		}
		s.readable = n == len(b) || s.hungUp // epoll(7): a short read has emptied the socket
		used, err := s.src.Received(b[:n])
		if err != nil {
			return err
		}
		if used < n {
			s.rest = append(s.rest[:0], b[used:n]...)
			return nil
		}
	}
	return nil
}

func (s *socket) output() error {
	for {
		b, ok := s.src.Next(writeSize)
		if !ok {
			break
		}
		n, errno := send(s.fd, b)
		s.src.Wrote(n)
		if errno == unix.EAGAIN || errno == 0 && n < len(b) {
			s.blocked = true
			return nil
		}
		if errno != 0 {
			return os.NewSyscallError("send", errno)
		}
	}
	if s.finishing.Load() {
		return errFinished
	}
	return nil
}

var errFinished = errors.New("finished")

// end closes the connection.
func (s *socket) end(err error) {
	unix.Close(s.fd)
	s.loop.sockets[s.slot], s.loop.free = nil, append(s.loop.free, s.slot)
	s.ended, s.rest = true, nil
	if err == errFinished {
		err = nil
	}
	s.src.Closed(err)
}

// receive is recv(2).
func receive(fd int, b []byte) (int, unix.Errno) {
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), unix.MSG_DONTWAIT, 0, 0)
		if errno == 0 {
			return int(n), 0
		}
		if errno != unix.EINTR {
			return 0, errno
		}
	}
}

// send is send(2).
func send(fd int, b []byte) (int, unix.Errno) {
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT, 0, 0)
		if errno == 0 {
			return int(n), 0
		}
		if errno != unix.EINTR {
			return 0, errno
		}
	}
}
