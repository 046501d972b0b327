package chat

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strings"
	"testing"
	"time"

	"ramai/internal/eventlog"
	"ramai/internal/room"
	"ramai/wire"
)

var (
	ann = Actor{SenderID: wire.SenderIDOf("ann"), Addr: sharedAddr, Protocol: V1}
	bob = Actor{SenderID: wire.SenderIDOf("bob"), Addr: remote, Protocol: SSH}
)

// code returns the code of a refusal.
func code(err error) wire.Code {
	if refused := Refusal(err); refused != nil {
		return refused.Code
	}
	return ""
}

// TestSay: a message is stored under its sender, whatever the transport, and its outcome goes to the reply.
func TestSay(t *testing.T) {
	c := newServer(t, RateLimits{})
	for i, a := range []Actor{ann, bob, {Addr: remote, Protocol: HTTP}, {SenderID: ann.SenderID, Addr: remote, Protocol: Plain}} {
		if err := c.Say(&a, &Message{Room: wire.Lobby, ID: fmt.Sprint(i), Text: "hello"}, c.reply()); err != nil {
			t.Fatal(err)
		}
		got := c.step()
		if len(got) != 1 || got[0].Status != eventlog.Saved || got[0].N != uint64(i+1) || got[0].Command.SenderID != a.sender() {
			t.Errorf("%v: %+v", a.Protocol, got)
		}
	}
	if ann := anonymous; ann != wire.SenderIDOf("") {
		t.Error("the sender of anonymous clients has changed")
	}
}

// TestLinksInOptions: rules about links apply to the options of a poll, too.
func TestLinksInOptions(t *testing.T) {
	c := newestLevel(t, RateLimits{})
	for option, want := range map[string]bool{"https://example.com": true, "no link": false} {
		m := Message{Room: wire.Lobby, ID: fmt.Sprint(want), Text: "which?", As: wire.Poll, Options: []string{"yes", option}}
		if err := c.Say(&ann, &m, c.reply()); err != nil {
			t.Fatal(err)
		}
		if got := c.step()[0].Command.Link; got != want {
			t.Errorf("a poll with the option %q has a link: %v", option, got)
		}
	}
}

// TestBadTexts: an invalid message is refused at once, and nothing is submitted or charged.
func TestBadTexts(t *testing.T) {
	c := newServer(t, RateLimits{PerSecond: 1, Burst: 1, Address: 1})
	for text, want := range map[string]wire.Code{strings.Repeat("x", 101): wire.TooLong, "a\x00b": wire.BadRequest} {
		if err := c.Say(&ann, &Message{Room: wire.Lobby, ID: "1", Text: text}, c.reply()); code(err) != want {
			t.Errorf("%.10q: %v, want %s", text, err, want)
		}
	}
	if err := c.Say(&ann, &Message{Room: wire.Lobby, ID: "1", Text: "x"}, c.reply()); err != nil {
		t.Error(err)
	}
	if got := c.step(); len(got) != 1 {
		t.Errorf("%d were submitted, want 1", len(got))
	}
}

// TestOneRateForAllTransports: a sender has one rate on all transports, and Wait returns when it allows more.
func TestOneRateForAllTransports(t *testing.T) {
	c := newServer(t, RateLimits{PerSecond: 1, Burst: 2, Address: 1})
	say := func(protocol Protocol) error {
		a := ann
		a.Protocol = protocol
		return c.Say(&a, &Message{Room: wire.Lobby, ID: "1", Text: "x"}, Reply{})
	}
	if err := errors.Join(say(Plain), say(HTTP)); err != nil {
		t.Fatal(err)
	}
	err := say(V1)
	if code(err) != wire.RateLimited || Wait(err) != time.Second {
		t.Fatalf("the third: %v, wait %v", err, Wait(err))
	}
	c.clock = c.clock.Add(Wait(err))
	if err := say(SSH); err != nil {
		t.Error(err)
	}
}

