package browser_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"ramai/server"
)

// TestLooks takes pictures of the views that a person meets, for people to judge: on a phone and a laptop, light and dark. It
// asserts nothing. make looks saves them in bin/screens.
func TestLooks(t *testing.T) {
	if screenshotDir == "" {
		t.Skip("RAMAI_SCREENS is not set")
	}
	srv := startServer(t, func(c *server.Config) { c.Origin = func() string { return "http://192.168.7.4:2000" } })
	for _, name := range []string{"citra", "dewi", "Farid"} {
		p := srv.dialAs("lobby", name)
		t.Cleanup(func() { p.CloseNow() })
	}
	srv.seedConversation()
	for i, theme := range []string{"light", "dark"} {
		for _, device := range []struct {
			name  string
			view  action
			phone bool
		}{{"laptop", laptop(), false}, {"phone", phone(), true}} {
			busy := "busy-" + device.name + "-" + theme
			srv.postMany(busy, 120, func(i int) string {
				return fmt.Sprintf("Point %d of the list: what we agreed on, and who does it by when.", i)
			})
			where := "look-" + device.name + "-" + theme + "-"
			open := func(path string) *tab {
				b := openPage(t, "about:blank", device.view)
				emulateMedia(b, "prefers-color-scheme", theme)
				b.run(chromedp.Navigate(srv.url(path)))
				return b.ready()
			}
			b := open("/r/new-" + device.name + theme)
			b.waitForText(".empty", "No messages yet")
			b.screenshot(where + "empty")

			b = open("/")
			b.waitForText(".log", "Then let us begin")
			name := fmt.Sprint("Eka ", device.name[:1], i)
			if device.phone {
				b.takeNameOnPhone(name)
			} else {
				b.takeName(name)
			}
			b.screenshot(where + "conversation")
			if device.phone {
				b.click(".icon.menu")
				b.waitFor("document.querySelector('.side.open')")
				b.screenshot(where + "menu")
				b.press("Escape", 0)
			}
			for _, dialog := range []string{"share", "settings", "search"} {
				b.click(".icon." + dialog)
				b.waitFor("document.querySelector('dialog[open]')")
				if dialog == "share" {
					b.waitFor("document.querySelector('.qr path')?.getAttribute('d')")
				}
				b.screenshot(where + dialog)
				b.press("Escape", 0)
				b.waitFor("!document.querySelector('dialog')")
			}
			eval[bool](b, `(window.realSend = WebSocket.prototype.send, WebSocket.prototype.send = function (data) { window.socket = this; realSend.call(this, data); }, true)`)
			b.typeText("Selamat pagi")
			b.waitFor("window.socket")
			eval[bool](b, `socket.dispatchEvent(new MessageEvent("message", { data: '{"type":"presence","room":"lobby","count":5002,"names":[]}' }))`)
			b.waitForText(".status", "5,002")
			if device.phone {
				b.click(".icon.menu")
				b.waitFor("document.querySelector('.side.open')")
			}
			b.waitForText(".people", "Farid")
			b.screenshot(where + "5002-people")

			b = open("/r/" + busy + "#n60")
			b.waitFor("document.querySelector('.m.target')")
			b.click(".name-form button[type=button]")
			b.frames(5)
			b.screenshot(where + "target")

			b = open("/r/" + busy)
			b.waitForText(".log", "Point 119")
			b.click(".name-form button[type=button]")
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan bool)
			go func() {
				defer close(done)
				srv.floodRoom(ctx, busy, 0, func(i int) string { return fmt.Sprintf("hello %d", i) })
			}()
			b.waitForText(".banner.flood", "per second")
			b.screenshot(where + "flood")
			cancel()
			<-done

			b = open("/")
			b.expectErrors("ERR_INTERNET_DISCONNECTED", "WebSocket connection")
			b.waitForText(".log", "Then let us begin")
			b.click(".name-form button[type=button]")
			eval[bool](b, "(WebSocket.prototype.send = () => {}, true)")
			offline := network.Conditions{Offline: true, DownloadThroughput: -1, UploadThroughput: -1}
			command(b, network.EmulateNetworkConditionsByRule, network.EmulateNetworkConditionsByRuleParams{MatchedNetworkConditions: []*network.Conditions{&offline}})
			command(b, network.OverrideNetworkState, network.OverrideNetworkStateParams{Offline: true, DownloadThroughput: -1, UploadThroughput: -1})
			b.waitForText(".status.off", "offline since")
			b.typeText("kept")
			b.click(".send")
			b.waitForText(".sent .state", "waiting")
			b.screenshot(where + "offline")

			b = openPage(t, "about:blank", device.view)
			emulateMedia(b, "prefers-color-scheme", theme, "forced-colors", "active")
			b.run(chromedp.Navigate(srv.url("/")))
			b.ready().waitForText(".log", "Then let us begin")
			b.screenshot(where + "forced-colors")
		}
	}
}
