package reactor

import (
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// limitUnsent keeps a reader that is frozen from holding megabytes in the kernel (tcp(7), TCP_NOTSENT_LOWAT). Where it
// cannot be set, they are held.
func limitUnsent(fd int) {
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, 16<<10)
}

// tcpInfo asks the kernel what it knows of a TCP connection (tcp(7), TCP_INFO).
func tcpInfo(fd int) (*unix.TCPInfo, bool) {
	info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	return info, err == nil
}

// undelivered counts the bytes that are written and not acknowledged; those in flight only as at least one a segment.
func undelivered(info *unix.TCPInfo) int { return int(info.Notsent_bytes) + int(info.Unacked) }

// silence tells the dead from the frozen.
type silence struct {
	since time.Duration // when an answer was first seen to be missing; 0: none is
}

// dead tells whether something is unacknowledged for patience, and nothing at all was acknowledged for as long. A peer
// that lives but does not read goes on answering the probes of its closed window. One probe without an answer proves
// nothing: the answers are rationed (ip-sysctl, tcp_invalid_ratelimit), may get lost, and the next is up to 2 minutes off.
func (s *silence) dead(info *unix.TCPInfo, now, patience time.Duration) bool {
	if info.Unacked == 0 && info.Probes < 2 {
		s.since = 0
		return false
	}
	silent := time.Duration(info.Last_ack_recv) * time.Millisecond
	if s.since == 0 || now-silent > s.since {
		s.since = now
		return false
	}
	return silent >= patience && now-s.since >= patience
}

// tcpWatch watches a connection of the portable path. A nil watch knows nothing.
type tcpWatch struct {
	raw     syscall.RawConn
	silence silence // owned by who calls dead
}

func watch(nc net.Conn) *tcpWatch {
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
	if w.raw.Control(func(fd uintptr) { info, ok = tcpInfo(int(fd)) }) != nil {
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

func (w *tcpWatch) dead(now, patience time.Duration) bool {
	info, ok := w.info()
	return ok && w.silence.dead(info, now, patience)
}
