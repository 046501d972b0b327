// Package reactor moves bytes between many connections and their owners.
//
// A [Source] owns one connection. The reactor pulls output from it when the socket has room, and delivers input as fast
// as the Source uses it. So nothing queues up in between, and a slow peer is a Source that is polled less often. The
// package knows nothing about WebSocket or chat.
//
// There are two implementations, tested by one suite. [Portable] runs everywhere, with two goroutines per connection
// over net.Conn. [Epoll], on Linux, serves TCP with a few loops over bare descriptors; an idle connection there needs
// no goroutine, no buffer and no timer. [New] returns the better one.
package reactor

import (
	"errors"
	"fmt"
	"net"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"time"
)

// Source is the owner of a connection. It is called by one goroutine at a time. No call may block or take much longer
// than a millisecond, because other connections wait for it.
type Source interface {
	// Next returns at most max bytes to write. They stay valid and unchanged until Wrote. It returns false if there is
	// nothing to write for now. After it has returned bytes it is not called again before Wrote; Received may be.
	Next(max int) (b []byte, ok bool)
	// Wrote reports that n of these bytes were written to the socket.
	Wrote(n int)
	// Received delivers input. The Source may change b until it returns. Unused bytes are delivered again after each
	// Wake. A Source that has worked on b for long should return early and call Wake, so that others have their turn.
	// Meanwhile the reactor reads on, up to Options.ReadAhead. After an error nothing more is read, pending output is
	// written, and the connection is closed.
	//
	// An empty b is delivered once, when the peer has closed its direction and all input was used. The peer may still
	// read: the Source returns an error (io.EOF will do), or calls Finish when it has nothing more to write.
	//
	// The same happens if the peer is gone, see Conn.Gone. Input received before is still delivered, and output is
	// discarded. If the Source then neither uses input nor ends, the connection is closed after Options.SlowTimeout.
	Received(b []byte) (used int, err error)
	// Closed is the last call. err is the reason, or nil if the connection ended as requested.
	Closed(err error)
}

// Interrupter is a Source that can be called while its peer accepts no bytes, see Conn.Interrupt.
type Interrupter interface {
	// Interrupted is called soon after Conn.Interrupt, by the goroutine that calls the Source, possibly between Next and
	// Wrote. Calls of Interrupt before it may be combined.
	Interrupted()
}

// Conn is what a Source may ask of the reactor. All methods may be called from any goroutine, also within calls of the
// Source, and none of them blocks.
type Conn interface {
	// Wake makes the reactor deliver unused input again and call Next, soon.
	Wake()
	// WakeAfter is Wake after d. It replaces an earlier WakeAfter.
	WakeAfter(d time.Duration)
	// Interrupt makes the reactor call Interrupted, soon, even while the peer accepts no bytes. A Source that is no
	// Interrupter ignores it.
	Interrupt()
	// Abort closes the connection without writing anything more. When Closed is called, no write is in progress.
	Abort()
	// Finish ends the connection when Next has nothing more to write, at the latest after Options.LingerTimeout.
	Finish()
	// Undelivered returns the number of written bytes that the peer's system has not acknowledged, and whether that is
	// known on this system.
	Undelivered() (n int, known bool)
	// Gone reports whether nothing written reaches the peer any more. It stays true. Next is called soon after it
	// becomes true.
	Gone() bool
}

// Reactor serves connections until they end.
type Reactor interface {
	// Add serves nc. early holds bytes already read from nc. open is called once, before anything else, and returns the
	// Source.
	Add(nc net.Conn, early []byte, open func(Conn) Source)
	// Close closes all connections and returns when every Source has been closed.
	Close()
}