// TestFullQueue: a message that meets a full queue is counted and checked once, however often it is tried.
func TestFullQueue(t *testing.T) {
	c := newServer(t, RateLimits{PerSecond: 1, Burst: 6, Address: 1})
	for i := range 4 {
		if err := c.Say(&ann, &Message{Room: wire.Lobby, ID: fmt.Sprint(i), Text: "x"}, c.reply()); err != nil {
			t.Fatal(err)
		}
	}
	spaces := 0
	m, r := Message{Room: wire.Lobby, ID: "late", Text: "x"}, c.reply()
	r.Space = func() { spaces++ }
	for range 10 {
		if err := c.Say(&ann, &m, r); err != eventlog.ErrBusy {
			t.Fatal(err)
		}
	}
	if c.step(); spaces == 0 {
		t.Error("Space was not called")
	}
	if err := c.Say(&ann, &m, r); err != nil {
		t.Fatal(err)
	}
	if got := c.step(); len(got) != 1 || got[0].N != 5 {
		t.Errorf("%+v", got)
	}
	if err := c.Say(&ann, &Message{Room: wire.Lobby, ID: "6", Text: "x"}, r); err != nil {
		t.Errorf("the sixth of a burst of 6: %v", err)
	}
}

// TestNewRoomsAreCounted: a new room is charged once, to the address that creates it.
func TestNewRoomsAreCounted(t *testing.T) {
	c := newServer(t, RateLimits{PerSecond: 100, Burst: 100, Address: 1, Rooms: 2})
	say := func(room string) error {
		return c.Say(&bob, &Message{Room: room, ID: "1", Text: "x"}, Reply{})
	}
	if err := errors.Join(say("a"), say("a"), say(wire.Lobby), say("b")); err != nil {
		t.Fatal(err)
	}
	c.step()
	if err := say("c"); code(err) != wire.RateLimited {
		t.Errorf("the third room: %v", err)
	}
	if err := errors.Join(say("a"), say("b")); err != nil {
		t.Errorf("a room that exists: %v", err)
	}
}

// TestNames: a name belongs to one sender until it is released; names that look like the server's are reserved.
func TestNames(t *testing.T) {
	c := newServer(t, RateLimits{})
	reserve := func(a *Actor, name string) eventlog.Outcome {
		t.Helper()
		if err := c.ReserveName(a, &NameRequest{Name: name}, c.reply()); err != nil {
			t.Fatal(err)
		}
		return c.step()[0]
	}
	if o := reserve(&ann, "Ann"); o.Status != eventlog.Saved || c.Name(ann.SenderID) != "Ann" {
		t.Errorf("%+v", o)
	}
	if o := reserve(&bob, "ann"); o.Status != eventlog.Refused || o.Err.Code != wire.NameTaken {
		t.Errorf("a second Ann: %+v", o)
	}
	c.RenewName(ann.SenderID)
	if c.step(); c.Name(ann.SenderID) != "Ann" {
		t.Error("a renewed name is gone")
	}
	if err := c.ReleaseName(&ann, new(NameRequest), c.reply()); err != nil {
		t.Fatal(err)
	}
	if c.step(); c.Name(ann.SenderID) != "" {
		t.Error("Ann still has the released name")
	}
	if o := reserve(&bob, "ann"); o.Status != eventlog.Saved {
		t.Errorf("a name that was released: %+v", o)
	}
	for name, want := range map[string]wire.Code{"server": wire.NameTaken, "": wire.BadRequest, "a\nb": wire.BadRequest} {
		if err := c.ReserveName(&ann, &NameRequest{Name: name}, Reply{}); code(err) != want {
			t.Errorf("%q: %v, want %s", name, err, want)
		}
	}
}

// TestBoundNames: a name bound to a connection is freed after it, even if the queue is full then.
func TestBoundNames(t *testing.T) {
	c := newServer(t, RateLimits{})
	a := ann
	a.NameBound = true
	if err := c.ReserveName(&a, &NameRequest{Name: "Ann"}, c.reply()); err != nil {
		t.Fatal(err)
	}
	c.step()
	for i := range 4 {
		if err := c.Say(&bob, &Message{Room: wire.Lobby, ID: fmt.Sprint(i), Text: "x"}, Reply{}); err != nil {
			t.Fatal(err)
		}
	}
	c.ReleaseBound(a.SenderID)
	if c.step(); c.Name(a.SenderID) != "" {
		t.Error("the name is still bound")
	}
}

