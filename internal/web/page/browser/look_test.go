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

// furnish has people talk in a room, so that there is something to look at.
func (h *house) furnish() {
	h.t.Helper()
	people := map[string]*peer{"": h.dial("lobby")} // they stay as long as the test
	for _, said := range [][2]string{
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
		p := people[said[0]]
		if p == nil {
			p = h.dialName("lobby", said[0])
			people[said[0]] = p
			h.t.Cleanup(func() { p.CloseNow() })
		}
		p.say(said[1])
		p.hearText(said[1])
	}
}

func media(b *tab, features ...string) {
	var list []*emulation.MediaFeature
	for i := 0; i < len(features); i += 2 {
		list = append(list, &emulation.MediaFeature{Name: features[i], Value: features[i+1]})
	}
	command(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: list})
}

// axe tells what the accessibility checker axe-core finds.
func (b *tab) axe(where string) {
	b.t.Helper()
	source, err := os.ReadFile("../../../../tools/page/node_modules/axe-core/axe.min.js")
	if err != nil {
		if os.Getenv("CI") != "" {
			b.t.Fatal(err)
		}
		b.t.Skip("make page fetches axe-core")
	}
	eval[bool](b, string(source)+"; true")
	for _, v := range eval[[]string](b, `axe.run(document, { resultTypes: ["violations"] }).then((r) => r.violations.map((v) =>
		v.id + ": " + v.help + "\n" + v.nodes.slice(0, 3).map((n) => "    " + n.html.slice(0, 200) + "\n    " + n.failureSummary).join("\n")))`) {
		b.t.Errorf("%s: %s", where, v)
	}
}

// narrow holds that nothing has to be scrolled sideways.
func (b *tab) narrow(where string) {
	b.t.Helper()
	if over := eval[float64](b, "document.documentElement.scrollWidth - innerWidth"); over > 0 {
		b.t.Errorf("%s: the page is %v px too wide", where, over)
	}
	for _, e := range eval[[]string](b, `[...document.querySelectorAll("button, input, textarea, select, .rooms a")].filter((e) => e.checkVisibility({ visibilityProperty: true }) && !e.closest(".log, .status, .error-text") && e.type !== "checkbox").filter((e) => { const r = e.getBoundingClientRect(); return r.height < 44 || r.right > innerWidth + 1; }).map((e) => e.outerHTML.slice(0, 120) + JSON.stringify(e.getBoundingClientRect()))`) {
		b.t.Errorf("%s: too small to touch, or outside: %s", where, e)
	}
}

func TestLooks(t *testing.T) {
	h := serve(t, nil)
	h.furnish()
	for _, theme := range []string{"light", "dark"} {
		b := open(t, h.url("/"), laptop())
		media(b, "prefers-color-scheme", theme)
		b.ready()
		b.sees(".log", "Then let us begin")
		b.named("citra " + theme)
		b.axe(theme)
		b.picture("room-" + theme)
		for _, dialog := range []string{"search", "share", "settings", "jump"} {
			b.click(".icon." + dialog)
			b.until("document.querySelector('dialog[open]')")
			b.axe(theme + " " + dialog)
			if theme == "light" {
				b.until("new Promise((r) => setTimeout(() => r(true), 200))")
				b.picture("dialog-" + dialog)
			}
			b.press("Escape", 0)
			b.until("!document.querySelector('dialog')")
		}
	}
}

// A phone has as much as a laptop: what there is no room for at the top is a step further.
func TestJumpOnPhone(t *testing.T) {
	h := serve(t, nil)
	h.furnish()
	b := open(t, h.url("/"), phone()).ready()
	b.sees(".log", "Then let us begin")
	b.click(".icon.search")
	b.until("document.querySelector('dialog[open]')")
	b.narrow("search on a phone")
	b.click(".jump-to-date")
	b.click("dialog[open] form button.primary")
	b.until("document.querySelector('.m.target[data-n=\"1\"]') && !document.querySelector('dialog')")
}

