package linemode

import (
	"io"
	"os"
	"runtime"

	"github.com/muesli/cancelreader"
)

// interruptible returns a reader of in, and a function that ends a blocked read and all later ones. Closing the reader
// leaves a file open. The function is nil if a read cannot be ended: that of the console of Windows, whose line editing
// cancelreader would turn off, and those of readers that are neither files nor closers.
func interruptible(in io.Reader) (r io.ReadCloser, interrupt func()) {
	switch f := in.(type) {
	case *os.File:
		if runtime.GOOS == "windows" {
			break
		}
		cr, err := cancelreader.NewReader(f)
		if err != nil { // epoll and kqueue refuse regular files and /dev/null, whose reads do not block
			return io.NopCloser(in), func() {}
		}
		return cr, func() { cr.Cancel() }
	case io.ReadCloser:
		return f, func() { _ = f.Close() } // an error does not matter: nothing more is read
	}
	return io.NopCloser(in), nil
}
