package tui_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"ramai/client"
	"ramai/wire"
)

// BenchmarkStart measures the time until a new screen shows its room: connect, receive 50 messages, draw the first frame.
func BenchmarkStart(b *testing.B) {
	address := serve(b)
	c := speaker(b, address)
	for i := range wire.DefaultJoin {
		if _, err := c.Say(wire.Lobby, fmt.Sprintf("message %d", i+1)); err != nil {
			b.Fatal(err)
		}
	}
	for c.Pending() > 0 {
		time.Sleep(time.Millisecond)
	}
	for b.Loop() {
		s := openScreen(b, address, "", nil)
		s.sees(fmt.Sprintf("message %d", wire.DefaultJoin))
		s.stop()
		<-s.done
	}
}

// BenchmarkKey measures the time from a key press to the cell that shows it, in a quiet room and with 1,000 messages a
// second.
func BenchmarkKey(b *testing.B) {
	for _, rate := range []int{0, 1000} {
		b.Run(fmt.Sprintf("messages=%d", rate), func(b *testing.B) {
			address := serve(b)
			s := openScreen(b, address, "", nil)
			s.sees("live")
			ctx, enough := context.WithCancel(b.Context())
			said := make(chan struct{})
			go func() {
				defer close(said)
				flood(ctx, speaker(b, address), rate)
			}()
			took := hdrhistogram.New(1, time.Minute.Microseconds(), 3)
			typed := ""
			for b.Loop() {
				if typed += "x"; len(typed) > 40 {
					s.types("\x15") // cut everything
					s.sees("say something")
					typed = "x"
				}
				begin := time.Now()
				s.types("x")
				s.sees("› " + typed)
				took.RecordValue(time.Since(begin).Microseconds())
			}
			enough()
			<-said
			for _, q := range []float64{50, 95, 99} {
				b.ReportMetric(float64(took.ValueAtQuantile(q))/1000, fmt.Sprintf("ms-p%.0f", q))
			}
			b.ReportMetric(float64(took.Max())/1000, "ms-max")
		})
	}
}

// flood posts rate messages a second until ctx ends.
func flood(ctx context.Context, c *client.Client, rate int) {
	begin := time.Now()
	for said := 0; ctx.Err() == nil; time.Sleep(10 * time.Millisecond) {
		for ; said < int(time.Since(begin).Seconds()*float64(rate)); said++ {
			if _, err := c.Say(wire.Lobby, fmt.Sprintf("message %d of many, about as long as people write", said)); err != nil {
				return
			}
		}
	}
}

// speaker returns a client that posts and discards everything it receives.
func speaker(t testing.TB, address string) *client.Client {
	t.Helper()
	c, err := client.Dial(t.Context(), client.Config{URL: address, Last: client.NoJoin})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	go func() { // events that nobody reads would block posting
		for {
			if _, err := c.Next(context.Background()); err != nil {
				return
			}
		}
	}()
	return c
}
