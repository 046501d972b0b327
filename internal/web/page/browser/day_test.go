package browser_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// setFocus makes the page believe that its window has the focus, or not.
func (b *tab) setFocus(has bool) {
	b.t.Helper()
	event := map[bool]string{true: "focus", false: "blur"}[has]
	eval[bool](b, fmt.Sprintf("(Object.defineProperty(document, 'hasFocus', { value: () => %t, configurable: true }), dispatchEvent(new Event('%s')))", has, event))
}

// inView is true if an element is in view.
func inView(selector string) string {
	return fmt.Sprintf("(({ top, bottom }) => top >= 0 && bottom <= innerHeight)(document.querySelector(%s)?.getBoundingClientRect() ?? { top: -1 })", quote(selector))
}

const boxFocused = "document.activeElement.matches('.composer textarea')"

// press a letter as a keyboard does, wherever the focus is.
func (b *tab) typeLetter(letter string) {
	b.t.Helper()
	p := input.DispatchKeyEventParams{Type: "keyDown", Key: letter, Text: letter}
	command(b, input.DispatchKeyEvent, p)
	p.Type, p.Text = "keyUp", ""
	command(b, input.DispatchKeyEvent, p)
}

// What is typed reaches the message box after anything that takes the focus.
func TestFocus(t *testing.T) {
	t.Parallel()
	srv := startServer(t, nil)
	srv.seedConversation()
	b := openPage(t, srv.url("/"), laptop()).ready()
	b.waitForText(".log", "Then let us begin")
	b.takeName("eka")
	b.waitFor(boxFocused)
	b.click(".icon.settings")
	b.waitFor("document.querySelector('dialog[open]')")
	b.press("Escape", 0)
	b.waitFor("!document.querySelector('dialog') && " + boxFocused)
	b.click(".m:nth-last-of-type(2) .text")
	b.waitFor(boxFocused)
	eval[bool](b, "(document.activeElement.blur(), true)")
	b.waitFor("document.activeElement === document.body || " + boxFocused)
	b.typeLetter("h")
	b.run(chromedp.Focus(chromedp.CSS(".icon.search")))
	b.typeLetter("i")
	b.run(chromedp.Focus(chromedp.CSS(".log")))
	b.typeLetter("!")
	b.waitFor("document.querySelector('.composer textarea').value === 'hi!'")

	// A selection stays.
	eval[bool](b, "(document.activeElement.blur(), getSelection().selectAllChildren(document.querySelector('.m .text')), true)")
	srv.post("lobby", "meanwhile")
	b.waitForText(".log", "meanwhile")
	if eval[bool](b, boxFocused) {
		t.Error("the selection has lost the focus to the box")
	}
	eval[bool](b, "(getSelection().removeAllRanges(), true)")

	// Page Up scrolls from the box.
	b.run(chromedp.Focus(chromedp.CSS(box)))
	was := eval[float64](b, "document.querySelector('.log').scrollTop")
	b.press("PageUp", 0)
	b.waitFor(fmt.Sprintf("document.querySelector('.log').scrollTop < %v", was))
	b.waitFor(boxFocused)

	// A file neither replaces the page nor is it ignored silently.
	for _, event := range []string{"drop", "paste"} {
		prevented := eval[bool](b, fmt.Sprintf(`(() => {
			const data = new DataTransfer();
			data.items.add(new File(["x"], "x.png", { type: "image/png" }));
			const init = { bubbles: true, cancelable: true };
			const event = %q === "drop" ? new DragEvent("drop", { ...init, dataTransfer: data }) : new ClipboardEvent("paste", { ...init, clipboardData: data });
			document.querySelector(".composer textarea").dispatchEvent(event);
			return event.defaultPrevented;
		})()`, event))
		if !prevented {
			t.Errorf("%s of a file is left to the browser", event)
		}
		b.waitForText(".error-text", "Files cannot be sent")
		b.click(".error-text button")
		b.waitFor("!document.querySelector('.error-text')")
	}
}

