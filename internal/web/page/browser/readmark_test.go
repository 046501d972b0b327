package browser_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
)

// Only scrolling up, selecting, and the button pause a flood. Mentions and the reader's own messages are shown meanwhile, and the
// pause ends with the flood.
func TestPause(t *testing.T) {
	srv := startServer(t, nil)
	srv.postMany("lobby", 60, func(i int) string { return fmt.Sprint("before ", i) })
	b := openPage(t, srv.url("/"), laptop()).ready()
	b.takeName("anna")
	b.waitForText(".log", "before 59")
	command(b, input.DispatchMouseEvent, input.DispatchMouseEventParams{Type: "mouseMoved", X: 700, Y: 300})
	flood := func() (stop func()) {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan bool)
		go func() {
			defer close(done)
			srv.flood(ctx, 0, func(i int) string { return fmt.Sprint("many ", i) })
		}()
		return func() { cancel(); <-done }
	}
	stop := flood()
	b.waitForText(".banner.flood", "per second")
	b.frames(20)
	if paused := eval[bool](b, "document.querySelector('.banner.flood').textContent.includes('Paused')"); paused {
		t.Error("the mouse pauses the flood")
	}
	eval[bool](b, "(document.querySelector('.log').scrollTop -= 200, true)")
	b.waitForText(".banner.flood", "Paused")
	srv.post("lobby", "@anna look here")
	b.waitForText(".m.mentioned", "look here")
	stop()
	b.waitFor("!document.querySelector('.banner')")
	b.press("End", ctrl)
	srv.post("lobby", "after the flood")
	b.waitForText(".log", "after the flood")

	stop = flood()
	b.waitForText(".banner.flood", "per second")
	eval[bool](b, "(getSelection().selectAllChildren([...document.querySelectorAll('.m .text')].at(-3)), true)")
	b.waitForText(".banner.flood", "Paused")
	b.send("still here")
	b.waitForText(".mine .text", "still here")
	stop()
	b.waitFor("!document.querySelector('.banner')")
}

// A message is read when it was in view while the window had the focus. The rest is unread, also after a reload, and a rule stands
// where reading stopped.
func TestReadMarks(t *testing.T) {
	t.Parallel()
	srv := startServer(t, nil)
	b := openPage(t, srv.url("/"), laptop()).ready() // the room is empty
	b.waitForText(".log", "No messages yet")
	b.waitFor("localStorage.getItem('ramai.read.lobby')")
	b.setFocus(false)
	srv.postMany("lobby", 60, func(i int) string { return fmt.Sprint("unseen ", i) })
	b.waitFor("document.title.startsWith('(60)')")
	b.waitForText(".unread", "New messages")
	b.setFocus(true)
	b.waitForText(".jump-buttons", "60 unread")
	b.screenshot("unread-after-focus")
	b.run(chromedp.Reload())
	b.ready()
	b.waitForText(".log", "unseen 59")
	b.waitFor("document.title.startsWith('(') && document.querySelector('.jump-buttons')")
	b.click(".mark-read")
	b.waitFor("!document.title.startsWith('(')")

	// It opens where reading stopped.
	b.waitFor("JSON.parse(localStorage.getItem('ramai.read.lobby')).n === 60")
	b.setFocus(false)
	srv.postMany("lobby", 40, func(i int) string { return fmt.Sprint("more ", i) })
	b.waitFor("document.title.startsWith('(40)')")
	b.run(chromedp.Reload())
	b.ready()
	b.waitForText(".log", "more 39")
	b.waitFor(inView(".unread"))
	b.screenshot("opened-at-unread")
	b.waitFor("!document.title.startsWith('(40)')") // those in view
	b.press("End", ctrl)                            // skips some
	b.waitForText(".jump-buttons", "unread")
	b.click(".mark-read")
	b.waitFor("!document.title.startsWith('(')")

	// Sending reads nothing that was not in view, and one's own message is not unread.
	b.setFocus(false)
	srv.postMany("lobby", 50, func(i int) string { return fmt.Sprint("skipped ", i) })
	b.waitFor("document.title.startsWith('(50)')")
	eval[bool](b, "(document.querySelector('.log').scrollTop = 0, true)")
	b.setFocus(true)
	b.send("from here")
	b.waitForText(".mine .text", "from here")
	b.waitFor(inView(".mine"))
	b.waitForText(".jump-buttons", "50 unread")
	b.click(".mark-read")
	b.waitFor("!document.title.startsWith('(')")

	// One message is enough for the rule, and the next blur moves it.
	b.setFocus(false)
	srv.post("lobby", "one more")
	b.waitFor("document.title.startsWith('(1)') && document.querySelector('.unread + .m')?.textContent.includes('one more')")
	b.setFocus(true)
	b.waitFor("!document.title.startsWith('(')")
	b.setFocus(false)
	srv.post("lobby", "and the last")
	b.waitFor("document.querySelector('.unread + .m')?.textContent.includes('and the last')")
}
