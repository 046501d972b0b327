package browser_test

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"ramai/internal/eventlog"
	"ramai/server"
)

// fill says n texts in a room over one connection that does not wait for each.
func (h *house) fill(room string, n int, text func(int) string) {
	h.t.Helper()
	c := h.dial(room)
	defer c.CloseNow()
	for i := range n {
		c.say(text(i))
	}
	c.hear(n)
}

// The page knows by the numbers what it does not have, says so, and gets it.
func TestCompleteness(t *testing.T) {
	const all = 1000
	h := serve(t, nil)
	h.fill("lobby", all, func(i int) string { return fmt.Sprint("message ", i+1) })
	b := open(t, h.url("/"), laptop()).ready()
	b.sees(".log", "message 1000")
	b.until("document.querySelector('[data-hole=first]')") // 950 are not here
	if got := len(b.texts()); got != 50 {
		t.Errorf("%d messages at first, want 50", got)
	}

	// Upwards without end: what is looked at stays where it is while older ones come in above.
	b.run(chromedp.Focus(".log"))
	for seen := 951; seen > 1; {
		eval[bool](b, "(document.querySelector('.log').scrollTop = 0, true)")
		b.until(fmt.Sprintf("Number(document.querySelector('[data-n]').dataset.n) < %d", seen))
		before := eval[float64](b, fmt.Sprintf("document.querySelector('[data-n=\"%d\"]').getBoundingClientRect().top", seen))
		if before < 0 || before > 800 {
			t.Fatalf("message %d, which was at the top, is at %v px after older ones came", seen, before)
		}
		seen, _ = strconv.Atoi(eval[string](b, "document.querySelector('[data-n]').dataset.n"))
		if rows := eval[int](b, "document.querySelectorAll('[data-n]').length"); rows > 700 {
			t.Fatalf("%d messages are in the document", rows)
		}
	}
	b.sees(".beginning", "start of the room")
	b.sees(".missing", "Load ") // let go of in between, to stay small
	b.picture("hole")
	b.check(all)

	// A click loads what is missing.
	before := b.missing()
	b.click(".missing button")
	b.until(fmt.Sprintf("(%s) < %d", missing, before))
	b.check(all)

	// The end is one key away.
	b.run(chromedp.Focus(".log"))
	b.press("End", 0)
	b.sees(".log", "message 1000")
	b.until("(({ scrollTop, clientHeight, scrollHeight }) => scrollHeight - scrollTop - clientHeight < 2)(document.querySelector('.log'))")

	// So is any message, however many are here already.
	for _, n := range []int{100, 900, 300, 700, 5, 500, 996} {
		eval[bool](b, fmt.Sprintf("(location.hash = '#n%d', true)", n))
		b.until(fmt.Sprintf("(({ top }) => top > 0 && top < 800)(document.querySelector('.m.target[data-n=\"%d\"]')?.getBoundingClientRect() ?? {})", n))
		b.check(all)
	}

	// A link to one message, which is far away.
	link := open(t, h.url("/#n300"), laptop()).ready()
	link.until("document.querySelector('.m.target[data-n=\"300\"]')")
	link.until("(({ top }) => top > 0 && top < 800)(document.querySelector('.m.target').getBoundingClientRect())")
	link.check(all)
	link.picture("link")

	// A search hit is shown where it stands.
	link.press("k", ctrl)
	link.run(chromedp.SendKeys("dialog input[type=search]", "message 777"))
	for end := time.Now().Add(patience); ; time.Sleep(200 * time.Millisecond) { // it is found once the index has it
		link.press("Enter", 0)
		if eval[bool](link, "new Promise((r) => setTimeout(() => r(Boolean(document.querySelector('.hits button'))), 300))") {
			break
		}
		if time.Now().After(end) {
			t.Fatal("nothing was found")
		}
	}
	link.picture("search")
	link.click(".hits button")
	link.until("document.querySelector('.m.target[data-n=\"777\"]') && location.hash === '#n777'")
	link.check(all)
}

// missing is how many the page says are not here.
const missing = `[...document.querySelectorAll(".missing")].reduce((n, e) => n + Number(e.dataset.to) - Number(e.dataset.from) + 1, 0)`

func (b *tab) missing() int { return eval[int](b, missing) }

// check holds that each number is here once, in order, or in a row that says it is missing; or it is counted at the
// message behind it, as one that was not shown.
func (b *tab) check(all int) {
	b.t.Helper()
	wrong := eval[string](b, fmt.Sprintf(`(() => {
		let next = 1;
		for (const e of document.querySelectorAll("[data-n], .missing")) {
			const skipped = Number((e.querySelector(".skipped")?.textContent ?? "0").replace(/\D/g, ""));
			const from = Number(e.dataset.n ?? e.dataset.from) - skipped, to = Number(e.dataset.n ?? e.dataset.to);
			if (from !== next) return "after " + (next - 1) + " stands " + from;
			next = to + 1;
		}
		return next === %d + 1 ? "" : "the last is " + (next - 1);
	})()`, all))
	if wrong != "" {
		b.t.Errorf("the page is not complete: %s", wrong)
	}
}

// What retention took is said to be gone.
func TestGone(t *testing.T) {
	h := serve(t, func(c *server.Config) { c.Retention = eventlog.Retention{Newest: 20} })
	h.fill("lobby", 38, func(i int) string { return fmt.Sprint("message ", i+1) })
	h.stop()
	h.start() // which looks through the rooms; a first sweep of more than half of the messages would wait
	var past struct{ First int }
	for end := time.Now().Add(patience); past.First != 19; time.Sleep(50 * time.Millisecond) {
		h.get("/api/v1/rooms/lobby/messages?limit=1", &past)
		if time.Now().After(end) {
			t.Fatalf("the oldest is %d", past.First)
		}
	}
	b := open(t, h.url("/"), laptop()).ready()
	b.sees(".log", "message 38")
	b.sees(".beginning", "18 messages can no longer be loaded")

	// A link to one of them leads to where it stood.
	link := open(t, h.url("/#n5"), laptop()).ready()
	link.sees(".beginning", "18 messages can no longer be loaded")
	link.until("(({ top }) => top > 0 && top < 400)(document.querySelector('[data-n=\"19\"]').getBoundingClientRect())")
}

// A day is found by asking for single messages.
func TestJump(t *testing.T) {
	h := serve(t, nil)
	h.fill("lobby", 300, func(i int) string { return fmt.Sprint("message ", i+1) })
	b := open(t, h.url("/"), laptop()).ready()
	b.click(".icon.jump")
	b.click("dialog button.primary")
	b.until("document.querySelector('.m.target[data-n=\"1\"]')")
	b.click(".icon.jump")
	b.run(chromedp.SetValue("dialog input", time.Now().AddDate(1, 0, 0).Format(time.DateOnly)))
	eval[bool](b, "document.querySelector('dialog input').dispatchEvent(new Event('input', { bubbles: true }))")
	b.click("dialog button.primary")
	b.sees("dialog", "There are no messages on or after")

	// A message of the last screen is shown at the end, and the end is where one is.
	link := b.another(h.url("/#n298"), laptop()).ready()
	link.until("document.querySelector('.m.target[data-n=\"298\"]')")
	time.Sleep(500 * time.Millisecond) // it may be there before the page has gone to it
	link.until("!document.querySelector('.jump-buttons button')")
	link.sees(".log", "message 300")
	h.say("lobby", "and on")
	link.until("(({ bottom }) => bottom < innerHeight)([...document.querySelectorAll('.log [data-n]')].at(-1).getBoundingClientRect())")
	link.sees(".log", "and on")
}
