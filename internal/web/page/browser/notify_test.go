package browser_test

import (
	"testing"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// On a phone, notifications come from the service worker.
func TestNotificationOnPhone(t *testing.T) {
	t.Parallel()
	srv := startServer(t, nil)
	b := openPage(t, srv.url("/"), phone()).ready()
	b.takeNameOnPhone("budi")
	eval[bool](b, `navigator.serviceWorker.ready.then((r) => {
		localStorage.setItem("ramai.notify", "true");
		window.shown = [];
		Object.defineProperty(Notification, "permission", { get: () => "granted" });
		ServiceWorkerRegistration.prototype.showNotification = async function (title, options) { shown.push([title, options.body, options.data.url].join("|")); };
		return true;
	})`)
	b.setFocus(false)
	anna := srv.dialAs("lobby", "anna")
	t.Cleanup(func() { anna.CloseNow() })
	anna.post("@budi are you there?")
	b.waitFor("shown[0] === 'anna|@budi are you there?|/'")
}

// A room notifies about all messages, or is muted, as its reader wants.
func TestNotifyLevels(t *testing.T) {
	t.Parallel()
	srv := startServer(t, nil)
	b := openPage(t, srv.url("/"), laptop()).ready()
	b.takeName("budi")
	eval[bool](b, `(localStorage.setItem("ramai.notify", "true"), window.shown = [], window.Notification = class {
		static permission = "granted";
		constructor(title, { body }) { shown.push(body); }
	}, true)`)
	level := func(level string) {
		b.click(".icon.settings")
		b.waitFor("document.querySelector('dialog[open]')")
		eval[bool](b, "((s) => { s.value = "+quote(level)+"; return s.dispatchEvent(new Event('change', { bubbles: true })); })([...document.querySelectorAll('dialog select')].at(-1))")
		b.screenshot("settings")
		b.press("Escape", 0)
		b.waitFor("!document.querySelector('dialog')")
	}
	level("all")
	b.setFocus(false)
	srv.post("lobby", "to everyone")
	b.waitFor("shown.join() === 'to everyone'")
	b.setFocus(true)
	level("nothing")
	b.setFocus(false)
	srv.post("lobby", "@budi quiet")
	b.waitForText(".log", "@budi quiet")
	b.frames(5)
	if got := eval[string](b, "shown.join() + document.title"); got != "to everyonelobby · ramai" {
		t.Errorf("a muted room has caused %q", got)
	}
}

// The settings offer what the browser has: notifications, else a sound, else they say that there is neither.
func TestAlerts(t *testing.T) {
	t.Parallel()
	srv := startServer(t, nil)
	for _, c := range []struct{ name, lacks, says, label string }{
		{"all", "Object.defineProperty(Notification, 'permission', { value: 'default' })", "", "Notifications"}, // a headless shell denies them
		{"denied", "Object.defineProperty(Notification, 'permission', { value: 'denied' })", "blocks notifications", "Play a sound"},
		{"no notifications", "delete window.Notification", "only over HTTPS, or when the page is installed", "Play a sound"},
		{"nothing", "delete window.Notification; delete window.AudioContext", "neither show notifications nor play a sound", ""},
	} {
		b := openPage(t, "about:blank", phone())
		command(b, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: c.lacks})
		b.run(chromedp.Navigate(srv.url("/")))
		b.ready()
		b.click(".icon.settings")
		b.waitFor("document.querySelector('dialog[open]')")
		if c.says != "" {
			b.waitForText("dialog .note", c.says)
		} else if n := eval[int](b, "document.querySelectorAll('dialog .note').length"); n != 0 {
			t.Errorf("%s: the settings have %d notes", c.name, n)
		}
		if label := eval[string](b, "document.querySelector('dialog .check')?.textContent.trim() ?? ''"); label != c.label {
			t.Errorf("%s: the settings offer %q, want %q", c.name, label, c.label)
		}
		b.checkFits("settings")
		if c.name == "nothing" {
			b.checkAccessibility("settings")
			b.screenshot("settings-no-alerts")
		}
	}
}
