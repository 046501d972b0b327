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

// conn is one connection of a Portable. The goroutine of serve writes and closes, that of read reads.
type conn struct {
	nc         net.Conn
	opt        Options
	wake       chan struct{} // one token: there may be something to do
	roomFreed  chan struct{} // one token: input was used, so there may be room to read on
	writerDone chan struct{} // closed when serve has stopped writing
	timer      *time.Timer

	finishing atomic.Bool // Finish was called: input is dropped, pending output is written
	killed    atomic.Pointer[error]

	interrupted atomic.Bool // a call of Interrupted is about to be made

	lost      atomic.Bool // nothing written reaches the peer, see markLost
	hasUnused atomic.Bool // the Source has not used all of its input

	mu          sync.Mutex // serializes the calls of src
	src         Source
	closed      bool        // guarded by mu: src.Closed was called
	backlog                 // guarded by mu
	closeErr    error       // guarded by mu: why reading ended
	sawEOF      bool        // guarded by mu: nothing more will come
	eofReported bool        // guarded by mu: the Source was told
	lostTimer   *time.Timer // guarded by mu: set when lost
	slowUntil   time.Time   // guarded by mu: until then turns are expected to be long

	slowTurns *sync.Mutex // Portable.slowTurns; taken after mu

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

// Interrupt implements Conn. The goroutine that writes may be blocked, and the one that reads, too.
func (c *conn) Interrupt() {
	if !c.interrupted.Swap(true) {
		go c.interrupt()
	}
}

func (c *conn) interrupt() {
	defer c.recoverPanic()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.interrupted.Store(false)
	if src, ok := c.src.(Interrupter); ok && !c.closed {
		src.Interrupted()
	}
}

// Abort implements Conn. Closing a TLS connection may wait for the peer.
func (c *conn) Abort() { go c.closeNow(ErrAborted) }

// Finish implements Conn.
func (c *conn) Finish() {
	if !c.finishing.Swap(true) {
		c.nc.SetWriteDeadline(time.Now().Add(c.opt.LingerTimeout)) // also ends a write in progress
		c.Wake()
	}
}

// Undelivered implements Conn.
func (c *conn) Undelivered() (int, bool) { return c.tcp.undelivered() }

// Gone implements Conn.
func (c *conn) Gone() bool { return c.lost.Load() }

// closeNow closes the connection at once.
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
	c.closed = true
	c.src.Closed(err)
}

// notifyClosed makes the last call of a Source that was never served.
func (c *conn) notifyClosed(why error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	c.src.Closed(why)
}

// lingerClose shuts down our direction and waits for the peer to close its own. Closing with unread input would send a
// reset, which may destroy bytes that the peer has not read yet, such as the close frame.
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

// write runs until the connection is finished (nil) or broken.
func (c *conn) write() error {
	defer c.recoverPanic()
	var deadline time.Time
	for c.killed.Load() == nil {
		finishing := c.finishing.Load() // read before Next is called: output from before Finish is written
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

// nextBytes delivers unused input again and returns the next output.
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

// writeBytes writes b and returns how much was written: all of it, unless the peer accepts nothing for SlowTimeout or
// the connection is broken.
func (c *conn) writeBytes(b []byte, deadline *time.Time) (int, error) {
	now := time.Now()
	if left := deadline.Sub(now); left < c.opt.SlowTimeout*9/10 && !c.finishing.Load() {
		*deadline = now.Add(c.opt.SlowTimeout)
		c.setWriteDeadline(*deadline)
	}
	n, err := c.nc.Write(b)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		if n == 0 && !c.finishing.Load() { // the deadline may have passed while this process was stopped: try again
			c.setWriteDeadline(time.Now().Add(c.opt.drainTimeout()))
			n, err = c.nc.Write(b)
		}
		switch {
		case err == nil:
		case n > 0 && !c.finishing.Load(): // slow, but making progress
			*deadline = time.Time{}
			err = nil
		case errors.Is(err, os.ErrDeadlineExceeded):
			err = ErrSlow
		}
	}
	return n, err
}

// setWriteDeadline sets a deadline, but does not replace one set by Finish or markLost.
func (c *conn) setWriteDeadline(to time.Time) {
	c.nc.SetWriteDeadline(to)
	switch {
	case c.lost.Load():
		c.nc.SetWriteDeadline(inThePast)
	case c.finishing.Load():
		c.nc.SetWriteDeadline(time.Now().Add(c.opt.LingerTimeout))
	}
}

// markLost records that nothing written reaches the peer any more, because of why. Input received before is still
// delivered; output is discarded. If silent is true, the end of input is not reported by the kernel either.
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
	c.nc.SetWriteDeadline(inThePast)
	if silent {
		c.nc.SetReadDeadline(inThePast)
	}
	c.Wake()
}

// redeliver delivers unused input again, and then the end of input. Called with mu held.
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

// deliver passes b to the Source and returns the unused part. Called with mu held.
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

// callReceived calls Received. Called with mu held.
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

// yield lets other goroutines run if the Source has not used all of its input.
func (c *conn) yield() {
	if c.hasUnused.Load() {
		runtime.Gosched()
	}
}

// read runs until the connection is closed. After Finish it discards input.
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

// received delivers b, or adds it to the unused input, and returns when there is room for more.
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

// accept delivers b, or adds it to the unused input, and reports whether there is room for more.
func (c *conn) accept(b []byte) (room bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(b) > 0 && len(c.unread) == 0 {
		b = c.deliver(b)
	}
	c.add(&c.opt, b)
	return c.hasRoom(&c.opt, readSize)
}

// readEnded records the end of input. A peer that has closed its direction may still read.
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