// Options are the timeouts and sizes of a reactor.
type Options struct {
	SlowTimeout   time.Duration // a peer that accepts no bytes for this long is closed; 0: 10 minutes
	DeadTimeout   time.Duration // a peer whose system acknowledges nothing for this long is dead; 0: 45 seconds
	LingerTimeout time.Duration // how long a finished connection may still write; 0: 5 seconds
	MaxTurn       time.Duration // length of a connection's turn; 0: a millisecond
	Loops         int           // goroutines of an Epoll; 0: GOMAXPROCS, see Epoll
	ReadSize      int           // bytes that an Epoll reads at once; 0: 16 KiB
	ReadAhead     int           // unused input of a connection up to which it is read on; 0: 64 KiB

	// Budget accounts for unused input, except for the first read of each connection. nil: 64 MiB.
	Budget Budget
}

// Budget is the memory, in bytes, that all connections together may use for unused input. It must be safe for
// concurrent use.
type Budget interface {
	Charge(n int64) // takes n bytes, or returns them if n is negative
	Crowded() bool  // reports that there is no room for more
}

func (o Options) withDefaults() Options {
	if o.SlowTimeout == 0 {
		o.SlowTimeout = 10 * time.Minute
	}
	if o.DeadTimeout == 0 {
		o.DeadTimeout = 45 * time.Second
	}
	if o.LingerTimeout == 0 {
		o.LingerTimeout = 5 * time.Second
	}
	if o.MaxTurn == 0 {
		o.MaxTurn = time.Millisecond
	}
	if o.ReadAhead <= 0 {
		o.ReadAhead = 64 << 10
	}
	if o.Budget == nil {
		o.Budget = &budget{max: 64 << 20}
	}
	if o.Loops <= 0 {
		o.Loops = runtime.GOMAXPROCS(0)
	}
	if o.ReadSize <= 0 {
		o.ReadSize = 16 << 10
	}
	return o
}

// checkInterval is the time between checks for dead peers, 11 seconds by default: short enough to find them within a
// minute, and long enough to cost little.
func (o Options) checkInterval() time.Duration { return max(o.DeadTimeout/4, 10*time.Millisecond) }

// drainTimeout is how long a finished connection is still read, so that the peer can read the last output.
func (o Options) drainTimeout() time.Duration { return min(o.LingerTimeout, 2*time.Second) }

// slowWindow is how long a connection counts as slow after a long turn. There may be short turns in between, because
// the most expensive input comes in several parts.
const slowWindow = 10 * time.Second

// writeSize is the max that Next is called with.
const writeSize = 64 << 10

// inThePast is a deadline that ends a wait at once.
var inThePast = time.Unix(1, 0)

// budget is the default Budget.
type budget struct {
	max  int64
	used atomic.Int64
}

func (b *budget) Charge(n int64) { b.used.Add(n) }

func (b *budget) Crowded() bool { return b.used.Load() >= b.max }

// backlog is the unused input of one connection.
type backlog struct {
	unread  []byte
	charged int // bytes of unread that are charged to the budget
}

// hasRoom reports whether n more bytes may be read. The last reader may exceed the budget by n.
func (k *backlog) hasRoom(o *Options, n int) bool {
	return len(k.unread) == 0 || len(k.unread)+n <= o.ReadAhead && !o.Budget.Crowded()
}

// add appends a copy of b.
func (k *backlog) add(o *Options, b []byte) {
	if len(k.unread) > 0 {
		k.charged += len(b)
		o.Budget.Charge(int64(len(b)))
	}
	k.unread = append(k.unread, b...)
}

// retain drops all but the last bytes of the input, rest.
func (k *backlog) retain(o *Options, rest []byte) {
	if back := k.charged - len(rest); back > 0 {
		k.charged -= back
		o.Budget.Charge(-int64(back))
	}
	if k.unread = rest; len(rest) == 0 {
		k.unread = nil
	}
}

// Reasons why a connection was closed.
var (
	ErrSlow    = errors.New("the peer accepted no data for too long")
	ErrDead    = errors.New("the peer is dead: it acknowledges nothing")
	ErrStopped = errors.New("the server closed the connection")
	ErrAborted = errors.New("the server dropped what it had to send, and closed the connection")
)

// panicked returns the error for the panic of a Source.
func panicked(p any) error { return fmt.Errorf("panic: %v\n%s", p, debug.Stack()) }
