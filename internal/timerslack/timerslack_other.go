//go:build !linux

package timerslack

// Apply does nothing: the timer slack is a setting of Linux.
func Apply() {}
