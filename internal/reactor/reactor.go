// Package reactor moves bytes between many connections and their owners.
//
// A [Source] is one connection's owner: the reactor pulls from it what is to be written, when the socket has room, and
// hands it what came, as fast as it takes it. So nothing queues up between them: a slow peer is a Source that is asked
// less often. The package knows no chat and no WebSocket.
//
// There are two, and one suite of tests holds them to the same behaviour. [Portable] runs everywhere, with two
// goroutines a connection over net.Conn. [Epoll], on Linux, serves TCP with a few loops over the bare descriptors: an
// idle connection costs it neither a goroutine nor a buffer nor a timer. [New] takes the better one.
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

// Source is what a reactor writes from and reports to. It is called by one goroutine at a time. No call may block, or take
// longer than about a millisecond: others have to wait for it.
type Source interface {
	// Next returns at most max bytes to write now; they stay valid and unchanged until Wrote. False: nothing for now.
	// After it returned bytes it is not called again before Wrote; Received may be.
	Next(max int) (b []byte, ok bool)
	// Wrote says that n of these bytes were taken by the socket.
	Wrote(n int)
	// Received hands over bytes that came; b is the Source's to change until it returns. Bytes that are not used are
	// handed over again with each Wake, until they are. A Source that has worked on b for long stops in the midst of it and
	// calls Wake: others have their turn before it goes on. Meanwhile the reactor reads on, as far as Options.ReadAhead
	// reaches. After an error nothing is read any more, what Next still has is written, and the connection is closed.
	//
	// An empty b comes once: the peer has ended its direction, and all that it sent was used. It may still be listening:
	// the Source returns an error (io.EOF will do), or calls Finish when it has said what it still has to say.
	//
	// It is the same if the peer is gone, or was given up, see Conn.Gone. What came from it before is handed over; what Next
	// returns is thrown away. A Source that then neither uses anything nor ends is closed after Options.SlowTimeout.
	Received(b []byte) (used int, err error)
	// Closed is the last call: the connection is gone. err says why, nil if it ended as asked.
	Closed(err error)
}

// Conn is what a Source may ask of the reactor. All of it can be called from any goroutine, also from inside a call of
// the Source, and none of it blocks.
type Conn interface {
	// Wake has what was received but not used handed over again, and Next called, soon.
	Wake()
	// WakeAfter is Wake after d. It takes the place of an earlier WakeAfter.
	WakeAfter(d time.Duration)
	// Finish ends the connection in good order: when Next has nothing more, but after Options.LingerTimeout at the latest.
	Finish()
	// Undelivered returns how many bytes were written that the peer's system has not acknowledged, and whether that
	// can be known here.
	Undelivered() (n int, known bool)
	// Gone reports whether the peer is gone, or was given up: nothing that is written reaches it. Next is called soon after
	// that has become so, and it stays so.
	Gone() bool
}

// Reactor serves connections until they end.
type Reactor interface {
	// Add serves nc. early are bytes that were read from nc before. open is called once, before anything else, and
	// returns the Source.
	Add(nc net.Conn, early []byte, open func(Conn) Source)
	// Close closes what is left, and returns when every Source has been told.
	Close()
}

// Options say when a peer is given up, and how many goroutines serve.
type Options struct {
	SlowTimeout   time.Duration // a living peer that takes nothing for so long is closed; 0: 10 minutes
	DeadTimeout   time.Duration // a peer whose system acknowledges nothing for so long is gone; 0: 45 seconds
	LingerTimeout time.Duration // how long a connection that is to end may still take bytes; 0: 5 seconds
	MaxTurn       time.Duration // after so long in one connection's turn the next has its own; 0: a millisecond
	Loops         int           // goroutines of an Epoll that serve; 0: as many as may run at once, see Epoll
	ReadSize      int           // bytes that an Epoll reads at once; what a Source does not use of them is kept; 0: 16 KiB
	ReadAhead     int           // bytes of a connection that may be read before its Source uses them; 0: 64 KiB

	// Budget has to have room for what is read before a Source uses it, but for what a connection reads at once. nil: one
	// of 64 MiB.
	Budget Budget
}

// Budget is of the memory, in bytes, that all connections together may take for what waits. Safe for concurrent use.
type Budget interface {
	Charge(n int64) // takes n bytes, or gives back if n is negative
	Crowded() bool  // there is no room for more
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

// checkInterval is how often it is looked whether a peer is gone, 11 seconds by default: often enough to find the dead
// within a minute, and seldom enough to cost nothing beside what is written meanwhile.
func (o Options) checkInterval() time.Duration { return max(o.DeadTimeout/4, 10*time.Millisecond) }

// drainTimeout is how long an ended connection is read on, so that the peer can read the last of it.
func (o Options) drainTimeout() time.Duration { return min(o.LingerTimeout, 2*time.Second) }

// slowWindow is how long those whose turn took long wait for each other. Between two such turns there may be short ones, for
// what costs most comes in several parts.
const slowWindow = 10 * time.Second

// writeSize is how many bytes Next is asked for at most.
const writeSize = 64 << 10

// budget is that of a reactor which is given none.
type budget struct {
	max  int64
	used atomic.Int64
}

func (b *budget) Charge(n int64) { b.used.Add(n) }

func (b *budget) Crowded() bool { return b.used.Load() >= b.max }

// backlog is what was received on one connection and not used yet by its Source.
type backlog struct {
	unread  []byte
	charged int // bytes of it that came from the budget
}

// hasRoom tells whether n more bytes may be read. The last to ask may go beyond the budget by so much.
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

// retain lets go of all but the end of what was received.
func (k *backlog) retain(o *Options, rest []byte) {
	if back := k.charged - len(rest); back > 0 {
		k.charged -= back
		o.Budget.Charge(-int64(back))
	}
	if k.unread = rest; len(rest) == 0 {
		k.unread = nil
	}
}

// Why a connection was closed.
var (
	ErrSlow    = errors.New("the peer took nothing for too long")
	ErrDead    = errors.New("the peer is gone: nothing is acknowledged")
	ErrStopped = errors.New("the server has closed the connection")
)

// panicked is what a connection is closed with whose Source has panicked.
func panicked(p any) error { return fmt.Errorf("panic: %v\n%s", p, debug.Stack()) }