// TestRegisteredNames: only a sender with a key registers a name, by posting under it, and an address registers at most its
// share.
func TestRegisteredNames(t *testing.T) {
	c := newServer(t, RateLimits{PerSecond: 100, Burst: 100, Address: 1, Names: 1})
	say := func(a *Actor, name string) {
		t.Helper()
		err := c.ReserveName(a, &NameRequest{Name: name}, Reply{})
		c.step()
		if err := errors.Join(err, c.Say(a, &Message{Room: wire.Lobby, ID: name, Text: "x"}, Reply{})); err != nil {
			t.Fatal(err)
		}
		c.step()
	}
	guest := bob
	say(&guest, "carl")
	first, second := bob, bob
	first.SenderID, first.HasKey = wire.SenderIDOf("first"), true
	second.SenderID, second.HasKey = wire.SenderIDOf("second"), true
	say(&first, "first")
	say(&second, "second")
	if got := c.RegisteredNames(); got != 1 || !c.OwnsName(first.SenderID) || c.OwnsName(second.SenderID) {
		t.Errorf("%d names are registered, of the first %t, of the second %t; want only the first's", got, c.OwnsName(first.SenderID), c.OwnsName(second.SenderID))
	}
}

// TestJoin: a member starts where its client stopped, or at the newest messages, in a limited number of rooms.
func TestJoin(t *testing.T) {
	c := newServer(t, RateLimits{PerSecond: 100, Burst: 100, Address: 1})
	for i := range 5 {
		if err := c.Say(&ann, &Message{Room: wire.Lobby, ID: fmt.Sprint(i), Text: "x"}, Reply{}); err != nil {
			t.Fatal(err)
		}
		c.step()
	}
	position, other := c.Position(2), wire.Position{HistoryID: "another", N: 2}
	for _, step := range []struct {
		request JoinRequest
		after   uint64
		reset   bool
	}{
		{JoinRequest{Last: 3}, 2, false},
		{JoinRequest{Last: 30}, 0, false},
		{JoinRequest{After: &position}, 2, false},
		{JoinRequest{After: &other}, 0, true},
	} {
		step.request.Room, step.request.Encoding, step.request.Member = wire.Lobby, room.JSON, member{&ann}
		j, err := c.Join(&ann, step.request)
		if err != nil || j.After != step.after || j.Welcome.Reset != step.reset || j.Welcome.N != 5 || j.Welcome.Count != 1 {
			t.Errorf("%+v: %+v, %v", step.request, j, err)
			continue
		}
		j.Subscription.Leave()
	}
	admitted := false
	_, err := c.Join(&ann, JoinRequest{Room: "c", Encoding: room.JSON, Member: member{&ann}, Joined: 2, Admitted: func() { admitted = true }})
	if code(err) != wire.NotAllowed || admitted || c.hub.Occupied("c") {
		t.Errorf("a third room of two: %v", err)
	}
}

// TestJoinsAreCounted: resuming costs no event, joining does, and a plain client joins by connecting.
func TestJoinsAreCounted(t *testing.T) {
	c := newServer(t, RateLimits{PerSecond: 1, Burst: 1, Address: 1})
	join := func(a Actor, j JoinRequest) error {
		j.Room, j.Member = wire.Lobby, member{&a}
		got, err := c.Join(&a, j)
		if err == nil {
			got.Subscription.Leave()
		}
		return err
	}
	plain, position := bob, c.Position(0)
	plain.Protocol = Plain
	if err := errors.Join(join(bob, JoinRequest{After: &position}), join(plain, JoinRequest{}), join(bob, JoinRequest{})); err != nil {
		t.Fatal(err)
	}
	if err := join(bob, JoinRequest{}); code(err) != wire.RateLimited {
		t.Errorf("a second join: %v", err)
	}
	if err := join(plain, JoinRequest{Last: 1}); code(err) != wire.RateLimited {
		t.Errorf("a plain client that requests history: %v", err)
	}
	if err := errors.Join(join(bob, JoinRequest{After: &position}), join(plain, JoinRequest{})); err != nil {
		t.Error(err)
	}
}

// TestReads: a read costs two events.
func TestReads(t *testing.T) {
	c := newServer(t, RateLimits{PerSecond: 1, Burst: 5, Address: 1})
	if err := c.Say(&ann, &Message{Room: wire.Lobby, ID: "1", Text: "x"}, Reply{}); err != nil {
		t.Fatal(err)
	}
	c.step()
	var page wire.Page
	if err := c.History(&ann, wire.History{Room: wire.Lobby}, func(p wire.Page, err error) { page = p }); err != nil {
		t.Error(err)
	}
	if c.step(); len(page.Messages) != 1 {
		t.Errorf("%+v", page)
	}
	if who, err := c.Who(&ann, wire.Who{Room: wire.Lobby}); err != nil || who.Room != wire.Lobby {
		t.Errorf("%+v, %v", who, err)
	}
	if err := c.History(&ann, wire.History{Room: wire.Lobby}, func(wire.Page, error) {}); err != nil {
		t.Errorf("a second read: %v", err)
	}
	c.step()
	err := c.History(&ann, wire.History{Room: wire.Lobby}, func(wire.Page, error) { t.Error("it was read") })
	if code(err) != wire.RateLimited {
		t.Errorf("a third read: %v", err)
	}
}

