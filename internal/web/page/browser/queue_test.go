package browser_test

import (
	"testing"

	"github.com/chromedp/chromedp"
)

// enterHeld opens a room in which all messages wait for a moderator: as its owner, and as somebody else.
func (srv *testServer) enterHeld(t *testing.T, room string, d device) (owner, pupil *tab) {
	t.Helper()
	owner = srv.enter(t, room, "Ibu Sari "+d.name, d)
	owner.sendOn(d, "welcome")
	owner.waitFor("document.querySelector('.icon.moderate')")
	owner.click(".icon.moderate")
	owner.chooseOption("Wait for a moderator", "All messages")
	owner.closeDialog()
	return owner, srv.enter(t, room, "Budi "+d.name, d)
}

// Messages wait for a moderator: their author sees that and can take one back; the moderator approves and rejects them in the drawer,
// one or several at once, and the button carries their number.
func TestQueue(t *testing.T) {
	t.Parallel()
	srv := startServer(t, nil)
	onDevices(t, laptopAndSmallPhone, func(t *testing.T, d device) {
		room := "queue-" + d.name
		owner, pupil := srv.enterHeld(t, room, d)
		for _, text := range []string{"one", "two", "three", "four"} {
			pupil.sendOn(d, text)
		}
		pupil.waitFor("document.querySelectorAll('.sent.held').length === 4")
		pupil.waitForText(".sent.held .state", "waits for a moderator")
		pupil.check("queue-author-" + d.name)
		owner.waitForText(".icon.moderate .badge", "4")
		pupil.clickText(".sent.held:last-child button", "Withdraw")
		pupil.waitFor("document.querySelectorAll('.sent.held').length === 3")

		owner.waitForText(".icon.moderate .badge", "3")
		if rooms := eval[string](owner, "document.querySelector('.rooms').textContent"); rooms != room {
			t.Errorf("the rooms are %q", rooms)
		}
		owner.click(".icon.moderate")
		owner.waitFor("document.querySelectorAll('dialog .queue > li').length === 3")
		owner.check("queue-" + d.name)
		owner.clickText("dialog .queue > li:first-child button", "Approve")
		pupil.row("one")
		owner.clickText("dialog .check", "Select all")
		owner.clickText("dialog .decisions button", "Reject (2)")
		owner.waitForText("dialog .last-done", "2 messages rejected.")
		owner.waitForText("dialog .note", "No messages are waiting.")
		owner.closeDialog()
		pupil.waitFor("!document.querySelector('.sent.held')")
		owner.row("one")
		owner.waitFor("!document.querySelector('.icon.moderate .badge')")
		pupil.check("queue-rejected-" + d.name)
	})
}

// The room of moderators is a room that one can open: it says what was done and what waits, and is closed to others.
func TestModeratorsRoom(t *testing.T) {
	t.Parallel()
	srv := startServer(t, nil)
	onDevices(t, laptopAndPhone, func(t *testing.T, d device) {
		room := "records-" + d.name
		owner, pupil := srv.enterHeld(t, room, d)
		pupil.sendOn(d, "one")
		pupil.waitForText(".sent.held .state", "waits for a moderator")
		for _, b := range []*tab{owner, pupil} {
			b.run(chromedp.Navigate(srv.url("/r/~" + room)))
			b.ready()
		}
		owner.waitForText(".as-action", "Wait for a moderator: All messages")
		owner.waitForText(".as-held", "waits for a moderator")
		owner.check("moderators-room-" + d.name)
		pupil.waitForText(".left-room", "Only moderators can do this.")
		pupil.check("moderators-room-guest-" + d.name)
		for selector, b := range map[string]*tab{".icon.moderate": owner, ".error-text": owner, ".password-form": pupil} {
			if eval[bool](b, "document.querySelector("+quote(selector)+") !== null") {
				t.Errorf("the page shows %s", selector)
			}
		}
	})
}

