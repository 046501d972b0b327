//go:build !linux

package localsocket

import "syscall"

// own is net.ListenConfig.Control.
func own(_, _ string, _ syscall.RawConn) error { return nil }
