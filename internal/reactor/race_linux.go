//go:build race

package reactor

import (
	"runtime"
	"unsafe"
)

// The race detector does not see what a raw system call does with memory: it is told here.

// raceRead says that the kernel is about to read b.
func raceRead(b []byte) { runtime.RaceReadRange(unsafe.Pointer(unsafe.SliceData(b)), len(b)) }

// raceWrite says that the kernel has written b.
func raceWrite(b []byte) { runtime.RaceWriteRange(unsafe.Pointer(unsafe.SliceData(b)), len(b)) }