// On a phone, Enter makes a new line, and the button sends. A wrong room name is explained where it was typed.
func TestTouch(t *testing.T) {
	t.Parallel()
	srv := startServer(t, nil)
	b := openPage(t, srv.url("/"), phone()).ready()
	b.takeNameOnPhone("budi")
	b.waitFor(boxFocused) // the keyboard is open already
	b.typeText("one")
	b.press("Enter", 0)
	b.typeText("two")
	b.click(".send")
	b.waitFor("[...document.querySelectorAll('.m .text')].some((e) => e.textContent === 'one\\ntwo')")
	b.click(".icon.menu")
	b.waitForAnimations()
	b.submit(".side input[name=room]", "Kelas 7A!")
	b.waitForText(".side .error-text", "a–z")
	b.waitFor("getComputedStyle(document.querySelector('.side')).visibility === 'visible' && " + inView(".side .error-text"))
	b.checkAccessibility("a wrong room name")
	b.screenshot("wrong-room-phone")
}

// takeNameOnPhone submits a name with the button.
func (b *tab) takeNameOnPhone(name string) {
	b.t.Helper()
	b.waitFor("document.querySelector('#name')")
	eval[bool](b, "(document.querySelector('#name').select(), true)")
	b.insert("#name", name)
	b.click(".name-form .primary")
	b.waitForText(".me bdi", name)
}

// The page notices at once that the network is gone. A phone says it in one line.
func TestNetworkLost(t *testing.T) {
	t.Parallel()
	srv := startServer(t, nil)
	srv.seedConversation()
	const small = "small phone in Indonesian"
	devices := append(slices.Clone(laptopAndPhone), device{small, chromedp.EmulateViewport(360, 640, chromedp.EmulateMobile, chromedp.EmulateTouch, chromedp.EmulateScale(2))})
	onDevices(t, devices, func(t *testing.T, device device) {
		b := openPage(t, "about:blank", device.view)
		since, offline, waiting := "offline since", "Offline", "unsent"
		if device.name == small {
			since, offline, waiting = "terputus sejak", "Koneksi terputus", "belum terkirim"
			command(b, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: `localStorage.setItem("ramai.language", '"id"')`})
		}
		b.run(chromedp.Navigate(srv.url("/")))
		b.ready()
		b.expectErrors("ERR_INTERNET_DISCONNECTED", "WebSocket connection")
		b.waitForText(".log", "Then let us begin")
		b.click(".name-form button[type=button]")
		eval[bool](b, "(WebSocket.prototype.send = () => {}, true)") // the browser does not cut connections that are open
		command(b, network.EmulateNetworkConditionsByRule, network.EmulateNetworkConditionsByRuleParams{MatchedNetworkConditions: []*network.Conditions{{Offline: true, DownloadThroughput: -1, UploadThroughput: -1}}})
		start := time.Now()
		command(b, network.OverrideNetworkState, network.OverrideNetworkStateParams{Offline: true, DownloadThroughput: -1, UploadThroughput: -1})
		b.waitForText(".status.off", since)
		t.Logf("%s: noticed after %v", device.name, time.Since(start))
		b.waitForText(".banner", offline)
		b.typeText("kept")
		b.click(".send")
		b.waitForText(".sent .state", waiting)
		b.waitFor("document.querySelector('.banner button')")
		if cut := eval[bool](b, "(({ scrollWidth, clientWidth }) => scrollWidth > clientWidth)(document.querySelector('.banner > span'))"); cut {
			t.Errorf("the banner is cut on a %s", device.name)
		}
		if device.name == "laptop" {
			b.waitForText(".banner", "s · Your messages are kept here")
		}
		if height := eval[float64](b, "document.querySelector('.banner').getBoundingClientRect().height"); height > 64 {
			t.Errorf("the banner is %v px high on a %s, want one line", height, device.name)
		}
		if cut := eval[bool](b, "(({ scrollWidth, clientWidth }) => scrollWidth > clientWidth)(document.querySelector('.status'))"); cut {
			t.Errorf("the status line is cut on a %s", device.name)
		}
		if !eval[bool](b, "document.querySelector('.status .unsent').checkVisibility()") {
			t.Errorf("the number of unsent messages is not shown on a %s", device.name)
		}
		b.checkAccessibility("offline on a " + device.name)
		b.screenshot("network-lost-" + device.name)
	})
}

