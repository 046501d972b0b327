package browser_test

import (
	"testing"
)

// openDevices opens the dialog for another device, from the settings.
func (b *tab) openDevices() {
	b.t.Helper()
	b.click(".icon.settings")
	b.clickText("dialog button", "Use on another device")
	b.waitForText("dialog h3", "Let another device in")
}

// A second device is let in by a code, after the reader has seen what it is called: it writes as the same sender, under the same name.
// Signing out makes it a new guest, and signing out everywhere both.
func TestSecondDevice(t *testing.T) {
	t.Parallel()
	srv := startServer(t, nil)
	laptopView, phoneView := laptopAndSmallPhone[0], laptopAndSmallPhone[1]
	first := srv.enter(t, "lobby", "Anna", laptopView)
	first.expectErrors("401") // a request may be under way while the session ends
	by := first.sender(srv, "from the laptop")
	second := srv.enter(t, "lobby", "Phone", phoneView)
	second.expectErrors("401")

	second.openDevices()
	second.check("devices-phone")
	second.clickText("dialog button", "Show a code")
	second.waitFor(`document.querySelector(".link-code")?.textContent.length === 9`)
	second.check("devices-code-phone")
	code := eval[string](second, `document.querySelector(".link-code").textContent`)

	first.openDevices()
	first.submit("#device-code", "AAAA2222")
	first.waitForText("dialog .error-text", "No other device shows this code now")
	first.check("devices-wrong-laptop")
	first.submit("#device-code", code)
	first.waitForText("dialog p", "The other device is “Chrome, ")
	first.check("devices-confirm-laptop")
	first.clickText("dialog button", "Let it in")
	first.waitForText("dialog p", "writes as you now")
	first.closeDialog()

	second.waitForText(".me bdi", "Anna") // it has loaded again
	second.ready()
	second.sendOn(phoneView, "from the phone")
	second.row("from the phone")
	if got := srv.author("from the phone"); got != by {
		t.Errorf("the phone writes as %s, want %s", got, by)
	}

	second.click(".icon.settings")
	second.clickText("dialog button", "Sign out")
	second.waitForText("dialog p", "You continue as a new guest")
	second.check("devices-sign-out-phone")
	second.clickText("dialog button.danger", "Sign out")
	second.waitForText(".me bdi.none", "no name")
	second.ready()
	second.sendOn(phoneView, "as a guest")
	second.row("as a guest")
	if got := srv.author("as a guest"); got == by {
		t.Error("signed out, the phone still writes as Anna")
	}
	if got := first.sender(srv, "still here"); got != by {
		t.Errorf("the laptop writes as %s, want %s", got, by)
	}
	first.click(".icon.settings")
	first.clickText("dialog button", "Sign out everywhere")
	first.clickText("dialog button.danger", "Sign out everywhere")
	first.waitForText(".me bdi.none", "no name")
	first.ready()
	if got := first.sender(srv, "everywhere"); got == by {
		t.Error("signed out everywhere, the laptop still writes as Anna")
	}
}

// Where WebSockets are blocked, the settings say why there is nothing to choose.
func TestDevicesOverHTTP(t *testing.T) {
	t.Parallel()
	srv := startServer(t, nil)
	front, _ := blockWebSockets(t, srv)
	b := openPage(t, front+"/")
	b.expectErrors("WebSocket connection")
	b.ready()
	b.click(".icon.settings")
	b.waitForText("dialog .note", "this network blocks WebSockets")
}
