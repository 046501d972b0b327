package browser_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// seedConversation fills the lobby with messages of several people, in several scripts.
func (srv *testServer) seedConversation() {
	srv.t.Helper()
	people := map[string]*plainClient{"": srv.dial("lobby")} // connected until the test ends
	for _, line := range [][2]string{
		{"anna", "Good morning, everybody! Shall we begin at ten?"},
		{"Budi Satu", "Ten is fine. I have put the notes at https://example.org/notes/2026-11-25 for those who come later."},
		{"Budi Satu", "They have the figures of last week too."},
		{"小雨", "早上好！我会晚到五分钟。"},
		{"anna", "No problem @小雨, we wait."},
		{"ליאת", "שלום לכולם, אני כאן"},
		{"anna", "For those who want to try it at home:\n```\nramai serve --listen 0.0.0.0:2000\n```\nthen `ramai join` as often as you like."},
		{"", "Is this being recorded?"},
		{"Budi Satu", "Everything stays here, in order. 👍🏽 🎉 🇮🇩"},
		{"anna", "Then let us begin. Today is about how a room can have ten thousand people in it, none of whom misses a word, and why that is easier than it sounds once the words are on disk before anybody hears them."},
	} {
		p := people[line[0]]
		if p == nil {
			p = srv.dialAs("lobby", line[0])
			people[line[0]] = p
			srv.t.Cleanup(func() { p.CloseNow() })
		}
		p.post(line[1])
		p.readUntil(line[1])
	}
}

func emulateMedia(b *tab, features ...string) {
	var list []*emulation.MediaFeature
	for i := 0; i < len(features); i += 2 {
		list = append(list, &emulation.MediaFeature{Name: features[i], Value: features[i+1]})
	}
	command(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: list})
}

// checkAccessibility runs the accessibility checker axe-core, and checks fields.
func (b *tab) checkAccessibility(where string) {
	b.t.Helper()
	b.checkFields(where)
	b.runAxe(where, "{}")
}

// checkContrast checks colors alone, for a theme of a page that was checked in another.
func (b *tab) checkContrast(where string) {
	b.t.Helper()
	b.checkFields(where)
	b.runAxe(where, `{ runOnly: ["color-contrast"] }`)
}

func (b *tab) runAxe(where, options string) {
	b.t.Helper()
	if !eval[bool](b, "'axe' in window") {
		source, err := os.ReadFile("../../../../tools/page/node_modules/axe-core/axe.min.js")
		if err != nil {
			if os.Getenv("CI") != "" {
				b.t.Fatal(err)
			}
			b.t.Skip("make page installs axe-core")
		}
		eval[bool](b, string(source)+"; true")
	}
	for _, v := range eval[[]string](b, `axe.run(document, { resultTypes: ["violations"], ...`+options+` }).then((r) => r.violations.map((v) =>
		v.id + ": " + v.help + "\n" + v.nodes.slice(0, 3).map((n) => "    " + n.html.slice(0, 200) + "\n    " + n.failureSummary).join("\n")))`) {
		b.t.Errorf("%s: %s", where, v)
	}
}

// fieldFaults says which visible fields, of the open dialog if there is one, have an edge that can hardly be seen, no name, or the name of another field. The edge is that of
// the box around the field, and has to differ from what is outside by 3:1, as WCAG 2.2 wants of controls.
const fieldFaults = `(() => {
	const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
	const channels = (color) => {
		canvas.clearRect(0, 0, 1, 1);
		canvas.fillStyle = color;
		canvas.fillRect(0, 0, 1, 1);
		return [...canvas.getImageData(0, 0, 1, 1).data];
	};
	const light = (color) => channels(color).slice(0, 3).map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)).reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
	const contrast = (a, b) => (Math.max(light(a), light(b)) + 0.05) / (Math.min(light(a), light(b)) + 0.05);
	const above = (e, has) => (!e || has(getComputedStyle(e)) ? e : above(e.parentElement, has));
	const names = new Set();
	return [...(document.querySelector("dialog:modal") ?? document).querySelectorAll("input, select, textarea")].filter((e) => e.checkVisibility({ visibilityProperty: true }) && !["checkbox", "radio", "hidden"].includes(e.type)).flatMap((e) => {
		const box = above(e, (style) => style.borderTopWidth !== "0px");
		const ground = getComputedStyle(above(box.parentElement, (style) => channels(style.backgroundColor)[3] === 255) ?? document.documentElement).backgroundColor;
		const ratio = contrast(getComputedStyle(box).borderTopColor, ground);
		const name = e.ariaLabel ?? e.labels?.[0]?.textContent.trim() ?? "";
		const faults = [ratio < 3 && "its edge has a contrast of " + ratio.toFixed(2), !name && "it has no name", names.has(name) && "another field has its name"].filter(Boolean);
		names.add(name);
		return faults.map((fault) => e.outerHTML.slice(0, 120) + ": " + fault);
	});
})()`