// A message on its way stands under the name of its sender, and does not move once it is saved.
func TestPending(t *testing.T) {
	t.Parallel()
	srv := startServer(t, nil)
	srv.seedConversation()
	b := openPage(t, srv.url("/"), laptop()).ready()
	b.takeName("eka")
	b.waitForText(".log", "Then let us begin")
	eval[bool](b, `(window.realSend = WebSocket.prototype.send, window.held = [], WebSocket.prototype.send = function (data) {
		if (data.includes('"say"')) held.push([this, data]); else realSend.call(this, data);
	}, true)`)
	b.send("first of mine, and as long as it takes to fill more than one line of the log on this screen, whatever its width may be")
	b.send("second")
	b.waitForText(".sent.head .name", "eka")
	b.waitForText(".sent:not(.head) .text", "second")
	b.screenshot("pending")
	const place = `JSON.stringify([...document.querySelectorAll(".mine .text")].map((e) => { const { top, width, height } = e.getBoundingClientRect(); return [Math.round(top), Math.round(width), Math.round(height)]; }))`
	before := eval[string](b, place)
	eval[bool](b, `(WebSocket.prototype.send = realSend, held.forEach(([s, data]) => s.send(data)), true)`)
	b.waitFor("!document.querySelector('.sent')")
	if after := eval[string](b, place); after != before {
		t.Errorf("the messages moved from %s to %s", before, after)
	}
}

// One message cannot fill the log: the end of a high one is shown on demand.
func TestFold(t *testing.T) {
	t.Parallel()
	srv := startServer(t, nil)
	long := ""
	for i := range 1500 {
		long += fmt.Sprintln(i)
	}
	srv.post("lobby", long[:3900])
	srv.post("lobby", "short")
	b := openPage(t, srv.url("/"), phone()).ready()
	b.waitForText(".m .more", "Show more")
	if height := eval[float64](b, "document.querySelector('.m').getBoundingClientRect().height"); height > 600 {
		t.Errorf("a message is %v px high", height)
	}
	if n := eval[int](b, "document.querySelectorAll('.more').length"); n != 1 {
		t.Errorf("%d messages are folded, want 1", n)
	}
	b.screenshot("fold")
	b.click(".m .more")
	b.waitFor("document.querySelector('.m').getBoundingClientRect().height > 5000 && document.querySelector('.more').textContent === 'Show less'")
}

// Rooms keep their order, and each its scroll position. The link to a message ends with the way to the newest.
func TestRoomsRemember(t *testing.T) {
	t.Parallel()
	srv := startServer(t, nil)
	srv.postMany("lobby", 200, func(i int) string { return fmt.Sprint("message ", i+1) })
	b := openPage(t, srv.url("/"), laptop()).ready()
	for _, room := range []string{"tea", "art"} {
		b.submit(".side input[name=room]", room)
		b.waitForText("h1", room)
	}
	const order = "[...document.querySelectorAll('.rooms a')].map((a) => a.textContent).join()"
	b.waitFor(order + " === 'lobby,tea,art'")
	b.run(chromedp.Reload())
	b.ready()
	b.waitFor(order + " === 'lobby,tea,art'")
	b.click(".rooms li:first-child a")
	b.waitForText(".log", "message 200")
	eval[bool](b, "(document.querySelector('[data-n=\"170\"]').scrollIntoView(), true)")
	b.waitForText(".jump-buttons", "Latest")
	b.frames(5)
	at := eval[float64](b, "document.querySelector('[data-n=\"170\"]').getBoundingClientRect().top")
	b.click(".rooms li:nth-child(2) a")
	b.waitForText("h1", "tea")
	b.click(".rooms li:first-child a")
	b.waitForText("h1", "lobby")
	b.waitFor(fmt.Sprintf("Math.abs(document.querySelector('[data-n=\"170\"]')?.getBoundingClientRect().top - %v) < 3", at))

	eval[bool](b, "(location.hash = '#n20', true)")
	b.waitFor("document.querySelector('.m.target[data-n=\"20\"]')")
	b.waitForText(".jump-buttons", "Latest")
	b.click(".jump-buttons button:last-child")
	b.waitFor("location.hash === '' && !document.querySelector('.m.target')")
	b.run(chromedp.Reload())
	b.ready()
	b.waitFor(inView("[data-n=\"200\"]"))
}

