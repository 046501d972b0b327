package browser_test

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/heapprofiler"
	"github.com/chromedp/cdproto/performance"
	"github.com/chromedp/cdproto/runtime"
	"github.com/coder/websocket"
)

var (
	floodFor = flag.Duration("flood", 5*time.Second, "how long the flood lasts")
	hour     = flag.Int("hour", 30_000, "how many messages the hour has whose memory is looked at")
)

// flood says 1,000 messages a second, each 20 ms those that are due, for a time and until ctx is done.
func (h *house) flood(ctx context.Context, d time.Duration, each func(i int) string) (said int) {
	c := h.dial("lobby")
	go func() {
		for {
			if _, _, err := c.Read(context.Background()); err != nil {
				return
			}
		}
	}()
	start := time.Now()
	for time.Since(start) < d || ctx.Err() == nil {
		for ; said < int(time.Since(start).Milliseconds()); said++ {
			c.say(each(said))
		}
		time.Sleep(20 * time.Millisecond)
	}
	c.say(each(said))
	c.Close(websocket.StatusNormalClosure, "") // when everything was read
	return said + 1
}

// In a flood the page stays small and quick, shows some of it and says how many, and all of what concerns its reader.
func TestFlood(t *testing.T) {
	h := serve(t, nil)
	b := open(t, h.url("/"), laptop()).ready()
	b.named("anna")
	eval[bool](b, `(() => {
		const o = (window.observed = { frames: [], rows: 0, keys: [], mentions: new Set() });
		let last = performance.now();
		(function frame(now) {
			o.frames.push(now - last);
			last = now;
			o.rows = Math.max(o.rows, document.querySelectorAll(".log li").length);
			for (const e of document.querySelectorAll(".mentioned[data-n]")) o.mentions.add(Number(/look at (\d+)/.exec(e.textContent)?.[1]));
			requestAnimationFrame(frame);
		})(last);
		document.querySelector(".composer textarea").addEventListener("input", () => {
			const t = performance.now();
			requestAnimationFrame(() => setTimeout(() => o.keys.push(performance.now() - t)));
		});
		return true;
	})()`)
	command(b, performance.Enable, performance.EnableParams{TimeDomain: "threadTicks"})
	busy, began := b.busy(), time.Now()
	said := make(chan int)
	ctx, enough := context.WithCancel(t.Context())
	defer enough()
	go func() {
		said <- h.flood(ctx, *floodFor, func(i int) string {
			if i%500 == 499 {
				return fmt.Sprint("@anna look at ", i)
			}
			return fmt.Sprintf("message %d of many, as long as people write them when there are so many of them", i)
		})
	}()
	b.sees(".banner.flood", "messages per second")
	for end := time.Now().Add(*floodFor / 2); time.Now().Before(end); {
		b.types("x")
		time.Sleep(100 * time.Millisecond)
	}
	busy = (b.busy() - busy) / time.Since(began).Seconds()
	b.picture("flood")
	b.press("Enter", 0)
	b.until("[...document.querySelectorAll('.mine .text')].some((e) => e.textContent.startsWith('xx'))")
	const scrolled = `(async () => {
		const log = document.querySelector(".log"), from = observed.frames.length;
		for (let i = 0; i < 60; i++) {
			await new Promise(requestAnimationFrame);
			log.scrollTop -= 20;
		}
		return observed.frames.slice(from);
	})()`
	const last = "[...document.querySelectorAll('.log [data-n]')].at(-1).dataset.n"
	const number = "Number(" + last + ")"
	left := eval[int](b, number)
	scrolling := eval[[]float64](b, scrolled)
	b.sees(".jump-buttons", "new")
	b.press("End", ctrl)
	b.click(".banner.flood button")
	b.sees(".banner.flood", "Paused")
	held := eval[string](b, last)
	time.Sleep(500 * time.Millisecond)
	if now := eval[string](b, last); now != held {
		t.Errorf("while it was paused the last message changed from %s to %s", held, now)
	}
	b.click(".banner.flood button")
	b.until(fmt.Sprintf("%s !== '%s'", last, held))
	back := eval[int](b, number)
	enough()
	n := <-said
	b.until("!document.querySelector('.banner')")
	b.until(fmt.Sprintf("%s === '%d'", last, n+1)) // with one's own
	b.check(n + 1)

	o := eval[struct {
		Frames, Keys []float64
		Rows         int
		Mentions     []int
	}](b, "({ ...observed, mentions: [...observed.mentions] })")
	if o.Rows > 700 {
		t.Errorf("%d rows were in the document", o.Rows)
	}
	t.Logf("%d messages in %v: at most %d rows; frames p50 %.1f, p99 %.1f, max %.1f ms; scrolling p50 %.1f, max %.1f ms; a key shows in p50 %.1f, max %.1f ms; %.0f %% of a processor; heap %.1f MB",
		n, *floodFor, o.Rows, at(o.Frames, 0.5), at(o.Frames, 0.99), at(o.Frames, 1), at(scrolling, 0.5), at(scrolling, 1), at(o.Keys, 0.5), at(o.Keys, 1), 100*busy, b.heap())
	// Message i has the number i+1, or i+2 behind one's own. What came while one read elsewhere or had paused may have been let go of.
	for i := 499; i < n; i += 500 {
		if (i+2 <= left || i+1 > back) && !slices.Contains(o.Mentions, i) {
			t.Errorf("message %d, which concerns its reader, was not seen", i)
		}
	}
}

// heap is what the page's objects take, in MB, when what nobody needs is gone.
func (b *tab) heap() float64 {
	b.t.Helper()
	command(b, heapprofiler.CollectGarbage, cdp.Empty{})
	return command(b, runtime.GetHeapUsage, cdp.Empty{}).UsedSize / 1e6
}

// What an hour brings (30,000 are eight a second) leaves nothing behind but what is shown.
func TestMemory(t *testing.T) {
	h := serve(t, nil)
	b := open(t, h.url("/"), laptop()).ready()
	text := func(i int) string {
		return fmt.Sprintf("message %d of an hour: see https://example.org/%d, as `people` write them 👍", i, i)
	}
	some := func(n int) float64 {
		h.fill("lobby", n, text)
		b.until("!document.querySelector('.banner.flood') && document.querySelector('.status.live') && !document.querySelector('.status.wait')")
		return b.heap()
	}
	before := some(1000)
	after := some(*hour)
	b.check(1000 + *hour)
	t.Logf("the heap has %.1f MB after 1,000 messages, %.1f MB after %d", before, after, 1000+*hour)
	if after > before+2 {
		t.Errorf("the heap has grown by %.1f MB", after-before)
	}
}

// busy is how many seconds the page has computed, however much of the processor others have had.
func (b *tab) busy() float64 {
	for _, m := range command(b, performance.GetMetrics, cdp.Empty{}).Metrics {
		if m.Name == "TaskDuration" {
			return m.Value
		}
	}
	b.t.Fatal("the browser does not say how long it has computed")
	return 0
}

// at is a percentile.
func at(values []float64, part float64) float64 {
	if len(values) == 0 {
		return 0
	}
	return slices.Sorted(slices.Values(values))[int(part*float64(len(values)-1))]
}
