//go:build unix

package rehearse

import (
	"time"

	"golang.org/x/sys/unix"
)

// cpu returns the processor time used by the process.
func cpu() time.Duration {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
