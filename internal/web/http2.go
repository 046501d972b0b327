package web

import (
	"net"
	"net/http"
	"sync"
	"time"
)

// http2Conn presents an HTTP/2 response as a connection: writes are flushed at once, and nothing is read.
type http2Conn struct {
	out     http.ResponseWriter
	control *http.ResponseController
	r       *http.Request
	closed  chan struct{} // closed when out is no longer used, so that the handler may return

	writing sync.Mutex // held during writes to out

	mu   sync.Mutex // guards the deadlines of control, and done
	done bool       // guarded by mu
}

func newHTTP2Conn(out http.ResponseWriter, r *http.Request) *http2Conn {
	return &http2Conn{out: out, control: http.NewResponseController(out), r: r, closed: make(chan struct{})}
}

// Read blocks until the client cancels the request or the server ends it.
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

// Close ends the response. A blocked Write fails, which aborts the response.
func (f *http2Conn) Close() error {
	if !f.finish() {
		return nil
	}
	f.writing.Lock()
	defer f.writing.Unlock()
	close(f.closed)
	return nil
}

// finish prevents further writes, and hurries one under way. It returns false if called before.
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

// SetReadDeadline implements net.Conn. It does nothing, because nothing is read.
func (f *http2Conn) SetReadDeadline(time.Time) error { return nil }

// LocalAddr implements net.Conn.
func (f *http2Conn) LocalAddr() net.Addr {
	return f.r.Context().Value(http.LocalAddrContextKey).(net.Addr)
}

// RemoteAddr implements net.Conn.
func (f *http2Conn) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(addrOf(f.r)) }
