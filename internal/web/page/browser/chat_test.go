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

// device is a screen that a test runs on.
type device struct {
	name string
	view action
}

// laptopAndPhone are the screens for which the page has a layout each.
var laptopAndPhone = []device{{"laptop", laptop()}, {"phone", phone()}}

// onDevices runs a test on each of some screens. The pages of one are closed before the next. With -short, which CI sets, each test
// runs on one of them, and about half of the tests on each.
func onDevices(t *testing.T, devices []device, test func(t *testing.T, d device)) {
	t.Helper()
	if testing.Short() {
		devices = devices[len(t.Name())%len(devices):][:1]
	}
	for _, d := range devices {
		t.Run(d.name, func(t *testing.T) { test(t, d) })
	}
}

// takeName submits a name in the form that the page offers.
func (b *tab) takeName(name string) {
	b.t.Helper()
	b.waitFor("document.querySelector('#name')")
	eval[bool](b, "(document.querySelector('#name').select(), true)")
	b.submit("#name", name)
	b.waitForText(".me bdi", name)
}

// Two people see the same messages.
func TestTwoPeople(t *testing.T) {
	t.Parallel()
	srv := startServer(t, nil)
	anna := openPage(t, srv.url("/"), laptop()).ready()
	anna.screenshot("empty")
	budi := openPage(t, srv.url("/"), phone()).ready()
	anna.takeName("anna")
	budi.click(".name-form button[type=button]")
	anna.send("Hello! Can you hear me?")
	budi.waitForText(".m .text", "Can you hear me?")
	budi.waitForText(".m .name", "anna")
	budi.typeText("Loud and clear.")
	budi.click(".send")
	anna.waitForText(".m .text", "Loud and clear.")
	for i := range 30 {
		srv.post("lobby", fmt.Sprint("line ", i))
	}
	anna.waitForText(".m .text", "line 29")
	budi.waitForText(".m .text", "line 29")
	anna.screenshot("laptop")
	budi.screenshot("phone")
	if a, b := fmt.Sprint(anna.messages()), fmt.Sprint(budi.messages()); a != b {
		t.Errorf("anna sees %s\nbudi sees %s", a, b)
	}
}

// Messages written without a connection wait, survive a reload, and are posted once and in order.
func TestOffline(t *testing.T) {
	t.Parallel()
	srv := startServer(t, nil)
	b := openPage(t, srv.url("/"), laptop()).ready()
	b.expectErrors("ERR_CONNECTION_REFUSED", "WebSocket connection")
	b.takeName("anna")
	b.send("before")
	b.waitForText(".log ol:first-of-type .text", "before")
	srv.stop()
	b.waitFor("document.querySelector('.status.off')")
	for i := range 5 {
		b.send(fmt.Sprint("meanwhile ", i))
	}
	b.waitForText(".banner", "Offline")
	b.waitForText(".status", "5 unsent")
	b.waitForText(".sent .state", "unsent")
	b.screenshot("offline")
	b.press("ArrowUp", 0) // takes the last message back
	b.waitFor("document.querySelector('.composer textarea').value === 'meanwhile 4'")
	b.press("Enter", 0)
	srv.start()
	for i := range 7 {
		srv.post("lobby", fmt.Sprint("from elsewhere ", i))
	}
	b.waitForText(".banner", "Caught up")
	b.waitFor("!document.querySelector('.sent')")
	b.waitForText(".log", "from elsewhere 6")
	if status := eval[string](b, "document.querySelector('.status').textContent"); strings.Contains(status, "HTTP") {
		t.Errorf("after the server came back, the page uses HTTP: %s", status)
	}
	var own []string
	for _, text := range b.messages() {
		if strings.HasPrefix(text, "meanwhile") {
			own = append(own, text)
		}
	}
	if got := strings.Join(own, " "); got != "meanwhile 0 meanwhile 1 meanwhile 2 meanwhile 3 meanwhile 4" {
		t.Errorf("posted: %s", got)
	}

	// A message that could not be sent is sent after a reload.
	srv.stop()
	b.waitFor("document.querySelector('.status.off')")
	b.send("over a reload")
	b.typeText("a draft")
	srv.start()
	b.run(chromedp.Reload())
	b.ready()
	b.waitForText(".log ol:first-of-type .text", "over a reload")
	b.waitFor("document.querySelector('.composer textarea').value === 'a draft'")
	count := 0
	for _, text := range b.messages() {
		if text == "over a reload" {
			count++
		}
	}
	if count != 1 {
		t.Errorf("it was posted %d times, want once", count)
	}
}

