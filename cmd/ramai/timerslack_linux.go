package main

import (
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// timerSlack is how much later than requested the kernel may wake a sleeping thread of the server, in nanoseconds.
const timerSlack = 1_000_000

// wakeLessOften starts the program again, in the same process, with a timer slack of a millisecond, unless it has that. Nothing may
// have been opened or started before. Where this is impossible, everything works as well at a higher cost.
//
// While anything runs, the monitor of the Go runtime (sysmon) sleeps for 20 µs at a time, and its wakes cost a busy server a seventh
// of its processor time. It starts before main, and a thread has the slack of the one that started it, so the slack must be there
// before the program is: prctl(2), PR_SET_TIMERSLACK. See docs/decisions/timer-slack.md.
func wakeLessOften() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if slack() >= timerSlack {
		return
	}
	program, err := os.Executable()
	if err != nil || unix.Prctl(unix.PR_SET_TIMERSLACK, timerSlack, 0, 0, 0) != nil || slack() != timerSlack { // a thread with a real-time priority has none
		return
	}
	_ = syscall.Exec(program, os.Args, os.Environ())
}

// slack returns the timer slack of this thread.
func slack() int {
	ns, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0)
	if err != nil {
		return 0
	}
	return ns
}
