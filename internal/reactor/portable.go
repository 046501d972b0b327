package reactor

import (
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// readSize is the buffer that each connection of a Portable holds.
const readSize = 4 << 10

// Portable serves each connection with a goroutine that reads and one that writes.
type Portable struct {
	opt       Options
	stop      chan struct{}
	done      sync.WaitGroup
	slowTurns sync.Mutex // held while a Source is given something that has taken long of late: they wait for each other

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
		c.closeNow(ErrStopped)
	}
	p.mu.Unlock()
	p.done.Wait()
}

// checkPeers closes the dead: the kernel keeps sending to them for a quarter of an hour.
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
			// What is silent because this process was stopped, or its machine, may be so because of us.
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

// conn is one connection of a Portable. The goroutine of serve writes and closes, that of read reads.
type conn struct {
	nc         net.Conn
	opt        Options
	wake       chan struct{} // holds one token: there may be something to do
	roomFreed  chan struct{} // holds one token: some of rest was used, there may be room to read on
	writerDone chan struct{} // closed when serve has ended its writing
	timer      *time.Timer

	finishing atomic.Bool // nothing is received any more; what is to be written is written, then it is over
	killed    atomic.Pointer[error]

	lost      atomic.Bool // the peer takes nothing any more, see lose
	hasUnused atomic.Bool // the Source has not used all that it was given last

	mu          sync.Mutex // serialises the calls of src
	src         Source
	backlog                 // guarded by mu
	closeErr    error       // guarded by mu: what ended the reading
	sawEOF      bool        // guarded by mu: nothing more will come
	eofReported bool        // guarded by mu: and the Source was told
	lostTimer   *time.Timer // guarded by mu: of lost; nil: it is not
	slowUntil   time.Time   // guarded by mu: a turn took long, and the next ones are taken to do so until then

	slowTurns *sync.Mutex // the reactor's, see Portable.slow; taken after mu

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
		c.nc.SetWriteDeadline(time.Now().Add(c.opt.LingerTimeout)) // reaches a write that is under way, too
		c.Wake()
	}
}

// Undelivered implements Conn.
func (c *conn) Undelivered() (int, bool) { return c.tcp.undelivered() }

// Gone implements Conn.
func (c *conn) Gone() bool { return c.lost.Load() }

// closeNow ends the connection at once.
func (c *conn) closeNow(why error) {
	c.killed.CompareAndSwap(nil, &why)
	c.nc.Close()
	c.Wake()
}

// recoverPanic closes this connection, and no other, if the Source panics.
func (c *conn) recoverPanic() {
	if p := recover(); p != nil {
		c.closeNow(panicked(p))
	}
}

