package client

import (
	"context"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// network is an in-memory listener, and the way to dial it. Its connections have unlimited buffers, and deadlines on the
// clock of testing/synctest.
type network struct {
	accept chan net.Conn
	closed chan struct{}
	once   sync.Once
	lossy  func(net.Conn) net.Conn // wraps the client's end; nil: not
}

func newNetwork() *network {
	return &network{accept: make(chan net.Conn), closed: make(chan struct{})}
}

func (n *network) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	one, two := &stream{}, &stream{}
	client, server := net.Conn(&pipe{in: one, out: two}), &pipe{in: two, out: one}
	if n.lossy != nil {
		client = n.lossy(client)
	}
	select {
	case n.accept <- server:
		return client, nil
	case <-n.closed:
		return nil, &net.OpError{Op: "dial", Net: "pipe", Err: net.ErrClosed}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (n *network) Accept() (net.Conn, error) {
	select {
	case c := <-n.accept:
		return c, nil
	case <-n.closed:
		return nil, net.ErrClosed
	}
}

func (n *network) Close() error {
	n.once.Do(func() { close(n.closed) })
	return nil
}

func (n *network) Addr() net.Addr { return &net.UnixAddr{Name: "memory"} }

// stream is one direction of a connection.
type stream struct {
	mu           sync.Mutex
	cond         *sync.Cond
	b            []byte
	closed       bool
	readDeadline time.Time // the reader's deadline
	timer        *time.Timer
}

// do calls f under the lock and wakes the reader.
func (s *stream) do(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.init()
	f()
	s.cond.Broadcast()
}

func (s *stream) init() {
	if s.cond == nil {
		s.cond = sync.NewCond(&s.mu)
	}
}

func (s *stream) read(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.init()
	for {
		switch {
		case len(s.b) > 0:
			n := copy(b, s.b)
			s.b = s.b[n:]
			return n, nil
		case s.closed:
			return 0, io.EOF
		case !s.readDeadline.IsZero() && !time.Now().Before(s.readDeadline):
			return 0, os.ErrDeadlineExceeded
		}
		s.cond.Wait()
	}
}

// pipe is one end of a connection.
type pipe struct{ in, out *stream }

func (p *pipe) Read(b []byte) (int, error) { return p.in.read(b) }

func (p *pipe) Write(b []byte) (n int, err error) {
	p.out.do(func() {
		if p.out.closed {
			err = io.ErrClosedPipe
			return
		}
		n, p.out.b = len(b), append(p.out.b, b...)
	})
	return n, err
}

func (p *pipe) Close() error {
	p.in.do(func() {
		p.in.closed = true
		if p.in.timer != nil {
			p.in.timer.Stop()
		}
	})
	p.out.do(func() { p.out.closed = true })
	return nil
}

func (p *pipe) SetReadDeadline(t time.Time) error {
	p.in.do(func() {
		p.in.readDeadline = t
		if p.in.timer != nil {
			p.in.timer.Stop()
			p.in.timer = nil
		}
		if !t.IsZero() && !p.in.closed {
			p.in.timer = time.AfterFunc(time.Until(t), func() { p.in.do(func() {}) })
		}
	})
	return nil
}

func (p *pipe) SetDeadline(t time.Time) error    { return p.SetReadDeadline(t) }
func (p *pipe) SetWriteDeadline(time.Time) error { return nil }
func (p *pipe) LocalAddr() net.Addr              { return &net.UnixAddr{Name: "memory"} }
func (p *pipe) RemoteAddr() net.Addr             { return &net.UnixAddr{Name: "memory"} }
