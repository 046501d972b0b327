package session

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"ramai/internal/frame"
	"ramai/wire"
)

// shared are the default limits.
var shared = RateLimits{PerSecond: 5, Burst: 20, Address: sendersAnAddress, Rooms: 30, Names: 30}

var school = netip.MustParseAddrPort("203.0.113.7:40000")

// One sender has no more than its own share, and many have the address's together.
func TestAnAddressHasManyShares(t *testing.T) {
	r, now := NewRates(shared), time.Unix(0, 0)
	took := func(by string, now time.Time, tries int) (n int) {
		for range tries {
			if r.Take(now, by, school.Addr(), 1) == 0 {
				n++
			}
		}
		return n
	}
	all := 0
	for i := range 100 {
		got := took(fmt.Sprint(i), now, 50)
		if i == 0 && got != 20 {
			t.Errorf("the first takes %d, want its burst, 20", got)
		}
		all += got
	}
	if all != 400 {
		t.Errorf("a hundred take %d at once, want 20 shares of 20", all)
	}
	all = 0
	for ms := 100; ms <= 10_000; ms += 100 { // each tries all the time
		for i := range 100 {
			all += took(fmt.Sprint(i), now.Add(time.Duration(ms)*time.Millisecond), 5)
		}
	}
	// At most 20 shares of 5 a second, less what those who took much leave to the others.
	if all > 1000 || all < 1000-400 {
		t.Errorf("in ten seconds they take %d, want 800 to 1000", all)
	}
	if got := took("", now.Add(time.Hour), 50); got != 20 {
		t.Errorf("those who name no sender take %d, want the share of one, 20", got)
	}
}

// Whoever does little is served, whatever the others behind the same address do, and those share the rest.
func TestAnAddressServesWhoTookLittle(t *testing.T) {
	r, now := NewRates(shared), time.Unix(0, 0)
	took := make([]int, 60)
	for ms := range 60_000 / 10 {
		now = now.Add(10 * time.Millisecond)
		for i := range took {
			i = (i*7 + ms) % len(took) // nobody is always first
			if r.Take(now, fmt.Sprint("flood ", i), school.Addr(), 1) == 0 {
				took[i]++
			}
		}
		if ms%100 == 25 { // once a second
			if wait := r.Take(now, "modest", school.Addr(), 1); wait > 0 {
				t.Fatalf("after %v one who says one thing a second has to wait %v", now.Sub(time.Unix(0, 0)), wait)
			}
		}
	}
	for i, n := range took { // a 60th of 98 a second is 1.6
		if n < 80 || n > 120 {
			t.Errorf("sender %d of 60 that never rest took %d in a minute", i, n)
		}
	}
}

// A wait is long enough if nobody else comes, also where the address lacks.
func TestWaitsAreLongEnough(t *testing.T) {
	for _, others := range []int{0, 15, 19, 21, 40} {
		for _, own := range []int{0, 1, 10, 20} {
			r, now := NewRates(shared), time.Unix(0, 0)
			for range own {
				r.Take(now, "own", school.Addr(), 1)
			}
			for i := range others * 20 {
				r.Take(now, fmt.Sprint(i/20), school.Addr(), 1)
			}
			for _, cost := range []int{1, 4, 20} {
				wait := r.Take(now, "own", school.Addr(), cost)
				now = now.Add(wait)
				if again := r.Take(now, "own", school.Addr(), cost); wait > 0 && again > 0 {
					t.Errorf("%d others, own %d: after %v for %d another %v", others, own, wait, cost, again)
				}
				if wait > 30*time.Second {
					t.Errorf("%d others, own %d: %d takes %v", others, own, cost, wait)
				}
			}
		}
	}
}

// A school comes in behind one address: all are named, in the room and heard within seconds.
func TestASchoolComesIn(t *testing.T) {
	st := newHarness(t, setting{rate: 5, burst: 20})
	var pupils []*link
	for i := range 60 {
		l := st.connect(Client{Transport: V1, Addr: school})
		l.send(wire.Name{Name: fmt.Sprint("pupil ", i+2)}, wire.Join{Room: wire.Lobby})
		l.say("1", "here")
		pupils = append(pupils, l)
	}
	st.advance(3 * time.Second)
	for i, l := range pupils {
		heard := strings.Join(l.heard(), "\n")
		for _, want := range []string{fmt.Sprint("name pupil ", i+2), "joined lobby", "saved lobby 1"} {
			if !strings.Contains(heard, want) {
				t.Fatalf("pupil %d has no %q after 3 s:\n%s", i, want, heard)
			}
		}
		if strings.Contains(heard, "refused") || strings.Contains(heard, "error") {
			t.Errorf("pupil %d is refused something:\n%s", i, heard)
		}
	}
}

