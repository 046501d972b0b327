package timerslack

import (
	"os"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// applied is the variable of the environment that says that the program was started again, for systems that do not keep the slack.
const applied = "TIMER_SLACK_APPLIED"

// Apply starts the program again, in the same process and with the same arguments, with a timer slack of [Slack], unless it has that.
// Call it before anything is opened or started. Where it cannot, it does nothing, and everything works as well at a higher cost.
//
// While anything runs, the monitor of the runtime (sysmon) sleeps for 20 µs at a time. It starts before main, and a thread has the
// slack of the one that started it, so the slack must be there before the program is: prctl(2), PR_SET_TIMERSLACK.
func Apply() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if current() >= Slack || os.Getenv(applied) != "" {
		return
	}
	program, err := os.Executable()
	if err != nil || unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(Slack), 0, 0, 0) != nil || current() != Slack { // a thread with a real-time priority has none
		return
	}
	_ = syscall.Exec(program, os.Args, append(os.Environ(), applied+"=1"))
}

// current returns the timer slack of this thread.
func current() time.Duration {
	ns, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0)
	if err != nil {
		return 0
	}
	return time.Duration(ns)
}