// The reader's own size of letters is followed, twice that of the browser too.
func TestLargeLetters(t *testing.T) {
	h := serve(t, nil)
	h.furnish()
	for _, device := range []struct {
		name string
		view action
	}{{"laptop", laptop()}, {"phone", phone()}} {
		b := open(t, h.url("/"), device.view).ready()
		b.sees(".log", "Then let us begin")
		// A setting of the browser is where the percentage of :root comes from; here it is given directly.
		if size := eval[string](b, "[...document.styleSheets].flatMap((s) => [...s.cssRules]).find((r) => r.selectorText === ':root').style.fontSize"); size != "100%" {
			t.Errorf("letters are %s, whatever the reader has set", size)
		}
		eval[bool](b, "(document.documentElement.style.fontSize = '200%', dispatchEvent(new Event('resize')))")
		if over := eval[float64](b, "(({ scrollWidth, clientWidth }) => scrollWidth - clientWidth)(document.querySelector('.header h1'))"); over > 0 {
			t.Errorf("letters twice as large hide %v px of the room's name on a %s", over, device.name)
		}
		b.narrow("letters twice as large on a " + device.name)
		b.axe("letters twice as large on a " + device.name)
		if height := eval[float64](b, "document.querySelector('.log').clientHeight"); height < 100 {
			t.Errorf("letters twice as large leave %v px of the log on a %s", height, device.name)
		}
		b.picture("letters-" + device.name)
	}
}

// Where the system gives all colors, nothing is told by a color that is not there any more.
func TestForcedColors(t *testing.T) {
	h := serve(t, nil)
	h.furnish()
	h.say("team", "hello")
	b := open(t, h.url("/r/team"), laptop())
	media(b, "forced-colors", "active", "prefers-color-scheme", "dark")
	b.ready()
	b.enter(".side input[name=room]", "lobby")
	b.sees(".log", "Then let us begin")
	b.named("citra")
	b.write("@citra is me")
	h.say("team", "hello again")
	h.say("lobby", "hello @citra")
	b.sees(".m.mentioned", "hello @citra")
	b.sees(".rooms .count", "1")
	b.axe("forced colors")
	for _, marked := range []string{".rooms .current", ".m.mentioned", ".composer:focus-within"} {
		if style := eval[string](b, "getComputedStyle(document.querySelector("+js(marked)+")).outlineStyle"); style != "solid" {
			t.Errorf("%s is like all others: its outline is %s", marked, style)
		}
	}
	for _, bordered := range []string{".count", ".icon.search:focus-visible", ".name-form, .me button"} {
		b.run(chromedp.Focus(".icon.search"))
		if none := eval[bool](b, "(({ borderStyle, outlineStyle }) => borderStyle === 'none' && outlineStyle === 'none')(getComputedStyle(document.querySelector("+js(bordered)+")))"); none {
			t.Errorf("%s has no border", bordered)
		}
	}
	if display := eval[string](b, "getComputedStyle(document.querySelector('.mention.me')).display"); display != "inline" {
		t.Errorf("a mention stands in its line as %s", display)
	}
	b.picture("forced-colors")
}

