package reactor

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// readSize is the buffer that each connection of a Portable holds.
const readSize = 4 << 10

// Portable serves each connection with a goroutine that reads and one that writes.
type Portable struct {
	opt  Options
	stop chan struct{}
	done sync.WaitGroup

	mu     sync.Mutex
	conns  map[*conn]struct{} // guarded by mu
	closed bool               // guarded by mu
}

// NewPortable returns a reactor that runs until Close.
func NewPortable(opt Options) *Portable {
	p := &Portable{opt: opt.withDefaults(), stop: make(chan struct{}), conns: make(map[*conn]struct{})}
	p.done.Go(p.look)
	return p
}

// Add implements Reactor.
func (p *Portable) Add(nc net.Conn, early []byte, open func(Conn) Source) {
	c := &conn{
		nc: nc, opt: p.opt, early: early,
		wake: make(chan struct{}, 1), taken: make(chan struct{}, 1), gone: make(chan struct{}),
		tcp: watch(nc),
	}
	c.timer = time.AfterFunc(time.Hour, c.Wake)
	c.timer.Stop()
	c.src = open(c)
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		nc.Close()
		c.src.Closed(ErrStopped)
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
		c.kill(ErrStopped)
	}
	p.mu.Unlock()
	p.done.Wait()
}

// look closes the dead: the kernel keeps sending to them for a quarter of an hour.
func (p *Portable) look() {
	start := time.Now()
	ticker := time.NewTicker(p.opt.lookEvery())
	defer ticker.Stop()
	for {
		select {
		case <-p.stop:
			return
		case now := <-ticker.C:
			p.mu.Lock()
			for c := range p.conns {
				if c.tcp.dead(now.Sub(start), p.opt.Dead) {
					c.kill(ErrDead)
				}
			}
			p.mu.Unlock()
		}
	}
}

// conn is one connection of a Portable. The goroutine of serve writes and closes, that of read reads.
type conn struct {
	nc    net.Conn
	opt   Options
	wake  chan struct{} // holds one token: there may be something to do
	taken chan struct{} // holds one token: rest was used up, read on
	gone  chan struct{} // closed when serve has ended its writing
	timer *time.Timer

	finishing atomic.Bool // nothing is received any more; what is to be written is written, then it is over
	killed    atomic.Pointer[error]

	mu   sync.Mutex // serialises the calls of src
	src  Source
	rest []byte // guarded by mu: received, but not used yet
	why  error  // guarded by mu: what ended the reading

	early []byte // owned by read
	tcp   *tcpWatch
}

// Wake implements Conn.
func (c *conn) Wake() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// WakeAfter implements Conn.
func (c *conn) WakeAfter(d time.Duration) { c.timer.Reset(d) }

// Finish implements Conn.
func (c *conn) Finish() {
	if !c.finishing.Swap(true) {
		c.nc.SetWriteDeadline(time.Now().Add(c.opt.Linger)) // reaches a write that is under way, too
		c.Wake()
	}
}

// Undelivered implements Conn.
func (c *conn) Undelivered() (int, bool) { return c.tcp.undelivered() }

// kill ends the connection at once.
func (c *conn) kill(why error) {
	c.killed.CompareAndSwap(nil, &why)
	c.nc.Close()
	c.Wake()
}

// contain closes this connection, and no other, if the Source panics.
func (c *conn) contain() {
	if p := recover(); p != nil {
		c.kill(panicked(p))
	}
}

func (c *conn) serve() {
	var reader sync.WaitGroup
	reader.Go(c.read)
	err := c.write()
	if err == nil {
		c.lingerClose(&reader)
	}
	close(c.gone)
	c.nc.Close()
	reader.Wait()
	c.timer.Stop()
	if why := c.killed.Load(); why != nil {
		err = *why
	}
	defer c.contain()
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil {
		err = c.why
	}
	c.src.Closed(err)
}

