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

// postMany posts n texts over one connection, without waiting for each.
func (srv *testServer) postMany(room string, n int, text func(int) string) {
	srv.t.Helper()
	c := srv.dial(room)
	defer c.CloseNow()
	for i := range n {
		c.post(text(i))
	}
	c.read(n)
}

// The page knows by the numbers which messages it does not have. It says so, and loads them.
func TestCompleteness(t *testing.T) {
	t.Parallel()
	const all = 1000
	srv := startServer(t, nil)
	srv.postMany("lobby", all, func(i int) string { return fmt.Sprint("message ", i+1) })
	b := openPage(t, srv.url("/"), laptop()).ready()
	b.waitForText(".log", "message 1000")
	b.waitFor("document.querySelector('[data-missing=first]')") // 950 are not loaded
	if got := len(b.messages()); got != 50 {
		t.Errorf("%d messages at first, want 50", got)
	}

	// Scrolling up loads older messages, and those on screen stay where they are.
	b.run(chromedp.Focus(chromedp.CSS(".log")))
	for seen := 951; seen > 1; {
		eval[bool](b, "(document.querySelector('.log').scrollTop = 0, true)")
		b.waitFor(fmt.Sprintf("Number(document.querySelector('[data-n]').dataset.n) < %d", seen))
		before := eval[float64](b, fmt.Sprintf("document.querySelector('[data-n=\"%d\"]').getBoundingClientRect().top", seen))
		if before < 0 || before > 800 {
			t.Fatalf("message %d was at the top, and is at %v px after older ones were loaded", seen, before)
		}
		seen, _ = strconv.Atoi(eval[string](b, "document.querySelector('[data-n]').dataset.n"))
		if rows := eval[int](b, "document.querySelectorAll('[data-n]').length"); rows > 700 {
			t.Fatalf("%d messages are in the document", rows)
		}
	}
	b.waitForText(".beginning", "start of the room")
	b.waitForText(".missing", "Load ") // dropped again on the way up, to stay small
	b.screenshot("hole")
	b.checkComplete(all)

	// A click loads what is missing.
	const hole = "JSON.stringify({ ...document.querySelector('.missing')?.dataset })"
	before := eval[string](b, hole)
	b.click(".missing button")
	b.waitFor(fmt.Sprintf("%s !== %s", hole, quote(before))) // others may be dropped at the same time, to stay small
	b.checkComplete(all)

	// One key leads to the end.
	b.run(chromedp.Focus(chromedp.CSS(".log")))
	b.press("End", 0)
	b.waitForText(".log", "message 1000")
	b.waitFor("(({ scrollTop, clientHeight, scrollHeight }) => scrollHeight - scrollTop - clientHeight < 2)(document.querySelector('.log'))")

	// The hash of the URL leads to any message.
	for _, n := range []int{100, 900, 300, 700, 5, 500, 996} {
		eval[bool](b, fmt.Sprintf("(location.hash = '#n%d', true)", n))
		b.waitFor(fmt.Sprintf("(({ top }) => top > 0 && top < 800)(document.querySelector('.m.target[data-n=\"%d\"]')?.getBoundingClientRect() ?? {})", n))
		b.checkComplete(all)
	}

	// So does a link that is opened in a new page.
	link := openPage(t, srv.url("/#n300"), laptop()).ready()
	link.waitFor("document.querySelector('.m.target[data-n=\"300\"]')")
	link.waitFor("(({ top }) => top > 0 && top < 800)(document.querySelector('.m.target').getBoundingClientRect())")
	link.checkComplete(all)
	link.screenshot("link")

	// A search hit leads to its message.
	link.press("k", ctrl)
	link.run(chromedp.SendKeys("dialog input[type=search]", "message 777"))
	var hits struct{ Hits []struct{ N int } }
	for end := time.Now().Add(timeout); len(hits.Hits) == 0; time.Sleep(20 * time.Millisecond) { // the index lags behind
		srv.getJSON("/api/v1/search?q=message+777", &hits)
		if time.Now().After(end) {
			t.Fatal("the server finds nothing")
		}
	}
	link.press("Enter", 0)
	link.waitFor("document.querySelector('.hits button')")
	link.screenshot("search")
	link.click(".hits button")
	link.waitFor("document.querySelector('.m.target[data-n=\"777\"]') && location.hash === '#n777'")
	link.checkComplete(all)
}

