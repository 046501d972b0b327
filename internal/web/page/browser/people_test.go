package browser_test

import (
	"testing"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// The list of people is led by the reader and those who spoke last. In a large room it says how many it does not list.
func TestManyPeople(t *testing.T) {
	srv := startServer(t, nil)
	for _, name := range []string{"Zoe", "émile", "Anna", "budi", "Citra"} {
		p := srv.dialAs("lobby", name)
		t.Cleanup(func() { p.CloseNow() })
	}
	zoe := srv.dialAs("lobby", "Zoe2")
	t.Cleanup(func() { zoe.CloseNow() })
	zoe.post("I speak")
	zoe.read(1)
	b := openPage(t, srv.url("/"), laptop()).ready()
	b.takeName("Mira")
	const names = "[...document.querySelectorAll('.people bdi')].map((e) => e.textContent).join()"
	b.waitFor(names + " === 'Mira,Zoe2,Anna,budi,Citra,émile,Zoe'")
	b.waitForText(".people li:first-child", "(you)")
	for range 200 {
		p := srv.dial("lobby")
		t.Cleanup(func() { p.CloseNow() })
	}
	b.waitForText(".people .none", "and ")
	b.waitFor(names + " === 'Mira,Zoe2,Anna,budi,Citra,émile,Zoe'")
	b.typeText("@ém")
	b.waitForText("[role=option]", "émile")
	b.screenshot("many-people")
}

// Until the second script has loaded, the list has the reader and those who spoke last.
func TestPeopleAtOnce(t *testing.T) {
	t.Parallel()
	srv := startServer(t, nil)
	zoe := srv.dialAs("lobby", "Zoe")
	t.Cleanup(func() { zoe.CloseNow() })
	zoe.post("I speak")
	zoe.read(1)
	gone := srv.dialAs("lobby", "Gone")
	gone.post("I leave")
	gone.read(1)
	gone.CloseNow()
	b := openPage(t, "about:blank", phone())
	b.expectErrors("ERR_BLOCKED_BY_CLIENT", "later.js")
	command(b, network.Enable, network.EnableParams{})
	command(b, network.SetBlockedURLs, network.SetBlockedURLsParams{URLPatterns: []*network.BlockPattern{{URLPattern: "*://*:*/page/*/later.js", Block: true}}})
	b.run(chromedp.Navigate(srv.url("/")))
	b.ready()
	b.takeNameOnPhone("Mira")
	b.click(".icon.menu")
	b.waitFor("document.querySelector('.side.open')")
	b.waitFor("[...document.querySelectorAll('.side .person bdi')].map((e) => e.textContent).join() === 'Mira,Zoe'")
	b.waitForText(".side h2:last-of-type", "2")
}
