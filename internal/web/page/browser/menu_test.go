package browser_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"

	"ramai/internal/proxytest"
	"ramai/server"
)

// hover moves the mouse to the middle of an element.
func (b *tab) hover(selector string) {
	b.t.Helper()
	x, y := b.middle(selector)
	command(b, input.DispatchMouseEvent, input.DispatchMouseEventParams{Type: "mouseMoved", X: x, Y: y})
}

// touch begins or ends a touch in the middle of an element.
func (b *tab) touch(selector string) {
	b.t.Helper()
	x, y := b.middle(selector)
	command(b, input.DispatchTouchEvent, input.DispatchTouchEventParams{Type: "touchStart", TouchPoints: []*input.TouchPoint{{X: x, Y: y}}})
}

func (b *tab) endTouch() {
	b.t.Helper()
	command(b, input.DispatchTouchEvent, input.DispatchTouchEventParams{Type: "touchEnd", TouchPoints: []*input.TouchPoint{}})
}

// copies makes the page note what is copied.
const copies = `(window.copied = [], document.addEventListener("copy", () => copied.push(document.activeElement.value ?? String(getSelection()))),
	navigator.clipboard && (navigator.clipboard.writeText = async (text) => { copied.push(text); }), true)`

const menuOpen = "document.querySelector('dialog.menu[open] [role=menuitem]')"

// A message has a menu: under the mouse, by keyboard, and by a long press. Its actions work, also without HTTPS.
func TestMessageMenu(t *testing.T) {
	t.Parallel()
	srv := startServer(t, func(c *server.Config) { c.AllowHosts = []string{proxytest.Host} })
	srv.seedConversation()
	for _, device := range []struct {
		name, url string
		emulate   action
	}{{"laptop", srv.url("/"), laptop()}, {"plain HTTP", srv.byName("/"), laptop()}, {"phone", srv.byName("/"), phone()}} {
		b := openPage(t, device.url, device.emulate)
		b.expectErrors("Cross-Origin-Opener-Policy") // which is ignored without HTTPS
		b.ready()
		b.waitForText(".log", "Then let us begin")
		b.click(".name-form button[type=button]")
		eval[bool](b, copies)
		open := func() {
			if device.name != "phone" {
				b.hover("[data-n='2'] .text")
				b.waitFor("document.querySelector('[data-n=\"2\"] .actions')")
				b.click("[data-n='2'] .more-actions")
			} else {
				b.touch("[data-n='3'] .text") // in the other one there is a link
			}
			b.waitFor(menuOpen)
			if device.name == "phone" {
				b.endTouch()
			}
		}
		eval[bool](b, "(document.querySelector('[data-n=\"2\"]').scrollIntoView({ block: 'center' }), true)")
		b.frames(3)
		open()
		b.checkAccessibility("menu " + device.name)
		b.checkFits("menu " + device.name)
		b.screenshot("message-menu-" + strings.ReplaceAll(device.name, " ", "-"))
		b.press("Escape", 0)
		b.waitFor("!document.querySelector('dialog')")
		choose := func(label string) {
			open()
			eval[bool](b, fmt.Sprintf("([...document.querySelectorAll('[role=menuitem]')].find((e) => e.textContent.includes(%s)).click(), true)", quote(label)))
			b.waitFor("!document.querySelector('dialog')")
		}
		choose("Copy text")
		b.waitForText(".notice-text", "Copied")
		choose("Copy link")
		b.waitFor("copied.length === 2")
		text, link := "Ten is fine.", "/#n2"
		if device.name == "phone" {
			text, link = "They have the figures", "/#n3"
		}
		if got := eval[[]string](b, "copied"); !strings.HasPrefix(got[0], text) || !strings.HasSuffix(got[1], link) {
			t.Errorf("%s: copied %q", device.name, got)
		}
		choose("Mention Budi Satu")
		b.waitFor("document.querySelector('.composer textarea').value === '@Budi Satu ' && document.activeElement.matches('.composer textarea')")
	}

	// By keyboard: from the log to the newest message, up, and into the menu. A letter chooses, Escape leads back.
	b := openPage(t, srv.url("/"), laptop()).ready()
	b.waitForText(".log", "Then let us begin")
	b.click(".name-form button[type=button]")
	b.run(chromedp.Focus(chromedp.CSS(".log")))
	b.press("Enter", 0)
	b.press("ArrowUp", 0)
	b.press("Enter", 0)
	b.waitFor(menuOpen)
	b.press("Escape", 0)
	b.waitFor("!document.querySelector('dialog') && document.activeElement.matches('.m .time')")
	b.press("Enter", 0)
	b.waitFor(menuOpen)
	b.press("ArrowDown", 0)
	b.waitFor("document.activeElement.textContent.includes('React')")
	b.typeLetter("m")
	b.waitFor("document.querySelector('.composer textarea').value === '@Budi Satu ' && document.activeElement.matches('.composer textarea')")
}

// Somebody can be hidden for one reader, from a message or the list of people: the messages fold, nothing is announced, and
// everything comes back.
func TestHide(t *testing.T) {
	t.Parallel()
	srv := startServer(t, nil)
	anna := srv.dialAs("lobby", "anna")
	t.Cleanup(func() { anna.CloseNow() })
	anna.post("first of anna")
	anna.post("second of anna")
	anna.read(2)
	srv.post("lobby", "from a guest")
	b := openPage(t, srv.url("/"), laptop()).ready()
	b.takeName("budi")
	b.waitForText(".log", "from a guest")
	b.hover("[data-n='1'] .text")
	b.click("[data-n='1'] .more-actions")
	b.waitFor(menuOpen)
	b.typeLetter("h")
	b.waitForText(".folded", "Message from anna hidden · Show")
	const shown = "document.querySelector('.log').textContent.includes('of anna')"
	b.waitFor("!" + shown)
	b.setFocus(false)
	anna.post("@budi do you hear me?")
	anna.read(1)
	srv.post("lobby", "a reply")
	b.waitForText(".log", "a reply")
	b.setFocus(true)
	b.waitForText(".announcer", "a reply")
	if eval[bool](b, "document.body.textContent.includes('do you hear me')") {
		t.Error("a message of somebody who is hidden is announced or shown")
	}
	b.waitForText(".people .person", "(hidden)")
	b.checkAccessibility("hidden")
	b.screenshot("hidden")
	b.click(".folded button")
	b.waitForText("[data-n='2']", "second of anna")
	b.run(chromedp.Reload())
	b.ready()
	b.waitForText(".folded", "Message from anna hidden")
	b.click(".icon.settings")
	b.waitForText("dialog h3", "Hidden for you")
	b.checkAccessibility("settings with hidden people")
	b.screenshot("settings-hidden")
	b.click("dialog [aria-label='Show anna again']")
	b.waitFor(shown)
	b.press("Escape", 0)
	b.waitFor("!document.querySelector('dialog')")
	b.click(".people button.person")
	b.waitFor(menuOpen)
	b.typeLetter("h")
	b.waitFor("document.querySelector('.folded') && !(" + shown + ")")
	b.click(".people button.person")
	b.waitForText("[role=menuitem]", "Show anna again")
	b.typeLetter("h")
	b.waitFor(shown)
	b.click(".people button.person")
	b.waitFor(menuOpen)
	b.typeLetter("m")
	b.waitFor("document.querySelector('.composer textarea').value === '@anna '")
}
