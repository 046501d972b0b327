package web

import (
	"net"
	"net/http"
	"sync"
	"time"
)

// http2Conn is an answer of HTTP/2 as a connection: what is written goes out at once, and nothing is read.
type http2Conn struct {
	out     http.ResponseWriter
	control *http.ResponseController
	r       *http.Request
	closed  chan struct{} // closed when out is not used any more: then the handler may return

	writing sync.Mutex // held while out is written

	mu   sync.Mutex // for the deadlines of control, and below
	done bool       // guarded by mu
}

func newHTTP2Conn(out http.ResponseWriter, r *http.Request) *http2Conn {
	return &http2Conn{out: out, control: http.NewResponseController(out), r: r, closed: make(chan struct{})}
}

// Read returns when the client has given up, or the server has.
func (f *http2Conn) Read([]byte) (int, error) {
	select {
	case <-f.r.Context().Done():
		return 0, f.r.Context().Err()
	case <-f.closed:
		return 0, net.ErrClosed
	}
}

// Write writes and flushes.
func (f *http2Conn) Write(b []byte) (int, error) {
	f.writing.Lock()
	defer f.writing.Unlock()
	if f.isDone() {
		return 0, net.ErrClosed
	}
	n, err := f.out.Write(b)
	if err == nil {
		err = f.control.Flush()
	}
	return n, err
}

func (f *http2Conn) isDone() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.done
}

// Close ends the answer. A Write that waits for the client fails, and with it the answer breaks off.
func (f *http2Conn) Close() error {
	if !f.finish() {
		return nil
	}
	f.writing.Lock()
	defer f.writing.Unlock()
	close(f.closed)
	return nil
}

// finish has nothing more be written, and hurries what is. It returns false if that was done before.
func (f *http2Conn) finish() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.done {
		return false
	}
	f.done = true
	if f.writing.TryLock() {
		f.writing.Unlock()
	} else {
		f.control.SetWriteDeadline(time.Unix(1, 0))
	}
	return true
}

// SetWriteDeadline implements net.Conn.
func (f *http2Conn) SetWriteDeadline(t time.Time) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.done {
		return net.ErrClosed
	}
	return f.control.SetWriteDeadline(t)
}

// SetDeadline implements net.Conn.
func (f *http2Conn) SetDeadline(t time.Time) error { return f.SetWriteDeadline(t) }

// SetReadDeadline implements net.Conn. Nothing is read.
func (f *http2Conn) SetReadDeadline(time.Time) error { return nil }

// LocalAddr implements net.Conn.
func (f *http2Conn) LocalAddr() net.Addr {
	return f.r.Context().Value(http.LocalAddrContextKey).(net.Addr)
}

// RemoteAddr implements net.Conn.
func (f *http2Conn) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(addrOf(f.r)) }
