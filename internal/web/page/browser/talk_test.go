package browser_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

func laptop() action { return chromedp.EmulateViewport(1280, 800) }

func phone() action {
	return chromedp.EmulateViewport(390, 844, chromedp.EmulateMobile, chromedp.EmulateTouch, chromedp.EmulateScale(2))
}

// named takes a name in the form that is offered.
func (b *tab) named(name string) {
	b.t.Helper()
	b.until("document.querySelector('#name')")
	eval[bool](b, "(document.querySelector('#name').select(), true)")
	b.enter("#name", name)
	b.sees(".me bdi", name)
}

// Two people talk, and both see the same.
func TestTalk(t *testing.T) {
	h := serve(t, nil)
	anna := open(t, h.url("/"), laptop()).ready()
	anna.picture("empty")
	budi := open(t, h.url("/"), phone()).ready()
	anna.named("anna")
	budi.click(".name-form button[type=button]")
	anna.write("Hello! Can you hear me?")
	budi.sees(".m .text", "Can you hear me?")
	budi.sees(".m .name", "anna")
	budi.write("Loud and clear.")
	anna.sees(".m .text", "Loud and clear.")
	for i := range 30 {
		h.say("lobby", fmt.Sprint("line ", i))
	}
	anna.sees(".m .text", "line 29")
	budi.sees(".m .text", "line 29")
	anna.picture("laptop")
	budi.picture("phone")
	if a, b := fmt.Sprint(anna.texts()), fmt.Sprint(budi.texts()); a != b {
		t.Errorf("anna sees %s\nbudi sees %s", a, b)
	}
}

// What is written while there is no connection waits, outlives a reload, and is said once, in order.
func TestOffline(t *testing.T) {
	h := serve(t, nil)
	b := open(t, h.url("/"), laptop()).ready()
	b.expect("ERR_CONNECTION_REFUSED", "WebSocket connection")
	b.named("anna")
	b.write("before")
	b.sees(".log ol:first-of-type .text", "before")
	h.stop()
	b.until("document.querySelector('.status.off')")
	for i := range 5 {
		b.write(fmt.Sprint("meanwhile ", i))
	}
	b.sees(".banner", "Connection lost")
	b.sees(".status", "5 unsent")
	b.sees(".sent .state", "waiting")
	b.picture("offline")
	b.press("ArrowUp", 0) // takes the last one back
	b.until("document.querySelector('.composer textarea').value === 'meanwhile 4'")
	b.press("Enter", 0)
	h.start()
	for i := range 7 {
		h.say("lobby", fmt.Sprint("from elsewhere ", i))
	}
	b.sees(".banner", "Caught up")
	b.until("!document.querySelector('.sent')")
	b.sees(".log", "from elsewhere 6")
	if status := eval[string](b, "document.querySelector('.status').textContent"); strings.Contains(status, "HTTP") {
		t.Errorf("a server that was away for a while was taken for one without sockets: %s", status)
	}
	var own []string
	for _, text := range b.texts() {
		if strings.HasPrefix(text, "meanwhile") {
			own = append(own, text)
		}
	}
	if got := strings.Join(own, " "); got != "meanwhile 0 meanwhile 1 meanwhile 2 meanwhile 3 meanwhile 4" {
		t.Errorf("said: %s", got)
	}

	// A page that is loaded while nothing can be sent says it all the same, later.
	h.stop()
	b.until("document.querySelector('.status.off')")
	b.write("over a reload")
	b.types("a draft")
	h.start()
	b.run(chromedp.Reload())
	b.ready()
	b.sees(".log ol:first-of-type .text", "over a reload")
	b.until("document.querySelector('.composer textarea').value === 'a draft'")
	count := 0
	for _, text := range b.texts() {
		if text == "over a reload" {
			count++
		}
	}
	if count != 1 {
		t.Errorf("it was said %d times", count)
	}
}

