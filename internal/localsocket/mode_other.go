//go:build !linux

package localsocket

import "syscall"

// restrictMode is a net.ListenConfig.Control that does nothing on this system.
func restrictMode(_, _ string, _ syscall.RawConn) error { return nil }
