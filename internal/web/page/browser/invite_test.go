package browser_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// private makes a room private that its owner has begun, with a message in it.
func (srv *testServer) private(t *testing.T, room string, d device) (owner *tab) {
	t.Helper()
	owner = srv.enter(t, room, "Ibu Sari", d)
	owner.sendOn(d, "for us alone")
	owner.waitFor("document.querySelector('.icon.moderate')")
	owner.click(".icon.moderate")
	owner.chooseOption("Preset", "Private")
	owner.closeDialog()
	return owner
}

// makeInvite makes an invite in the share dialog, and returns its link without the host.
func (b *tab) makeInvite() string {
	b.t.Helper()
	b.click(".icon.share")
	b.clickText("dialog .invite-form button", "Make a link")
	b.waitFor("document.querySelector('dialog .copy-link input, dialog input[readonly]')?.value.includes('#invite=')")
	link := eval[string](b, "document.querySelector('dialog .copy-link input, dialog input[readonly]').value")
	b.closeDialog()
	return "/r/" + strings.SplitN(link, "/r/", 2)[1]
}

// A link with an invite lets its reader into a private room, over a WebSocket and where those are blocked. The invite is taken out of
// the address bar at once, and is in no entry of the history.
func TestInviteLink(t *testing.T) {
	t.Parallel()
	srv := startServer(t, nil)
	front, _ := blockWebSockets(t, srv)
	d := laptopAndSmallPhone[0]
	owner := srv.private(t, "class", d)
	for _, way := range []struct{ name, host string }{{"socket", srv.url("")}, {"http", front}} {
		link := owner.makeInvite()
		secret := link[strings.Index(link, "=")+1:]
		b := openPage(t, strings.TrimSuffix(way.host, "/")+link, d.view)
		b.expectErrors("WebSocket connection", "403")
		b.waitForText(".log .text", "for us alone")
		if address := eval[string](b, "location.href"); strings.Contains(address, "invite") || !strings.HasSuffix(address, "/r/class") {
			t.Errorf("%s: the address is %s", way.name, address)
		}
		stored := eval[string](b, `document.documentElement.outerHTML + JSON.stringify({ ...localStorage, ...sessionStorage }) + JSON.stringify(performance.getEntriesByType("resource"))`)
		if strings.Contains(stored, secret) {
			t.Errorf("%s: the invite is still in the page, its storage, or the URL of a request", way.name)
		}
		b.send("let in over " + way.name)
		owner.row("let in over " + way.name)
		b.run(chromedp.Reload())
		b.waitForText(".log .text", "for us alone")
	}
	wrong := openPage(t, srv.url("/r/class#invite="+strings.Repeat("A", 22)), d.view)
	wrong.expectErrors("403")
	wrong.waitForText("[role=alert]", "This is not an invite to this room")
	wrong.check("invite-wrong")
	if text := eval[string](wrong, "document.documentElement.outerHTML"); strings.Contains(text, "for us alone") {
		t.Error("a wrong invite shows a message of the room")
	}
	if address := eval[string](wrong, "location.href"); strings.Contains(address, "invite") {
		t.Errorf("the address of a wrong invite is %s", address)
	}
}

// The password of a room lets its reader in, over a WebSocket and over HTTP. A wrong one says so, and after five the form says how long to
// wait.
func TestPasswordForm(t *testing.T) {
	t.Parallel()
	srv := startServer(t, nil)
	front, _ := blockWebSockets(t, srv)
	d := laptopAndSmallPhone[1]
	owner := srv.private(t, "class", d)
	if why := eval[string](owner, `import(`+quote(srv.url("/ramai.js"))+`).then(({ connect }) => connect(`+quote(srv.url("/r/class"))+`, { session: `+storedSession+` }).set("password", "right one").saved.then(() => "", String))`); why != "" {
		t.Fatal(why)
	}
	for _, way := range []struct{ name, host string }{{"socket", srv.url("")}, {"http", front}} {
		b := openPage(t, strings.TrimSuffix(way.host, "/")+"/r/class", d.view)
		b.expectErrors("WebSocket connection", "403", "429")
		b.waitForText(".left-room h2", "This room is private")
		b.check("password-" + way.name)
		b.submit("#room-password", "wrong one")
		b.waitForText(".password-form [role=alert]", "This is not the password of the room")
		b.check("password-wrong-" + way.name)
		b.submit("#room-password", "right one")
		b.waitForText(".log .text", "for us alone")
	}
	guesser := openPage(t, srv.url("/r/class"), d.view)
	guesser.expectErrors("403")
	guesser.waitForText(".left-room h2", "This room is private")
	for i := range 6 {
		guesser.waitFor("!document.querySelector('.password-form button').disabled")
		guesser.submit("#room-password", fmt.Sprint("guess ", i))
		guesser.waitFor("!document.querySelector('.password-form button').disabled && document.querySelector('.password-form [role=alert]')")
	}
	guesser.waitForText(".password-form [role=alert]", "Too many attempts. Try again in")
	guesser.check("password-limited")
}