// After a restart, 500 behind one address are back in eight rooms each within seconds, over both protocols that resume.
func TestManyComeBack(t *testing.T) {
	st := newHarness(t, setting{rate: 5, burst: 20})
	historyID := st.store.HistoryID()
	var links []*link
	for i := range 500 {
		if i%10 == 0 {
			l := st.connect(Client{Transport: Lines, Addr: school, After: &wire.Position{HistoryID: historyID}})
			l.bytes = func([]byte) {}
			links = append(links, l)
			continue
		}
		l := st.connect(Client{Transport: V1, Addr: school})
		for r := range 8 {
			l.send(wire.Join{Room: fmt.Sprint("room", r), After: &wire.Position{HistoryID: historyID}})
		}
		links = append(links, l)
	}
	st.advance(5 * time.Second)
	for i, l := range links {
		want := 8
		if i%10 == 0 {
			want = 1
		}
		if got := len(l.s.cursors); got != want {
			t.Fatalf("after 5 s, client %d is in %d rooms, want %d", i, got, want)
		}
	}
}

// floods are frames that are no events. Each takes up to a few frames' work.
var floods = map[string]func(l *link){
	"leave":       func(l *link) { l.send(wire.Leave{Room: "x"}) },
	"typing":      func(l *link) { l.send(wire.Typing{Room: "x"}) },
	"ping":        func(l *link) { l.send(wire.Ping{ID: "x"}) },
	"no JSON":     func(l *link) { l.text("{") },
	"no request":  func(l *link) { l.text(`{"type":"dance"}`) },
	"a bad text":  func(l *link) { l.say("1", "\x01") },
	"a long text": func(l *link) { l.say("1", strings.Repeat("x", 5000)) },
	"a late hello": func(l *link) {
		l.send(wire.Hello{Session: strings.Repeat("A", wire.SessionLen)})
	},
	"who":           func(l *link) { l.send(wire.Who{Room: "x"}) },
	"a bad name":    func(l *link) { l.send(wire.Name{Name: "!"}) },
	"control pings": func(l *link) { l.put(frame.Ping, []byte("x")) },
	"control pongs": func(l *link) { l.put(frame.Pong, nil) },
}

// Frames that cost no event are limited too: those who send them without end are read at a pace, and are not closed.
func TestEveryFrameIsCharged(t *testing.T) {
	for _, v1 := range []bool{true, false} {
		for name, send := range floods {
			st := newHarness(t, setting{rate: 5, burst: 20})
			l := st.connect(Client{Transport: transportOf(v1), Addr: remote})
			const sent = 3000
			for range sent {
				send(l)
			}
			whole := len(l.up)
			st.settle()
			read := func() int { return sent * (whole - len(l.up) - len(l.rest)) / whole }
			if burst := shared.Burst * workPerEvent; read() > burst+workAtOnce {
				t.Errorf("v1 %v, %s: %d are read at once", v1, name, read())
			}
			before := read()
			st.advance(10 * time.Second)
			if per := (read() - before) / 10; per > int(shared.PerSecond)*workPerEvent+workAtOnce || per == 0 {
				t.Errorf("v1 %v, %s: %d a second are read", v1, name, per)
			}
			if l.closed || l.code != 0 {
				t.Errorf("v1 %v, %s: the connection is closed: %d", v1, name, l.code)
			}
		}
	}
}

// What inflates is charged for what it inflates to.
func TestInflatedBytesAreCharged(t *testing.T) {
	st := newHarness(t, setting{rate: 5, burst: 20})
	l := st.connect(Client{Transport: V1, Addr: remote, Deflate: true})
	text := `{"type":"` + strings.Repeat("x", 20_000) + `"}`
	for range 1000 {
		l.text(text)
	}
	st.advance(10 * time.Second)
	answers := 0
	for _, heard := range l.heard() {
		if strings.HasPrefix(heard, "error") {
			answers++
		}
	}
	units := shared.Burst*workPerEvent + 10*int(shared.PerSecond)*workPerEvent
	if most := units/(20_000/1024) + 2; answers > most || answers < most/2 {
		t.Errorf("%d of 1000 texts of 20 kB are looked at in 10 s, want at most %d", answers, most)
	}
}

