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
	hour     = flag.Int("hour", 30_000, "how many messages TestMemory sends")
	drawn    = flag.Int("drawn", 2_000, "how many messages TestMemoryDrawn reads")
)

// flood posts 1,000 messages a second, for at least d and until ctx is done. It returns how many it posted.
func (srv *testServer) flood(ctx context.Context, d time.Duration, text func(i int) string) (n int) {
	return srv.floodRoom(ctx, "lobby", d, text)
}

func (srv *testServer) floodRoom(ctx context.Context, room string, d time.Duration, text func(i int) string) (n int) {
	c := srv.dial(room)
	go func() {
		for {
			if _, _, err := c.Read(context.Background()); err != nil {
				return
			}
		}
	}()
	start := time.Now()
	for time.Since(start) < d || ctx.Err() == nil {
		for ; n < int(time.Since(start).Milliseconds()); n++ {
			c.post(text(n))
		}
		time.Sleep(20 * time.Millisecond)
	}
	c.post(text(n))
	c.Close(websocket.StatusNormalClosure, "") // the closing handshake: everything was read
	return n + 1
}

// In a flood, the page stays small and responsive. It shows a sample with the rates, and all mentions of its reader.
func TestFlood(t *testing.T) {
	srv := startServer(t, nil)
	b := openPage(t, srv.url("/"), laptop()).ready()
	b.takeName("anna")
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
	cpu, began := b.cpuSeconds(), time.Now()
	posted := make(chan int)
	ctx, stopFlood := context.WithCancel(t.Context())
	defer stopFlood()
	go func() {
		posted <- srv.flood(ctx, *floodFor, func(i int) string {
			if i%500 == 499 {
				return fmt.Sprint("@anna look at ", i)
			}
			return fmt.Sprintf("message %d of many, as long as people write them when there are so many of them", i)
		})
	}()
	b.waitForText(".banner.flood", "messages per second")
	for typed, end := 0, time.Now().Add(*floodFor/2); typed < 2 || time.Now().Before(end); typed++ {
		b.typeText("x")
		time.Sleep(100 * time.Millisecond)
	}
	cpu = (b.cpuSeconds() - cpu) / time.Since(began).Seconds()
	b.screenshot("flood")
	b.press("Enter", 0)
	b.waitFor("[...document.querySelectorAll('.mine .text')].some((e) => e.textContent.startsWith('xx'))")
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
	b.waitForText(".jump-buttons", "new")
	b.press("End", ctrl)
	b.waitFor(fmt.Sprintf("%s > %d", number, left))
	b.click(".banner.flood button")
	b.waitForText(".banner.flood", "Paused")
	const paused = "Number(document.querySelector('.banner.flood span').textContent.replace(/\\D/g, ''))"
	const sampled = "[...document.querySelectorAll('.log [data-n]:not(.mentioned)')].at(-1).dataset.n" // mentions are shown during a pause, too
	held := eval[string](b, sampled)
	b.waitFor(paused + " > 200")
	if now := eval[string](b, sampled); now != held {
		t.Errorf("during the pause, the last message changed from %s to %s", held, now)
	}
	b.click(".banner.flood button")
	b.waitFor(fmt.Sprintf("%s !== '%s'", sampled, held))
	back := eval[int](b, number)
	stopFlood()
	n := <-posted
	b.waitFor("!document.querySelector('.banner')")
	b.waitFor(fmt.Sprintf("%s === '%d'", last, n+1)) // with the reader's own message
	b.checkComplete(n + 1)

	o := eval[struct {
		Frames, Keys []float64
		Rows         int
		Mentions     []int
	}](b, "({ ...observed, mentions: [...observed.mentions] })")
	if o.Rows > 700 {
		t.Errorf("the document had %d rows, want at most 700", o.Rows)
	}
	t.Logf("%d messages in %v: at most %d rows; frames p50 %.1f, p99 %.1f, max %.1f ms; scrolling p50 %.1f, max %.1f ms; a key shows in p50 %.1f, max %.1f ms; %.0f %% of a processor; heap %.1f MB",
		n, *floodFor, o.Rows, percentile(o.Frames, 0.5), percentile(o.Frames, 0.99), percentile(o.Frames, 1), percentile(scrolling, 0.5), percentile(scrolling, 1), percentile(o.Keys, 0.5), percentile(o.Keys, 1), 100*cpu, b.heapMB())
	// Message i has the number i+1, or i+2 after the reader's own. Messages that arrived while the reader had scrolled up or
	// paused may have been dropped.
	for i := 499; i < n; i += 500 {
		if (i+2 <= left || i+1 > back) && !slices.Contains(o.Mentions, i) {
			t.Errorf("message %d mentions the reader and was not shown", i)
		}
	}
}

