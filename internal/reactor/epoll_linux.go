package reactor

import (
	"net"
	"sync"
)

// lastLoopFrom is how many connections each loop serves before the last loop takes any.
const lastLoopFrom = 4096

// Epoll serves TCP connections with a few loops, each of them one goroutine that owns its connections and makes all
// calls of their Sources. Whatever is not a *net.TCPConn, TLS above all, a Portable inside it serves.
//
// The last loop takes connections only when all others are crowded. Few are served cheaper, and what else there is to
// do gets its turn sooner, where one processor is left to the rest of the program; of a crowd the last is reached
// sooner where all take part.
type Epoll struct {
	opt      Options
	loops    []*loop
	portable *Portable
	running  sync.WaitGroup // the loops

	mu     sync.RWMutex
	closed bool // guarded by mu: no more is handed to the loops
}

// New returns the best reactor that this system has. It runs until Close.
func New(opt Options) (Reactor, error) { return NewEpoll(opt) }

// NewEpoll returns a reactor that runs until Close. It fails if the system has no descriptors left.
func NewEpoll(opt Options) (*Epoll, error) {
	opt = opt.withDefaults()
	e := &Epoll{opt: opt, loops: make([]*loop, opt.Loops)}
	for i := range e.loops {
		l, err := newLoop(opt)
		if err != nil {
			for _, l := range e.loops[:i] {
				l.file.Close()
			}
			return nil, err
		}
		e.loops[i] = l
	}
	for _, l := range e.loops {
		e.running.Go(l.run)
	}
	e.portable = NewPortable(opt) // of the same budget
	return e, nil
}

// Add implements Reactor. It closes nc, whose descriptor it has duplicated.
func (e *Epoll) Add(nc net.Conn, early []byte, open func(Conn) Source) {
	tcp, ok := nc.(*net.TCPConn)
	if !ok {
		e.portable.Add(nc, early, open)
		return
	}
	fd, err := duplicate(tcp)
	if err != nil { // out of descriptors: nc still has its own
		e.portable.Add(nc, early, open)
		return
	}
	nc.Close()
	limitUnsent(int(fd))
	l := e.pickLoop()
	l.conns.Add(1)
	s := &socket{loop: l, fd: fd}
	if len(early) > 0 {
		s.rare = &rareState{backlog: backlog{unread: early}}
	}
	s.state.Store(queued | woken)
	defer func() {
		if s.src == nil { // open has panicked
			s.release()
		}
	}()
	s.src = open(s)
	e.mu.RLock()
	defer e.mu.RUnlock()
	if e.closed {
		s.setCloseErr(ErrStopped)
		s.release()
		s.notifyClosed()
		return
	}
	l.push(s)
}

// pickLoop returns the loop that a new connection is to be served by.
func (e *Epoll) pickLoop() *loop {
	last := len(e.loops) - 1
	l := leastLoaded(e.loops[:max(last, 1)])
	if l.conns.Load() >= lastLoopFrom {
		return leastLoaded(e.loops)
	}
	return l
}

// leastLoaded returns the loop with the fewest connections.
func leastLoaded(loops []*loop) *loop {
	l := loops[0]
	for _, other := range loops[1:] {
		if other.conns.Load() < l.conns.Load() {
			l = other
		}
	}
	return l
}

// Close implements Reactor.
func (e *Epoll) Close() {
	e.mu.Lock()
	e.closed = true
	e.mu.Unlock()
	for _, l := range e.loops {
		l.stop.Store(true)
		l.interrupt()
	}
	e.portable.Close()
	e.running.Wait()
}
