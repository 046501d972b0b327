package browser_test

import (
	"net"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"ramai/internal/proxytest"
	"ramai/server"
)

// visible reports whether an element that matches a selector is wholly in the window.
func (b *tab) visible(selector string) bool {
	b.t.Helper()
	return eval[bool](b, `((e) => { const r = e?.getBoundingClientRect(); return Boolean(e) && r.width > 0 && r.top >= 0 && r.bottom <= innerHeight && r.left >= 0 && r.right <= innerWidth; })(document.querySelector(`+quote(selector)+`))`)
}

// byName returns a URL of the server under a host name that others can reach.
func (srv *testServer) byName(path string) string {
	_, port, _ := net.SplitHostPort(srv.address)
	return "http://" + net.JoinHostPort(proxytest.Host, port) + path
}

// An empty room says what it is and who can use it, and its link can be copied without HTTPS.
func TestEmptyRoom(t *testing.T) {
	t.Parallel()
	srv := startServer(t, func(c *server.Config) { c.AllowHosts = []string{proxytest.Host} })
	onDevices(t, laptopAndPhone, func(t *testing.T, device device) {
		b := openPage(t, srv.byName("/r/team"), device.view)
		b.expectErrors("Cross-Origin-Opener-Policy") // which is ignored without HTTPS
		b.ready()
		check := func(name, says string) {
			t.Helper()
			b.waitForText(".empty", says)
			if link := eval[string](b, "document.querySelector('.empty input').value"); link != srv.byName("/r/team") {
				t.Errorf("%s: the link is %s", name, link)
			}
			b.click(".empty .copy")
			b.waitFor("document.querySelector('.empty [role=status]').textContent !== ''")
			if notice := eval[string](b, "document.querySelector('.empty [role=status]').textContent"); strings.Contains(notice, "Ctrl") {
				t.Errorf("%s: copying says %q", name, notice)
			}
			for _, part := range []string{".empty h2", ".empty .copy", ".name-form .primary", ".composer"} {
				if !b.visible(part) {
					t.Errorf("%s: %s is not in the window", name, part)
				}
			}
			b.checkFits(name)
			b.checkAccessibility("empty " + name)
			b.screenshot("first-empty-" + name)
		}
		check(device.name, "No account needed")
		b.waitFor("[...document.querySelectorAll('.people li')].map((e) => e.textContent).join().match(/^guest .{4} \\(you\\)$/)") // and nobody else
		if device.name == "phone" {
			eval[bool](b, `(localStorage.setItem("ramai.language", '"id"'), true)`)
			b.run(chromedp.Reload())
			b.ready()
			check("phone-id", "Tidak perlu akun")
		}
	})
}

// A link that works only on this computer comes with a word about it, and without a QR code. If the server knows an
// address on the network, the link has that one.
func TestShareLocalhost(t *testing.T) {
	t.Parallel()
	srv := startServer(t, nil)
	b := openPage(t, srv.url("/r/team"), laptop()).ready()
	b.click(".icon.share")
	b.waitForText("dialog .note", "only on this computer")
	if eval[bool](b, "document.querySelector('dialog .qr') !== null") {
		t.Error("there is a QR code of a link that no phone can open")
	}
	b.checkAccessibility("share on localhost")
	b.screenshot("first-share-localhost")

	srv = startServer(t, func(c *server.Config) { c.Origin = func() string { return "http://192.168.7.4:2000" } })
	onDevices(t, laptopAndPhone, func(t *testing.T, device device) {
		b := openPage(t, srv.url("/r/team"), device.view).ready()
		b.click(".icon.share")
		b.waitForText("dialog .note", "in your network")
		b.waitFor("document.querySelector('dialog .qr path').getAttribute('d') !== ''")
		if link := eval[string](b, "document.querySelector('dialog input').value"); link != "http://192.168.7.4:2000/r/team" {
			t.Errorf("the link is %s", link)
		}
		b.checkFits("share")
		b.checkAccessibility("share")
		b.screenshot("first-share-" + device.name)
		b.press("Escape", 0)
		b.waitFor("!document.querySelector('dialog')")
	})
}