// TestWhoIsWork: Who costs no event; how often a client may ask depends on the number of names.
func TestWhoIsWork(t *testing.T) {
	for limit, times := range map[int]int{0: 2, 20: 26} { // of 160 units of work, one takes 4 and one for 8 names
		c := newServer(t, RateLimits{PerSecond: 1, Burst: 5, Address: 1})
		asked := 0
		for ; asked < 100; asked++ {
			if _, err := c.Who(&ann, wire.Who{Room: wire.Lobby, Limit: limit}); err != nil {
				if code(err) != wire.RateLimited || Wait(err) == 0 {
					t.Error(err)
				}
				break
			}
		}
		if asked != times {
			t.Errorf("with limit %d Who is allowed %d times at once, want %d", limit, asked, times)
		}
		if err := c.Say(&ann, &Message{Room: wire.Lobby, ID: "1", Text: "x"}, Reply{}); err != nil {
			t.Error(err)
		}
	}
}

// TestHistoryAround reads around times: between messages, at one, before all, after all, and in an empty room.
func TestHistoryAround(t *testing.T) {
	c := newServer(t, RateLimits{})
	start := wire.TimeOf(c.clock)
	for i := range 20 {
		if err := c.Say(&ann, &Message{Room: wire.Lobby, ID: fmt.Sprint(i), Text: "x"}, Reply{}); err != nil {
			t.Fatal(err)
		}
		c.step()
		if i != 9 { // messages 10 and 11 have the same time
			c.clock = c.clock.Add(time.Minute)
		}
	}
	read := func(room string, at wire.Time, limit int) (page wire.Page) {
		t.Helper()
		err := c.History(&ann, wire.History{Room: room, At: &at, Limit: limit}, func(p wire.Page, err error) {
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
	minute := wire.Time(time.Minute.Milliseconds())
	for _, w := range []struct {
		at           wire.Time
		limit        int
		target       uint64
		first, count uint64
		more         bool
	}{
		{start + 4*minute, 4, 5, 3, 4, true},
		{start + 4*minute - 1, 4, 5, 3, 4, true},
		{start + 4*minute + 1, 4, 6, 4, 4, true},
		{start + 9*minute, 4, 10, 8, 4, true},
		{start + 9*minute + 1, 4, 12, 10, 4, true},
		{start + 4*minute, 1, 5, 5, 1, true},
		{start + 4*minute, 0, 5, 1, 20, false},
		{start, 4, 1, 1, 2, true},
		{math.MinInt64, 4, 1, 1, 2, true},
		{start + 18*minute, 4, 20, 18, 3, false},
		{start + 18*minute + 1, 4, 0, 17, 4, false},
		{math.MaxInt64, 4, 0, 17, 4, false},
	} {
		page := read(wire.Lobby, w.at, w.limit)
		if page.Target != w.target || page.First != 1 || page.More != w.more || uint64(len(page.Messages)) != w.count || page.Messages[0].N != w.first {
			t.Errorf("at %v, limit %d: target %d, more %v, messages %+v; want %+v", w.at, w.limit, page.Target, page.More, page.Messages, w)
		}
	}
	if page := read("empty", start, 4); page.Target != 0 || len(page.Messages) != 0 || page.First != 1 || page.More {
		t.Errorf("an empty room: %+v", page)
	}

	for i := range 100 {
		if err := c.Say(&ann, &Message{Room: "long", ID: fmt.Sprint(i), Text: strings.Repeat("\n", 100)}, Reply{}); err != nil {
			t.Fatal(err)
		}
		c.step()
		c.clock = c.clock.Add(time.Second)
	}
	long := read("long", wire.TimeOf(c.clock)-50_000, 0)
	if size := len(wire.Append(nil, long)); size > wire.PageBytes || long.Target != 51 || long.Messages[len(long.Messages)-1].N < 51 {
		t.Errorf("a page of %d bytes around %d, to %d", size, long.Target, long.Messages[len(long.Messages)-1].N)
	}
}

// TestTyping: typing is forwarded at most every three seconds.
func TestTyping(t *testing.T) {
	c := newServer(t, RateLimits{})
	a := ann
	c.Typing(&a, wire.Lobby)
	first := a.typingAt
	c.clock = c.clock.Add(2 * time.Second)
	if c.Typing(&a, wire.Lobby); a.typingAt != first {
		t.Error("it was forwarded after 2 s")
	}
	c.clock = c.clock.Add(time.Second)
	if c.Typing(&a, wire.Lobby); a.typingAt == first {
		t.Error("it was not forwarded after 3 s")
	}
}

// TestAwait: Await returns the outcome, or a refusal. If neither arrives in time, the result is unknown.
func TestAwait(t *testing.T) {
	c := newServer(t, RateLimits{})
	say := func(text string) func(Reply) error {
		return func(r Reply) error {
			err := c.Say(&ann, &Message{Room: wire.Lobby, ID: text, Text: text}, r)
			if text == "stored" {
				c.step()
			}
			return err
		}
	}
	if o, err := Await(t.Context(), say("stored")); err != nil || o.N != 1 {
		t.Errorf("%+v, %v", o, err)
	}
	if _, err := Await(t.Context(), say("a\x00b")); code(err) != wire.BadRequest {
		t.Error(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Await(ended, say("late")); err != ErrUnknown {
		t.Error(err)
	}
	for _, full := range []error{eventlog.ErrBusy, eventlog.ErrClosed} {
		c.submit = func(eventlog.Submission, func()) error { return full }
		if _, err := Await(t.Context(), say("x")); code(err) != wire.Unavailable || err == ErrUnknown {
			t.Error(err)
		}
	}
}

// TestSayAllocatesNothing: a plain message allocates nothing on its way to the sequencer.
func TestSayAllocatesNothing(t *testing.T) {
	for _, a := range []Actor{ann, bob, {Addr: netip.MustParseAddrPort("127.0.0.1:1"), Protocol: Plain}} {
		c := newServer(t, RateLimits{PerSecond: 1e6, Burst: 1e6, Address: 1, Rooms: 10, AllRooms: 100})
		c.submit = func(eventlog.Submission, func()) error { return nil }
		to := new(eventlog.ReplyTo)
		if n := testing.AllocsPerRun(100, func() {
			m := Message{Room: wire.Lobby, ID: "1", Text: "hello", Once: true}
			if err := c.Say(&a, &m, Reply{To: to, Fence: 1}); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%v: %v allocations", a.Protocol, n)
		}
	}
}

// TestRooms: rooms are listed page by page, with the number of people in each; empty rooms are not listed.
func TestRooms(t *testing.T) {
	c := newServer(t, RateLimits{})
	for i := range 5 {
		if err := c.Say(&ann, &Message{Room: fmt.Sprint("r", i), ID: "1", Text: "x"}, Reply{}); err != nil {
			t.Fatal(err)
		}
		c.step()
	}
	if _, err := c.store.Apply(&eventlog.Batch{Node: eventlog.LocalNode, Commands: []eventlog.Command{{Kind: eventlog.Trim, Room: "r2", Body: eventlog.TrimBody{To: 1}}}}, c.store.Position()+1); err != nil {
		t.Fatal(err)
	}
	for _, w := range []struct {
		after string
		limit int
		rooms string
		more  bool
	}{{"", 0, "[r0 r1 r3 r4]", false}, {"", 3, "[r0 r1 r3]", true}, {"r3", 3, "[r4]", false}, {"r4", 1, "[]", false}} {
		page, err := c.Rooms(&ann, w.after, w.limit)
		names := []string{}
		for _, r := range page.Rooms {
			names = append(names, r.Room)
			if r.First != 1 || r.Last != 1 || r.At == 0 || r.Count != 0 {
				t.Errorf("%+v", r)
			}
		}
		if err != nil || fmt.Sprint(names) != w.rooms || page.More != w.more {
			t.Errorf("after %q, limit %d: %v, more %v, %v; want %+v", w.after, w.limit, names, page.More, err, w)
		}
	}
}

// TestOrigins: commands to which rules about addresses apply have the hashes of the client's address with the newest keys: that
// of its network, and none where the address says nothing about the client. The hashes allocate nothing after the first time.
func TestOrigins(t *testing.T) {
	c := newestLevel(t, RateLimits{})
	c.cfg.IsProxy = func(addr netip.Addr) bool { return addr == netip.MustParseAddr("10.0.0.1") }
	c.step()
	var got eventlog.Command
	c.Service.cfg.Submit = func(s eventlog.Submission, _ func()) error { got = s.Command; return nil }
	from := func(addr string) *Actor {
		a := Actor{SenderID: wire.SenderIDOf("ann")}
		if addr != "" {
			a.Addr = netip.AddrPortFrom(netip.MustParseAddr(addr), 7)
		}
		return &a
	}
	say := func(a *Actor) (eventlog.Origin, eventlog.Origin) {
		t.Helper()
		if err := c.Say(a, &Message{Room: "den", ID: "1", Text: "x"}, Reply{}); err != nil {
			t.Fatal(err)
		}
		return got.Origin, got.FormerOrigin
	}
	if o, _ := say(from("192.0.2.1")); !o.IsZero() {
		t.Errorf("without a key, the origin is %x", o)
	}
	rotate := func(letter string) {
		c.rotate(strings.Repeat(letter, eventlog.AddressSecretBytes))
	}
	rotate("a")
	mapped, zone, network := from("::ffff:192.0.2.1"), from("fe80::1%eth0"), from("2001:db8::1")
	first, former := say(from("192.0.2.1"))
	if first.IsZero() || !former.IsZero() {
		t.Errorf("the origins are %x, %x", first, former)
	}
	for want, same := range map[*Actor]bool{mapped: true, from("192.0.2.2"): false, zone: false, network: false} {
		if o, _ := say(want); (o == first) != same || o.IsZero() {
			t.Errorf("%v has the origin %x, that of 192.0.2.1 is %x", want.Addr, o, first)
		}
	}
	one, _ := say(network)
	if two, _ := say(from("2001:db8::2:3")); two != one {
		t.Error("two addresses of one /64 have different origins")
	}
	if two, _ := say(from("2001:db8:0:1::1")); two == one {
		t.Error("two networks have the same origin")
	}
	for _, addr := range []string{"", "127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "0.0.0.0", "10.0.0.1", "::ffff:10.0.0.1"} {
		if o, former := say(from(addr)); !o.IsZero() || !former.IsZero() {
			t.Errorf("%q has the origin %x, %x", addr, o, former)
		}
	}
	a := from("192.0.2.1")
	say(a)
	c.clock = c.clock.Add(eventlog.AddressKeyLife)
	rotate("b")
	second, former := say(a)
	if former != first || second == first || second.IsZero() {
		t.Errorf("with a new key, the origins are %x, %x; with the one before it was %x", second, former, first)
	}
	for kind, submit := range map[eventlog.Kind]func() error{
		eventlog.Change: func() error { return c.Change(a, &Change{Room: "den", ID: "2", Of: 1}, Reply{}) },
		eventlog.Mark:   func() error { return c.Mark(a, &Mark{Room: "den", Of: 1, Key: "up", On: true}, Reply{}) },
		eventlog.Set: func() error {
			return c.Set(a, &Setting{Room: "den", ID: "3", Key: wire.TopicKey, Value: wire.TextValue("x")}, Reply{})
		},
	} {
		if err := submit(); err != nil || got.Kind != kind || got.Origin != second || got.FormerOrigin != first {
			t.Errorf("%v: %v, origins %x, %x", kind, err, got.Origin, got.FormerOrigin)
		}
	}
	if n := testing.AllocsPerRun(100, func() {
		m := Message{Room: "den", ID: "1", Text: "hello"}
		if err := c.Say(a, &m, Reply{}); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// rotate begins to hash addresses with a key.
func (c *server) rotate(secret string) {
	c.tb.Helper()
	body := eventlog.RotateAddressKeysBody{Secret: []byte(secret)}
	batch := &eventlog.Batch{At: wire.TimeOf(c.clock), Node: eventlog.LocalNode, Commands: []eventlog.Command{{Kind: eventlog.RotateAddressKeys, Body: body}}}
	if _, err := c.store.Apply(batch, c.store.Position()+1); err != nil {
		c.tb.Fatal(err)
	}
}
