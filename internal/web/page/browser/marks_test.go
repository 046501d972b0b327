package browser_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// reaction is an expression: a chip below a message, as "emoji count", with a star if it is the reader's own.
func reaction(row string) string {
	return fmt.Sprintf("[...document.querySelectorAll(%s)].map((e) => e.textContent.replace(/\\s+/g, ' ').trim() + (e.getAttribute('aria-pressed') === 'true' ? '*' : '')).join(', ')", quote(row+" .chip[aria-pressed]"))
}

// waitForReactions waits until a message has reactions.
func (b *tab) waitForReactions(row, want string) {
	b.t.Helper()
	b.waitFor(reaction(row) + " === " + quote(want))
}

// votes is an expression: the options of a poll, as "text count", with a star if it is the reader's own.
func votes(row string) string {
	return fmt.Sprintf("[...document.querySelectorAll(%s)].map((e) => e.querySelector('.option-text').textContent + ' ' + (e.querySelector('.option-count [aria-hidden]')?.textContent ?? '?') + (e.classList.contains('own') ? '*' : '')).join(', ')", quote(row+" .option"))
}

func (b *tab) waitForVotes(row, want string) {
	b.t.Helper()
	b.waitFor(votes(row) + " === " + quote(want))
}

// People react to messages: with the mouse, by keyboard, and with a long press. Everybody sees how many did, and each knows
// which reactions are their own. A reaction makes nothing unread.
func TestReactions(t *testing.T) {
	t.Parallel()
	onDevices(t, laptopAndPhone, func(t *testing.T, d device) {
		srv := startServer(t, nil)
		anna, budi := srv.join(t, "anna", d), srv.join(t, "budi", laptopAndPhone[0])
		anna.sendOn(d, "Class begins at ten.")
		row := budi.row("Class begins")
		anna.row("Class begins")

		budi.hover(row + " .text")
		budi.waitFor(fmt.Sprintf("document.querySelector(%s)", quote(row+" .actions .reaction")))
		budi.screenshot("reactions-bar")
		budi.click(row + " .actions .reaction")
		budi.waitForReactions(row, "👍 1*")
		anna.waitForReactions(row, "👍 1")
		budi.waitForText(".announcer", "Reacted with 👍.")

		anna.openMenu(d, row)
		anna.check("reactions-menu-" + d.name)
		eval[bool](anna, "(document.querySelectorAll('.quick button')[1].click(), true)")
		anna.waitForReactions(row, "👍 1, ❤️ 1*")
		budi.waitForReactions(row, "👍 1*, ❤️ 1")
		anna.click(row + " .chip")
		budi.waitForReactions(row, "👍 2*, ❤️ 1")
		anna.waitForReactions(row, "👍 2*, ❤️ 1*")
		budi.click(row + " .chip")
		anna.waitForReactions(row, "👍 1*, ❤️ 1*")
		budi.waitForReactions(row, "👍 1, ❤️ 1")

		// More emoji.
		anna.click(row + " .chip.add")
		anna.waitFor("document.querySelector('dialog.menu .picker')")
		anna.check("reactions-picker-" + d.name)
		anna.insert("dialog .picker input", "rocket")
		anna.waitForText("dialog .picker .grid", "🚀")
		anna.press("Enter", 0)
		anna.waitFor("!document.querySelector('dialog')")
		budi.waitForReactions(row, "👍 1, ❤️ 1, 🚀 1")

		// By keyboard: a message, its menu, the second reaction.
		budi.run(chromedp.Focus(chromedp.CSS(".log")))
		budi.press("Enter", 0)
		budi.press("Enter", 0)
		budi.waitFor(menuOpen)
		budi.typeLetter("2")
		budi.waitForReactions(row, "👍 1, ❤️ 2*, 🚀 1")
		budi.waitForText(".announcer", "Reacted with ❤️.")
		budi.waitFor(fmt.Sprintf("document.activeElement === document.querySelector(%s)", quote(row+" .time")))
		if n := budi.announced("Reacted with ❤️."); n != 1 {
			t.Errorf("a reaction is read out %d times", n)
		}
		anna.check("reactions-" + d.name)

		// They are there after a reload, and make nothing unread.
		budi.setFocus(false)
		anna.click(row + " .chip")
		budi.waitForReactions(row, "❤️ 2*, 🚀 1")
		budi.frames(5)
		if title := eval[string](budi, "document.title"); strings.HasPrefix(title, "(") {
			t.Errorf("a reaction makes something unread: %s", title)
		}
		budi.setFocus(true)
		budi.run(chromedp.Reload())
		budi.ready()
		budi.waitForReactions(row, "❤️ 2*, 🚀 1")
		late := openPage(t, srv.url("/"), d.view).ready()
		late.waitForReactions(row, "❤️ 2, 🚀 1")
	})
}

