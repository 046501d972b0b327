//go:build !linux

package rehearse

import "ramai/internal/reactor"

// newReactor returns a reactor that runs until Close.
func newReactor() (reactor.Reactor, error) {
	return reactor.New(reactor.Options{ReadSize: 256 << 10})
}
