//go:build !linux

package reactor

import (
	"net"
	"time"
)

// tcpWatch knows nothing of TCP connections on this system: the peers that are gone are found by the keep-alive probes
// of the kernel, and by its own time-outs.
type tcpWatch struct{}

func newTCPWatch(net.Conn) *tcpWatch { return nil }

func (*tcpWatch) undelivered() (int, bool) { return 0, false }

func (*tcpWatch) reset() {}

func (*tcpWatch) dead(now, timeout time.Duration) bool { return false }
