package browser_test

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// smallPhone is a phone of the smallest common size.
func smallPhone() action {
	return chromedp.EmulateViewport(360, 740, chromedp.EmulateMobile, chromedp.EmulateTouch)
}

var laptopAndSmallPhone = []device{{"laptop", laptop()}, {"phone", smallPhone()}}

// enter opens a room as somebody with a name.
func (srv *testServer) enter(t *testing.T, room, name string, d device) *tab {
	t.Helper()
	b := openPage(t, srv.url("/r/"+room), d.view).ready()
	if d.name == "phone" {
		b.takeNameOnPhone(name)
	} else {
		b.takeName(name)
	}
	return b
}

// chooseOption chooses from a list whose label contains a text.
func (b *tab) chooseOption(label, option string) {
	b.t.Helper()
	b.waitForText("label.choice", label)
	if !eval[bool](b, `((label, option) => {
		const select = [...document.querySelectorAll("label.choice")].find((e) => e.textContent.includes(label)).querySelector("select");
		const wanted = [...select.options].find((o) => o.textContent === option);
		if (!wanted) return false;
		select.value = wanted.value;
		return select.dispatchEvent(new Event("change", { bubbles: true }));
	})(`+quote(label)+`, `+quote(option)+`)`) {
		b.t.Fatalf("%s does not offer %s", label, option)
	}
}

// openCard opens the card of the author of a message.
func (b *tab) openCard(d device, row string) {
	b.t.Helper()
	b.openMenu(d, row)
	b.clickText("[role=menuitem]", "Moderate")
	b.waitFor("document.querySelector('dialog .person-head')")
}

// closeDialog closes the dialog.
func (b *tab) closeDialog() {
	b.t.Helper()
	b.press("Escape", 0)
	b.waitFor("!document.querySelector('dialog')")
}

// A moderator locks and opens a room, slows it down, mutes and bans; the other page says what that means, and goes on by itself
// when it is over or undone.
func TestModeration(t *testing.T) {
	t.Parallel()
	srv := startServer(t, nil)
	onDevices(t, laptopAndSmallPhone, func(t *testing.T, d device) {
		room := "class-" + d.name
		owner := srv.enter(t, room, "Ibu Sari "+d.name, d)
		owner.sendOn(d, "Good morning, class")
		owner.waitFor("document.querySelector('.icon.moderate')") // the first to post in a room owns it
		pupil := srv.enter(t, room, "Budi "+d.name, d)
		pupil.sendOn(d, "good morning")
		owner.row("good morning")
		if eval[bool](pupil, "document.querySelector('.icon.moderate') !== null") {
			t.Error("a guest has the button of moderators")
		}

		owner.click(".icon.moderate")
		owner.waitForText("dialog .lock-state", "The room is open")
		owner.check("moderation-rules-" + d.name)
		owner.clickText("dialog .lock-state button", "10 minutes")
		pupil.waitForText(".composer.closed .silence", "The room is locked: only moderators can write. It opens in 9:5")
		pupil.waitFor("document.querySelector('.header .rule-mark')")
		pupil.check("moderation-locked-" + d.name)
		owner.waitForText("dialog .lock-state", "It opens in")
		owner.check("moderation-lock-set-" + d.name)
		owner.clickText("dialog .last-done button", "Undo")
		pupil.waitFor("!document.querySelector('.composer.closed')")

		owner.chooseOption("Time between messages", "5 minutes")
		pupil.waitFor("document.querySelector('.header .rule-mark')")
		owner.closeDialog()
		pupil.sendOn(d, "one")
		owner.row("one")
		pupil.sendOn(d, "two")
		pupil.waitForText(".composer .silence", "You can write again in 4:")
		pupil.waitFor("document.querySelector('.composer textarea').value === 'two'") // it was refused, and is not lost
		pupil.waitFor("document.querySelector('.send').disabled")
		pupil.check("moderation-slow-" + d.name)
		owner.click(".icon.moderate")
		owner.chooseOption("Time between messages", "Off")
		pupil.waitFor("!document.querySelector('.composer .silence')")
		owner.closeDialog()

		said := owner.row("one")
		owner.openCard(d, said)
		owner.waitForText("dialog .person-head", "Budi")
		owner.waitFor("!document.querySelector('dialog select').disabled")
		owner.check("moderation-person-" + d.name)
		owner.clickText("dialog .buttons button", "10 minutes")
		owner.waitForText("dialog .person-head", "muted")
		pupil.click(".send")
		pupil.waitForText(".composer.closed .silence", "A moderator has muted you. You can write again in 9:5")
		pupil.check("moderation-muted-" + d.name)
		owner.clickText("dialog .wide-button", "Unmute")
		pupil.waitFor("!document.querySelector('.composer.closed')")
		pupil.click(".send")
		owner.row("two")

		owner.clickText("dialog .wide-button", "Ban")
		pupil.waitForText(".left-room h2", "You cannot read this room")
		if text := eval[string](pupil, "document.body.innerText"); strings.Contains(strings.ToLower(text), "good morning") {
			t.Errorf("the page of somebody who was banned shows %q", text)
		}
		pupil.check("moderation-banned-" + d.name)
		pupil.run(chromedp.Reload())
		pupil.expectErrors("403")
		pupil.waitForText(".left-room h2", "You cannot read this room")
		owner.check("moderation-person-banned-" + d.name)
		owner.clickText("dialog .last-done button", "Undo")
		owner.closeDialog()
		pupil.waitFor("!document.querySelector('.left-room') || (document.querySelector('.left-room .primary').click(), false)")
		pupil.row("two")

		owner.click(".icon.moderate")
		owner.chooseOption("Preset", "Announcements")
		pupil.waitForText(".composer.closed .silence", "Only moderators can write here")
		owner.chooseOption("Preset", "None")
		pupil.waitFor("!document.querySelector('.composer.closed')")
		owner.chooseOption("Can write", "moderators")
		pupil.waitForText(".composer.closed .silence", "Only moderators can write here")
		owner.closeDialog()
		owner.openCard(d, said)
		owner.waitFor("document.querySelector('dialog select') && !document.querySelector('dialog select').disabled")
		owner.chooseOption("Role", "moderator")
		pupil.waitFor("!document.querySelector('.composer.closed') && document.querySelector('.icon.moderate')")
		owner.closeDialog()

		owner.click(".icon.moderate")
		owner.clickText("dialog .tabs button", "People")
		owner.waitForText("dialog .listed", "Budi")
		owner.check("moderation-people-" + d.name)
		owner.closeDialog()
		pupil.click(".room-name")
		pupil.waitForText("dialog .rule-list", "Writing: moderators only.")
		pupil.check("moderation-about-" + d.name)
	})
}