// checkFields checks the edges and the names of fields.
func (b *tab) checkFields(where string) {
	b.t.Helper()
	for _, fault := range eval[[]string](b, fieldFaults) {
		b.t.Errorf("%s: %s", where, fault)
	}
}

// checkFits checks that nothing has to be scrolled sideways, and that controls are large enough to touch.
func (b *tab) checkFits(where string) {
	b.t.Helper()
	if over := eval[float64](b, "document.documentElement.scrollWidth - innerWidth"); over > 0 {
		b.t.Errorf("%s: the page is %v px too wide", where, over)
	}
	for _, e := range eval[[]string](b, `[...document.querySelectorAll("button, input, textarea, select, .rooms a")].filter((e) => e.checkVisibility({ visibilityProperty: true }) && !e.closest(".log, .status, .error-text") && (matchMedia("(pointer: coarse)").matches || !e.closest(".people")) && !["checkbox", "radio"].includes(e.type)).filter((e) => { const r = e.getBoundingClientRect(); return r.height < 44 || r.right > innerWidth + 1; }).map((e) => e.outerHTML.slice(0, 120) + JSON.stringify(e.getBoundingClientRect()))`) {
		b.t.Errorf("%s: smaller than 44 px, or outside the window: %s", where, e)
	}
}

// The room and its dialogs are accessible in both themes, which differ in nothing but colors.
func TestAccessibility(t *testing.T) {
	t.Parallel()
	srv := startServer(t, nil)
	srv.seedConversation()
	b := openPage(t, srv.url("/"), laptop()).ready()
	b.waitForText(".log", "Then let us begin")
	b.takeName("citra")
	b.check("room")
	for _, dialog := range []string{"search", "share", "settings", "jump"} {
		b.click(".icon." + dialog)
		b.waitFor("document.querySelector('dialog[open]')")
		b.check("dialog-" + dialog)
		b.press("Escape", 0)
		b.waitFor("!document.querySelector('dialog')")
	}
}

// On a phone, the header has no room for Go to date. It is in the search dialog.
func TestGoToDateOnPhone(t *testing.T) {
	t.Parallel()
	srv := startServer(t, nil)
	srv.seedConversation()
	b := openPage(t, srv.url("/"), phone()).ready()
	b.waitForText(".log", "Then let us begin")
	b.click(".icon.search")
	b.waitFor("document.querySelector('dialog[open]')")
	b.click("dialog summary")
	b.checkFits("search on a phone")
	b.click(".jump-to-date")
	b.click("dialog[open] form button.primary")
	b.waitFor("document.querySelector('.m.target[data-n=\"1\"]') && !document.querySelector('dialog')")
}

// The page follows the font size of the browser, also when it is twice the usual.
func TestFontSize(t *testing.T) {
	t.Parallel()
	srv := startServer(t, nil)
	srv.seedConversation()
	onDevices(t, laptopAndPhone, func(t *testing.T, device device) {
		b := openPage(t, srv.url("/"), device.view).ready()
		b.waitForText(".log", "Then let us begin")
		// The percentage of :root is relative to the setting of the browser, which DevTools cannot change.
		if size := eval[string](b, "[...document.styleSheets].flatMap((s) => [...s.cssRules]).find((r) => r.selectorText === ':root').style.fontSize"); size != "100%" {
			t.Errorf("the font size is %s, want 100%% of the browser's", size)
		}
		eval[bool](b, "(document.documentElement.style.fontSize = '200%', dispatchEvent(new Event('resize')))")
		if over := eval[float64](b, "(({ scrollWidth, clientWidth }) => scrollWidth - clientWidth)(document.querySelector('.header h1'))"); over > 0 {
			t.Errorf("at twice the font size, %v px of the room's name are hidden on a %s", over, device.name)
		}
		b.checkFits("twice the font size on a " + device.name)
		b.checkAccessibility("twice the font size on a " + device.name)
		if height := eval[float64](b, "document.querySelector('.log').clientHeight"); height < 100 {
			t.Errorf("at twice the font size, the log is %v px high on a %s, want at least 100", height, device.name)
		}
		b.screenshot("font-size-" + device.name)
	})
}

