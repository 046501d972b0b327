//go:build !linux

package reactor

// New returns the best reactor that this system has. It runs until Close.
func New(opt Options) (Reactor, error) { return NewPortable(opt), nil }
