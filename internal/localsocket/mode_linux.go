package localsocket

import "syscall"

// restrictMode is a net.ListenConfig.Control that sets the mode before the file exists. Other systems set it
// afterwards.
func restrictMode(_, _ string, c syscall.RawConn) error {
	var err error
	if failed := c.Control(func(fd uintptr) { err = syscall.Fchmod(int(fd), 0o600) }); failed != nil {
		return failed
	}
	return err
}