// The refusals and the rules of a room are in the language of the page.
func TestModerationIndonesian(t *testing.T) {
	t.Parallel()
	srv := startServer(t, nil)
	d := laptopAndSmallPhone[1]
	owner := srv.enter(t, "kelas", "Ibu Sari", d)
	eval[bool](owner, `(localStorage.setItem("ramai.language", '"id"'), true)`)
	owner.run(chromedp.Reload())
	owner.ready()
	owner.sendOn(d, "Selamat pagi")
	pupil := srv.enter(t, "kelas", "Budi", d)
	eval[bool](pupil, `(localStorage.setItem("ramai.language", '"id"'), true)`)
	pupil.run(chromedp.Reload())
	pupil.ready()
	owner.click(".icon.moderate")
	owner.clickText("dialog .lock-state button", "1 jam")
	pupil.waitForText(".composer.closed .silence", "Ruang dikunci: hanya moderator yang bisa menulis. Dibuka lagi")
	pupil.check("moderation-id-locked")
	owner.check("moderation-id-rules")
}

// The end of a lesson locks the room, and saves its messages as a text file.
func TestEndOfLesson(t *testing.T) {
	t.Parallel()
	srv := startServer(t, nil)
	d := laptopAndSmallPhone[0]
	owner := srv.enter(t, "lesson", "Ibu Sari", d)
	owner.sendOn(d, "Photosynthesis: light in, sugar out")
	owner.waitFor("document.querySelector('.icon.moderate')")
	srv.postMany("lesson", 520, func(i int) string { return "note" })
	pupil := srv.enter(t, "lesson", "Budi", d)
	eval[bool](owner, `(HTMLAnchorElement.prototype.click = function () { window.saved = { name: this.download }; }, true)`)
	owner.click(".icon.moderate")
	owner.clickText("dialog button", "End the lesson")
	owner.waitForText("dialog .last-done", "Messages saved: 521.")
	pupil.waitForText(".composer.closed .silence", "The room is locked")
	if name := eval[string](owner, "window.saved.name"); name[:7] != "lesson-" {
		t.Errorf("the file is called %s", name)
	}
}

