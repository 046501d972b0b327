//go:build !linux

package reactor

import "errors"

// New returns the best reactor that this system has. It runs until Close.
func New(opt Options) (Reactor, error) { return NewPortable(opt), nil }

// NewEpoll fails: only Linux has what it needs.
func NewEpoll(Options) (Reactor, error) {
	return nil, errors.New("the epoll reactor needs Linux; the portable one runs here")
}