// A poll: people vote and change their vote, its author hides the votes, closes and opens it, and people who come later see it.
func TestPolls(t *testing.T) {
	t.Parallel()
	onDevices(t, laptopAndPhone, func(t *testing.T, d device) {
		srv := startServer(t, nil)
		anna, budi, citra := srv.join(t, "anna", d), srv.join(t, "budi", laptopAndPhone[0]), srv.join(t, "citra", laptopAndPhone[0])
		anna.startPoll("When shall we meet?", "Monday", "Tuesday, after the long lecture about the history of everything", "Monday")
		anna.click(".ask .primary")
		anna.waitForText(".ask [role=alert]", "Two options are the same.")
		anna.check("poll-dialog-" + d.name)
		eval[bool](anna, "(document.querySelector('.options input:nth-child(3)').select(), true)")
		anna.insert(".options input:nth-child(3)", "Friday")
		anna.click(".ask .primary")
		anna.waitFor("!document.querySelector('dialog')")
		row := anna.row("When shall we meet?")
		budi.waitForVotes(row, "Monday 0, Tuesday, after the long lecture about the history of everything 0, Friday 0")
		option := func(i int) string { return fmt.Sprintf("%s .poll li:nth-child(%d) button", row, i) }
		budi.click(option(1))
		citra.waitForText(row+" .poll-state", "1 vote")
		citra.click(option(3))
		const tuesday = "Tuesday, after the long lecture about the history of everything"
		for b, want := range map[*tab]string{anna: "Monday 1, " + tuesday + " 0, Friday 1", budi: "Monday 1*, " + tuesday + " 0, Friday 1", citra: "Monday 1, " + tuesday + " 0, Friday 1*"} {
			b.waitForVotes(row, want)
		}
		budi.click(option(3)) // another vote replaces the first one
		anna.waitForVotes(row, "Monday 0, "+tuesday+" 0, Friday 2")
		budi.waitForVotes(row, "Monday 0, "+tuesday+" 0, Friday 2*")
		budi.waitForText(".announcer", "You voted for Friday.")
		anna.check("poll-" + d.name)

		anna.choose(d, row, "Hide the votes")
		budi.waitForVotes(row, "Monday ?, "+tuesday+" ?, Friday ?*")
		budi.waitForText(row+" .poll-state", "The votes are hidden.")
		citra.click(option(1))
		citra.waitForVotes(row, "Monday ?*, "+tuesday+" ?, Friday ?")
		late := openPage(t, srv.url("/"), d.view).ready()
		late.waitForVotes(row, "Monday ?, "+tuesday+" ?, Friday ?")
		anna.choose(d, row, "Show the votes")
		for _, b := range []*tab{anna, late} {
			b.waitForVotes(row, "Monday 1, "+tuesday+" 0, Friday 1")
		}

		budi.openMenu(laptopAndPhone[0], row)
		if eval[bool](budi, "[...document.querySelectorAll('[role=menuitem]')].some((e) => /poll|votes/.test(e.textContent))") {
			t.Error("somebody else's poll can be closed")
		}
		budi.press("Escape", 0)
		anna.choose(d, row, "Close the poll")
		budi.waitForText(row+" .poll-state", "2 votes · closed")
		budi.waitFor(fmt.Sprintf("!document.querySelector(%s)", quote(option(1))))
		budi.waitForText(".announcer", "Poll closed: When shall we meet?")
		anna.check("poll-closed-" + d.name)
		late = openPage(t, srv.url("/"), d.view).ready()
		late.waitForText(row+" .poll-state", "2 votes · closed")
		anna.choose(d, row, "Reopen the poll")
		late.waitFor(fmt.Sprintf("document.querySelector(%s)", quote(option(1))))
	})
}

