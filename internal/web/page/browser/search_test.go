package browser_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/chromedp/chromedp"
)

// A person is found without words in all rooms that the reader has joined, newest first, and not in others. Messages of people
// whom the reader has hidden are not shown, but counted.
func TestSearchMyRooms(t *testing.T) {
	t.Parallel()
	srv := startServer(t, nil)
	say := func(room, name, text string) {
		p := srv.dialAs(room, name)
		t.Cleanup(func() { p.CloseNow() })
		p.post(text)
		p.read(1)
	}
	say("tea", "anna one", "tea, before")
	say("lobby", "anna two", "lobby")
	say("other", "anna three", "not joined")
	srv.postMany("lobby", 600, func(i int) string { return fmt.Sprint("hay ", i) }) // more than one page
	say("tea", "anna four", "tea, after")
	b := openPage(t, srv.url("/"), laptop()).ready()
	eval[bool](b, `(localStorage.setItem("ramai.rooms", '["lobby","tea"]'), true)`)
	b.run(chromedp.Reload())
	b.ready()
	b.waitForText(".rooms", "tea")
	set := func(selector, event, value string) {
		eval[bool](b, fmt.Sprintf("((e) => { e.value = %s; return e.dispatchEvent(new Event('%s', { bubbles: true })); })(document.querySelector(%s))", quote(value), event, quote("dialog "+selector)))
	}
	const found = "[...document.querySelectorAll('.hits .text')].map((e) => e.textContent)"
	b.click(".icon.search")
	b.click("dialog[open] summary")
	set("select", "change", "mine")
	set(".filters input[list]", "input", "anna")
	b.waitFor(found + ".join('; ') === 'tea, after'") // the lobby may have newer ones than the other
	b.click("dialog[open] .hits + button")
	b.waitFor(found + ".length === 3")
	if got, want := eval[[]string](b, found), []string{"tea, after", "lobby", "tea, before"}; !slices.Equal(got, want) {
		t.Errorf("found %q, want %q", got, want)
	}
	if got := eval[string](b, "[...document.querySelectorAll('.hits .byline span')].map((e) => e.textContent).join()"); got != "tea,lobby,tea" {
		t.Errorf("the hits are said to be in %s", got)
	}
	b.screenshot("search-my-rooms")
	set("select", "change", "all")
	b.waitForText("dialog [role=status]", "only your rooms are searched")
	set("select", "change", "room")
	b.waitFor(found + ".join('; ') === 'lobby'")
	b.press("Escape", 0)
	b.waitFor("!document.querySelector('dialog')")

	eval[bool](b, `(localStorage.setItem("ramai.hidden", '[{"by":"","from":"anna two"}]'), dispatchEvent(new StorageEvent("storage", { key: "ramai.hidden" })))`)
	b.click(".icon.search")
	b.waitForText("dialog [role=status]", "1 result is hidden")
	b.waitForText("dialog [role=status]", "No messages found")
	b.checkAccessibility("search with hidden people")
}
