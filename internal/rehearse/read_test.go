package rehearse

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"ramai/internal/frame"
	"ramai/wire"
)

// batch is how many messages the server of BenchmarkRead sends to each client in one write.
const batch = 32

// BenchmarkRead measures what a delivery costs the rehearsal, kernel included, with 32 messages a read. The server is a
// process of its own.
func BenchmarkRead(b *testing.B) {
	for _, clients := range []int{100, 1000} {
		b.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) {
			child := exec.Command(os.Args[0])
			child.Env = append(os.Environ(), "REHEARSE_BATCHES=1")
			child.Stderr = os.Stderr
			out, err := child.StdoutPipe()
			if err == nil {
				err = child.Start()
			}
			if err != nil {
				b.Fatal(err)
			}
			defer child.Wait()
			defer child.Process.Kill()
			url, err := bufio.NewReader(out).ReadString('\n')
			if err != nil {
				b.Fatal(err)
			}
			var delivered, allocs, cpu float64
			var before, after runtime.MemStats
			for b.Loop() {
				rep, err := Run(context.Background(), Config{
					URL: url[:len(url)-1], Plain: true, Clients: clients, Publishers: 1, InFlight: batch, Size: 128, Duration: time.Second,
					OnStage: func(stage string) {
						switch stage {
						case AllConnected:
							runtime.ReadMemStats(&before)
						case AllDelivered:
							runtime.ReadMemStats(&after)
						}
					},
				})
				if err != nil {
					b.Fatal(err)
				}
				if !rep.Good() || rep.Published == 0 {
					b.Fatalf("%+v", rep)
				}
				delivered += float64(rep.Delivered)
				allocs += float64(after.Mallocs - before.Mallocs)
				cpu += rep.CPU
			}
			b.ReportMetric(cpu*1e6/delivered, "µs/delivery")
			b.ReportMetric(allocs/delivered, "allocs/delivery")
			b.ReportMetric(delivered/float64(b.N), "deliveries/s")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// newFed returns a client of a rehearsal without a server, and the input of n messages, which the client has not
// received. Another client has received and checked them.
func newFed(n int) (c *client, input []byte) {
	r := newRehearsal(Config{Plain: true, Clients: 2, Publishers: 1, InFlight: n, Size: 128})
	first := &client{r: r, publisher: -1, receiver: receiver{ledger: r.ledger}, joined: true}
	for seq := range n {
		r.ledger.published[0].Store(int64(seq + 1))
		input = frame.AppendText(input, appendText(nil, r.run, stampOf(0, seq+1), 0, r.padding))
	}
	if _, err := first.Received(input); err != nil {
		panic(err)
	}
	return &client{r: r, publisher: -1, receiver: receiver{ledger: r.ledger}, joined: true}, input
}

// rewind lets the client receive everything again.
func (c *client) rewind() { c.receiver = receiver{ledger: c.ledger} }

// BenchmarkReceive measures the part of BenchmarkRead that is not the kernel's: 32 messages a call.
func BenchmarkReceive(b *testing.B) {
	c, input := newFed(batch)
	b.ReportAllocs()
	for b.Loop() {
		c.rewind()
		c.Received(input)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/batch, "ns/delivery")
}

// TestReceiveAllocatesNothing: neither whole frames nor frames in two parts.
func TestReceiveAllocatesNothing(t *testing.T) {
	c, input := newFed(batch)
	if n := testing.AllocsPerRun(100, func() {
		c.rewind()
		c.Received(input[:len(input)/2+7])
		c.Received(input[len(input)/2+7:])
	}); n != 0 {
		t.Errorf("%v allocations for %d deliveries", n, batch)
	}
	if c.Delivered != batch || !c.Good() {
		t.Errorf("%+v", c.tally)
	}
}

// TestFramesInParts: a frame with a header of any length can be cut anywhere, and be followed by others.
func TestFramesInParts(t *testing.T) {
	for _, size := range []int{headLen, 125, 126, 1000, 1<<16 - 1, 1 << 16} {
		r := newRehearsal(Config{Plain: true, Clients: 1, Publishers: 1, InFlight: 1, Size: size})
		var input []byte
		for seq := range 3 {
			r.ledger.published[0].Store(int64(seq + 1))
			input = frame.AppendText(input, appendText(nil, r.run, stampOf(0, seq+1), 0, r.padding))
			input = frame.AppendPong(input, []byte("unasked for"))
		}
		for step := 1; step < len(input); step += 1 + step/3 {
			c := &client{r: r, publisher: -1, receiver: receiver{ledger: newLedger(1)}, joined: true}
			c.ledger.published[0].Store(3)
			for b := input; len(b) > 0; b = b[min(step, len(b)):] {
				if _, err := c.Received(b[:min(step, len(b))]); err != nil {
					t.Fatalf("size %d, %d bytes at once: %v", size, step, err)
				}
			}
			if c.Delivered != 3 || !c.Good() || len(c.part) > 0 {
				t.Errorf("size %d, %d bytes at once: %+v", size, step, c.tally)
			}
		}
	}
}

// TestRefusedFrames: a frame that no server should send ends the rehearsal.
func TestRefusedFrames(t *testing.T) {
	for want, bad := range map[string][]byte{
		"masked":            {0x81, 0x80, 0, 0, 0, 0},
		"begins with":       {0x01, 1, 'a'},
		"begins with 0xc1":  {0xc1, 1, 'a'},
		"begins with 0x82":  {0x82, 1, 'a'},
		"closed":            {0x88, 2, 0x03, 0xe9},
		"want at most 1048": {0x81, 127, 0, 0, 0, 0, 0, 0x10, 0, 1},
	} {
		want, _, _ := strings.Cut(want, " 0x")
		c, _ := newFed(1)
		if _, err := c.Received(bad); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("% x: %v", bad, err)
		}
	}
}

// serveBatches is the server of BenchmarkRead: it sends the messages of all clients to all clients, a batch at a time.
func serveBatches() {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Printf("http://%s\n", ln.Addr())
	var mu sync.Mutex
	conns := map[net.Conn]bool{}
	var out []byte
	n := 0
	panic(http.Serve(ln, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		nc, in, err := w.(http.Hijacker).Hijack()
		if err != nil {
			panic(err)
		}
		defer nc.Close()
		mu.Lock()
		io.WriteString(nc, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		nc.Write(frame.AppendText(nil, wire.Greeting))
		conns[nc] = true
		mu.Unlock()
		defer func() {
			mu.Lock()
			delete(conns, nc)
			mu.Unlock()
		}()
		dec := frame.NewDecoder(&frame.Config{TextOnly: true, MaxMessage: 1 << 16, MaxFragments: 1})
		buf := make([]byte, 1<<16)
		for {
			k, err := in.Read(buf)
			if err != nil {
				return
			}
			for b := buf[:k]; len(b) > 0; {
				m, used, err := dec.Next(b)
				if err != nil {
					return
				}
				if b = b[used:]; m.Op != frame.Text {
					continue
				}
				mu.Lock()
				out = frame.AppendText(out, m.Payload)
				if n++; n%batch == 0 {
					for nc := range conns {
						nc.Write(out)
					}
					out = out[:0]
				}
				mu.Unlock()
			}
		}
	})))
}
