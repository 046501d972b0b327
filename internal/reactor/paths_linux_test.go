package reactor

import (
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

// paths are the implementations under test.
var paths = map[string]func(Options) Reactor{
	"portable": func(o Options) Reactor { return NewPortable(o) },
	"epoll": func(o Options) Reactor {
		r, err := New(o)
		if err != nil {
			panic(err)
		}
		return r.(*Epoll)
	},
}

// path names the implementation of c.
func path(c Conn) string {
	if _, ok := c.(*socket); ok {
		return "epoll"
	}
	return "portable"
}

// kernelHolds returns the number of bytes that the kernel holds for the peer of c.
func kernelHolds(c Conn) (int, bool) {
	info := new(unix.TCPInfo)
	var ok bool
	switch c := c.(type) {
	case *socket:
		c.loop.descriptors.Lock()
		defer c.loop.descriptors.Unlock()
		ok = tcpInfo(int(c.fd), info)
	case *conn:
		info, ok = c.tcp.info()
	}
	if !ok {
		return 0, false
	}
	return int(info.Notsent_bytes) + int(info.Bytes_sent-info.Bytes_acked), true
}

// dropIncoming makes the kernel drop everything that arrives for nc, as if its peer had vanished.
func dropIncoming(t *testing.T, nc *net.TCPConn) {
	raw, err := nc.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	nothing := []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K, K: 0}}
	if err := raw.Control(func(fd uintptr) {
		program := &unix.SockFprog{Len: 1, Filter: &nothing[0]}
		if err := unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, program); err != nil {
			t.Fatal(err)
		}
	}); err != nil {
		t.Fatal(err)
	}
}