// heapMB returns the size of the page's objects after a garbage collection.
func (b *tab) heapMB() float64 {
	b.t.Helper()
	command(b, heapprofiler.CollectGarbage, cdp.Empty{})
	return command(b, runtime.GetHeapUsage, cdp.Empty{}).UsedSize / 1e6
}

// After the messages of an hour (30,000 are eight a second), the page needs no more memory than for those it shows.
func TestMemory(t *testing.T) {
	srv := startServer(t, nil)
	b := openPage(t, srv.url("/"), laptop()).ready()
	text := func(i int) string {
		return fmt.Sprintf("message %d of an hour: see https://example.org/%d, as `people` write them 👍", i, i)
	}
	total := 0
	heapAfter := func(n int) float64 {
		srv.postMany("lobby", n, text)
		total += n
		b.waitFor(fmt.Sprintf("[...document.querySelectorAll('.log [data-n]')].at(-1)?.dataset.n === '%d' && !document.querySelector('.banner.flood')", total))
		return b.heapMB()
	}
	before := heapAfter(1000)
	after := heapAfter(*hour)
	b.checkComplete(total)
	t.Logf("the heap has %.1f MB after 1,000 messages, %.1f MB after %d", before, after, total)
	if after > before+2 {
		t.Errorf("the heap has grown by %.1f MB, want at most 2", after-before)
	}
}

// The history is read from its end to its beginning, and drawn: afterwards the page needs no more memory than for what it shows.
func TestMemoryDrawn(t *testing.T) {
	srv := startServer(t, nil)
	srv.postMany("lobby", *drawn, func(i int) string {
		return fmt.Sprintf("message %d: see https://example.org/%d, as `people` write them 👍", i, i)
	})
	b := openPage(t, srv.url("/"), laptop()).ready()
	b.waitFor(fmt.Sprintf("document.querySelector('[data-n=\"%d\"]')", *drawn))
	const scroll = `(async () => {
		const log = document.querySelector(".log");
		log.scrollTop = 0; // older messages are loaded, and the log stays where it is
		await new Promise(requestAnimationFrame);
		return Array.from(log.querySelectorAll("[data-n]"), (e) => Number(e.dataset.n));
	})()`
	lowest := *drawn + 1
	readTo := func(n int) {
		for lowest > n { // each step is short: an expression must not take longer than the timeout
			shown := eval[[]int](b, scroll)
			for i, n := 0, shown[0]; n < lowest; i, n = i+1, n+1 {
				if i >= len(shown) || shown[i] != n {
					t.Fatalf("message %d was not drawn between %d and %d", n, shown[0], lowest)
				}
			}
			lowest = min(lowest, shown[0])
		}
	}
	readTo(*drawn - 500) // now the heap has what every reader of the history needs
	before := b.heapMB()
	readTo(1)
	after := b.heapMB()
	t.Logf("the heap has %.1f MB before, and %.1f MB after %d messages were drawn", before, after, *drawn)
	if after > before+2 {
		t.Errorf("the heap has grown by %.1f MB, want at most 2", after-before)
	}
}

// cpuSeconds returns the processor time of the page's main thread.
func (b *tab) cpuSeconds() float64 {
	for _, m := range command(b, performance.GetMetrics, cdp.Empty{}).Metrics {
		if m.Name == "TaskDuration" {
			return m.Value
		}
	}
	b.t.Fatal("the browser has no metric TaskDuration")
	return 0
}

// percentile returns the value below which a part of the values lies.
func percentile(values []float64, part float64) float64 {
	if len(values) == 0 {
		return 0
	}
	return slices.Sorted(slices.Values(values))[int(part*float64(len(values)-1))]
}
