package browser_test

import (
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"
)

// openMenu opens the menu of a message as the device does.
func (b *tab) openMenu(d device, row string) {
	b.t.Helper()
	if d.name == "phone" {
		b.hover(".header") // a click of the test is one of a mouse, which has buttons beside the message
		b.touch(row + " .text")
		b.waitFor(menuOpen)
		b.endTouch()
		return
	}
	b.hover(row + " .text")
	b.waitFor("document.querySelector(" + quote(row+" .more-actions") + ")")
	eval[bool](b, "(document.querySelector("+quote(row+" .more-actions")+").click(), true)") // it may move while the mouse does
	b.waitFor(menuOpen)
}

// clickText clicks the first element that has a text.
func (b *tab) clickText(selector, text string) {
	b.t.Helper()
	b.waitForText(selector, text)
	eval[bool](b, fmt.Sprintf("([...document.querySelectorAll(%s)].find((e) => e.textContent.includes(%s)).click(), true)", quote(selector), quote(text)))
}

// announced returns how often a text was read out.
func (b *tab) announced(text string) int {
	b.t.Helper()
	return eval[int](b, fmt.Sprintf("[...document.querySelectorAll('.announcer p')].filter((p) => p.textContent.includes(%s)).length", quote(text)))
}

// ask opens the dialog for questions and polls.
func (b *tab) ask() {
	b.t.Helper()
	b.waitFor("document.querySelector('.ask-button')")
	b.click(".ask-button")
	b.waitFor("document.querySelector('dialog[open] .ask textarea')")
}

// startPoll starts a poll.
func (b *tab) startPoll(text string, options ...string) {
	b.t.Helper()
	b.ask()
	eval[bool](b, "(document.querySelector('.kinds [value=poll]').click(), true)")
	b.waitFor("document.querySelectorAll('.options input').length === 2")
	b.insert(".ask textarea", text)
	for i, o := range options {
		b.insert(fmt.Sprintf(".options input:nth-child(%d)", i+1), o)
	}
	b.waitFor(fmt.Sprintf("document.querySelectorAll('.options input').length === %d", len(options)+1))
}

// A room has a topic and pinned messages, which everybody sees.
func TestTopicAndPins(t *testing.T) {
	t.Parallel()
	onDevices(t, laptopAndPhone, func(t *testing.T, d device) {
		srv := startServer(t, nil)
		anna, budi := srv.join(t, "anna", d), srv.join(t, "budi", laptopAndPhone[0])
		anna.sendOn(d, "The exam is on Friday in room 4.")
		anna.sendOn(d, "Bring a pencil.")
		exam, pencil := budi.row("The exam"), budi.row("Bring a pencil")
		anna.row("Bring a pencil")
		budi.click(".room-name")
		budi.waitFor("document.querySelector('dialog[open] .field input')")
		budi.submit("dialog .field input", "History of everything, week 3")
		budi.waitFor("!document.querySelector('dialog')")
		for _, b := range []*tab{anna, budi} {
			b.waitForText(".header .topic", "History of everything, week 3")
		}
		anna.waitForText(".announcer", "budi changed the topic: History of everything, week 3")

		budi.choose(laptopAndPhone[0], exam, "Pin")
		anna.waitForText(".room-bar", "The exam is on Friday")
		anna.choose(d, pencil, "Pin")
		budi.waitForText(".room-bar .bar-item", "Bring a pencil.")
		budi.waitForText(".room-bar .bar-count", "+1")
		if n := budi.announced("anna changed the pinned messages."); n > 1 {
			t.Errorf("a pin is read out %d times", n)
		}
		anna.check("pins-" + d.name)
		anna.click(".room-bar .bar-count")
		anna.waitFor("document.querySelectorAll('.pins li').length === 2")
		anna.check("room-" + d.name)
		anna.clickText(".pins .plain", "The exam is on Friday")
		anna.waitFor("document.querySelector('.m.target')?.textContent.includes('The exam is on Friday')")

		// A reader who arrives later sees them too, although the messages are far up.
		srv.postMany("lobby", 120, func(i int) string { return fmt.Sprint("message ", i+1) })
		late := openPage(t, srv.url("/"), d.view).ready()
		late.waitForText(".header .topic", "History of everything")
		late.waitForText(".room-bar .bar-item", "Bring a pencil.")
		late.click(".room-bar .bar-item")
		late.waitFor("document.querySelector('.m.target')?.textContent.includes('Bring a pencil.')")
		late.choose(d, pencil, "Unpin")
		budi.waitForText(".room-bar .bar-item", "The exam")
	})
}

// The stage shows one message, question or poll in large letters, live, to anybody with the link.
func TestStage(t *testing.T) {
	t.Parallel()
	onDevices(t, laptopAndPhone, func(t *testing.T, d device) {
		srv := startServer(t, nil)
		anna, budi := srv.join(t, "anna", d), srv.join(t, "budi", laptopAndPhone[0])
		projector := openPage(t, srv.url("/?view=stage"), chromedp.EmulateViewport(1280, 800))
		projector.waitForText(".empty-stage", "lobby")
		projector.check("stage-empty")
		anna.sendOn(d, "Welcome, everybody.")
		anna.choose(d, anna.row("Welcome"), "Show on the stage")
		projector.waitForText(".stage-text", "Welcome, everybody.")
		projector.check("stage-message")
		budi.waitForText(".room-bar", "Welcome, everybody.")
		budi.waitForText(".announcer", "On the stage: Welcome, everybody.")

		anna.startPoll("Which city is the capital?", "Nusantara", "Jakarta", "Bandung")
		anna.click(".ask .primary")
		poll := budi.row("Which city")
		anna.row("Which city")
		anna.choose(d, poll, "Show on the stage")
		projector.waitForText(".stage .option", "Nusantara")
		if n := eval[int](projector, "document.querySelectorAll('button, input, textarea').length"); n != 0 {
			t.Errorf("the stage has %d buttons and fields", n)
		}
		if size := eval[float64](projector, "parseFloat(getComputedStyle(document.querySelector('.stage-text')).fontSize)"); size < 40 {
			t.Errorf("the letters on the stage are %v px high", size)
		}
		projector.waitForAnimations()
		projector.check("stage-poll")

		budi.ask()
		budi.insert(".ask textarea", "Why is the sky blue?")
		budi.click(".ask .primary")
		question := anna.row("Why is the sky blue?")
		anna.choose(d, question, "Show on the stage")
		projector.waitForText(".stage-text", "Why is the sky blue?")
		projector.check("stage-question")
		other := openPage(t, srv.url("/?view=stage"), d.view) // opened later, it shows the same
		other.waitForText(".stage-text", "Why is the sky blue?")
		other.check("stage-" + d.name)
		budi.choose(laptopAndPhone[0], question, "Delete")
		budi.waitFor("document.activeElement.matches('.asked .danger')")
		budi.press("Enter", 0)
		projector.waitForText(".empty-stage", "lobby")
	})
}