// Questions are asked, voted for, and listed with the most wanted first and the answered ones last.
func TestQuestions(t *testing.T) {
	t.Parallel()
	onDevices(t, laptopAndPhone, func(t *testing.T, d device) {
		srv := startServer(t, nil)
		anna, budi, citra := srv.join(t, "anna", d), srv.join(t, "budi", laptopAndPhone[0]), srv.join(t, "citra", laptopAndPhone[0])
		anna.typeText("Is there homework?")
		anna.ask()
		anna.waitFor("document.querySelector('.ask textarea').value === 'Is there homework?'")
		anna.check("question-dialog-" + d.name)
		anna.click(".ask .primary")
		anna.waitFor("!document.querySelector('dialog') && document.querySelector('.composer textarea').value === ''")
		homework := budi.row("Is there homework?")
		budi.ask()
		budi.click(".ask .primary")
		budi.waitForText(".ask [role=alert]", "Write the question.")
		budi.insert(".ask textarea", "When is the exam?")
		budi.click(".ask .primary")
		exam := anna.row("When is the exam?")
		citra.waitForText(exam, "When is the exam?")
		citra.click(exam + " .upvotes")
		anna.click(exam + " .upvotes")
		for b, star := range map[*tab]string{anna: "*", budi: "", citra: "*"} {
			b.waitForReactions(exam, "2"+star)
		}
		citra.click(homework + " .upvotes")
		citra.waitForReactions(homework, "1*")
		citra.waitForText(".announcer", "You voted for the question.")

		order := "[...document.querySelectorAll('.question-row')].map((e) => e.querySelector('button.plain').textContent + ' ' + e.querySelector('.upvotes').textContent.trim()).join(', ')"
		anna.waitForText(".room-bar", "2 questions")
		anna.clickText(".room-bar button", "2 questions")
		anna.waitFor(order + " === 'When is the exam? 2, Is there homework? 1'")
		anna.check("questions-" + d.name)
		budi.choose(laptopAndPhone[0], exam, "Mark as answered")
		anna.waitFor(order + " === 'Is there homework? 1, When is the exam? 2'")
		anna.waitForText(".question-row.done", "Answered")
		anna.check("questions-answered-" + d.name)
		anna.clickText(".question-row button.small", "Mark as answered")
		anna.waitFor("document.querySelectorAll('.question-row.done').length === 2")
		anna.clickText(".question-row button.plain", "When is the exam?")
		anna.waitFor("!document.querySelector('dialog') && document.querySelector('.m.target')?.textContent.includes('When is the exam?')")
		citra.waitForText(".announcer", "Answered: Is there homework?")
		citra.waitFor("!document.querySelector('.room-bar')")

		// Who comes later gets them all, although they are far up.
		srv.postMany("lobby", 120, func(i int) string { return fmt.Sprint("message ", i+1) })
		late := openPage(t, srv.url("/"), d.view).ready()
		late.row("message 120")
		late.ask()
		late.clickText("dialog button", "All questions")
		late.waitFor("document.querySelectorAll('.question-row.done').length === 2")
	})
}

// The stage shows votes as they come in.
func TestStageVotes(t *testing.T) {
	t.Parallel()
	srv := startServer(t, nil)
	anna, budi := srv.join(t, "anna", laptopAndPhone[0]), srv.join(t, "budi", laptopAndPhone[0])
	projector := openPage(t, srv.url("/?view=stage"), chromedp.EmulateViewport(1280, 800))
	anna.startPoll("Which city is the capital?", "Nusantara", "Jakarta", "Bandung")
	anna.click(".ask .primary")
	poll := budi.row("Which city")
	anna.row("Which city")
	anna.choose(laptopAndPhone[0], poll, "Show on the stage")
	projector.waitForText(".stage .option", "Nusantara")
	budi.click(poll + " .poll li:nth-child(2) button")
	projector.waitForVotes(".stage", "Nusantara 0, Jakarta 1, Bandung 0")
	projector.check("stage-votes")
	budi.ask()
	budi.insert(".ask textarea", "Why is the sky blue?")
	budi.click(".ask .primary")
	question := anna.row("Why is the sky blue?")
	anna.choose(laptopAndPhone[0], question, "Show on the stage")
	anna.click(question + " .upvotes")
	projector.waitForText(".stage .upvotes", "1")
}