func (c *conn) serve() {
	var reader sync.WaitGroup
	reader.Go(c.read)
	err := c.write()
	if err == nil && !c.lost.Load() {
		c.lingerClose(&reader)
	}
	close(c.writerDone)
	c.nc.Close()
	reader.Wait()
	c.timer.Stop()
	if why := c.killed.Load(); why != nil {
		err = *why
	}
	defer c.recoverPanic()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.retain(&c.opt, nil)
	if c.lostTimer != nil {
		c.lostTimer.Stop()
	}
	if err == nil {
		err = c.closeErr
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
	c.nc.SetReadDeadline(time.Now().Add(c.opt.drainTimeout()))
	select {
	case c.roomFreed <- struct{}{}:
	default:
	}
	reader.Wait()
}

// write runs until the connection is to end (nil), or is broken.
func (c *conn) write() error {
	defer c.recoverPanic()
	var deadline time.Time
	for c.killed.Load() == nil {
		finishing := c.finishing.Load() // asked before Next: what was there when Finish was called is written
		if finishing && c.lost.Load() {
			return nil
		}
		b, ok := c.nextBytes()
		c.yield()
		if ok {
			n, err := len(b), error(nil)
			if !c.lost.Load() {
				n, err = c.writeBytes(b, &deadline)
			}
			c.wrote(n)
			switch {
			case err == nil:
			case c.finishing.Load():
				return err
			default:
				c.markLost(err, err == ErrSlow)
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

// nextBytes hands over what was received and not used, and returns what is to be written.
func (c *conn) nextBytes() ([]byte, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.redeliver()
	return c.src.Next(writeSize)
}

func (c *conn) wrote(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.src.Wrote(n)
}

// writeBytes writes b and returns how much the socket took: all, unless the peer has taken nothing for Stall or is broken.
func (c *conn) writeBytes(b []byte, deadline *time.Time) (int, error) {
	now := time.Now()
	if left := deadline.Sub(now); left < c.opt.SlowTimeout*9/10 && !c.finishing.Load() {
		*deadline = now.Add(c.opt.SlowTimeout)
		c.setWriteDeadline(*deadline)
	}
	n, err := c.nc.Write(b)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		if n == 0 && !c.finishing.Load() { // the time may have passed while this process was stopped: it is tried before it is judged
			c.setWriteDeadline(time.Now().Add(c.opt.drainTimeout()))
			n, err = c.nc.Write(b)
		}
		switch {
		case err == nil:
		case n > 0 && !c.finishing.Load(): // slow, but taking
			*deadline = time.Time{}
			err = nil
		case errors.Is(err, os.ErrDeadlineExceeded):
			err = ErrSlow
		}
	}
	return n, err
}

// setWriteDeadline leaves a deadline alone that Finish has set, or lose.
func (c *conn) setWriteDeadline(to time.Time) {
	c.nc.SetWriteDeadline(to)
	switch {
	case c.lost.Load():
		c.nc.SetWriteDeadline(longGone)
	case c.finishing.Load():
		c.nc.SetWriteDeadline(time.Now().Add(c.opt.LingerTimeout))
	}
}

// longGone, as a deadline, ends what waits at once.
var longGone = time.Unix(1, 0)

// markLost notes that the peer takes nothing any more, because of why. What came from it is still used, for it was sent to be;
// what is to be written is thrown away. With silent, nothing more comes, and nobody tells the end of it.
func (c *conn) markLost(why error, silent bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lost.Load() {
		return
	}
	if c.closeErr == nil {
		c.closeErr = why
	}
	c.lostTimer = time.AfterFunc(c.opt.SlowTimeout, func() { c.closeNow(why) })
	c.lost.Store(true)
	c.nc.SetWriteDeadline(longGone)
	if silent {
		c.nc.SetReadDeadline(longGone)
	}
	c.Wake()
}

// redeliver hands over again what was not used, and behind that the end. Called with mu held.
func (c *conn) redeliver() {
	if c.finishing.Load() {
		return
	}
	if len(c.unread) > 0 {
		c.retain(&c.opt, c.deliver(c.unread))
		select {
		case c.roomFreed <- struct{}{}:
		default:
		}
	}
	if c.sawEOF && !c.eofReported && len(c.unread) == 0 && !c.finishing.Load() {
		c.eofReported = true
		c.deliver(nil)
	}
}

// deliver gives b to the Source and returns what it does not use. Called with mu held.
func (c *conn) deliver(b []byte) []byte {
	used, err := c.callReceived(b)
	if err != nil {
		if !errors.Is(err, io.EOF) {
			c.closeErr = err
		}
		c.Finish()
		return nil
	}
	if used > 0 && c.lostTimer != nil {
		c.lostTimer.Reset(c.opt.SlowTimeout)
	}
	c.hasUnused.Store(used < len(b))
	return b[used:]
}

// callReceived is Received. Called with mu held.
func (c *conn) callReceived(b []byte) (used int, err error) {
	start := time.Now()
	if start.Before(c.slowUntil) {
		c.slowTurns.Lock()
		defer c.slowTurns.Unlock()
		start = time.Now()
	}
	used, err = c.src.Received(b)
	if now := time.Now(); now.Sub(start) >= c.opt.MaxTurn {
		c.slowUntil = now.Add(slowWindow)
	}
	return used, err
}

// yield lets others have a turn if the Source has stopped in the midst of what came.
func (c *conn) yield() {
	if c.hasUnused.Load() {
		runtime.Gosched()
	}
}

// read runs until the connection is closed. After Finish it throws away what comes.
func (c *conn) read() {
	defer c.recoverPanic()
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
			c.readEnded(err)
			return
		}
	}
}

// received hands b over, or keeps it behind what the Source has not used yet, and returns when there is room for more.
func (c *conn) received(b []byte) {
	room := c.accept(b)
	c.Wake()
	c.yield()
	for !room && !c.finishing.Load() {
		select {
		case <-c.roomFreed:
		case <-c.writerDone:
			return
		}
		room = c.accept(nil)
	}
}

// accept hands b over, or keeps it, and returns whether there is room for more.
func (c *conn) accept(b []byte) (room bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(b) > 0 && len(c.unread) == 0 {
		b = c.deliver(b)
	}
	c.add(&c.opt, b)
	return c.hasRoom(&c.opt, readSize)
}

// readEnded notes that nothing more will come. A peer that has closed its direction may still be listening to the other.
func (c *conn) readEnded(err error) {
	clean := errors.Is(err, io.EOF)
	if !clean && c.finishing.Load() {
		c.mu.Lock()
		if c.closeErr == nil && !errors.Is(err, net.ErrClosed) && !errors.Is(err, os.ErrDeadlineExceeded) {
			c.closeErr = err
		}
		c.mu.Unlock()
		c.nc.Close()
		c.Wake()
		return
	}
	if !clean {
		c.markLost(err, false)
	}
	c.mu.Lock()
	c.sawEOF = true
	c.mu.Unlock()
	c.Wake()
}