// After an upgrade of the server, a page that was left open offers to be loaded again. After a restart it does not.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	srv := startServer(t, nil)
	b := openPage(t, srv.url("/"), laptop()).ready()
	b.expectErrors("ERR_CONNECTION_REFUSED", "WebSocket connection", "404")
	eval[bool](b, `(() => {
		const real = fetch;
		window.asked = 0;
		window.upgraded = false; // the server has another version than the page
		window.fetch = async (url, options) => {
			if (options?.method !== "HEAD") return real(url, options);
			const response = await real(upgraded ? String(url).replace("/page/", "/page/0") : url, options);
			asked++;
			return response;
		};
		return true;
	})()`)
	restart := func() {
		srv.stop()
		b.waitFor("document.querySelector('.status.off')")
		srv.start()
		b.ready()
	}
	restart()
	b.waitFor("asked === 1")
	b.frames(3)
	if text := eval[string](b, "document.querySelector('.banner.good')?.textContent ?? ''"); strings.Contains(text, "updated") {
		t.Errorf("after a restart with the same version, the page says %q", text)
	}
	eval[bool](b, "(upgraded = true)")
	restart()
	b.waitForText(".banner.good", "ramai was updated")
	b.checkAccessibility("updated")
	b.screenshot("updated")
	b.click(".banner.good button")
	b.waitFor("!('upgraded' in window)")
	b.ready()
	b.waitFor("!document.querySelector('.banner')")
}

// Two tabs of one browser are one person: they share the name and what was read, also after a reconnect.
func TestTwoTabs(t *testing.T) {
	t.Parallel()
	srv := startServer(t, nil)
	a := openPage(t, srv.url("/"), laptop()).ready()
	a.takeName("anna")
	b := a.openTab(srv.url("/r/team"), laptop()).ready()
	b.waitForText(".me bdi", "anna")
	b.click(".me button")
	eval[bool](b, "(document.querySelector('#name').select(), true)")
	b.submit("#name", "budi")
	b.waitForText(".me bdi", "budi")
	a.waitForText(".me bdi", "budi")
	a.send("who am I?")
	a.waitForText(".m .name", "budi")

	for _, tab := range []*tab{a, b} {
		tab.expectErrors("ERR_CONNECTION_REFUSED", "WebSocket connection")
	}
	srv.stop()
	a.waitFor("document.querySelector('.status:not(.live)')")
	b.waitFor("document.querySelector('.status:not(.live)')")
	srv.start()
	for _, tab := range []*tab{a, b} {
		tab.ready()
		tab.waitForText(".me bdi", "budi")
	}
	for i := range 3 {
		a.send(fmt.Sprint("from a ", i))
		b.send(fmt.Sprint("from b ", i))
	}
	a.waitForText(".log ol:first-of-type", "from a 2")
	b.waitForText(".log ol:first-of-type", "from b 2")
	for _, tab := range []*tab{a, b} {
		if names := eval[[]string](tab, "[...new Set([...document.querySelectorAll('.m .name')].map((e) => e.textContent))]"); fmt.Sprint(names) != "[budi]" {
			t.Errorf("the names in the log are %v, want budi alone", names)
		}
	}

	eval[bool](a, "(Object.defineProperty(document, 'hasFocus', { value: () => false, configurable: true }), true)")
	srv.post("lobby", "for both of them")
	a.waitFor("document.title.startsWith('(1)')")
	a.submit(".side input[name=room]", "tea")
	a.waitForText(".rooms .current", "tea")
	c := a.openTab(srv.url("/r/games"), laptop()).ready() // it has the rooms of both
	for _, room := range []string{"lobby", "team", "tea"} {
		c.waitForText(".rooms", room)
	}
	a.openTab(srv.url("/"), laptop()).ready().waitForText(".log", "for both of them")
	a.waitFor("!document.title.startsWith('(')")
}