// With forced colors, nothing is distinguished by a color of the page alone.
func TestForcedColors(t *testing.T) {
	t.Parallel()
	srv := startServer(t, nil)
	srv.seedConversation()
	srv.post("team", "hello")
	b := openPage(t, srv.url("/r/team"), laptop())
	emulateMedia(b, "forced-colors", "active", "prefers-color-scheme", "dark")
	b.ready()
	b.submit(".side input[name=room]", "lobby")
	b.waitForText(".log", "Then let us begin")
	b.takeName("citra")
	b.send("@citra is me")
	srv.post("team", "hello again")
	srv.post("lobby", "hello @citra")
	b.waitForText(".m.mentioned", "hello @citra")
	b.waitForText(".rooms .count", "1")
	b.checkAccessibility("forced colors")
	for _, marked := range []string{".rooms .current", ".m.mentioned", ".composer:focus-within"} {
		if style := eval[string](b, "getComputedStyle(document.querySelector("+quote(marked)+")).outlineStyle"); style != "solid" {
			t.Errorf("the outline of %s is %s, want solid", marked, style)
		}
	}
	for _, bordered := range []string{".count", ".icon.search:focus-visible", ".name-form, .me button"} {
		b.run(chromedp.Focus(chromedp.CSS(".icon.search")))
		if none := eval[bool](b, "(({ borderStyle, outlineStyle }) => borderStyle === 'none' && outlineStyle === 'none')(getComputedStyle(document.querySelector("+quote(bordered)+")))"); none {
			t.Errorf("%s has no border", bordered)
		}
	}
	if display := eval[string](b, "getComputedStyle(document.querySelector('.mention.me')).display"); display != "inline" {
		t.Errorf("a mention is displayed as %s, want inline", display)
	}
	b.screenshot("forced-colors")
}

// The longest names of rooms and people, and the longest words, neither widen the page nor hide anything.
func TestLongNames(t *testing.T) {
	t.Parallel()
	srv := startServer(t, nil)
	room := strings.Repeat("longest-", 8)
	srv.post(room, "https://example.org/"+strings.Repeat("a", 900))
	for _, name := range []string{strings.Repeat("W", 32), strings.Repeat("ל", 32), "אבג 123 abc"} {
		p := srv.dialAs(room, name)
		t.Cleanup(func() { p.CloseNow() })
		p.post("I am " + name)
		p.readUntil("I am " + name)
		p.post(strings.Repeat("ש", 300))
		p.read(1)
	}
	onDevices(t, []device{{"smallest", chromedp.EmulateViewport(320, 480, chromedp.EmulateTouch)}, {"laptop", laptop()}}, func(t *testing.T, device device) {
		b := openPage(t, srv.url("/r/"+room), device.view).ready()
		b.waitForText(".log", "אבג 123 abc")
		b.takeName(strings.Repeat("M", 31) + device.name[:1])
		b.waitForText(".people", "WWW")
		b.checkFits(device.name)
		if wide := eval[float64](b, `Math.max(...[...document.querySelectorAll(".log .m, .side, .people, .status")].map((e) => e.scrollWidth - e.clientWidth))`); wide > 1 && device.name == "laptop" {
			t.Errorf("something overflows by %v px on a %s", wide, device.name)
		}
		for _, always := range []string{".m.head .time", ".icon.search", ".composer .send"} {
			if hidden := eval[bool](b, "[...document.querySelectorAll("+quote(always)+")].some((e) => { const r = e.getBoundingClientRect(); return r.width < 5 || r.right > innerWidth || r.left < 0; })"); hidden {
				t.Errorf("a long name hides %s on a %s", always, device.name)
			}
		}
		// The time follows the name, whatever the direction of its script.
		if order := eval[bool](b, "[...document.querySelectorAll('.byline')].every((e) => e.querySelector('.name').getBoundingClientRect().right <= e.querySelector('.time').getBoundingClientRect().left)"); !order {
			t.Errorf("a name overlaps the time on a %s", device.name)
		}
		b.screenshot("longest-" + device.name)
	})
}

