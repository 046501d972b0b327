package reactor

import (
	"net"
	"sync"
	"sync/atomic"
)

// Epoll serves TCP connections with a few loops, each of them one goroutine that owns its connections and makes all
// calls of their Sources. Whatever is not a *net.TCPConn, TLS above all, a Portable inside it serves.
type Epoll struct {
	opt      Options
	loops    []*loop
	added    atomic.Uint32 // deals the connections out to the loops
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
	e.portable = NewPortable(opt)
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
	l := e.loops[e.added.Add(1)%uint32(len(e.loops))]
	s := &socket{loop: l, fd: fd}
	s.keep(early)
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
		s.blame(ErrStopped)
		s.release()
		s.tell()
		return
	}
	l.push(s)
}

// Close implements Reactor.
func (e *Epoll) Close() {
	e.mu.Lock()
	e.closed = true
	e.mu.Unlock()
	for _, l := range e.loops {
		l.stop.Store(true)
		l.rouse()
	}
	e.portable.Close()
	e.running.Wait()
}
