package browser_test

import (
	"testing"

	"github.com/chromedp/chromedp"
)

// The log lists what moderators have done, and the owner undoes everything that one of them did.
func TestUndoModerator(t *testing.T) {
	t.Parallel()
	srv := startServer(t, nil)
	onDevices(t, laptopAndSmallPhone, func(t *testing.T, d device) {
		room := "audit-" + d.name
		owner := srv.enter(t, room, "Ibu Sari "+d.name, d)
		owner.sendOn(d, "welcome")
		owner.waitFor("document.querySelector('.icon.moderate')")
		helper := srv.enter(t, room, "Budi "+d.name, d)
		helper.sendOn(d, "I help")
		pupil := srv.enter(t, room, "Citra "+d.name, d)
		pupil.sendOn(d, "good morning")
		pupil.sendOn(d, "spam")
		said := owner.row("I help")
		owner.row("good morning")
		owner.openCard(d, said)
		owner.waitFor("document.querySelector('dialog select') && !document.querySelector('dialog select').disabled")
		owner.chooseOption("Role", "moderator")
		helper.waitFor("document.querySelector('.icon.moderate')")
		owner.closeDialog()

		helper.click(".icon.moderate")
		helper.clickText("dialog .lock-state button", "Until I open it")
		helper.closeDialog()
		pupil.waitFor("document.querySelector('.composer.closed')")
		helper.choose(d, helper.row("spam"), "Delete")
		helper.clickText(".asked button", "Delete")
		helper.waitFor("document.querySelector('.gone-message')")
		helper.openCard(d, helper.row("good morning"))
		helper.clickText("dialog .wide-button", "Ban")
		pupil.waitForText(".left-room h2", "You cannot read this room")
		helper.closeDialog()

		owner.click(".icon.moderate")
		owner.clickText("dialog .tabs button", "Log")
		owner.waitForText("dialog .audit", "Banned Citra")
		for _, did := range []string{"Locked the room", "Gave Budi " + d.name + " the role: moderator"} {
			owner.waitForText("dialog .audit", did)
		}
		owner.check("audit-log-" + d.name)
		owner.closeDialog()
		eval[bool](owner, `(localStorage.setItem("ramai.language", '"id"'), true)`)
		owner.run(chromedp.Reload())
		owner.ready()
		owner.waitFor("document.querySelector('.icon.moderate')")
		owner.click(".icon.moderate")
		owner.clickText("dialog .tabs button", "Catatan")
		owner.waitForText("dialog .audit", "Memblokir Citra")
		owner.check("audit-log-id-" + d.name)
		owner.closeDialog()
		owner.openMenu(d, owner.row("I help"))
		owner.clickText("[role=menuitem]", "Moderasi Budi")
		owner.clickText("dialog .wide-button", "Batalkan semua tindakan Budi")
		owner.waitForText("dialog .records .note", "Teksnya tidak disimpan.")
		owner.closeDialog()
		eval[bool](owner, `(localStorage.setItem("ramai.language", '"en"'), true)`)
		owner.run(chromedp.Reload())
		owner.ready()

		owner.openCard(d, owner.row("I help"))
		owner.clickText("dialog .wide-button", "Undo everything by Budi")
		owner.waitForText("dialog .records", "Undo: Banned Citra")
		owner.waitForText("dialog h3 + .records", "Deleted a message from Citra")
		owner.waitForText("dialog .records .note", "The text is not kept.")
		owner.check("audit-undo-" + d.name)
		owner.clickText("dialog .danger", "Undo 2 actions")
		pupil.waitFor("!document.querySelector('.left-room') || (document.querySelector('.left-room .primary').click(), false)")
		pupil.waitFor("!document.querySelector('.composer.closed')")
		pupil.row("good morning")
	})
}
