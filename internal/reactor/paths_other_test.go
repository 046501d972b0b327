//go:build !linux

package reactor

import (
	"net"
	"testing"
)

// paths are the implementations under test.
var paths = map[string]func(Options) Reactor{
	"portable": func(o Options) Reactor { return NewPortable(o) },
}

func path(Conn) string { return "portable" }

func kernelHolds(Conn) (int, bool) { return 0, false }

func dropIncoming(t *testing.T, _ *net.TCPConn) {
	t.Skip("incoming packets cannot be dropped on this system")
}