// The longest names, of rooms and people, and the longest words make nothing wider, and hide nothing else.
func TestLongest(t *testing.T) {
	h := serve(t, nil)
	room := strings.Repeat("longest-", 8)
	h.say(room, "https://example.org/"+strings.Repeat("a", 900))
	for _, name := range []string{strings.Repeat("W", 32), strings.Repeat("ל", 32), "אבג 123 abc"} {
		p := h.dialName(room, name)
		t.Cleanup(func() { p.CloseNow() })
		p.say("I am " + name)
		p.hearText("I am " + name)
		p.say(strings.Repeat("ש", 300))
		p.hear(1)
	}
	for _, device := range []struct {
		name string
		view action
	}{{"smallest", chromedp.EmulateViewport(320, 480, chromedp.EmulateTouch)}, {"laptop", laptop()}} {
		b := open(t, h.url("/r/"+room), device.view).ready()
		b.sees(".log", "אבג 123 abc")
		b.named(strings.Repeat("M", 31) + device.name[:1])
		b.sees(".people", "WWW")
		b.narrow(device.name)
		if wide := eval[float64](b, `Math.max(...[...document.querySelectorAll(".log .m, .side, .people, .status")].map((e) => e.scrollWidth - e.clientWidth))`); wide > 1 && device.name == "laptop" {
			t.Errorf("something sticks out by %v px on a %s", wide, device.name)
		}
		for _, always := range []string{".m.head .time", ".icon.search", ".composer .send"} {
			if hidden := eval[bool](b, "[...document.querySelectorAll("+js(always)+")].some((e) => { const r = e.getBoundingClientRect(); return r.width < 5 || r.right > innerWidth || r.left < 0; })"); hidden {
				t.Errorf("%s has no room beside a long name on a %s", always, device.name)
			}
		}
		// The time stands behind the name, whichever way that is read.
		if order := eval[bool](b, "[...document.querySelectorAll('.byline')].every((e) => e.querySelector('.name').getBoundingClientRect().right <= e.querySelector('.time').getBoundingClientRect().left)"); !order {
			t.Errorf("a name pushes the time away on a %s", device.name)
		}
		b.picture("longest-" + device.name)
	}
}

// Nothing moves for who does not want that.
func TestReducedMotion(t *testing.T) {
	h := serve(t, nil)
	b := open(t, h.url("/"), phone())
	const moving = `[...document.querySelectorAll("*")].map((e) => getComputedStyle(e)).filter((s) =>
		parseFloat(s.transitionDuration) > 0 || s.animationName !== "none" || s.scrollBehavior !== "auto").length`
	b.ready()
	if eval[int](b, moving) == 0 {
		t.Error("the menu does not slide in")
	}
	media(b, "prefers-reduced-motion", "reduce")
	if n := eval[int](b, moving); n > 0 {
		t.Errorf("%d elements move all the same", n)
	}
}

// TestReadme makes the pictures of the README (make docs).
func TestReadme(t *testing.T) {
	if screens == "" {
		t.Skip("pictures are made where RAMAI_SCREENS says")
	}
	h := serve(t, nil)
	for _, name := range []string{"citra", "dewi", "Farid"} {
		defer h.dialName("lobby", name).CloseNow()
	}
	h.furnish()
	h.say("team", "hello")
	for _, look := range []struct {
		name, theme, who string
		view             action
	}{
		{"page-laptop", "light", "Eka", chromedp.EmulateViewport(1120, 700)},
		{"page-phone", "dark", "Gita", chromedp.EmulateViewport(390, 700, chromedp.EmulateMobile, chromedp.EmulateTouch, chromedp.EmulateScale(1.5))},
	} {
		b := open(t, h.url("/r/team"), look.view)
		media(b, "prefers-color-scheme", look.theme)
		b.ready()
		eval[bool](b, "(localStorage.setItem('ramai.rooms', "+js(js([]string{"lobby", "team", "kitchen"}))+"), true)")
		b.run(chromedp.Navigate(h.url("/")))
		b.ready()
		b.sees(".log", "Then let us begin")
		h.say("team", "two more things")
		h.say("team", "before you go")
		b.until("document.querySelector('.rooms .count')")
		b.named(look.who)
		b.sees(".people", "Farid")
		eval[bool](b, "(document.activeElement.blur(), new Promise((r) => setTimeout(() => r(true), 300)))")
		b.picture(look.name)
	}
}

