package browser_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"ramai/server"
)

// join opens the page of the lobby on a device, and takes a name.
func (srv *testServer) join(t *testing.T, name string, d device) *tab {
	t.Helper()
	b := openPage(t, srv.url("/"), d.view).ready()
	if d.name == "phone" {
		b.takeNameOnPhone(name)
	} else {
		b.takeName(name)
	}
	return b
}

// row selects the newest message that has a text.
func (b *tab) row(text string) string {
	b.t.Helper()
	b.waitForText(".log [data-n] .text", text)
	n := eval[string](b, fmt.Sprintf("[...document.querySelectorAll('.log [data-n]')].findLast((e) => e.querySelector('.text')?.textContent.includes(%s)).dataset.n", quote(text)))
	return fmt.Sprintf("[data-n='%s']", n)
}

// choose chooses from the menu of a message, which it opens as the device does.
func (b *tab) choose(d device, row, item string) {
	b.t.Helper()
	b.openMenu(d, row)
	b.waitForText("[role=menuitem]", item)
	eval[bool](b, fmt.Sprintf("([...document.querySelectorAll('[role=menuitem]')].find((e) => e.textContent.includes(%s)).click(), true)", quote(item)))
	b.waitFor("!document.querySelector('dialog')")
}

// check checks accessibility, and that everything fits, in both themes.
func (b *tab) check(where string) {
	b.t.Helper()
	for _, theme := range []string{"light", "dark"} {
		emulateMedia(b, "prefers-color-scheme", theme)
		b.waitForAnimations()
		if theme == "light" {
			b.checkAccessibility(theme + " " + where)
			b.checkFits(theme + " " + where)
		} else {
			b.checkContrast(theme + " " + where)
		}
		b.screenshot(where + "-" + theme)
	}
}

func (b *tab) sendOn(d device, text string) {
	b.t.Helper()
	if d.name == "phone" {
		b.typeText(text)
		b.click(".send")
	} else {
		b.send(text)
	}
}

// replace replaces the text in the box.
func (b *tab) replace(text string) {
	b.t.Helper()
	eval[bool](b, "(document.querySelector('.composer textarea').select(), true)")
	b.typeText(text)
}

// People edit, delete and answer messages. Everybody sees it.
func TestChanges(t *testing.T) {
	t.Parallel()
	onDevices(t, laptopAndPhone, func(t *testing.T, d device) {
		srv := startServer(t, nil)
		anna := srv.join(t, "anna", d)
		budi := srv.join(t, "budi", laptopAndPhone[0])
		anna.sendOn(d, "The metting is at ten.\n\nBring your notes.")
		anna.sendOn(d, "My number is 555-0199")
		budi.waitForText(".m .text", "555-0199")
		budi.send("Which room?")
		question := anna.row("Which room?")

		// A reply shows what it replies to, and counts as a mention.
		budi.setFocus(false)
		anna.choose(d, question, "Reply")
		anna.waitForText(".writing", "Reply to budi: Which room?")
		anna.typeText("Room 4")
		anna.check("replying-" + d.name)
		if d.name == "phone" {
			anna.click(".send")
		} else {
			anna.press("Enter", 0)
		}
		anna.waitFor("!document.querySelector('.writing')")
		budi.waitForText(".m.mentioned .quoted", "Which room?")
		budi.waitForText(".m.mentioned .text", "Room 4")
		budi.waitFor("document.title.startsWith('(1)')")
		budi.setFocus(true)
		budi.waitFor("!document.title.startsWith('(')")

		// An edit keeps the draft, shows who is being edited, and can be canceled.
		anna.typeText("draft")
		typo := anna.row("metting")
		anna.choose(d, typo, "Edit")
		anna.waitFor("document.querySelector('.composer textarea').value.startsWith('The metting')")
		anna.waitForText(".writing", "Editing: The metting is at ten. Bring your notes.")
		anna.check("editing-" + d.name)
		anna.press("Escape", 0)
		anna.waitFor("document.querySelector('.composer textarea').value === 'draft' && !document.querySelector('.writing')")
		anna.choose(d, typo, "Edit")
		anna.replace("The meeting is at ten.")
		anna.click(".send")
		anna.waitForText(typo+" .text", "meeting is at ten. (edited")
		anna.waitFor("document.querySelector('.composer textarea').value === 'draft'")
		budi.waitForText(typo+" .edited", "(edited)")
		if title := eval[string](budi, fmt.Sprintf("document.querySelector(%s).title", quote(typo+" .edited"))); !strings.HasPrefix(title, "Edited ") || !strings.Contains(title, ":") {
			t.Errorf("the mark of an edited message has the title %q", title)
		}
		budi.waitForText(".announcer", "anna edited: The meeting is at ten.")
		anna.waitForText(".announcer", "Edit saved.")

		// A deletion is confirmed beside the message, which leaves a line.
		number := anna.row("555-0199")
		anna.choose(d, number, "Delete")
		anna.waitForText(".asked", "Delete “My number is 555-0199” for everyone?")
		anna.waitFor("document.activeElement.matches('.asked .danger')")
		anna.check("confirm-" + d.name)
		anna.press("Escape", 0)
		anna.waitFor("!document.querySelector('.asked')")
		anna.choose(d, number, "Delete")
		anna.waitFor("document.activeElement.matches('.asked .danger')")
		anna.press("Enter", 0)
		for _, b := range []*tab{anna, budi} {
			b.waitForText(number+" .tombstone", "Message deleted")
			if eval[bool](b, "document.querySelector('.log').textContent.includes('555-0199')") {
				t.Error("a deleted text is in the log")
			}
		}
		budi.waitForText(".announcer", "anna deleted a message.")
		if n := eval[int](budi, "[...document.querySelectorAll('.announcer p')].filter((p) => p.textContent.includes('deleted')).length"); n != 1 {
			t.Errorf("a deletion is announced %d times", n)
		}
		anna.check("changed-" + d.name)
		budi.screenshot("changed-other")

		// A page that is opened later, and the page without its script, show the same.
		late := openPage(t, srv.url("/"), d.view).ready()
		late.waitForText(number+" .tombstone", "Message deleted")
		late.waitForText(".quoted", "Which room?")
		late.waitForText(typo+" .text", "meeting is at ten. (edited")
		if d.name == "laptop" {
			late.hover(typo + " .text")
			late.waitFor(fmt.Sprintf("document.querySelector(%s).title.startsWith('Edited ')", quote(typo+" .edited")))
		}
	})
}

