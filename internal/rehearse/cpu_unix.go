//go:build unix

package rehearse

import (
	"time"

	"golang.org/x/sys/unix"
)

// cpu is the processor time this program has used.
func cpu() time.Duration {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