// The reader's scrolling counts even if the page is drawn before the browser reports it.
func TestScrollWhileDrawing(t *testing.T) {
	t.Parallel()
	srv := startServer(t, nil)
	srv.postMany("lobby", 200, func(i int) string { return fmt.Sprint("message ", i+1) })
	b := openPage(t, srv.url("/"), laptop()).ready()
	b.waitForText(".log", "message 200")
	for _, seen := range []int{151, 51} { // from the end, and from a message
		eval[bool](b, "(document.querySelector('.log').scrollTop = 0, visualViewport.dispatchEvent(new Event('resize')), true)")
		b.waitFor(fmt.Sprintf("Number(document.querySelector('[data-n]').dataset.n) < %d", seen))
	}
}

// checkComplete checks that every number is in the document once and in order: as a message, in a row for missing messages,
// or in the count of skipped messages.
func (b *tab) checkComplete(all int) {
	b.t.Helper()
	wrong := eval[string](b, fmt.Sprintf(`(() => {
		let next = 1;
		for (const e of document.querySelectorAll("[data-n], .missing")) {
			const skipped = Number((e.querySelector(".skipped")?.textContent ?? "0").replace(/\D/g, ""));
			const from = Number(e.dataset.n ?? e.dataset.from) - skipped, to = Number(e.dataset.n ?? e.dataset.to);
			if (from !== next) return "after " + (next - 1) + " comes " + from;
			next = to + 1;
		}
		return next === %d + 1 ? "" : "the last is " + (next - 1);
	})()`, all))
	if wrong != "" {
		b.t.Errorf("numbers in the document: %s", wrong)
	}
}

// The page says how many messages retention has deleted.
func TestRetention(t *testing.T) {
	t.Parallel()
	srv := startServer(t, func(c *server.Config) { c.Retention = eventlog.Retention{Newest: 20} })
	srv.postMany("lobby", 38, func(i int) string { return fmt.Sprint("message ", i+1) })
	srv.stop()
	srv.start() // retention runs at the start; a first run that deletes more than half of the messages would wait
	var past struct{ First int }
	for end := time.Now().Add(timeout); past.First != 19; time.Sleep(50 * time.Millisecond) {
		srv.getJSON("/api/v1/rooms/lobby/messages?limit=1", &past)
		if time.Now().After(end) {
			t.Fatalf("the oldest is %d", past.First)
		}
	}
	b := openPage(t, srv.url("/"), laptop()).ready()
	b.waitForText(".log", "message 38")
	b.waitForText(".beginning", "18 messages can no longer be loaded")

	// A link to one of them leads to the next message.
	link := openPage(t, srv.url("/#n5"), laptop()).ready()
	link.waitForText(".beginning", "18 messages can no longer be loaded")
	link.waitFor("(({ top }) => top > 0 && top < 400)(document.querySelector('[data-n=\"19\"]').getBoundingClientRect())")
}

// Go to date leads to the first message of the date.
func TestGoToDate(t *testing.T) {
	t.Parallel()
	srv := startServer(t, nil)
	srv.postMany("lobby", 300, func(i int) string { return fmt.Sprint("message ", i+1) })
	b := openPage(t, srv.url("/"), laptop()).ready()
	b.click(".icon.jump")
	b.click("dialog button.primary")
	b.waitFor("document.querySelector('.m.target[data-n=\"1\"]')")
	b.click(".icon.jump")
	b.run(chromedp.SetValue("dialog input", time.Now().AddDate(1, 0, 0).Format(time.DateOnly)))
	eval[bool](b, "document.querySelector('dialog input').dispatchEvent(new Event('input', { bubbles: true }))")
	b.click("dialog button.primary")
	b.waitForText("dialog", "There are no messages on or after")

	// A link to a message on the last screen leads to the end, and the page follows new messages.
	link := b.openTab(srv.url("/#n298"), laptop()).ready()
	link.waitFor("document.querySelector('.m.target[data-n=\"298\"]')")
	link.frames(10) // the page scrolls to a message after it is drawn
	link.waitFor("!document.querySelector('.jump-buttons button')")
	link.waitForText(".log", "message 300")
	srv.post("lobby", "and on")
	link.waitFor("(({ bottom }) => bottom < innerHeight)([...document.querySelectorAll('.log [data-n]')].at(-1).getBoundingClientRect())")
	link.waitForText(".log", "and on")
}