// Nothing moves if the reader prefers reduced motion.
func TestReducedMotion(t *testing.T) {
	t.Parallel()
	srv := startServer(t, nil)
	b := openPage(t, srv.url("/"), phone())
	const moving = `[...document.querySelectorAll("*")].map((e) => getComputedStyle(e)).filter((s) =>
		parseFloat(s.transitionDuration) > 0 || s.animationName !== "none" || s.scrollBehavior !== "auto").length`
	b.ready()
	if eval[int](b, moving) == 0 {
		t.Error("nothing is animated without that preference, so this test proves nothing")
	}
	emulateMedia(b, "prefers-reduced-motion", "reduce")
	if n := eval[int](b, moving); n > 0 {
		t.Errorf("%d elements are animated", n)
	}
}

// TestReadme takes the screenshots of the README (make docs).
func TestReadme(t *testing.T) {
	if screenshotDir == "" {
		t.Skip("RAMAI_SCREENS is not set")
	}
	srv := startServer(t, nil)
	for _, name := range []string{"citra", "dewi", "Farid"} {
		defer srv.dialAs("lobby", name).CloseNow()
	}
	srv.seedConversation()
	srv.post("team", "hello")
	for _, device := range []struct {
		name, theme, who string
		view             action
	}{
		{"page-laptop", "light", "Eka", chromedp.EmulateViewport(1120, 700)},
		{"page-phone", "dark", "Gita", chromedp.EmulateViewport(390, 700, chromedp.EmulateMobile, chromedp.EmulateTouch, chromedp.EmulateScale(1.5))},
	} {
		b := openPage(t, srv.url("/r/team"), device.view)
		emulateMedia(b, "prefers-color-scheme", device.theme)
		b.ready()
		eval[bool](b, "(localStorage.setItem('ramai.rooms', "+quote(quote([]string{"lobby", "team", "kitchen"}))+"), true)")
		b.run(chromedp.Navigate(srv.url("/")))
		b.ready()
		b.waitForText(".log", "Then let us begin")
		srv.post("team", "two more things")
		srv.post("team", "before you go")
		b.waitFor("document.querySelector('.rooms .count')")
		b.takeName(device.who)
		b.waitForText(".people", "Farid")
		eval[bool](b, "(document.activeElement.blur(), true)")
		b.screenshot(device.name)
	}
}

// The page fits into windows of all sizes, and follows a window whose size changes.
func TestScreenSizes(t *testing.T) {
	t.Parallel()
	srv := startServer(t, nil)
	srv.seedConversation()
	var b *tab
	for _, size := range []struct {
		name          string
		width, height int64
	}{{"phone", 390, 844}, {"smallest", 320, 480}, {"zoomed", 640, 400}, {"large", 3840, 2160}} {
		view := chromedp.EmulateViewport(size.width, size.height, chromedp.EmulateTouch)
		if b == nil {
			b = openPage(t, srv.url("/"), view).ready()
			b.waitForText(".log", "Then let us begin")
		} else {
			b.run(view)
			b.waitFor(fmt.Sprintf("innerWidth === %d && innerHeight === %d", size.width, size.height))
			b.frames(2)
		}
		b.checkFits(size.name)
		b.checkAccessibility(size.name)
		b.screenshot("size-" + size.name)
		if size.width < 800 {
			b.click(".icon.menu")
			b.waitFor("document.querySelector('.side.open') && getComputedStyle(document.querySelector('.side')).visibility === 'visible'")
			b.waitForAnimations()
			b.checkFits(size.name + " menu")
			b.checkAccessibility(size.name + " menu")
			b.screenshot("menu-" + size.name)
			b.press("Escape", 0)
			b.waitFor("!document.querySelector('.side.open')")
			b.waitForAnimations()
		}
	}
}

