//go:build !unix

package server

// descriptors is how many files and sockets this process may have open.
func descriptors() int { return 16 << 10 }