// Two pages of one browser are one person: what one of them is called or has read, so is and has the other, and neither
// takes it back when it comes again.
func TestTwoTabs(t *testing.T) {
	h := serve(t, nil)
	a := open(t, h.url("/"), laptop()).ready()
	a.named("anna")
	b := a.another(h.url("/r/team"), laptop()).ready()
	b.sees(".me bdi", "anna")
	b.click(".me button")
	eval[bool](b, "(document.querySelector('#name').select(), true)")
	b.enter("#name", "budi")
	b.sees(".me bdi", "budi")
	a.sees(".me bdi", "budi")
	a.write("who am I?")
	a.sees(".m .name", "budi")

	for _, tab := range []*tab{a, b} {
		tab.expect("ERR_CONNECTION_REFUSED", "WebSocket connection")
	}
	h.stop()
	a.until("document.querySelector('.status:not(.live)')")
	b.until("document.querySelector('.status:not(.live)')")
	h.start()
	for _, tab := range []*tab{a, b} {
		tab.ready()
		tab.sees(".me bdi", "budi")
	}
	for i := range 3 {
		a.write(fmt.Sprint("from a ", i))
		b.write(fmt.Sprint("from b ", i))
	}
	a.sees(".log ol:first-of-type", "from a 2")
	b.sees(".log ol:first-of-type", "from b 2")
	for _, tab := range []*tab{a, b} {
		if names := eval[[]string](tab, "[...new Set([...document.querySelectorAll('.m .name')].map((e) => e.textContent))]"); fmt.Sprint(names) != "[budi]" {
			t.Errorf("one person is called %v", names)
		}
	}

	eval[bool](a, "(Object.defineProperty(document, 'hasFocus', { value: () => false, configurable: true }), true)")
	h.say("lobby", "for both of them")
	a.until("document.title.startsWith('(1)')")
	a.enter(".side input[name=room]", "tea")
	a.sees(".rooms .current", "tea")
	c := a.another(h.url("/r/games"), laptop()).ready() // the rooms of both are there
	for _, room := range []string{"lobby", "team", "tea"} {
		c.sees(".rooms", room)
	}
	a.another(h.url("/"), laptop()).ready().sees(".log", "for both of them")
	a.until("!document.title.startsWith('(')")
}

// Keys do in the box what people expect of them.
func TestKeys(t *testing.T) {
	h := serve(t, nil)
	b := open(t, h.url("/"), laptop()).ready()
	b.named("anna")
	b.types("one")
	b.press("Enter", shift)
	b.types("two")
	// An input method that is composing has Enter for itself.
	eval[bool](b, "document.querySelector('.composer textarea').dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter', isComposing: true, bubbles: true, cancelable: true}))")
	eval[bool](b, "document.querySelector('.composer textarea').dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter', keyCode: 229, bubbles: true, cancelable: true}))")
	b.until("document.querySelector('.composer textarea').value === 'one\\ntwo'")
	b.press("Enter", 0)
	b.until("[...document.querySelectorAll('.m .text')].some((e) => e.textContent === 'one\\ntwo')")

	b.types("a :smi")
	b.until("document.querySelector('[role=option]')")
	b.press("ArrowDown", 0)
	b.press("ArrowUp", 0)
	b.press("Enter", 0)
	b.until("/^a \\p{Emoji_Presentation} $/u.test(document.querySelector('.composer textarea').value)")
	b.press("Enter", 0)

	budi := open(t, h.url("/"), laptop()).ready()
	budi.named("Budi Satu")
	b.sees(".people", "Budi Satu")
	b.types("@bu")
	b.sees("[role=option]", "Budi Satu")
	b.picture("completion")
	b.press("Tab", 0)
	b.types("come here")
	b.press("Enter", 0)
	budi.sees(".m.mentioned .mention.me", "@Budi Satu")

	// A long paste is asked about.
	long := strings.Repeat(strings.Repeat("word ", 30)+"\n", 60)
	eval[bool](b, `(() => {
		const data = new DataTransfer();
		data.setData("text/plain", `+js(long)+`);
		const box = document.querySelector(".composer textarea");
		box.focus();
		return box.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
	})()`)
	b.sees("dialog", "60 lines")
	b.click("dialog .buttons button:first-child")
	b.until("!document.querySelector('dialog') && !document.querySelector('.sent')")
	said := strings.Join(budi.textsAfter("come here"), "\n")
	if strings.Join(strings.Fields(said), " ") != strings.Join(strings.Fields(long), " ") {
		t.Errorf("what was pasted is not what was said: %d bytes of %d", len(said), len(long))
	}
	b.press("k", ctrl)
	b.until("document.querySelector('dialog input[type=search]')")
	b.press("Escape", 0)
	b.until("!document.querySelector('dialog')")
}

// textsAfter are the messages behind one, once three have come.
func (b *tab) textsAfter(text string) (after []string) {
	b.t.Helper()
	b.until("[...document.querySelectorAll('.log ol:first-of-type .text')].filter((e) => e.textContent.startsWith('word')).length === 3")
	found := false
	for _, s := range b.texts() {
		if found {
			after = append(after, s)
		}
		found = found || strings.Contains(s, text)
	}
	return after
}

