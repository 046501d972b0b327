package browser_test

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/coder/websocket"
)

var floodFor = flag.Duration("flood", 5*time.Second, "how long the flood lasts")

// flood says 1,000 messages a second, each 20 ms those that are due.
func (h *house) flood(d time.Duration, each func(i int) string) (said int) {
	c := h.dial("lobby")
	go func() {
		for {
			if _, _, err := c.Read(context.Background()); err != nil {
				return
			}
		}
	}()
	start := time.Now()
	for time.Since(start) < d {
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
			for (const e of document.querySelectorAll(".mentioned[data-n]")) o.mentions.add(e.dataset.n);
			requestAnimationFrame(frame);
		})(last);
		document.querySelector(".composer textarea").addEventListener("input", () => {
			const t = performance.now();
			requestAnimationFrame(() => setTimeout(() => o.keys.push(performance.now() - t)));
		});
		return true;
	})()`)
	said := make(chan int)
	go func() {
		said <- h.flood(*floodFor, func(i int) string {
			if i%500 == 499 {
				return fmt.Sprint("@anna look at ", i)
			}
			return fmt.Sprintf("message %d of many, as long as people write them when there are so many of them", i)
		})
	}()
	b.sees(".banner.flood", "a second, all saved")
	for end := time.Now().Add(*floodFor / 2); time.Now().Before(end); {
		b.types("x")
		time.Sleep(100 * time.Millisecond)
	}
	b.picture("flood")
	b.press("Enter", 0)
	b.until("[...document.querySelectorAll('.mine .text')].some((e) => e.textContent.startsWith('xx'))")
	b.click(".banner.flood button")
	b.sees(".banner.flood", "Paused")
	const last = "[...document.querySelectorAll('.log [data-n]')].at(-1).dataset.n"
	held := eval[string](b, last)
	time.Sleep(500 * time.Millisecond)
	if now := eval[string](b, last); now != held {
		t.Errorf("while it was paused the last message changed from %s to %s", held, now)
	}
	b.click(".banner.flood button")
	n := <-said
	b.until("!document.querySelector('.banner')")
	b.until(fmt.Sprintf("%s === '%d'", last, n+1)) // with one's own
	b.check(n + 1)

	o := eval[struct {
		Frames, Keys []float64
		Rows         int
		Mentions     int
	}](b, "({ ...observed, mentions: observed.mentions.size })")
	if o.Rows > 700 {
		t.Errorf("%d rows were in the document", o.Rows)
	}
	t.Logf("%d messages in %v: at most %d rows; frames p50 %.1f, p99 %.1f, max %.1f ms; a key shows in p50 %.1f, max %.1f ms; heap %.1f MB",
		n, *floodFor, o.Rows, at(o.Frames, 0.5), at(o.Frames, 0.99), at(o.Frames, 1), at(o.Keys, 0.5), at(o.Keys, 1),
		eval[float64](b, "performance.memory.usedJSHeapSize / 1e6"))
	if want := n / 500; o.Mentions < want-2 { // those of the pause may have been let go of
		t.Errorf("%d of %d mentions were seen", o.Mentions, want)
	}
}

// at is a percentile.
func at(values []float64, part float64) float64 {
	if len(values) == 0 {
		return 0
	}
	return slices.Sorted(slices.Values(values))[int(part*float64(len(values)-1))]
}