// At 400 % zoom of a laptop, the log keeps some lines.
func TestZoom(t *testing.T) {
	t.Parallel()
	srv := startServer(t, nil)
	srv.seedConversation()
	b := openPage(t, srv.url("/"), chromedp.EmulateViewport(320, 200)).ready()
	b.waitForText(".log", "Then let us begin")
	if height := eval[float64](b, "document.querySelector('.log').clientHeight"); height < 100 {
		t.Errorf("the log is %v px high, want at least 100", height)
	}
	b.checkAccessibility("zoomed to 400 %")
	b.typeLetter("x") // what is typed comes into view
	b.waitFor("(({ top }) => top >= 0 && top < innerHeight - 30)(document.querySelector('.composer textarea').getBoundingClientRect())")
	b.screenshot("zoom-400")
}

// Texts have emphasis, quotes, lists and links, made of nodes. Emoji alone are large. Screen readers hear the author of each message.
func TestFormats(t *testing.T) {
	t.Parallel()
	srv := startServer(t, nil)
	anna := srv.dialAs("lobby", "anna")
	t.Cleanup(func() { anna.CloseNow() })
	for _, text := range []string{"**bold**, *italics* and www.example.org", "> a quote\n> of two lines\nand an answer", "bring:\n- water\n- a hat\n1. first\n2. second", "🎉", "**<img src=x onerror=alert(1)>**"} {
		anna.post(text)
	}
	anna.read(5)
	b := openPage(t, srv.url("/"), laptop()).ready()
	b.waitForText(".text strong", "<img")
	for _, selector := range []string{".text em", ".text blockquote", ".text ul > li + li", ".text ol > li + li", ".text.large", ".text a[href='https://www.example.org/']"} {
		if !eval[bool](b, "document.querySelector("+quote(selector)+") !== null") {
			t.Errorf("nothing matches %s", selector)
		}
	}
	if n := eval[int](b, "document.querySelectorAll('.text img').length"); n != 0 {
		t.Errorf("%d images came from a text", n)
	}
	if n := eval[int](b, "[...document.querySelectorAll('.m:not(.head) .author')].filter((e) => e.textContent === 'anna: ').length"); n != 4 {
		t.Errorf("%d of 4 follow-up messages name their author", n)
	}
	b.checkAccessibility("formats")
	b.screenshot("formats")
}

// Go to date takes one request.
func TestDateInOneRequest(t *testing.T) {
	t.Parallel()
	srv := startServer(t, nil)
	srv.postMany("lobby", 900, func(i int) string { return fmt.Sprint("message ", i+1) })
	b := openPage(t, srv.url("/"), laptop()).ready()
	b.waitForText(".log", "message 900")
	eval[bool](b, "(performance.clearResourceTimings(), true)")
	b.click(".icon.jump")
	b.click("dialog button.primary")
	b.waitFor("document.querySelector('.m.target[data-n=\"1\"]')")
	b.waitFor(inView("[data-n='1']"))
	if n := eval[int](b, "performance.getEntriesByType('resource').filter((e) => e.name.includes('/messages')).length"); n != 1 {
		t.Errorf("the page made %d requests, want 1", n)
	}
	b.checkComplete(900)
	b.screenshot("target")
}

// A search shows hits while one types, of the rooms one asks for, and is there again when the dialog is opened again.
func TestLiveSearch(t *testing.T) {
	t.Parallel()
	srv := startServer(t, nil)
	srv.post("elsewhere", "needle in a room that nobody joined")
	srv.post("lobby", "needle in the lobby")
	var hits struct{ Hits []struct{ N int } }
	for end := time.Now().Add(timeout); len(hits.Hits) < 2; time.Sleep(20 * time.Millisecond) { // the index lags behind
		srv.getJSON("/api/v1/search?q=needle", &hits)
		if time.Now().After(end) {
			t.Fatal("the server finds nothing")
		}
	}
	b := openPage(t, srv.url("/"), laptop()).ready()
	b.press("k", ctrl)
	b.waitFor("document.querySelector('dialog[open] input[type=search]')")
	b.run(chromedp.SendKeys("dialog input[type=search]", "needle"))
	b.waitForText(".hits", "in the lobby")
	choose := func(scope string) {
		eval[bool](b, "((s) => { s.value = "+quote(scope)+"; return s.dispatchEvent(new Event('change', { bubbles: true })); })(document.querySelector('dialog select'))")
	}
	choose("all")
	b.waitForText(".hits", "nobody joined")
	choose("mine")
	b.waitFor("!document.querySelector('.hits').textContent.includes('nobody joined')")
	b.waitForText(".hits", "in the lobby")
	b.press("Escape", 0)
	b.waitFor("!document.querySelector('dialog')")
	b.press("k", ctrl)
	b.waitForText(".hits", "in the lobby")
	b.waitFor("document.querySelector('dialog input[type=search]').value === 'needle'")
	b.checkAccessibility("live search")
	b.screenshot("live-search")
}

