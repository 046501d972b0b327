package browser_test

import (
	"context"
	"fmt"
	"net/url"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/coder/websocket"

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
			b.waitForText(".sent .state", "unsent")
			b.screenshot(where + "offline")

			b = openPage(t, "about:blank", device.view)
			emulateMedia(b, "prefers-color-scheme", theme, "forced-colors", "active")
			b.run(chromedp.Navigate(srv.url("/")))
			b.ready().waitForText(".log", "Then let us begin")
			b.screenshot(where + "forced-colors")
		}
	}

	srv.crowd("class", 200, 0, 200)
	srv.crowd("all-hands", 5000, 200, 320)
	for _, room := range []string{"class", "all-hands"} {
		for _, device := range laptopAndPhone {
			b := openPage(t, srv.url("/r/"+room), device.view).ready()
			b.click(".name-form button[type=button]")
			b.waitForText(".log", "Good morning")
			if device.name == "phone" {
				b.click(".icon.menu")
				b.waitFor("document.querySelector('.side.open')")
				b.waitForAnimations()
			}
			b.waitFor("document.querySelectorAll('.people li').length > 90")
			b.screenshot("look-" + device.name + "-" + room)
		}
	}
}

// crowd fills a room with people, and lets some of them speak. The first ones have the names from..to, which are unique on a server.
func (srv *testServer) crowd(room string, people, from, to int) {
	srv.t.Helper()
	first := []string{"Ayu", "Bagus", "Citra", "Dewi", "Eka", "Fitri", "Gita", "Hadi", "Intan", "Joko", "Kartika", "Lestari", "Made", "Nina", "Oka", "Putri", "Rizal", "Sari", "Tono", "Wulan"}
	last := []string{"Adi", "Budiman", "Chandra", "Darma", "Effendi", "Gunawan", "Hartono", "Irawan", "Jaya", "Kusuma", "Lim", "Mulyani", "Nasution", "Pratama", "Rahman", "Santoso"}
	connect := func(i int) {
		query := ""
		if k := from + i; k < to {
			query = "?name=" + url.QueryEscape(first[k%len(first)]+" "+last[k/len(first)%len(last)])
		}
		c, _, err := websocket.Dial(context.Background(), srv.url("/r/"+room+query), nil)
		if err != nil {
			srv.t.Error(err)
			return
		}
		srv.t.Cleanup(func() { c.CloseNow() })
		if i < 10 {
			p := &plainClient{c, srv.t}
			p.post([]string{"Good morning!", "Hello from Bandung", "Is everybody here?", "The slides are at https://example.org/slides"}[i%4])
		}
	}
	var group sync.WaitGroup
	for worker := range 16 {
		group.Go(func() {
			for i := worker; i < people; i += 16 {
				connect(i)
			}
		})
	}
	group.Wait()
}