// In a raid, one button locks the room and lists who is new, and what it did can be undone.
func TestRaid(t *testing.T) {
	t.Parallel()
	srv := startServer(t, nil)
	onDevices(t, laptopAndSmallPhone, func(t *testing.T, d device) {
		room := "raid-" + d.name
		owner := srv.enter(t, room, "Ibu Sari "+d.name, d)
		owner.sendOn(d, "welcome")
		owner.waitFor("document.querySelector('.icon.moderate')")
		raider := srv.enter(t, room, "Troll "+d.name, d)
		for range 3 {
			raider.sendOn(d, "SPAM")
			raider.waitFor("!document.querySelector('.sent')")
		}
		owner.row("SPAM")
		owner.click(".icon.moderate")
		owner.clickText("dialog button.danger", "Raid")
		owner.waitForText("dialog .newcomers", "Troll")
		raider.waitForText(".composer.closed .silence", "It opens in 9:5")
		if listed := eval[string](owner, "document.querySelector('dialog .newcomers').textContent"); strings.Contains(listed, "Ibu Sari") || !strings.Contains(listed, "3 · SPAM") {
			t.Errorf("the list of newcomers is %q", listed)
		}
		owner.waitForText("dialog .wide-button", "Erase 3 messages")
		owner.check("moderation-raid-" + d.name)
		owner.clickText("dialog .wide-button", "Erase 3 messages")
		owner.waitForText("dialog .last-done", "3 messages erased.")
		raider.waitFor("!document.body.innerText.includes('SPAM')")
		owner.check("moderation-raid-erased-" + d.name)
		owner.clickText("dialog .last-done button", "Undo")
		raider.waitForText(".log .text", "SPAM")
		owner.closeDialog()
		owner.click(".icon.moderate")
		owner.clickText("dialog .lock-state button", "Open")
		raider.waitFor("!document.querySelector('.composer.closed')")
		owner.closeDialog()

		said := owner.row("SPAM")
		owner.openMenu(d, said)
		owner.clickText("[role=menuitem]", "Erase all from Troll")
		owner.waitForText("dialog p", "3 messages will be erased for everyone")
		owner.check("moderation-erase-" + d.name)
		owner.clickText("dialog .danger", "Erase 3 messages")
		raider.waitFor("!document.body.innerText.includes('SPAM')")
		owner.waitForText(".notice-text", "3 messages erased.")
	})
}

// A moderator erases everything that somebody has said and undoes that: the other page has the texts again.
func TestUndoErasure(t *testing.T) {
	t.Parallel()
	srv := startServer(t, nil)
	d := laptopAndSmallPhone[0]
	owner := srv.enter(t, "undo", "Ibu Sari", d)
	owner.sendOn(d, "welcome")
	owner.waitFor("document.querySelector('.icon.moderate')")
	troll := srv.enter(t, "undo", "Troll", d)
	for _, text := range []string{"SPAM one", "SPAM two"} {
		troll.sendOn(d, text)
		owner.row(text)
	}
	pupil := srv.enter(t, "undo", "Budi", d)
	pupil.row("SPAM two")
	owner.openMenu(d, owner.row("SPAM one"))
	owner.clickText("[role=menuitem]", "Erase all from Troll")
	owner.clickText("dialog .danger", "Erase 2 messages")
	pupil.waitFor("!document.querySelector('.log').innerText.includes('SPAM')")
	owner.clickText(".notice-text button", "Undo")
	for _, text := range []string{"SPAM one", "SPAM two"} {
		pupil.row(text)
		troll.row(text)
		owner.row(text)
	}
}

// A moderator posts a notice, which stands out. Others are not offered to.
func TestNotice(t *testing.T) {
	t.Parallel()
	srv := startServer(t, nil)
	onDevices(t, laptopAndSmallPhone, func(t *testing.T, d device) {
		room := "notice-" + d.name
		owner := srv.enter(t, room, "Ibu Sari "+d.name, d)
		owner.sendOn(d, "welcome")
		owner.waitFor("document.querySelector('.icon.moderate')")
		pupil := srv.enter(t, room, "Budi "+d.name, d)
		pupil.row("welcome")
		owner.ask()
		eval[bool](owner, "(document.querySelector('.kinds [value=notice]').click(), true)")
		owner.insert(".ask textarea", "Fire drill at ten")
		owner.clickText("dialog .primary", "Post the notice")
		pupil.waitFor("document.querySelector('.m.as-notice')?.innerText.includes('Fire drill at ten')")
		pupil.ask()
		if eval[bool](pupil, "!!document.querySelector('.kinds [value=notice]')") {
			t.Error("somebody who is not a moderator is offered to post a notice")
		}
	})
}
