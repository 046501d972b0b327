package reactor

import (
	"net"
	"time"
)

// A Peer is the other end of a TCP connection that is not served by a Reactor.
type Peer struct {
	tcp   *tcpWatch
	start time.Time
}

// Watch returns a Peer for the other end of nc. It also limits the unsent bytes that the kernel holds for it.
func Watch(nc net.Conn) *Peer { return &Peer{newTCPWatch(nc), time.Now()} }

// Dead reports whether the peer is gone, as Options.DeadTimeout does. It must be called several times within timeout,
// by one goroutine at a time. On systems that do not know, no peer is dead.
func (p *Peer) Dead(timeout time.Duration) bool { return p.tcp.dead(time.Since(p.start), timeout) }