// The emoji button offers emoji, and finds them by name.
func TestEmojiButton(t *testing.T) {
	t.Parallel()
	srv := startServer(t, nil)
	b := openPage(t, srv.url("/"), phone()).ready()
	b.takeNameOnPhone("budi")
	b.click(".composer .emoji")
	b.waitFor("document.querySelectorAll('.picker .grid button').length > 40")
	b.checkFits("emoji on a phone")
	b.checkAccessibility("emoji on a phone")
	b.screenshot("emoji-phone")
	b.insert(".picker input", "rocket")
	b.waitFor("document.querySelectorAll('.picker .grid button').length < 4")
	b.press("Enter", 0)
	b.waitFor("!document.querySelector('.picker') && document.querySelector('.composer textarea').value === '🚀'")
}

// Search can be limited to a person, also one whom the page does not know yet, and to dates. Both work without words.
func TestSearchByPersonAndDate(t *testing.T) {
	t.Parallel()
	srv := startServer(t, nil)
	for _, name := range []string{"anna", "budi"} {
		p := srv.dialAs("lobby", name)
		t.Cleanup(func() { p.CloseNow() })
		p.post("needle of " + name)
		p.post("thread of " + name)
		p.read(2)
	}
	srv.postMany("lobby", 700, func(i int) string { return fmt.Sprint("hay ", i) })
	var hits struct{ Hits []struct{ N int } }
	for end := time.Now().Add(timeout); len(hits.Hits) < 2; time.Sleep(20 * time.Millisecond) { // the index lags behind
		srv.getJSON("/api/v1/search?q=needle", &hits)
		if time.Now().After(end) {
			t.Fatal("the server finds nothing")
		}
	}
	for range 210 { // the server sends no names in a room of this size
		p := srv.dial("lobby")
		t.Cleanup(func() { p.CloseNow() })
	}
	b := openPage(t, srv.url("/"), phone()).ready()
	b.waitForText(".status", "21")
	b.click(".icon.search")
	b.click("dialog[open] summary")
	b.waitFor("document.querySelector('dialog[open] .filters')")
	set := func(selector, value string) {
		eval[bool](b, fmt.Sprintf("((e) => { e.value = %s; return e.dispatchEvent(new Event('input', { bubbles: true })); })(document.querySelector(%s))", quote(value), quote("dialog "+selector)))
	}
	const found = "[...document.querySelectorAll('.hits .text')].map((e) => e.textContent).join()"
	const person, since, until = ".filters input[list]", ".filters label:nth-of-type(2) input", ".filters label:nth-of-type(3) input"
	set(person, "an")
	b.waitFor("[...document.querySelectorAll('#people-found option')].some((e) => e.value === 'anna')")
	set(person, "anna")
	b.waitFor(found + " === 'thread of anna,needle of anna'") // beyond one page of history
	set("input[type=search]", "needle")
	b.waitFor(found + " === 'needle of anna'")
	b.checkAccessibility("search by person")
	b.checkFits("search by person")
	b.screenshot("search-person-phone")
	day := func(days int) string { return time.Now().AddDate(0, 0, days).Format(time.DateOnly) }
	set(until, day(-1))
	b.waitForText("dialog [role=status]", "No messages found")
	set(until, day(0))
	b.waitFor(found + " === 'needle of anna'")
	set(since, day(1))
	b.waitForText("dialog [role=status]", "No messages found")
	set(since, day(0))
	b.waitFor(found + " === 'needle of anna'")
	set(person, "")
	b.waitFor(found + " === 'needle of budi,needle of anna'")
	b.click(".hits li:last-child button")
	b.waitFor("document.querySelector('.m.target[data-n=\"1\"]')")
}
