//go:build race

package reactor

import (
	"runtime"
	"unsafe"
)

// The race detector does not see memory accesses by raw system calls, so it is told about them.

// raceRead reports that the kernel is about to read b.
func raceRead(b []byte) { runtime.RaceReadRange(unsafe.Pointer(unsafe.SliceData(b)), len(b)) }

// raceWrite reports that the kernel has written b.
func raceWrite(b []byte) { runtime.RaceWriteRange(unsafe.Pointer(unsafe.SliceData(b)), len(b)) }
