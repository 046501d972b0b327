package chat

import (
	"fmt"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"ramai/internal/eventlog"
	"ramai/wire"
)

// TestPagesCountMessages: pages have the requested number of messages, whatever is between them, and list the numbers that
// are not messages.
func TestPagesCountMessages(t *testing.T) {
	c := newServer(t, RateLimits{})
	ann := Actor{SenderID: "annaannaannaanna", Addr: netip.MustParseAddrPort("192.0.2.1:1")}
	if err := c.submit(eventlog.Submission{Command: eventlog.Command{Kind: eventlog.Level, Body: eventlog.LevelBody{Level: eventlog.Current.Level()}}}, nil); err != nil {
		t.Fatal(err)
	}
	c.step()
	post := func(id string) uint64 {
		t.Helper()
		if err := c.Say(&ann, &Message{Room: "den", ID: id, Text: "x"}, c.reply()); err != nil {
			t.Fatal(err)
		}
		return c.step()[0].N
	}
	edit := func(of uint64, times int) {
		t.Helper()
		for i := range times {
			text := fmt.Sprint("edit ", i)
			if err := c.Change(&ann, &Change{Room: "den", ID: fmt.Sprint("c", of, "-", i), Of: of, Text: &text}, c.reply()); err != nil {
				t.Fatal(err)
			}
			if o := c.step()[0]; o.Status != eventlog.Saved {
				t.Fatalf("an edit is %+v, %v", o, o.Err)
			}
		}
	}
	one, two := post("1"), post("2")
	edit(one, 1200) // 3 to 1202
	three := post("3")
	c.clock = c.clock.Add(time.Minute)
	edit(two, 1)
	four, five := post("4"), post("5")
	edit(five, 2100) // more than the limit of skipping for a page that already has a message

	read := func(h wire.History) (page wire.Page) {
		t.Helper()
		h.Room = "den"
		err := c.History(&ann, h, func(p wire.Page, err error) {
			if page = p; err != nil {
				t.Error(err)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		c.step()
		return page
	}
	last := c.store.Bounds("den").Last
	number := func(n uint64) *uint64 { return &n }
	late := wire.TimeOf(c.clock)
	for _, w := range []struct {
		ask     wire.History
		want    []uint64
		skipped []wire.Range
		more    bool
	}{
		{wire.History{Limit: 1}, []uint64{five}, []wire.Range{{From: five + 1, To: last}}, true},
		{wire.History{Limit: 2, Before: number(five)}, []uint64{three, four}, []wire.Range{{From: 704, To: 1202}, {From: three + 1, To: three + 1}}, true}, // 2 records were read, then 500
		{wire.History{Limit: 3, Before: number(five)}, []uint64{two, three, four}, []wire.Range{{From: 3, To: 1202}, {From: three + 1, To: three + 1}}, true},
		{wire.History{Before: number(five)}, []uint64{one, two, three, four}, []wire.Range{{From: 3, To: 1202}, {From: three + 1, To: three + 1}}, false},
		{wire.History{Limit: 2, After: &wire.Position{N: two}}, []uint64{three, four}, []wire.Range{{From: 3, To: 1202}, {From: three + 1, To: three + 1}}, true},
		{wire.History{Limit: 1, After: &wire.Position{N: 900}}, []uint64{three}, []wire.Range{{From: 901, To: 1202}}, true},
		{wire.History{Limit: 4, After: &wire.Position{N: five}}, nil, []wire.Range{{From: five + 1, To: last}}, false},
		{wire.History{Limit: 2, Before: number(1)}, nil, nil, false},
		{wire.History{Limit: 4, At: &late}, []uint64{two, three, four, five}, []wire.Range{{From: 3, To: 1202}, {From: three + 1, To: three + 1}}, true},
	} {
		page := read(w.ask)
		var got []uint64
		for _, m := range page.Messages {
			got = append(got, m.N)
		}
		if !reflect.DeepEqual(got, w.want) || !reflect.DeepEqual(page.Skipped, w.skipped) || page.More != w.more || page.Head != last || page.First != 1 {
			t.Errorf("%+v: messages %v, skipped %v, more %v, head %d; want %+v", w.ask, got, page.Skipped, page.More, page.Head, w)
		}
	}

	for _, w := range []struct {
		last   int
		after  uint64
		from   uint64
		unread int
	}{{last: 1, from: five - 1}, {last: 3, from: three - 1}, {last: 4, from: two - 1}, {last: 50, from: 0}, {last: 0, from: last}, {after: 1100, from: 1100, unread: 3}, {after: five, from: five, unread: 0}} {
		ask := JoinRequest{Room: "den", Member: member{&ann}, Last: w.last}
		if w.after > 0 {
			ask.After = &wire.Position{HistoryID: c.store.HistoryID(), N: w.after}
		}
		joined, err := c.Join(&ann, ask)
		if err != nil {
			t.Fatal(err)
		}
		joined.Subscription.Leave()
		if *joined.Welcome.From != w.from || joined.After != w.from || (joined.Welcome.Unread != nil) != (w.after > 0) || w.after > 0 && *joined.Welcome.Unread != w.unread {
			t.Errorf("%+v: from %d, unread %v", w, *joined.Welcome.From, joined.Welcome.Unread)
		}
	}

	// If the numbers would have to be read first, a page that would have to skip too much is short. The next page continues
	// before the numbers that it has skipped.
	for i := range eventlog.MaxCounted {
		post(fmt.Sprint("later", i))
	}
	edit(last+1, 1)
	before := last + 1
	page := read(wire.History{Before: &before})
	if k := len(page.Messages); k != 3 || page.Messages[0].N != three || page.Messages[2].Edited != last || !page.More {
		t.Fatalf("a page before many changes has %d messages, more %v", k, page.More)
	}
	rest := read(wire.History{Before: &page.Skipped[0].From})
	if k := len(rest.Messages); k != 2 || rest.Messages[0].N != one || rest.More || rest.Skipped[len(rest.Skipped)-1].To+1 != page.Skipped[0].From {
		t.Fatalf("before it there are %d messages, more %v, skipped %v", k, rest.More, rest.Skipped)
	}
}

// TestChangeCounts: a change is counted, and its text is checked, like a message; a deletion needs no text.
func TestChangeCounts(t *testing.T) {
	c := newServer(t, RateLimits{PerSecond: 1, Burst: 2, Address: 20})
	ann := Actor{SenderID: "annaannaannaanna", Addr: netip.MustParseAddrPort("192.0.2.1:1")}
	long, bad, good := string(make([]byte, 101)), "\x07", "x"
	for _, w := range []struct {
		text *string
		code wire.Code
	}{{&long, wire.TooLong}, {&bad, wire.BadRequest}, {&good, ""}, {nil, ""}, {&good, wire.RateLimited}, {nil, wire.RateLimited}} {
		err := c.Change(&ann, &Change{Room: "den", ID: "c", Of: 1, Text: w.text}, c.reply())
		var code wire.Code
		if refused := Refusal(err); refused != nil {
			code = refused.Code
		}
		if code != w.code || err == nil != (w.code == "") {
			t.Errorf("a change is refused with %q, %v, want %q", code, err, w.code)
		}
	}
}
