package server_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/gobwas/httphead"
	"github.com/gobwas/ws"

	wsframe "ramai/internal/frame"
	"ramai/internal/frame/frametest"
	"ramai/server"
	"ramai/wire"
)

// attacks are sent by one address at full speed: frames that post nothing but cost much work each.
var attacks = []struct {
	name    string
	deflate bool
	frame   []byte
}{
	{"leave", false, said(`{"type":"leave","room":"x"}`)},
	{"typing", false, said(`{"type":"typing","room":"lobby"}`)},
	{"ping", false, said(`{"type":"ping","id":"x"}`)},
	{"control-ping", false, wsframe.AppendMasked(nil, wsframe.Ping, []byte("x"), [4]byte{})},
	{"broken", false, said(`{"type":`)},
	{"refused", false, said(`{"type":"say","room":"lobby","id":"1","text":"` + strings.Repeat("x", 5000) + `"}`)},
	{"bomb", true, wsframe.AppendMasked(nil, wsframe.Text|wsframe.Deflated,
		wsframe.Deflate(nil, []byte(`{"type":"leave","room":"x","more":"`+strings.Repeat("x", 25_000)+`"}`), wsframe.MostBits), [4]byte{})},
	{"short-blocks", true, wsframe.AppendMasked(nil, wsframe.Text|wsframe.Deflated, frametest.ShortBlocks(720), [4]byte{})},
	{"long-codes", true, wsframe.AppendMasked(nil, wsframe.Text|wsframe.Deflated, frametest.LongCodes(250), [4]byte{})},
}

func said(text string) []byte {
	return wsframe.AppendMasked(nil, wsframe.Text, []byte(text), [4]byte{})
}

// periods is how often each case is measured, alternating calm and attacked periods.
const periods = 3

// BenchmarkUnderAttack measures how long honest clients wait for their own echo at the default limits, while another
// address attacks over eight connections as fast as it is read: the median and the 99th percentile, beside those of
// calm periods before each attack, how many times as long the latter is, and how many frames the attacker got rid of. What
// else happens on the machine does not last, so of the periods the middle one counts. More than twice as long is a fault.
//
//	make attack
func BenchmarkUnderAttack(b *testing.B) {
	for _, kind := range []server.IOMode{server.Auto, server.Portable} {
		for _, attack := range attacks {
			b.Run(fmt.Sprintf("%s/%s", kind, attack.name), func(b *testing.B) {
				var frames atomic.Int64
				for b.Loop() {
					var calm, assailed [][]time.Duration
					for range periods {
						s, stop := defaults(b, kind)
						calm = append(calm, honest(b, s, nil))
						assailed = append(assailed, honest(b, s, func(ctx context.Context) { flood(ctx, s, attack.deflate, attack.frame, &frames) }))
						stop() // unprocessed frames would be processed in the next calm period
					}
					for _, p := range []int{50, 99} {
						b.ReportMetric(percentile(calm, p), fmt.Sprintf("calm-p%d-ms", p))
						b.ReportMetric(percentile(assailed, p), fmt.Sprintf("p%d-ms", p))
					}
					b.ReportMetric(percentile(assailed, 99)/percentile(calm, 99), "p99/calm")
				}
				b.ReportMetric(float64(frames.Load())/float64(b.N), "frames-taken")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

// percentile returns the p-th percentile of each period in milliseconds, and of these the median. The times of each period
// are sorted.
func percentile(periods [][]time.Duration, p int) float64 {
	var all []float64
	for _, times := range periods {
		all = append(all, times[len(times)*p/100].Seconds()*1e3)
	}
	slices.Sort(all)
	return all[len(all)/2]
}

// defaults returns the address of a server with the default limits, which trusts any X-Forwarded-For, and a function that
// stops it.
func defaults(b *testing.B, kind server.IOMode) (url string, stop func()) {
	b.Helper()
	cfg := server.Defaults()
	cfg.InMemory, cfg.Logger, cfg.Quiet, cfg.IO = true, discard, true, kind
	cfg.TrustProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	return serveConfig(b, cfg)
}

// serveConfig returns the address of a server, and a function that stops it.
func serveConfig(b *testing.B, cfg server.Config) (url string, stop func()) {
	b.Helper()
	s, err := server.New(cfg)
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	go func() { ended <- s.Serve(ctx, server.Listeners{server.HTTP: ln}) }()
	return "ws://" + ln.Addr().String() + "/", func() {
		cancel()
		<-ended
	}
}

// honest makes 24 clients at 24 addresses post ten times a second, for most of a second, while meanwhile runs. It returns
// how long they wait for the echo, in ascending order.
func honest(b *testing.B, url string, meanwhile func(context.Context)) []time.Duration {
	ctx, stop := context.WithCancel(b.Context())
	var all, other sync.WaitGroup
	if meanwhile != nil {
		other.Go(func() { meanwhile(ctx) })
		time.Sleep(200 * time.Millisecond) // the attackers' burst is over
	}
	var mu sync.Mutex
	var waits []time.Duration
	for i := range 24 {
		all.Go(func() {
			header := http.Header{"X-Forwarded-For": {fmt.Sprintf("198.51.100.%d", i+1)}}
			c, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{HTTPHeader: header})
			if err != nil {
				b.Error(err)
				return
			}
			defer c.CloseNow()
			if _, got, err := c.Read(ctx); err != nil || string(got) != wire.Greeting {
				b.Errorf("greeted with %q, %v", got, err)
				return
			}
			time.Sleep(time.Duration(i) * 10 * time.Millisecond)
			for j := range 6 {
				began, text := time.Now(), fmt.Sprintf("hello %d of %d", j, i)
				c.Write(ctx, websocket.MessageText, []byte(text))
				for received := ""; received != text; {
					_, got, err := c.Read(ctx)
					if err != nil {
						b.Error(err)
						return
					}
					received = string(got)
				}
				mu.Lock()
				waits = append(waits, time.Since(began))
				mu.Unlock()
				time.Sleep(100*time.Millisecond - time.Since(began))
			}
		})
	}
	all.Wait()
	stop()
	other.Wait()
	slices.Sort(waits)
	return waits
}

// flood sends a frame repeatedly over eight connections from one address, until ctx ends. taken counts the frames that the
// server's system accepted.
func flood(ctx context.Context, url string, deflate bool, frame []byte, taken *atomic.Int64) {
	many := bytes.Repeat(frame, max(1, 16<<10/len(frame)))
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			d := ws.Dialer{Protocols: []string{wire.Protocol}, Header: ws.HandshakeHeaderHTTP{"X-Forwarded-For": {"192.0.2.1"}}}
			if deflate {
				d.Extensions = []httphead.Option{{Name: []byte("permessage-deflate")}}
			}
			nc, early, _, err := d.Dial(ctx, url)
			if err != nil {
				return
			}
			defer context.AfterFunc(ctx, func() { nc.Close() })()
			if early == nil {
				early = bufio.NewReader(nc)
			}
			all.Go(func() { io.Copy(io.Discard, early) })
			nc.Write(said(`{"type":"join","room":"lobby"}`))
			for err == nil {
				var n int
				n, err = nc.Write(many)
				taken.Add(int64(n / len(frame)))
			}
			nc.Close()
		})
	}
	all.Wait()
}
