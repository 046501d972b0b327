package reactor

import (
	"net"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// limitUnsent keeps a reader that is frozen from holding megabytes in the kernel (tcp(7), TCP_NOTSENT_LOWAT). Where it
// cannot be set, they are held.
func limitUnsent(fd int) {
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, 16<<10)
}

// tcpInfo asks the kernel what it knows of a TCP connection (tcp(7), TCP_INFO), and puts it into info, where that of
// package unix would leave 250 bytes of garbage for each connection asked about.
func tcpInfo(fd int, info *unix.TCPInfo) bool {
	size := uint32(unsafe.Sizeof(*info))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.IPPROTO_TCP, unix.TCP_INFO,
		uintptr(unsafe.Pointer(info)), uintptr(unsafe.Pointer(&size)), 0)
	return errno == 0
}

// undelivered counts the bytes that are written and not acknowledged; those in flight only as at least one a segment.
func undelivered(info *unix.TCPInfo) int { return int(info.Notsent_bytes) + int(info.Unacked) }

// silence tells the dead from the frozen.
type silence struct {
	since time.Duration // when an answer was first seen to be missing; 0: none is
}

// dead tells whether something is unacknowledged for patience, and nothing at all was acknowledged for as long. A peer
// that lives but does not read goes on answering the probes of its closed window. One probe without an answer proves
// nothing: the answers are rationed (ip-sysctl, tcp_invalid_ratelimit), may get lost, and the next is up to 2 minutes
// off.
func (s *silence) dead(info *unix.TCPInfo, now, timeout time.Duration) bool {
	if info.Unacked == 0 && info.Probes < 2 {
		s.since = 0
		return false
	}
	silent := time.Duration(info.Last_ack_recv) * time.Millisecond
	if s.since == 0 || now-silent > s.since {
		s.since = now
		return false
	}
	return silent >= timeout && now-s.since >= timeout
}

// tcpWatch watches a connection of the portable path. A nil watch knows nothing.
type tcpWatch struct {
	raw     syscall.RawConn
	silence silence // owned by who calls dead
}

func newTCPWatch(nc net.Conn) *tcpWatch {
	if over, ok := nc.(interface{ NetConn() net.Conn }); ok { // TLS
		nc = over.NetConn()
	}
	tcp, ok := nc.(*net.TCPConn)
	if !ok {
		return nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil || raw.Control(func(fd uintptr) { limitUnsent(int(fd)) }) != nil {
		return nil
	}
	return &tcpWatch{raw: raw}
}

func (w *tcpWatch) info() (info *unix.TCPInfo, ok bool) {
	if w == nil {
		return nil, false
	}
	info = new(unix.TCPInfo)
	if w.raw.Control(func(fd uintptr) { ok = tcpInfo(int(fd), info) }) != nil {
		return nil, false
	}
	return info, ok
}

func (w *tcpWatch) undelivered() (int, bool) {
	info, ok := w.info()
	if !ok {
		return 0, false
	}
	return undelivered(info), true
}

func (w *tcpWatch) dead(now, timeout time.Duration) bool {
	info, ok := w.info()
	return ok && w.silence.dead(info, now, timeout)
}

// reset has a silence count anew.
func (w *tcpWatch) reset() {
	if w != nil {
		w.silence = silence{}
	}
}
