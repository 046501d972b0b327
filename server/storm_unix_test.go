//go:build unix

package server_test

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"ramai/wire"
)

var stormClients = flag.Int("storm-clients", 1000, "members of the room in BenchmarkStormOfMarks")

// storm is a server in a process of its own, and the members of its lobby.
type storm struct {
	*childServer
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
	s := &storm{childServer: startServer(b, b.TempDir()), counted: make(chan struct{})}
	var readers sync.WaitGroup
	b.Cleanup(func() {
		s.end()
		readers.Wait()
	})
	joined := make(chan struct{})
	d := ws.Dialer{Protocols: []string{wire.Protocol}}
	for range *stormClients {
		c, early, _, err := d.Dial(b.Context(), s.url)
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
