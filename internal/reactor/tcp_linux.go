package reactor

import (
	"net"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// limitUnsent limits the unsent bytes that the kernel holds for a slow consumer, which would otherwise be megabytes
// (tcp(7), TCP_NOTSENT_LOWAT). It does nothing where the option is missing.
func limitUnsent(fd int) {
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, 16<<10)
}

// tcpInfo reads TCP_INFO (tcp(7)) into info. The function of package unix would allocate 250 bytes for each call.
func tcpInfo(fd int, info *unix.TCPInfo) bool {
	size := uint32(unsafe.Sizeof(*info))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.IPPROTO_TCP, unix.TCP_INFO,
		uintptr(unsafe.Pointer(info)), uintptr(unsafe.Pointer(&size)), 0)
	return errno == 0
}

// undelivered counts the bytes that are written and not acknowledged. Segments in flight count as one byte each.
func undelivered(info *unix.TCPInfo) int { return int(info.Notsent_bytes) + int(info.Unacked) }

// silence tells dead peers from slow ones.
type silence struct {
	since time.Duration // when an acknowledgement was first found missing; 0: none is
}

// dead reports whether something has been unacknowledged for timeout, with no acknowledgement at all in that time. A
// peer that lives but does not read keeps answering the probes of its closed window. A single unanswered probe proves
// nothing: answers are rate-limited (ip-sysctl, tcp_invalid_ratelimit) and may get lost, and the next probe may be 2
// minutes away.
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

// tcpWatch watches a connection of the portable path. A nil one reports nothing.
type tcpWatch struct {
	raw     syscall.RawConn
	silence silence // owned by the caller of dead
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

// reset starts the measurement of silence again.
func (w *tcpWatch) reset() {
	if w != nil {
		w.silence = silence{}
	}
}
