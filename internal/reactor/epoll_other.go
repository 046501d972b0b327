//go:build !linux

package reactor

import "errors"

// New returns the best reactor for this system. It runs until Close.
func New(opt Options) (Reactor, error) { return NewPortable(opt), nil }

// NewEpoll fails on this system.
func NewEpoll(Options) (Reactor, error) {
	return nil, errors.New("the epoll reactor requires Linux; use the portable one")
}
