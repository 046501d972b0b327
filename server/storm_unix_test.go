//go:build unix

package server_test

import (
	"bufio"
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"ramai/server"
	"ramai/wire"
)

var stormClients = flag.Int("storm-clients", 1000, "members of the room in BenchmarkStormOfMarks")

// stormServer is the variable of the environment that makes the test binary a server with data in the given folder. It prints
// its address, and its processor time in nanoseconds for each line that it reads.
const stormServer = "RAMAI_TEST_STORM_SERVER"

func init() {
	data := os.Getenv(stormServer)
	if data == "" {
		return
	}
	cfg := server.Defaults()
	cfg.Data, cfg.Logger, cfg.Quiet, cfg.Rate, cfg.MaxConnsPerAddress = data, discard, true, 0, 0
	s, err := server.New(cfg)
	if err != nil {
		panic(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, server.Listeners{server.HTTP: ln}) }()
	fmt.Println(ln.Addr())
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			panic(err)
		}
		fmt.Println(u.Utime.Nano() + u.Stime.Nano())
	}
	cancel()
	<-ended
	os.Exit(0)
}

// storm is a server in a process of its own, and the members of its lobby.
type storm struct {
	b       *testing.B
	in      io.Writer
	out     *bufio.Reader
	members []net.Conn

	messages, tallies, marked atomic.Int64  // frames that all members together have received
	counted                   chan struct{} // closed when all members have received the counts of all marks
	last                      atomic.Int64  // how many members have
}

// BenchmarkStormOfMarks measures the processor time of a server while each member of a room reacts once within 10 seconds, beside
// that of the same room with one message a second, and the frames that a member receives. The aims are at most 11 tallies for each
// client, and with 10,000 clients at most twice the processor time. With fewer, deliveries cost less, and the transactions of the
// marks are the same.
//
//	go test ./server -run '^$' -bench StormOfMarks -benchtime 1x
func BenchmarkStormOfMarks(b *testing.B) {
	const took = 10 * time.Second
	for b.Loop() {
		s := newStorm(b)
		s.say("0") // the message that is marked
		n := len(s.members)
		await(b, &s.messages, int64(n))

		before := s.cpu()
		for i := range int(took / time.Second) {
			time.Sleep(time.Second)
			s.say(fmt.Sprint(i + 1))
		}
		await(b, &s.messages, int64(n)*(1+int64(took/time.Second)))
		calm := s.cpu() - before

		before = s.cpu()
		began := time.Now()
		for i, c := range s.members {
			time.Sleep(time.Until(began.Add(time.Duration(i) * took / time.Duration(n))))
			send(b, c, wire.Mark{Room: wire.Lobby, Of: 1, Key: "👍", On: true})
		}
		<-s.counted
		stormy := s.cpu() - before
		await(b, &s.marked, int64(n))

		b.ReportMetric(calm.Seconds()*1e3, "messages-cpu-ms")
		b.ReportMetric(stormy.Seconds()*1e3, "marks-cpu-ms")
		b.ReportMetric(stormy.Seconds()/calm.Seconds(), "marks/messages")
		b.ReportMetric(float64(s.tallies.Load())/float64(n), "tallies/client")
		b.ReportMetric(float64(s.marked.Load())/float64(n), "marked/client")
		b.ReportMetric(0, "ns/op")
	}
}

func newStorm(b *testing.B) *storm {
	b.Helper()
	s := &storm{b: b, counted: make(chan struct{})}
	child := exec.Command(os.Args[0], "-test.run=^$")
	child.Env, child.Stderr = append(os.Environ(), stormServer+"="+b.TempDir()), os.Stderr
	in, err := child.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := child.StdoutPipe()
	if err == nil {
		err = child.Start()
	}
	if err != nil {
		b.Fatal(err)
	}
	var readers sync.WaitGroup
	b.Cleanup(func() {
		in.Close()
		if err := child.Wait(); err != nil {
			b.Error(err)
		}
		readers.Wait()
	})
	s.in, s.out = in, bufio.NewReader(out)
	address, err := s.out.ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	joined := make(chan struct{})
	d := ws.Dialer{Protocols: []string{wire.Protocol}}
	for range *stormClients {
		c, early, _, err := d.Dial(b.Context(), "ws://"+strings.TrimSpace(address)+"/")
		if err != nil {
			b.Fatal(err)
		}
		if early == nil {
			early = bufio.NewReaderSize(c, 1<<10)
		}
		s.members = append(s.members, c)
		readers.Go(func() {
			defer c.Close()
			s.read(early, joined)
		})
		send(b, c, wire.Join{Room: wire.Lobby})
		<-joined
	}
	return s
}

// read counts frames until the connection ends.
func (s *storm) read(r *bufio.Reader, joined chan<- struct{}) {
	all := fmt.Appendf(nil, `"👍":%d}`, *stormClients)
	for {
		head, err := ws.ReadHeader(r)
		if err != nil {
			return
		}
		payload := make([]byte, head.Length) // our own server's
		if _, err := io.ReadFull(r, payload); err != nil {
			return
		}
		kind, _, _ := bytes.Cut(bytes.TrimPrefix(payload, []byte(`{"type":"`)), []byte(`"`))
		switch string(kind) {
		case "joined":
			joined <- struct{}{}
		case "message":
			s.messages.Add(1)
		case "marked":
			s.marked.Add(1)
		case "tally":
			s.tallies.Add(1)
			if bytes.Contains(payload, all) && s.last.Add(1) == int64(*stormClients) {
				close(s.counted)
			}
		case "error", "refused":
			s.b.Errorf("received %s", payload)
		}
	}
}

func (s *storm) say(id string) {
	s.b.Helper()
	send(s.b, s.members[0], wire.Say{Room: wire.Lobby, ID: id, Text: "of the usual length, fifty bytes or so, and a few"})
}

// cpu returns the processor time of the server.
func (s *storm) cpu() time.Duration {
	s.b.Helper()
	var used int64
	_, err := fmt.Fprintln(s.in)
	if err == nil {
		_, err = fmt.Fscanln(s.out, &used)
	}
	if err != nil {
		s.b.Fatal(err)
	}
	return time.Duration(used)
}

func send(b *testing.B, c net.Conn, f wire.Frame) {
	b.Helper()
	if _, err := c.Write(said(string(wire.Append(nil, f)))); err != nil {
		b.Fatal(err)
	}
}

func await(b *testing.B, n *atomic.Int64, want int64) {
	b.Helper()
	for deadline := time.Now().Add(20 * time.Second); n.Load() < want; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			b.Fatalf("%d frames have arrived, want %d", n.Load(), want)
		}
	}
}
