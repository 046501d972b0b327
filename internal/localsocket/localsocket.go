// Package localsocket provides Unix sockets that only the user who created them can use.
package localsocket

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"
)

// maxPath is the length of a path, in bytes, that fits into a socket address on every system: Linux allows 107, macOS
// 103.
const maxPath = 100

// Listen listens on a socket at path with mode 0600. It replaces a socket left by an earlier process; the caller makes
// sure, with a lock on the folder, that no other process serves it. Closing the listener removes the file.
func Listen(path string) (net.Listener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	addr, done, err := shortPath(path)
	if err != nil {
		return nil, err
	}
	defer done()
	config := net.ListenConfig{Control: restrictMode}
	ln, err := config.Listen(context.Background(), "unix", addr)
	if err != nil {
		return nil, err
	}
	ln.(*net.UnixListener).SetUnlinkOnClose(false) // it may know the file by another path
	l := &listener{Listener: ln, path: path}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// listener is a net.Listener that removes its file once.
type listener struct {
	net.Listener
	path string
	once sync.Once
}

// Close implements net.Listener.
func (l *listener) Close() error {
	err := net.ErrClosed
	l.once.Do(func() { err = errors.Join(l.Listener.Close(), os.Remove(l.path)) })
	return err
}

// Dial connects to the socket at path.
func Dial(ctx context.Context, path string) (net.Conn, error) {
	addr, done, err := shortPath(path)
	if err != nil {
		return nil, err
	}
	defer done()
	var d net.Dialer
	return d.DialContext(ctx, "unix", addr)
}

// shortPath returns a path of the same file that fits into a socket address. If necessary, it goes through a symbolic
// link to the folder. The path is valid until done is called.
func shortPath(path string) (addr string, done func(), err error) {
	if len(path) <= maxPath {
		return path, func() {}, nil
	}
	folder, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return "", nil, err
	}
	temporary, err := os.MkdirTemp("", "ramai-")
	if err != nil {
		return "", nil, err
	}
	link := filepath.Join(temporary, "d")
	done = func() { os.RemoveAll(temporary) }
	if err := os.Symlink(folder, link); err != nil {
		done()
		return "", nil, err
	}
	return filepath.Join(link, filepath.Base(path)), done, nil
}