// Up edits one's last message, also one that is not sent yet.
func TestUpEdits(t *testing.T) {
	t.Parallel()
	srv := startServer(t, nil)
	anna := srv.join(t, "anna", laptopAndPhone[0])
	anna.send("frist")
	last := anna.row("frist")
	srv.post("lobby", "somebody else")
	anna.waitForText(".m .text", "somebody else")
	anna.press("ArrowUp", 0)
	anna.waitFor("document.querySelector('.composer textarea').value === 'frist'")
	anna.waitFor(fmt.Sprintf("document.querySelector(%s)", quote(last+".editing")))
	anna.replace("first")
	anna.press("Enter", 0)
	anna.waitForText(last+" .text", "first (edited")
	anna.waitFor("document.querySelector('.composer textarea').value === '' && " + boxFocused)

	// By keyboard alone, the focus goes back to the message.
	anna.run(chromedp.Focus(chromedp.CSS(".log")))
	anna.press("Enter", 0)
	anna.press("ArrowUp", 0)
	anna.press("Enter", 0)
	anna.waitFor(menuOpen)
	anna.typeLetter("e")
	anna.waitFor("document.querySelector('.writing') && " + boxFocused)
	anna.press("Escape", 0)
	anna.waitFor(fmt.Sprintf("document.activeElement === document.querySelector(%s)", quote(last+" .time")))
	anna.press("Enter", 0)
	anna.waitFor(menuOpen)
	anna.typeLetter("d")
	anna.waitFor("document.activeElement.matches('.asked .danger')")
	anna.press("Escape", 0)
	anna.waitFor(fmt.Sprintf("!document.querySelector('.asked') && document.activeElement === document.querySelector(%s)", quote(last+" .time")))
}

// Replies lead to the original, which is loaded if it is not there.
func TestJumpToOriginal(t *testing.T) {
	t.Parallel()
	onDevices(t, laptopAndPhone, func(t *testing.T, d device) {
		srv := startServer(t, nil)
		anna := srv.join(t, "anna", d)
		anna.sendOn(d, "the beginning")
		original := anna.row("the beginning")
		anna.choose(d, original, "Reply")
		anna.sendOn(d, "a reply at once")
		anna.row("a reply at once")
		srv.postMany("lobby", 400, func(i int) string { return fmt.Sprint("message ", i+1) })
		anna.run(chromedp.Reload())
		anna.ready()
		anna.row("message 400")
		budi := srv.join(t, "budi", d)
		budi.row("message 400")
		eval[bool](budi, "(location.hash = '#n2', true)")
		reply := budi.row("a reply at once")
		budi.choose(d, reply, "Reply")
		budi.sendOn(d, "late reply")
		late := anna.row("late reply")
		anna.waitForText(late+" .quoted", "a reply at once")
		anna.screenshot("quoted-" + d.name)
		anna.click(late + " .quoted")
		anna.waitFor("document.querySelector('.m.target')?.textContent.includes('a reply at once')")
		anna.waitFor(inView(".m.target"))
		anna.click(".m.target .quoted")
		anna.waitFor("document.querySelector('.m.target .text')?.textContent === 'the beginning'")
		anna.waitFor(inView(".m.target"))
		eval[bool](anna, "(history.back(), true)")
		anna.waitFor("document.querySelector('.m.target')?.textContent.includes('a reply at once')")
	})
}

