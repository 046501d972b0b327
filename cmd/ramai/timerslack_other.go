//go:build !linux

package main

// wakeLessOften does nothing: the timer slack is a setting of Linux.
func wakeLessOften() {}