func TestSmallAndLarge(t *testing.T) {
	h := serve(t, nil)
	h.furnish()
	for _, size := range []struct {
		name          string
		width, height int64
	}{{"phone", 390, 844}, {"smallest", 320, 480}, {"zoomed", 640, 400}, {"large", 3840, 2160}} {
		b := open(t, h.url("/"), chromedp.EmulateViewport(size.width, size.height, chromedp.EmulateTouch)).ready()
		b.sees(".log", "Then let us begin")
		b.narrow(size.name)
		b.axe(size.name)
		b.picture("size-" + size.name)
		if size.width < 800 {
			b.click(".icon.menu")
			b.until("document.querySelector('.side.open') && getComputedStyle(document.querySelector('.side')).visibility === 'visible'")
			b.until("new Promise((r) => setTimeout(() => r(true), 300))")
			b.narrow(size.name + " menu")
			b.axe(size.name + " menu")
			b.picture("menu-" + size.name)
		}
	}
}

// A keyboard that comes up does not cover the last message.
func TestKeyboardOfAPhone(t *testing.T) {
	h := serve(t, nil)
	h.furnish()
	b := open(t, h.url("/"), phone()).ready()
	b.sees(".log", "Then let us begin")
	b.run(chromedp.EmulateViewport(390, 460, chromedp.EmulateMobile, chromedp.EmulateTouch, chromedp.EmulateScale(2)))
	b.until("(({ bottom }) => bottom > 0 && bottom <= document.querySelector('.footer').getBoundingClientRect().top)([...document.querySelectorAll('.m')].at(-1).getBoundingClientRect())")
	b.picture("keyboard")
}

func TestIndonesian(t *testing.T) {
	h := serve(t, nil)
	h.furnish()
	b := open(t, h.url("/"), phone())
	b.ready()
	eval[bool](b, `(localStorage.setItem("ramai.language", '"id"'), true)`)
	b.run(chromedp.Reload())
	b.ready()
	b.sees(".log", "Then let us begin")
	b.sees(".status", "terhubung")
	b.sees(".day", "Hari ini")
	if lang := eval[string](b, "document.documentElement.lang"); lang != "id" {
		t.Errorf("the page says that it is in %q", lang)
	}
	b.narrow("Indonesian")
	b.picture("indonesian")
}

// Others hear of what comes, of a flood only how much, and nothing of what came in above.
func TestSpoken(t *testing.T) {
	h := serve(t, nil)
	h.fill("lobby", 200, func(i int) string { return fmt.Sprint("old ", i) })
	b := open(t, h.url("/"), laptop()).ready()
	b.sees(".log", "old 199")
	h.say("lobby", "something new")
	b.sees(".announcer[role=log][aria-live=polite]", "something new")
	eval[bool](b, "(document.querySelector('.log').scrollTop = 0, true)")
	b.until("document.querySelector('[data-n]').dataset.n < 100")
	h.fill("lobby", 40, func(i int) string { return fmt.Sprint("many ", i) })
	b.sees(".announcer", "new messages")
	if spoken := eval[string](b, "document.querySelector('.announcer').textContent"); strings.Contains(spoken, "old") {
		t.Errorf("it was read out: %s", spoken)
	}
}

// TestMeasures tells how long things take; it asserts nothing of that.
func TestMeasures(t *testing.T) {
	h := serve(t, nil)
	h.fill("lobby", 10_000, func(i int) string { return fmt.Sprintf("message %d, as long as people write them", i) })
	b := open(t, "about:blank", laptop())
	command(b, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: `
		new MutationObserver((_, o) => { if (document.querySelector("[data-n]")) { window.firstMessage = performance.now(); o.disconnect(); } })
			.observe(document, { childList: true, subtree: true });`})
	load := func() (float64, int) {
		b.ready()
		b.until("window.firstMessage")
		return eval[float64](b, "firstMessage"), eval[int](b, "performance.getEntriesByType('resource').concat(performance.getEntriesByType('navigation')).reduce((n, e) => n + e.transferSize, 0)")
	}
	b.run(chromedp.Navigate(h.url("/")))
	cold, bytes := load()
	b.run(chromedp.Navigate(h.url("/?again")))
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
