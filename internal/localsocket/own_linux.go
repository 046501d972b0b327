package localsocket

import "syscall"

// restrictMode is net.ListenConfig.Control: the file has its mode from its first moment. Other systems have only what follows.
func restrictMode(_, _ string, c syscall.RawConn) error {
	var err error
	if failed := c.Control(func(fd uintptr) { err = syscall.Fchmod(int(fd), 0o600) }); failed != nil {
		return failed
	}
	return err
}