// What hardly inflates is charged as what takes long to inflate, also if it cannot be inflated to its end.
func TestCompressedBytesAreCharged(t *testing.T) {
	st := newHarness(t, setting{rate: 5, burst: 20})
	l := st.connect(Client{Transport: V1, Addr: remote, Deflate: true})
	empty := bytes.Repeat([]byte("\x00\x00\x00\xff\xff"), 4000) // stored blocks
	for range 100 {
		l.put(frame.Text|frame.Deflated, append(empty, 0))
	}
	st.settle()
	per := inflating * len(empty) / 1024
	answers := len(l.heard()) - 1 // but for the welcome
	if most := shared.Burst*workPerEvent/per + 2; answers > most || answers < most/2 {
		t.Errorf("%d texts of %d compressed bytes are looked at, want at most %d", answers, len(empty), most)
	}
	st = newHarness(t, setting{rate: 5, burst: 20})
	for range 30 { // as many as have work left
		l := st.connect(Client{Transport: V1, Addr: remote, Deflate: true, Session: strings.Repeat("A", wire.SessionLen)})
		l.put(frame.Text|frame.Deflated, append(empty, 0xff))
		st.settle()
		if l.closed == (len(l.up)+len(l.rest) > 0) {
			t.Fatalf("closed %t, with %d bytes unread", l.closed, len(l.up)+len(l.rest))
		}
	}
	if len(st.links) < 10 {
		t.Errorf("only %d of 30 wait", len(st.links))
	}
}

// A flood from many connections of an address delays none of its neighbours, at the address or elsewhere.
func TestAFloodDelaysNobody(t *testing.T) {
	st := newHarness(t, setting{rate: 5, burst: 20})
	for range 100 {
		l := st.connect(Client{Transport: V1, Addr: school})
		for range 2000 {
			l.send(wire.Ping{})
		}
	}
	st.advance(5 * time.Second)
	for _, addr := range []netip.AddrPort{school, remote} {
		l := st.connect(Client{Transport: V1, Addr: addr})
		for i := range 20 {
			l.send(wire.Ping{ID: "end"})
			l.expectOf("pong", "pong end")
			st.advance(100 * time.Millisecond)
			if t.Failed() {
				t.Fatalf("ping %d from %v", i, addr)
			}
		}
	}
}

// Loopback is an address like any other as to work, with ten times the share.
func TestLoopbackIsChargedForWork(t *testing.T) {
	r, now := NewRates(shared), time.Unix(0, 0)
	took := func(addr string) (n int) {
		for i := range 2000 {
			by := [wire.SenderIDLen]byte{1, byte(i), byte(i >> 8)}
			for r.Work(now, by, netip.MustParseAddr(addr), 32) == 0 {
				n += 32
			}
		}
		return n
	}
	share := shared.Burst * workPerEvent * shared.Address
	if got := took("192.0.2.1"); got != share {
		t.Errorf("many senders of an address do %d, want %d", got, share)
	}
	if got := took("127.0.0.1"); got != loopbackShare*share {
		t.Errorf("many senders on loopback do %d, want %d", got, loopbackShare*share)
	}
	if got := NewRates(RateLimits{}).Work(now, [wire.SenderIDLen]byte{1}, school.Addr(), 1<<30); got != 0 {
		t.Errorf("without a limit, work waits %v", got)
	}
}

// Whoever keeps to the rates of events is never paused, whatever else a client does.
func TestAnHonestClientIsNeverPaused(t *testing.T) {
	st := newHarness(t, setting{rate: 5, burst: 20})
	l := st.connect(Client{Transport: V1, Addr: remote})
	for r := range 8 {
		l.send(wire.Join{Room: fmt.Sprint("room", r), After: &wire.Position{HistoryID: st.store.HistoryID(), N: 0}})
	}
	for i := range 100 {
		l.send(wire.Typing{Room: "room1"}, wire.Ping{ID: "1"}, wire.History{Room: "room1"})
		l.put(frame.Pong, nil)
		for k := range 3 {
			l.send(wire.Say{Room: "room1", ID: fmt.Sprint(i, "-", k), Text: strings.Repeat("\"", 4000)})
		}
		st.settle()
		if l.s.publisher.pausedUntil != 0 {
			t.Fatalf("after %d rounds it is paused", i)
		}
		st.advance(time.Second)
	}
}