// The keys of the composer: new lines, completion, paste, search.
func TestKeys(t *testing.T) {
	t.Parallel()
	srv := startServer(t, nil)
	b := openPage(t, srv.url("/"), laptop()).ready()
	b.takeName("anna")
	b.typeText("one")
	b.press("Enter", shift)
	b.typeText("two")
	// While an input method is composing, Enter belongs to it.
	eval[bool](b, "document.querySelector('.composer textarea').dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter', isComposing: true, bubbles: true, cancelable: true}))")
	eval[bool](b, "document.querySelector('.composer textarea').dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter', keyCode: 229, bubbles: true, cancelable: true}))")
	b.waitFor("document.querySelector('.composer textarea').value === 'one\\ntwo'")
	b.press("Enter", 0)
	b.waitFor("[...document.querySelectorAll('.m .text')].some((e) => e.textContent === 'one\\ntwo')")

	b.typeText("a :smi")
	b.waitFor("document.querySelector('[role=option]')")
	b.press("ArrowDown", 0)
	b.press("ArrowUp", 0)
	b.press("Enter", 0)
	b.waitFor("/^a \\p{Emoji_Presentation} $/u.test(document.querySelector('.composer textarea').value)")
	b.press("Enter", 0)

	budi := openPage(t, srv.url("/"), laptop()).ready()
	budi.takeName("Budi Satu")
	b.waitForText(".people", "Budi Satu")
	b.typeText("@bu")
	b.waitForText("[role=option]", "Budi Satu")
	b.screenshot("completion")
	b.press("Tab", 0)
	b.typeText("come here")
	b.press("Enter", 0)
	budi.waitForText(".m.mentioned .mention.me", "@Budi Satu")

	// A long paste needs confirmation.
	long := strings.Repeat(strings.Repeat("word ", 30)+"\n", 60)
	eval[bool](b, `(() => {
		const data = new DataTransfer();
		data.setData("text/plain", `+quote(long)+`);
		const box = document.querySelector(".composer textarea");
		box.focus();
		return box.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
	})()`)
	b.waitForText("dialog", "60 lines")
	b.click("dialog .buttons button:first-child")
	b.waitFor("!document.querySelector('dialog') && !document.querySelector('.sent')")
	pasted := strings.Join(budi.messagesAfter("come here"), "\n")
	if strings.Join(strings.Fields(pasted), " ") != strings.Join(strings.Fields(long), " ") {
		t.Errorf("the messages differ from the pasted text: %d bytes of %d", len(pasted), len(long))
	}
	b.press("k", ctrl)
	b.waitFor("document.querySelector('dialog input[type=search]')")
	b.press("Escape", 0)
	b.waitFor("!document.querySelector('dialog')")
}

// messagesAfter returns the messages after one that contains a text, once the three parts of a long paste are there.
func (b *tab) messagesAfter(text string) (after []string) {
	b.t.Helper()
	b.waitFor("[...document.querySelectorAll('.log ol:first-of-type .text')].filter((e) => e.textContent.startsWith('word')).length === 3")
	found := false
	for _, s := range b.messages() {
		if found {
			after = append(after, s)
		}
		found = found || strings.Contains(s, text)
	}
	return after
}

// Everything can be done without a mouse, and without pressing Tab hundreds of times.
func TestKeyboardOnly(t *testing.T) {
	t.Parallel()
	srv := startServer(t, nil)
	srv.postMany("lobby", 50, func(i int) string { return fmt.Sprint("message ", i+1) })
	b := openPage(t, srv.url("/"), laptop()).ready()
	b.takeName("anna")
	b.waitForText(".log", "message 50")
	const focused = "(document.activeElement.className + ' ' + (document.activeElement.getAttribute('aria-label') ?? document.activeElement.tagName))"
	b.run(chromedp.Focus(chromedp.CSS(".rooms a"))) // the first there is
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
		t.Errorf("on the way to the composer, Tab stops at %s", all)
	}

	// Between messages, to the link of one, and back to the composer.
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
	b.waitFor(menuOpen)
	b.press("Escape", 0)
	b.waitFor("!document.querySelector('dialog') && document.activeElement.closest('[data-n]')?.dataset.n === '48'")
	b.press("Escape", 0)
	b.waitFor("document.activeElement.matches('.composer textarea')")

	// The menu on a phone takes the focus, and returns it.
	p := openPage(t, srv.url("/"), phone()).ready()
	p.run(chromedp.Focus(chromedp.CSS(".icon.menu")))
	p.press("Enter", 0)
	p.waitFor("document.activeElement.matches('.side.open a')")
	p.press("Escape", 0)
	p.waitFor("document.activeElement.matches('.icon.menu') && !document.querySelector('.side.open')")
}