// A change that the server refuses is given back with a reason, in the language of the page.
func TestRefusedChange(t *testing.T) {
	t.Parallel()
	srv := startServer(t, nil)
	anna := srv.join(t, "anna", laptopAndPhone[0])
	anna.send("as it was")
	row := anna.row("as it was")
	anna.choose(laptopAndPhone[0], row, "Edit")
	srv.stop()
	srv.change = func(c *server.Config) { c.EditWindow = time.Millisecond }
	anna.expectErrors("ERR_CONNECTION_REFUSED")
	anna.replace("as it should be")
	anna.press("Enter", 0)
	anna.waitForText(row+" .edited", "saving…") // it waits
	anna.waitForText(row+" .text", "as it should be")
	anna.checkAccessibility("pending edit")
	anna.screenshot("pending-edit")
	srv.start()
	anna.waitForText(row+" .failure", "Not edited: Messages can only be changed for 1 second.")
	anna.waitForText(row+" .text", "as it was")
	anna.waitForText(row+" .lost", "as it should be")
	anna.waitForText(".announcer", "Not edited: Messages can only be changed for 1 second.")
	anna.check("refused-edit")
	eval[bool](anna, "([...document.querySelectorAll('.failure button')].find((e) => e.textContent === 'Write as a new message').click(), true)")
	anna.waitFor("document.querySelector('.composer textarea').value === 'as it should be' && !document.querySelector('.failure')")
	anna.hover(row + " .text")
	anna.click(row + " .more-actions")
	anna.waitFor(menuOpen)
	if eval[bool](anna, "[...document.querySelectorAll('[role=menuitem]')].some((e) => /Edit|Delete/.test(e.textContent))") {
		t.Error("a message that is too old can be edited")
	}
}

// Changes are made offline, and arrive when the connection is back. Who was offline meanwhile sees them, too.
func TestChangesOffline(t *testing.T) {
	t.Parallel()
	srv := startServer(t, nil)
	d := laptopAndPhone[0]
	anna, budi := srv.join(t, "anna", d), srv.join(t, "budi", d)
	anna.send("to edit")
	anna.send("to delete")
	edit, remove := budi.row("to edit"), budi.row("to delete")
	anna.row("to delete")
	for _, b := range []*tab{anna, budi} {
		b.expectErrors("ERR_CONNECTION_REFUSED")
	}
	srv.stop()
	anna.choose(d, edit, "Edit")
	anna.replace("edited offline, @budi")
	anna.click(".send") // Enter would choose the name
	anna.choose(d, remove, "Delete")
	anna.waitFor("document.activeElement.matches('.asked .danger')")
	anna.press("Enter", 0)
	anna.waitForText(remove+" .tombstone", "deleting…")
	budi.setFocus(false)
	srv.start()
	for _, b := range []*tab{anna, budi} {
		b.waitForText(remove+" .tombstone", "Message deleted")
		b.waitForText(edit+" .text", "edited offline, @budi (edited")
	}
	budi.waitFor("document.title.startsWith('(1)')") // it mentions budi only now
	budi.setFocus(true)
	budi.waitFor("!document.title.startsWith('(')")
	if rows := eval[int](budi, "document.querySelectorAll('.missing').length"); rows != 0 {
		t.Errorf("%d rows say that messages are missing", rows)
	}
}

