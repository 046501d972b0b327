package reactor

import (
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// tcpWatch asks the kernel what it knows of a TCP connection (tcp(7), TCP_INFO). A nil watch knows nothing.
type tcpWatch struct {
	raw syscall.RawConn

	waiting time.Time // owned by who calls dead: since when something is unacknowledged
}

func watch(nc net.Conn) *tcpWatch {
	tcp, ok := nc.(*net.TCPConn)
	if !ok {
		return nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil
	}
	// Otherwise a reader that is frozen holds megabytes in the kernel.
	raw.Control(func(fd uintptr) {
		unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, 16<<10)
	})
	return &tcpWatch{raw: raw}
}

func (w *tcpWatch) info() (*unix.TCPInfo, bool) {
	if w == nil {
		return nil, false
	}
	var info *unix.TCPInfo
	var err error
	if w.raw.Control(func(fd uintptr) {
		info, err = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
	}) != nil || err != nil {
		return nil, false
	}
	return info, true
}

// undelivered counts the bytes that are written and not acknowledged; those in flight only as at least one a segment.
func (w *tcpWatch) undelivered() (int, bool) {
	info, ok := w.info()
	if !ok {
		return 0, false
	}
	return int(info.Notsent_bytes) + int(info.Unacked), true
}

// dead tells whether something is unacknowledged for patience, and nothing at all was acknowledged for as long. A peer
// that lives but does not read goes on acknowledging the probes of its closed window.
func (w *tcpWatch) dead(now time.Time, patience time.Duration) bool {
	info, ok := w.info()
	if !ok || info.Unacked == 0 && info.Probes == 0 {
		if w != nil {
			w.waiting = time.Time{}
		}
		return false
	}
	silent := time.Duration(info.Last_ack_recv) * time.Millisecond
	if w.waiting.IsZero() || now.Add(-silent).After(w.waiting) {
		w.waiting = now
		return false
	}
	return silent >= patience && now.Sub(w.waiting) >= patience
}
