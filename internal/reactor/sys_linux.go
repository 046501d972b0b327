package reactor

import (
	"net"
	"unsafe"

	"golang.org/x/sys/unix"
)

// These calls replace those of package unix, which order all readers after all writers for the race detector and so
// hide races between connections. They are raw because none of them blocks: a system call that the scheduler knows
// about is taken for a blocking one when it is slow, and the loop would move from thread to thread. In exchange, loops
// yield by themselves, see yieldEvery.

// readFD is recv(2) on the nonblocking descriptor of a socket; read(2) would do the work for files as well. It returns
// 0 and nil at the end of input.
func readFD(fd int32, b []byte) (int, error) {
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case 0:
			raceWrite(b[:n])
			return int(n), nil
		case unix.EINTR:
		default:
			return 0, errno
		}
	}
}

// writeFD is send(2) on the nonblocking descriptor of a socket; write(2) would do the work for files as well.
func writeFD(fd int32, b []byte) (int, error) {
	raceRead(b)
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case 0:
			return int(n), nil
		case unix.EINTR:
		default:
			return 0, errno
		}
	}
}

// duplicate returns a duplicate of nc's descriptor. It stays nonblocking, unlike the one returned by File.
func duplicate(nc *net.TCPConn) (int32, error) {
	raw, err := nc.SyscallConn()
	if err != nil {
		return -1, err
	}
	var dup int
	var dupErr error
	if err := raw.Control(func(fd uintptr) {
		dup, dupErr = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0)
	}); err != nil {
		return -1, err
	}
	return int32(dup), dupErr
}