// lingerClose ends our direction first and waits for the peer to end its own. Closing with unread bytes would send a
// reset, which may destroy what the peer has not read yet, the reason for closing among it.
func (c *conn) lingerClose(reader *sync.WaitGroup) {
	half, ok := c.nc.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	c.nc.SetReadDeadline(time.Now().Add(c.opt.drain()))
	select {
	case c.taken <- struct{}{}:
	default:
	}
	reader.Wait()
}

// write runs until the connection is to end (nil), or is broken.
func (c *conn) write() error {
	defer c.contain()
	var deadline time.Time
	for c.killed.Load() == nil {
		finishing := c.finishing.Load() // asked before Next: what was there when Finish was called is written
		if b, ok := c.take(); ok {
			n, err := c.push(b, &deadline)
			c.wrote(n)
			if err != nil {
				return err
			}
			continue
		}
		if finishing {
			return nil
		}
		<-c.wake
	}
	return nil
}

// take hands over what was received and not used, and returns what is to be written.
func (c *conn) take() ([]byte, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offerRest()
	return c.src.Next(writeSize)
}

func (c *conn) wrote(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.src.Wrote(n)
}

// push writes b and returns how much the socket took: all, unless the peer has taken nothing for Stall or is broken.
func (c *conn) push(b []byte, deadline *time.Time) (int, error) {
	now := time.Now()
	if left := deadline.Sub(now); left < c.opt.Stall*9/10 && !c.finishing.Load() {
		*deadline = now.Add(c.opt.Stall)
		c.nc.SetWriteDeadline(*deadline)
		if c.finishing.Load() { // Finish set its own meanwhile
			c.nc.SetWriteDeadline(now.Add(c.opt.Linger))
		}
	}
	n, err := c.nc.Write(b)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		if n > 0 && !c.finishing.Load() { // slow, but taking
			return n, nil
		}
		return n, ErrStalled
	}
	return n, err
}

// offerRest hands over again what was not used. Called with mu held.
func (c *conn) offerRest() {
	if len(c.rest) == 0 || c.finishing.Load() {
		return
	}
	if !c.hand(c.rest) {
		return
	}
	select {
	case c.taken <- struct{}{}:
	default:
	}
}

// hand gives b to the Source and keeps what it does not use. It returns whether all is settled. Called with mu held.
func (c *conn) hand(b []byte) bool {
	used, err := c.src.Received(b)
	c.rest = b[used:]
	if err != nil {
		c.rest = nil
		if !errors.Is(err, io.EOF) {
			c.why = err
		}
		c.Finish()
	}
	return len(c.rest) == 0
}

func (c *conn) handLocked(b []byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.hand(b)
}

// read runs until the connection is closed. After Finish it throws away what comes.
func (c *conn) read() {
	defer c.contain()
	buf := make([]byte, readSize)
	if len(c.early) > 0 {
		early := c.early
		c.early = nil
		c.received(early)
	}
	for {
		n, err := c.nc.Read(buf)
		if n > 0 && !c.finishing.Load() {
			c.received(buf[:n])
		}
		if err != nil {
			c.ended(err)
			return
		}
	}
}

// received hands b over and returns when the Source has used all of it.
func (c *conn) received(b []byte) {
	settled := c.handLocked(b)
	c.Wake()
	if settled {
		return
	}
	select {
	case <-c.taken:
	case <-c.gone:
	}
}

// ended notes that nothing more will come. A peer that has closed its direction may still be listening to the other.
func (c *conn) ended(err error) {
	c.mu.Lock()
	if c.why == nil && !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) && !errors.Is(err, os.ErrDeadlineExceeded) {
		c.why = err
	}
	c.mu.Unlock()
	if errors.Is(err, io.EOF) {
		if !c.finishing.Load() {
			c.handLocked(nil)
			c.Wake()
		}
		return
	}
	c.nc.Close()
	c.finishing.Store(true)
	c.Wake()
}