// A message above those on screen is deleted, or gets longer: nothing moves.
func TestChangesAboveReader(t *testing.T) {
	t.Parallel()
	onDevices(t, laptopAndPhone, func(t *testing.T, d device) {
		srv := startServer(t, nil)
		anna := srv.join(t, "anna", laptopAndPhone[0])
		anna.send("one")
		anna.send("two\n\n" + strings.Repeat("several lines\n", 4) + "and the end of two")
		one, two := anna.row("one"), anna.row("end of two")
		srv.postMany("lobby", 60, func(i int) string { return fmt.Sprint("message ", i+1) })
		citra := openPage(t, srv.url("/"), d.view).ready()
		citra.row("message 60")
		eval[bool](citra, "(document.querySelector('.log').scrollTop = 0, true)")
		citra.waitFor("document.querySelector('" + strings.ReplaceAll(one, "'", `"`) + "')")
		reading := citra.row("message 12")
		eval[bool](citra, fmt.Sprintf("(document.querySelector('.log').scrollTop += document.querySelector(%s).getBoundingClientRect().top - 200, true)", quote(reading)))
		citra.frames(5)
		top := fmt.Sprintf("document.querySelector(%s).getBoundingClientRect().top - document.querySelector('.log').getBoundingClientRect().top", quote(reading))
		before := eval[float64](citra, top)
		anna.row("message 60")
		eval[bool](anna, fmt.Sprintf("(location.hash = '#n%s', true)", strings.TrimSuffix(strings.TrimPrefix(one, "[data-n='"), "']")))
		anna.waitFor(inView(two))
		anna.choose(laptopAndPhone[0], two, "Delete")
		anna.waitFor("document.activeElement.matches('.asked .danger')")
		anna.press("Enter", 0)
		anna.choose(laptopAndPhone[0], one, "Edit")
		anna.replace("one\n" + strings.Repeat("and more\n", 6) + "end of one")
		anna.click(".send")
		citra.waitForText(two+" .tombstone", "Message deleted")
		citra.waitForText(one, "end of one")
		citra.frames(3)
		if after := eval[float64](citra, top); after < before-1 || after > before+1 {
			t.Errorf("the message that is being read moved from %v to %v", before, after)
		}
	})
}

// What the reader is writing survives a reload: the new text of a message, a reply, and the draft below them.
func TestWritingSurvivesReload(t *testing.T) {
	t.Parallel()
	onDevices(t, laptopAndPhone, func(t *testing.T, d device) {
		srv := startServer(t, nil)
		anna := srv.join(t, "anna", d)
		anna.sendOn(d, "frist")
		first := anna.row("frist")
		srv.postMany("lobby", 60, func(i int) string { return fmt.Sprint("message ", i+1) })
		anna.row("message 60")
		anna.typeText("draft")
		eval[bool](anna, "(location.hash = '#n1', true)")
		anna.waitFor(inView(first))
		anna.choose(d, first, "Edit")
		anna.replace("first of all")
		eval[bool](anna, "(location.hash = '', true)")
		anna.run(chromedp.Reload())
		anna.ready()
		anna.waitFor("document.querySelector('.composer textarea').value === 'first of all'") // although the message was not here
		anna.waitForText(".writing", "Editing: frist")
		anna.click(".send")
		anna.waitFor("document.querySelector('.composer textarea').value === 'draft' && !document.querySelector('.writing')")
		late := openPage(t, srv.url("/#n1"), d.view).ready()
		late.waitForText(first+" .text", "first of all (edited")

		anna.choose(d, anna.row("message 60"), "Reply")
		anna.run(chromedp.Reload())
		anna.ready()
		anna.waitForText(".writing", "message 60")
		anna.waitFor("document.querySelector('.composer textarea').value === 'draft'")
		anna.click(".writing button.icon")
		anna.run(chromedp.Reload())
		anna.ready()
		anna.row("message 60")
		anna.waitFor("document.querySelector('.composer textarea').value === 'draft'")
		anna.frames(5)
		if eval[bool](anna, "document.querySelector('.writing') !== null") {
			t.Error("a reply that was given up is there after a reload")
		}
	})
}

// The notification of a message follows it: it shows the new text, and goes with a deleted one.
func TestNotificationFollowsChanges(t *testing.T) {
	t.Parallel()
	onDevices(t, laptopAndPhone, func(t *testing.T, d device) {
		srv := startServer(t, nil)
		anna, budi := srv.join(t, "anna", laptopAndPhone[0]), srv.join(t, "budi", d)
		eval[bool](budi, `navigator.serviceWorker.ready.then(() => {
			localStorage.setItem("ramai.notify", "true");
			window.shown = [];
			window.Notification = class {
				static permission = "granted";
				constructor(title, { body }) { if (matchMedia("(pointer: coarse)").matches) throw new TypeError(); shown = [body]; }
				close() { shown = []; this.onclose(); }
			};
			ServiceWorkerRegistration.prototype.showNotification = async function (title, { body }) { shown = [body]; };
			ServiceWorkerRegistration.prototype.getNotifications = async () => shown.map(() => ({ close() { shown = []; } }));
			return true;
		})`)
		budi.setFocus(false)
		anna.typeText("@budi 555-0199")
		anna.click(".send") // Enter would choose a name
		budi.waitFor("shown.join() === '@budi 555-0199'")
		row := anna.row("555-0199")
		anna.choose(laptopAndPhone[0], row, "Edit")
		anna.replace("@budi 555-0198")
		anna.click(".send")
		budi.waitFor("shown.join() === '@budi 555-0198'")
		anna.choose(laptopAndPhone[0], row, "Delete")
		anna.waitFor("document.activeElement.matches('.asked .danger')")
		anna.press("Enter", 0)
		budi.waitFor("shown.length === 0")
	})
}