// Somebody reports a message. The moderators see it beside the message that it is about, and settle it.
func TestReport(t *testing.T) {
	t.Parallel()
	srv := startServer(t, nil)
	onDevices(t, laptopAndSmallPhone, func(t *testing.T, d device) {
		room := "report-" + d.name
		owner := srv.enter(t, room, "Ibu Sari "+d.name, d)
		owner.sendOn(d, "welcome")
		owner.waitFor("document.querySelector('.icon.moderate')")
		troll := srv.enter(t, room, "Troll "+d.name, d)
		troll.sendOn(d, "SPAM")
		pupil := srv.enter(t, room, "Budi "+d.name, d)
		pupil.openMenu(d, pupil.row("SPAM"))
		pupil.check("report-menu-" + d.name)
		pupil.clickText("[role=menuitem]", "Report")
		pupil.waitFor("document.querySelector('#report-text')")
		pupil.check("report-" + d.name)
		pupil.insert("#report-text", "not for children")
		pupil.clickText("dialog .primary", "Report")
		pupil.waitForText("dialog p", "Reported.")
		pupil.closeDialog()
		owner.waitForText(".icon.moderate .badge", "1")
		owner.click(".icon.moderate")
		owner.waitForText("dialog .reports", "not for children")
		owner.waitForText("dialog .reports blockquote", "SPAM")
		owner.check("reports-" + d.name)
		owner.waitFor("!document.querySelector('.icon.moderate .badge')")
		owner.closeDialog()
		settleReport(srv, t, room, d, owner, troll)
		eval[bool](owner, `(localStorage.setItem("ramai.language", '"id"'), true)`)
		owner.run(chromedp.Reload())
		owner.ready()
		owner.openMenu(d, owner.row("SPAM"))
		owner.check("menu-id-" + d.name)
	})
}

// settleReport settles the report about a troll. It is gone for the owner and a helper, who settle it at the same time; the troll, who has
// become a moderator, may not, and sees it again.
func settleReport(srv *testServer, t *testing.T, room string, d device, owner, troll *tab) {
	helper := srv.enter(t, room, "Helper "+d.name, d)
	helper.sendOn(d, "I help")
	for _, text := range []string{"SPAM", "I help"} {
		owner.openCard(d, owner.row(text))
		owner.waitFor("document.querySelector('dialog select') && !document.querySelector('dialog select').disabled")
		owner.chooseOption("Role", "moderator")
		owner.closeDialog()
	}
	for _, b := range []*tab{troll, helper, owner} {
		b.waitFor("document.querySelector('.icon.moderate')")
		b.click(".icon.moderate")
		b.clickText("dialog .tabs button", "Reports")
		b.waitForText("dialog .reports", "not for children")
	}
	eval[bool](troll, `(window.reportWasGone = new Promise((gone) => new MutationObserver(() => document.querySelector("dialog .reports") ?? gone(true)).observe(document.body, { childList: true, subtree: true })), true)`)
	troll.clickText("dialog .reports button", "Settled")
	eval[bool](troll, "window.reportWasGone")
	troll.waitForText("dialog .reports", "not for children")
	troll.waitFor("document.querySelector('.error-text')")

	eval[bool](helper, `(() => {
		const { send } = WebSocket.prototype;
		WebSocket.prototype.send = function (data) {
			if (!data.includes('"type":"change"')) return send.call(this, data);
			window.sendChange = () => send.call(this, data);
		};
		return true;
	})()`)
	helper.clickText("dialog .reports button", "Settled")
	helper.waitForText("dialog .note", "Nothing was reported.")
	helper.waitFor("window.sendChange")
	owner.clickText("dialog .reports button", "Settled")
	for _, b := range []*tab{owner, troll} {
		b.waitForText("dialog .note", "Nothing was reported.")
		b.closeDialog()
	}
	eval[bool](helper, "(sendChange(), true)") // it is refused: gone
	helper.closeDialog()
	helper.sendOn(d, "settled") // whose answer comes after that
	owner.row("settled")
	helper.waitFor("!document.querySelector('.sent')")
	if text := eval[string](helper, "document.querySelector('.error-text')?.textContent ?? ''"); text != "" {
		t.Errorf("somebody else has settled the report; the page says %q", text)
	}
}