// An on-screen keyboard does not cover the last message.
func TestOnScreenKeyboard(t *testing.T) {
	t.Parallel()
	srv := startServer(t, nil)
	srv.seedConversation()
	b := openPage(t, srv.url("/"), phone()).ready()
	b.waitForText(".log", "Then let us begin")
	b.run(chromedp.EmulateViewport(390, 460, chromedp.EmulateMobile, chromedp.EmulateTouch, chromedp.EmulateScale(2)))
	b.waitFor("(({ bottom }) => bottom > 0 && bottom <= document.querySelector('.footer').getBoundingClientRect().top)([...document.querySelectorAll('.m')].at(-1).getBoundingClientRect())")
	b.screenshot("keyboard")
}

func TestIndonesian(t *testing.T) {
	t.Parallel()
	srv := startServer(t, nil)
	srv.seedConversation()
	b := openPage(t, srv.url("/"), phone())
	b.ready()
	eval[bool](b, `(localStorage.setItem("ramai.language", '"id"'), true)`)
	b.run(chromedp.Reload())
	b.ready()
	b.waitForText(".log", "Then let us begin")
	b.waitForText(".status", "terhubung")
	b.waitForText(".day", "Hari ini")
	if lang := eval[string](b, "document.documentElement.lang"); lang != "id" {
		t.Errorf("the page says that it is in %q", lang)
	}
	b.checkFits("Indonesian")
	b.screenshot("indonesian")
}

// Screen readers announce new messages, of many only the number, and not those loaded from history.
func TestAnnouncer(t *testing.T) {
	t.Parallel()
	srv := startServer(t, nil)
	srv.postMany("lobby", 200, func(i int) string { return fmt.Sprint("old ", i) })
	b := openPage(t, srv.url("/"), laptop()).ready()
	b.waitForText(".log", "old 199")
	srv.post("lobby", "something new")
	b.waitForText(".announcer[role=log][aria-live=polite]", "something new")
	eval[bool](b, "(document.querySelector('.log').scrollTop = 0, true)")
	b.waitFor("document.querySelector('[data-n]').dataset.n < 100")
	srv.postMany("lobby", 40, func(i int) string { return fmt.Sprint("many ", i) })
	b.waitForText(".announcer", "new messages")
	if announced := eval[string](b, "document.querySelector('.announcer').textContent"); strings.Contains(announced, "old") {
		t.Errorf("old messages were announced: %s", announced)
	}
}

// TestMeasures logs how long loading takes. It asserts nothing.
func TestMeasures(t *testing.T) {
	srv := startServer(t, nil)
	srv.postMany("lobby", 10_000, func(i int) string { return fmt.Sprintf("message %d, as long as people write them", i) })
	b := openPage(t, "about:blank", laptop())
	command(b, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: `
		new MutationObserver((_, o) => { if (document.querySelector("[data-n]")) { window.firstMessage = performance.now(); o.disconnect(); } })
			.observe(document, { childList: true, subtree: true });`})
	load := func() (float64, int) {
		b.ready()
		b.waitFor("window.firstMessage")
		return eval[float64](b, "firstMessage"), eval[int](b, "performance.getEntriesByType('resource').concat(performance.getEntriesByType('navigation')).reduce((n, e) => n + e.transferSize, 0)")
	}
	b.run(chromedp.Navigate(srv.url("/")))
	cold, bytes := load()
	b.run(chromedp.Navigate(srv.url("/?again")))
	warm, again := load()
	replay := eval[float64](b, `import("/ramai.js").then(async ({ connect }) => {
		const page = await (await fetch("/api/v1/rooms/lobby/messages?limit=1")).json();
		const start = performance.now();
		const room = connect("/", { after: { log: page.log, n: 0 } });
		let n = 0;
		await new Promise((done) => room.on("message", () => ++n === 10_000 && done()));
		room.client.close();
		return performance.now() - start;
	})`)
	t.Logf("first message: cold %.0f ms and %d bytes, warm %.0f ms and %d bytes; replay of 10,000 messages: %.0f ms", cold, bytes, warm, again, replay)
}
