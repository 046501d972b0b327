package reactor

import (
	"net"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The calls below are not those of package unix, because those order all readers after all writers in the eyes of the
// race detector, and so hide races between connections. They are raw: none of them blocks, and a call that the
// scheduler knows of is taken for a blocking one when it takes its time, and the loop's goroutine is moved from thread
// to thread. In exchange the loops yield by themselves, see yieldEvery.

// readFD is recv(2) on a nonblocking descriptor of a socket: like send(2) below it passes over what read(2) does for
// files. It returns 0 and nil at the end of what comes.
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

// writeFD is send(2) on a nonblocking descriptor of a socket: it passes over what write(2) does for files.
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

// duplicate returns a descriptor of nc's own connection, nonblocking as nc's is. File would make both blocking.
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