// The name card shows what is wrong with a name, can be cancelled, and never drops a name by the way.
func TestNameCard(t *testing.T) {
	t.Parallel()
	srv := startServer(t, nil)
	other := srv.dialAs("lobby", "anna")
	t.Cleanup(func() { other.CloseNow() })
	onDevices(t, laptopAndPhone, func(t *testing.T, device device) {
		b := openPage(t, srv.url("/"), device.view).ready()
		b.waitForText(".name-form label", "Choose a name")
		b.screenshot("first-name-" + device.name)
		submit := func(name string) {
			eval[bool](b, "(document.querySelector('#name').select(), true)")
			b.submit("#name", name)
		}
		submit("anna")
		b.waitForText(".name-form [role=alert]", "Choose another")
		if outside := eval[bool](b, "[...document.querySelectorAll('.error-text')].some((e) => !e.closest('.name-form'))"); outside {
			t.Errorf("%s: the error is outside of the card, too", device.name)
		}
		b.checkAccessibility("name card " + device.name)
		b.screenshot("first-name-taken-" + device.name)
		name := "budi " + device.name
		submit(name)
		b.waitForText(".me bdi", name)

		change := func() {
			if device.name == "phone" {
				b.click(".header .menu")
				b.waitFor("document.querySelector('.side.open')")
				b.waitForAnimations()
			}
			b.click(".me button")
			b.waitFor("document.activeElement.id === 'name'")
			b.waitForAnimations() // the menu that slides out covers the card
		}
		change()
		if value := eval[string](b, "document.activeElement.value"); value != name {
			t.Errorf("%s: the field has %q, want the name", device.name, value)
		}
		b.screenshot("first-rename-" + device.name)
		b.press("Escape", 0)
		b.waitFor("!document.querySelector('.name-form')")
		change()
		b.click(".name-form .line button[type=button]") // Cancel
		b.waitFor("!document.querySelector('.name-form')")
		change()
		submit(name + "!")
		b.waitForText(".me bdi", name+"!")
		if stored := eval[string](b, "localStorage.getItem('ramai.name')"); stored != quote(name+"!") {
			t.Errorf("%s: the stored name is %s", device.name, stored)
		}
		change()
		b.click(".name-form .plain") // give it up
		b.waitFor("document.querySelector('.me bdi.none')")
		b.waitFor("!document.querySelector('.name-form')")
	})
}

// Escape closes the first name card without a choice: one is a guest, and messages do not take the name that it offered.
func TestNameCardEscape(t *testing.T) {
	t.Parallel()
	srv := startServer(t, nil)
	b := openPage(t, srv.url("/"), laptop()).ready()
	b.waitFor("document.querySelector('#name')")
	b.run(chromedp.Focus("#name"))
	b.press("Escape", 0)
	b.waitFor("!document.querySelector('.name-form') && document.activeElement.matches('.composer textarea')")
	b.send("from a guest")
	b.waitForText(".log ol:first-of-type .text", "from a guest")
	b.waitFor("document.querySelector('.me bdi.none')")
	b.run(chromedp.Reload())
	b.waitFor("document.querySelector('#name')")
}

// An embedded room asks for a name, without moving anything when the script takes over, and has a way to change it.
func TestEmbeddedName(t *testing.T) {
	t.Parallel()
	srv := startServer(t, nil)
	srv.seedConversation()
	b := openPage(t, "about:blank", chromedp.EmulateViewport(420, 560))
	command(b, network.Enable, network.EnableParams{})
	command(b, network.EmulateNetworkConditionsByRule, network.EmulateNetworkConditionsByRuleParams{MatchedNetworkConditions: []*network.Conditions{{Latency: 500, DownloadThroughput: -1, UploadThroughput: -1}}})
	b.recordPlaces()
	for _, visit := range []string{"first", "returning"} {
		b.run(chromedp.Navigate(srv.url("/?embed&" + visit)))
		b.ready()
		b.frames(5)
		if asked := eval[bool](b, "document.querySelector('.name-form') !== null"); asked != (visit == "first") {
			t.Errorf("%s: the page asks for a name: %t", visit, asked)
		}
		if places := eval[[]float64](b, "places"); len(places) != 1 {
			t.Errorf("%s: the newest message has moved: it ended at %v", visit, places)
		}
		if visit == "first" {
			b.click(".name-form button[type=button]") // to be a guest
			b.waitFor("!document.querySelector('.name-form')")
		}
	}
	b.click(".my-name")
	b.waitFor("document.querySelector('#name')")
	eval[bool](b, "(document.querySelector('#name').select(), true)")
	b.submit("#name", "citra")
	b.waitForText(".my-name", "citra")
	b.click(".my-name")
	b.waitFor("document.activeElement.id === 'name'")
	b.submit("#name", "citra dewi")
	b.waitForText(".my-name", "citra dewi")
	b.checkFits("embedded")
	b.checkAccessibility("embedded")
	b.screenshot("first-embedded")
}
