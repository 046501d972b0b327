package reactor

import (
	"net"
	"sync"
)

// lastLoopFrom is the number of connections of each other loop from which on the last loop takes any.
const lastLoopFrom = 4096

// Epoll serves TCP connections with a few loops. Each loop is one goroutine that owns its connections and makes all
// calls of their Sources. Connections that are not a *net.TCPConn, such as TLS, are served by a Portable inside.
//
// The last loop takes connections only when all others have lastLoopFrom. Few connections are served at lower cost, and
// the rest of the program runs sooner, if one processor is left to it. With many connections, the last one is reached
// sooner if all loops take part.
type Epoll struct {
	opt      Options
	loops    []*loop
	portable *Portable
	running  sync.WaitGroup // the loops

	mu     sync.RWMutex
	closed bool // guarded by mu: the loops take no more connections
}

// New returns the best reactor for this system. It runs until Close.
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
	e.portable = NewPortable(opt) // shares the budget
	return e, nil
}

// Add implements Reactor. It closes nc after it has duplicated the descriptor.
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

// pickLoop returns the loop that takes the next connection.
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
