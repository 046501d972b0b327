package reactor

import (
	"net"
	"sync"
	"time"
)

// readSize is the size of the buffer of each connection of a Portable.
const readSize = 4 << 10

// Portable serves each connection with a goroutine that reads and one that writes.
type Portable struct {
	opt       Options
	stop      chan struct{}
	done      sync.WaitGroup
	slowTurns sync.Mutex // held during the turn of a Source whose turns are long: only one runs at a time

	mu     sync.Mutex
	conns  map[*conn]struct{} // guarded by mu
	closed bool               // guarded by mu
}

// NewPortable returns a reactor that runs until Close.
func NewPortable(opt Options) *Portable {
	p := &Portable{opt: opt.withDefaults(), stop: make(chan struct{}), conns: make(map[*conn]struct{})}
	p.done.Go(p.checkPeers)
	return p
}

// Add implements Reactor.
func (p *Portable) Add(nc net.Conn, early []byte, open func(Conn) Source) {
	c := &conn{
		nc: nc, opt: p.opt, early: early,
		wake: make(chan struct{}, 1), roomFreed: make(chan struct{}, 1), writerDone: make(chan struct{}),
		tcp: newTCPWatch(nc), slowTurns: &p.slowTurns,
	}
	c.timer = time.AfterFunc(time.Hour, c.Wake)
	c.timer.Stop()
	c.mu.Lock() // the Source may be interrupted as soon as others know it
	c.src = open(c)
	c.mu.Unlock()
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		nc.Close()
		c.notifyClosed(ErrStopped)
		return
	}
	p.conns[c] = struct{}{}
	p.done.Add(1)
	p.mu.Unlock()
	go func() {
		defer p.done.Done()
		c.serve()
		p.mu.Lock()
		delete(p.conns, c)
		p.mu.Unlock()
	}()
}

// Close implements Reactor.
func (p *Portable) Close() {
	p.mu.Lock()
	if !p.closed {
		p.closed = true
		close(p.stop)
	}
	for c := range p.conns {
		c.closeNow(ErrStopped)
	}
	p.mu.Unlock()
	p.done.Wait()
}

// checkPeers closes connections whose peer is dead. The kernel would keep sending to it for a quarter of an hour.
func (p *Portable) checkPeers() {
	start := time.Now()
	last := start
	ticker := time.NewTicker(p.opt.checkInterval())
	defer ticker.Stop()
	for {
		select {
		case <-p.stop:
			return
		case now := <-ticker.C:
			// If this process or its machine was stopped, that may be why nothing was acknowledged.
			stopped := now.Sub(last) > 2*p.opt.checkInterval()
			last = now
			p.mu.Lock()
			for c := range p.conns {
				switch {
				case stopped:
					c.tcp.reset()
				case !c.tcp.dead(now.Sub(start), p.opt.DeadTimeout):
				case c.finishing.Load():
					c.closeNow(ErrDead)
				default:
					c.markLost(ErrDead, true)
				}
			}
			p.mu.Unlock()
		}
	}
}
