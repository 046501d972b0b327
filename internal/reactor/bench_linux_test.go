package reactor

import (
	"net"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// peers are the other ends of connections as bare descriptors, so that the benchmark measures only the reactor.
type peers []int

func (p peers) close() {
	for _, fd := range p {
		unix.Close(fd)
	}
}

// discard discards the bytes that the peers have received.
func (p peers) discard() {
	for _, fd := range p {
		for {
			if _, _, err := unix.Recvfrom(fd, make([]byte, 1), unix.MSG_DONTWAIT); err != nil {
				break
			}
			unix.Syscall6(unix.SYS_RECVFROM, uintptr(fd), 0, 1<<20, unix.MSG_DONTWAIT|unix.MSG_TRUNC, 0, 0)
		}
	}
}

// fill connects n sources, made by open, to r.
func fill(b *testing.B, r Reactor, n int, open func(i int, c Conn) Source) peers {
	b.Helper()
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer ln.Close()
	to := &unix.SockaddrInet4{Port: ln.Addr().(*net.TCPAddr).Port, Addr: [4]byte{127, 0, 0, 1}}
	var p peers
	for i := range n {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			b.Fatal(err)
		}
		p = append(p, fd)
		if err := unix.Connect(fd, to); err != nil {
			b.Fatal(err)
		}
		nc, err := ln.Accept()
		if err != nil {
			b.Fatal(err)
		}
		r.Add(nc, nil, func(c Conn) Source { return open(i, c) })
	}
	return p
}

// echoer writes back what it receives, a few bytes at a time.
type echoer struct {
	ring    [4096]byte
	in, out int // bytes received and written
}

func (e *echoer) Next(max int) ([]byte, bool) {
	from, n := e.out%len(e.ring), e.in-e.out
	return e.ring[from:min(from+n, len(e.ring))], n > 0
}

func (e *echoer) Wrote(n int) { e.out += n }

func (e *echoer) Received(b []byte) (int, error) {
	n := copy(e.ring[e.in%len(e.ring):], b)
	e.in += n
	return n, nil
}

func (e *echoer) Closed(error) {}

func BenchmarkEcho(b *testing.B) {
	for path, open := range paths {
		b.Run(path, func(b *testing.B) {
			r := open(Options{})
			defer r.Close()
			p := fill(b, r, 1, func(int, Conn) Source { return new(echoer) })
			defer p.close()
			b.ReportAllocs()
			buf := make([]byte, 128)
			for b.Loop() {
				unix.Write(p[0], buf)
				unix.Read(p[0], buf)
			}
		})
	}
}

// listener is one of many sources that write the same stream.
type listener struct {
	room   *room
	cursor int64
}

type room struct {
	stream  []byte
	head    atomic.Int64 // bytes of the stream that are published
	missing atomic.Int64 // listeners that have not written everything
	done    chan struct{}
}

func (l *listener) Next(max int) ([]byte, bool) {
	head := l.room.head.Load()
	if l.cursor == head {
		return nil, false
	}
	return l.room.stream[l.cursor%int64(len(l.room.stream)):][:head-l.cursor], true
}

func (l *listener) Wrote(n int) {
	l.cursor += int64(n)
	if l.cursor == l.room.head.Load() && l.room.missing.Add(-1) == 0 {
		l.room.done <- struct{}{}
	}
}

func (l *listener) Received(b []byte) (int, error) { return len(b), nil }
func (l *listener) Closed(error)                   {}

// BenchmarkFanOut publishes one frame of 128 bytes to 1,000 connections in each pass.
func BenchmarkFanOut(b *testing.B) {
	const many, frame = 1000, 128
	for path, open := range paths {
		b.Run(path, func(b *testing.B) {
			r := open(Options{})
			defer r.Close()
			room := &room{stream: make([]byte, 1<<10*frame), done: make(chan struct{}, 1)}
			conns := make([]Conn, many)
			p := fill(b, r, many, func(i int, c Conn) Source {
				conns[i] = c
				return &listener{room: room}
			})
			defer p.close()
			b.ReportAllocs()
			var waking, working time.Duration
			passes, since := 0, cpu()
			for b.Loop() {
				if passes++; passes%64 == 0 {
					b.StopTimer()
					working += cpu() - since
					p.discard()
					since = cpu()
					b.StartTimer()
				}
				room.missing.Store(many)
				room.head.Add(frame)
				begin := time.Now()
				for _, c := range conns {
					c.Wake()
				}
				waking += time.Since(begin)
				<-room.done
			}
			working += cpu() - since
			deliveries := float64(passes) * many
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/deliveries, "ns/delivery")
			b.ReportMetric(float64(working.Nanoseconds())/deliveries, "cpu-ns/delivery")
			b.ReportMetric(float64(waking.Nanoseconds())/deliveries, "ns/wake")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// cpu returns the processor time used by the process.
func cpu() time.Duration {
	var u unix.Rusage
	unix.Getrusage(unix.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// idle is a Source that does nothing and takes no memory.
type idle struct{}

func (idle) Next(int) ([]byte, bool)        { return nil, false }
func (idle) Wrote(int)                      {}
func (idle) Received(b []byte) (int, error) { return len(b), nil }
func (idle) Closed(error)                   {}

// BenchmarkIdle measures the memory that the reactor holds for an idle connection with a keep-alive timer.
func BenchmarkIdle(b *testing.B) {
	const many = 5000
	for path, open := range paths {
		b.Run(path, func(b *testing.B) {
			for b.Loop() {
				r := open(Options{})
				before := inUse()
				conns := make([]Conn, 0, many)
				p := fill(b, r, many, func(_ int, c Conn) Source {
					c.WakeAfter(25 * time.Second)
					conns = append(conns, c)
					return idle{}
				})
				b.ReportMetric(float64(inUse()-before)/many-16, "B/conn") // minus conns itself
				runtime.KeepAlive(conns)
				p.close()
				r.Close()
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

// inUse returns the bytes of heap and stacks in use.
func inUse() int {
	var m runtime.MemStats
	for range 3 {
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return int(m.HeapInuse + m.StackInuse)
}