// What takes no event of its own takes none when a plain client comes in, but the past does.
func TestThePastOfThePlainDoorIsPaced(t *testing.T) {
	st := newHarness(t, setting{rate: 1, burst: 1})
	for range 5 {
		st.plain(Client{Addr: remote})
	}
	by := "AAAAAAAAAAAAAAAAAAAAAA" // one sender
	first := st.connect(Client{Last: 10, Addr: remote, Session: by})
	second := st.connect(Client{Last: 10, Addr: remote, Session: by})
	second.text("hello")
	first.expect(wire.Greeting)
	second.expect(wire.Greeting)
	if len(first.s.cursors) != 1 || len(second.s.cursors) != 0 {
		t.Fatalf("%d and %d of two are in the room", len(first.s.cursors), len(second.s.cursors))
	}
	st.advance(time.Second)
	if len(second.s.cursors) != 1 {
		t.Error("a second later the second is not in the room")
	}
	st.advance(time.Second)
	second.expect("hello")
	first.expect("hello")
}

// While nothing is read, the time does not run in which a refused text is to come again.
func TestAPauseIsNotTheClientsTime(t *testing.T) {
	st := newHarness(t, setting{rate: 1, burst: 1})
	l := st.connect(Client{Transport: V1, Addr: remote})
	l.say("1", "one")
	l.say("2", "two") // refused: to come again within 6 s
	for range 400 {   // more than a second's each
		l.send(wire.Ping{ID: strings.Repeat("x", 60)})
	}
	l.say("3", "behind it")
	l.say("2", "two")
	st.advance(2 * time.Minute)
	l.expectOf("saved refused CLOSE", "saved lobby 1 1", "refused lobby 2 rate_limited 1000", "refused lobby 3 rate_limited 1000",
		"saved lobby 2 2")
}

// Counting what comes takes no memory.
func TestChargingAllocatesNothing(t *testing.T) {
	r, now := NewRates(shared), time.Unix(0, 0)
	by := [wire.SenderIDLen]byte{1}
	if n := testing.AllocsPerRun(100, func() {
		now = now.Add(time.Second)
		r.Work(now, by, school.Addr(), 1)
		r.Worked(now, by, school.Addr(), 1)
		r.Take(now, "0123456789abcdef", school.Addr(), 1)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// A search is paid for by the time it took: of a sender's, and of its address's.
func TestSearchesAreChargedByTime(t *testing.T) {
	st := newHarness(t, setting{rate: 5, burst: 20})
	search := func(by string, addr netip.AddrPort) *wire.CodedError {
		_, err := st.env.Search(by, addr.Addr(), func(from netip.Prefix, ran func(time.Duration)) (*wire.SearchResponse, *wire.CodedError) {
			if from != Network(addr.Addr()) {
				t.Errorf("it is from %v", from)
			}
			ran(1500 * time.Millisecond)
			return new(wire.SearchResponse), nil
		})
		return err
	}
	for i, ok := range []bool{true, true, false} { // 2 s at once, and a tenth of the time
		if err := search("one", school); (err == nil) != ok {
			t.Errorf("search %d: %v", i, err)
		}
	}
	if err := search("one", school); err == nil || err.Code != wire.RateLimited || err.RetryAfter < 9*time.Second || err.RetryAfter > 10*time.Second {
		t.Errorf("one second too much is waited for %+v", err)
	}
	if wait := st.env.Rates.Take(st.now(), "one", school.Addr(), 1); wait > 0 {
		t.Errorf("after searching, saying waits %v", wait)
	}
	some := 0
	for i := range 40 {
		if search(fmt.Sprint(i), school) == nil {
			some++
		}
	}
	if some == 0 || some > 10 { // 10 s at once, of which those who took much leave a part
		t.Errorf("%d others of the address can search at once", some)
	}
	if err := search("one", remote); err == nil {
		t.Error("the sender searches on from elsewhere")
	}
	if err := search("two", remote); err != nil {
		t.Error(err)
	}
	st.advance(time.Minute)
	if err := search("one", school); err != nil {
		t.Errorf("a minute later %v", err)
	}
}
