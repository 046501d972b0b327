package reactor

import (
	"net"
	"time"
)

// A Peer is the other end of a TCP connection that no Reactor serves.
type Peer struct {
	tcp   *tcpWatch
	start time.Time
}

// Watch makes a Peer of what nc is connected to, and keeps one that reads nothing from holding megabytes in the kernel.
func Watch(nc net.Conn) *Peer { return &Peer{newTCPWatch(nc), time.Now()} }

// Dead tells whether the peer is gone, as with Options.Dead: asked a few times within patience, by one goroutine at a time.
// Where this cannot be known, nobody is dead.
func (p *Peer) Dead(timeout time.Duration) bool { return p.tcp.dead(time.Since(p.start), timeout) }
