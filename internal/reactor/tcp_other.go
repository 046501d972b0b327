//go:build !linux

package reactor

import (
	"net"
	"time"
)

// tcpWatch does nothing on this system. Dead peers are found by the kernel's keep-alive probes and timeouts.
type tcpWatch struct{}

func newTCPWatch(net.Conn) *tcpWatch { return nil }

func (*tcpWatch) undelivered() (int, bool) { return 0, false }

func (*tcpWatch) reset() {}

func (*tcpWatch) dead(now, timeout time.Duration) bool { return false }