// A ninth room is refused, wherever it is opened from, and the URL stays that of the current room.
func TestManyRooms(t *testing.T) {
	t.Parallel()
	srv := startServer(t, nil)
	b := openPage(t, srv.url("/r/first"), laptop()).ready()
	b.submit(".side input[name=room]", "left")
	b.waitForText("h1", "left")
	b.click(".rooms .current .icon")
	b.waitForText("h1", "first")
	for i := range 7 {
		b.submit(".side input[name=room]", fmt.Sprint("room", i))
		b.waitForText("h1", fmt.Sprint("room", i))
	}
	b.submit(".side input[name=room]", "ninth")
	b.waitForText(".error-text", "8")
	b.waitForText("h1", "room6")
	b.click(".error-text button")
	for range 7 { // to the room shown after leaving
		was := eval[string](b, "location.pathname")
		eval[bool](b, "(history.back(), true)")
		b.waitFor("location.pathname !== " + quote(was))
	}
	b.waitForText("h1", "first")
	eval[bool](b, "(history.back(), true)") // to the room that was left, which would be the ninth
	b.waitForText(".error-text", "8")
	b.waitFor("location.pathname === '/r/first' && document.querySelector('h1').textContent === 'first'")
}

// A page that was frozen, or that the reader returns to, resumes where it was.
func TestReturn(t *testing.T) {
	t.Parallel()
	srv := startServer(t, nil)
	b := openPage(t, srv.url("/"), laptop()).ready()
	b.expectErrors("WebSocket", "favicon.ico")
	b.takeName("anna")
	srv.post("lobby", "before")
	b.waitForText(".log", "before")
	b.typeText("a draft")
	command(b, page.SetWebLifecycleState, page.SetWebLifecycleStateParams{State: page.SetWebLifecycleStateStateFrozen})
	srv.post("lobby", "while it was frozen")
	command(b, page.SetWebLifecycleState, page.SetWebLifecycleStateParams{State: page.SetWebLifecycleStateStateActive})
	b.waitForText(".log", "while it was frozen")

	b.run(chromedp.Navigate(srv.url("/api/v1/rooms/lobby/messages")))
	srv.post("lobby", "while it was left")
	eval[bool](b, "(history.back(), true)")
	b.waitFor("document.querySelector('.log')?.textContent.includes('while it was left')")
	b.ready()
	b.waitForText(".me bdi", "anna")
	b.waitFor("document.querySelector('.composer textarea').value === 'a draft'")
	srv.post("lobby", "after all that")
	b.waitForText(".log", "after all that")
	for _, text := range []string{"before", "while it was frozen", "while it was left", "after all that"} {
		if n := strings.Count(strings.Join(b.messages(), "|")+"|", text+"|"); n != 1 {
			t.Errorf("%q is shown %d times, want once", text, n)
		}
	}
}

// Messages are read when they are on screen and the page has the focus.
func TestUnread(t *testing.T) {
	t.Parallel()
	srv := startServer(t, nil)
	b := openPage(t, srv.url("/"), laptop()).ready()
	srv.post("team", "made")
	b.submit(".side input[name=room]", "team")
	b.waitForText("h1", "team")
	b.waitFor("location.pathname === '/r/team'")
	b.waitForText(".log", "made")
	for i := range 40 {
		srv.post("lobby", fmt.Sprint("unseen ", i))
	}
	b.waitForText(".rooms .count", "40")
	b.waitFor("document.title.startsWith('(40)')")
	b.press("ArrowDown", alt)
	b.waitForText("h1", "lobby")
	b.waitFor("document.querySelector('.unread')")
	b.waitFor("Number(document.querySelector('.rooms .count').textContent) < 40") // those on screen are read
	b.screenshot("unread")
	b.waitFor("(document.querySelector('.log').scrollTop += 100, !document.querySelector('.rooms .count'))") // and then the others

	eval[bool](b, "(Object.defineProperty(document, 'hasFocus', { value: () => false, configurable: true }), true)")
	for i := range 3 {
		srv.post("lobby", fmt.Sprint("not looked at ", i))
	}
	b.waitFor("document.title.startsWith('(3)')")
	eval[bool](b, "(Object.defineProperty(document, 'hasFocus', { value: () => true, configurable: true }), dispatchEvent(new Event('focus')))")
	b.waitFor("!document.title.startsWith('(')")
}