// All of it can be done without a mouse, and it does not take hundreds of keys.
func TestKeyboardAlone(t *testing.T) {
	h := serve(t, nil)
	h.fill("lobby", 50, func(i int) string { return fmt.Sprint("message ", i+1) })
	b := open(t, h.url("/"), laptop()).ready()
	b.named("anna")
	b.sees(".log", "message 50")
	const focused = "(document.activeElement.className + ' ' + (document.activeElement.getAttribute('aria-label') ?? document.activeElement.tagName))"
	b.run(chromedp.Focus(".rooms a")) // the first there is
	var stops []string
	for len(stops) < 30 {
		b.press("Tab", 0)
		stop := eval[string](b, focused)
		stops = append(stops, stop)
		if strings.Contains(stop, "Message to lobby") {
			break
		}
	}
	if all := strings.Join(stops, ", "); len(stops) > 15 || !strings.Contains(all, "Messages") || !strings.Contains(all, "Settings") {
		t.Errorf("on the way to the box, Tab stops at %s", all)
	}

	// From message to message, to the link of one, and back to the box.
	b.press("Tab", shift)
	for range 20 {
		if strings.HasPrefix(eval[string](b, focused), "log") {
			break
		}
		b.press("Tab", shift)
	}
	b.press("Enter", 0)
	for range 3 {
		b.press("ArrowUp", 0)
	}
	b.press("ArrowDown", 0)
	b.press("Enter", 0)
	b.until("location.hash === '#n48' && document.querySelector('.m.target[data-n=\"48\"]')")
	b.press("Escape", 0)
	b.until("document.activeElement.matches('.composer textarea')")

	// The menu of a phone takes the focus, and gives it back.
	p := open(t, h.url("/"), phone()).ready()
	p.run(chromedp.Focus(".icon.menu"))
	p.press("Enter", 0)
	p.until("document.activeElement.matches('.side.open a')")
	p.press("Escape", 0)
	p.until("document.activeElement.matches('.icon.menu') && !document.querySelector('.side.open')")
}

// There may be eight rooms; one more is refused wherever it comes from, and the address says where one is.
func TestManyRooms(t *testing.T) {
	h := serve(t, nil)
	b := open(t, h.url("/r/first"), laptop()).ready()
	b.enter(".side input[name=room]", "left")
	b.sees("h1", "left")
	b.click(".rooms .current .icon")
	b.sees("h1", "first")
	for i := range 7 {
		b.enter(".side input[name=room]", fmt.Sprint("room", i))
		b.sees("h1", fmt.Sprint("room", i))
	}
	b.enter(".side input[name=room]", "ninth")
	b.sees(".error-text", "8")
	b.sees("h1", "room6")
	b.click(".error-text button")
	for range 7 { // to where one was after leaving
		was := eval[string](b, "location.pathname")
		eval[bool](b, "(history.back(), true)")
		b.until("location.pathname !== " + js(was))
	}
	b.sees("h1", "first")
	eval[bool](b, "(history.back(), true)") // to the room that was left
	b.sees(".error-text", "8")
	b.until("location.pathname === '/r/first' && document.querySelector('h1').textContent === 'first'")
}

// A page that was frozen, or left and come back to, goes on where it was.
func TestBack(t *testing.T) {
	h := serve(t, nil)
	b := open(t, h.url("/"), laptop()).ready()
	b.expect("WebSocket", "favicon.ico")
	b.named("anna")
	h.say("lobby", "before")
	b.sees(".log", "before")
	b.types("a draft")
	command(b, page.SetWebLifecycleState, page.SetWebLifecycleStateParams{State: page.SetWebLifecycleStateStateFrozen})
	h.say("lobby", "while it was frozen")
	command(b, page.SetWebLifecycleState, page.SetWebLifecycleStateParams{State: page.SetWebLifecycleStateStateActive})
	b.sees(".log", "while it was frozen")

	b.run(chromedp.Navigate(h.url("/api/v1/rooms/lobby/messages")))
	h.say("lobby", "while it was left")
	eval[bool](b, "(history.back(), true)")
	b.until("document.querySelector('.log')?.textContent.includes('while it was left')")
	b.ready()
	b.sees(".me bdi", "anna")
	b.until("document.querySelector('.composer textarea').value === 'a draft'")
	h.say("lobby", "after all that")
	b.sees(".log", "after all that")
	for _, text := range []string{"before", "while it was frozen", "while it was left", "after all that"} {
		if n := strings.Count(strings.Join(b.texts(), "|")+"|", text+"|"); n != 1 {
			t.Errorf("%q stands there %d times", text, n)
		}
	}
}

// Read is what was in view of somebody who looked.
func TestUnread(t *testing.T) {
	h := serve(t, nil)
	b := open(t, h.url("/"), laptop()).ready()
	h.say("team", "made")
	b.enter(".side input[name=room]", "team")
	b.sees("h1", "team")
	b.until("location.pathname === '/r/team'")
	b.sees(".log", "made")
	for i := range 40 {
		h.say("lobby", fmt.Sprint("unseen ", i))
	}
	b.sees(".rooms .count", "40")
	b.until("document.title.startsWith('(40)')")
	b.press("ArrowDown", alt)
	b.sees("h1", "lobby")
	b.until("document.querySelector('.unread')")
	b.until("!document.querySelector('.rooms .count')") // it was looked at
	b.picture("unread")

	eval[bool](b, "(Object.defineProperty(document, 'hasFocus', { value: () => false, configurable: true }), true)")
	for i := range 3 {
		h.say("lobby", fmt.Sprint("not looked at ", i))
	}
	b.until("document.title.startsWith('(3)')")
	eval[bool](b, "(Object.defineProperty(document, 'hasFocus', { value: () => true, configurable: true }), dispatchEvent(new Event('focus')))")
	b.until("!document.title.startsWith('(')")
}
