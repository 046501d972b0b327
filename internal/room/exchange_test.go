package room

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"ramai/internal/eventlog"
	"ramai/internal/fanout"
	"ramai/wire"
)

// peopleCluster is the hubs of a cluster, whose digests a test can lose. All have one store, as if all were equally far.
type peopleCluster struct {
	t     testing.TB
	store *store
	hubs  []*harness
	cut   map[[2]int]bool // digests from the first to the second are lost
	sent  int             // bytes
	now   time.Time
}

func newPeopleCluster(t testing.TB, members int) *peopleCluster {
	c := &peopleCluster{t: t, store: newStore(t), hubs: make([]*harness, members), cut: map[[2]int]bool{}, now: start}
	for i := range members {
		c.restart(i)
	}
	return c
}

// restart replaces a member by a new process.
func (c *peopleCluster) restart(i int) {
	st := &harness{tb: c.t, store: c.store}
	st.Hub = NewHub(c.store, Options{
		Budget: fanout.NewBudget(1 << 20), Logger: slog.New(slog.DiscardHandler), Go: func(_ netip.Prefix, f func()) { st.jobs = append(st.jobs, f) },
		Publish: func(b []byte) error {
			c.sent += len(b)
			for j, to := range c.hubs {
				if j != i && !c.cut[[2]int{i, j}] {
					to.Receive(fmt.Sprint("member", i), b)
				}
			}
			return nil
		},
	})
	c.hubs[i] = st
}

// tick makes time pass. The first member is the last one that reports.
func (c *peopleCluster) tick(times int) {
	for range times {
		c.now = c.now.Add(time.Second)
		for _, h := range slices.Backward(c.hubs) {
			h.Tick(c.now)
		}
	}
}

func testSender(i int) string { return fmt.Sprintf("sender-%09d", i) }

func (c *peopleCluster) join(member int, room string, sender int) *Subscription {
	return c.hubs[member].Join(room, JSON, &countingMember{by: testSender(sender)})
}

func (c *peopleCluster) name(sender int, name string) {
	c.t.Helper()
	o := c.hubs[0].apply(eventlog.Command{Kind: eventlog.ReserveName, SenderID: testSender(sender), Body: eventlog.ReserveNameBody{Name: name, Key: name}})
	for _, h := range c.hubs {
		h.Feed(o, nil)
	}
}

// TestPeopleOnOtherMembers: a person who is connected to a member is present on all of them, once, with the name; until the last
// connection ends, or the member is silent.
func TestPeopleOnOtherMembers(t *testing.T) {
	c := newPeopleCluster(t, 3)
	expect := func(what, room string, count int, names ...string) {
		t.Helper()
		for i, h := range c.hubs {
			who := h.Who(wire.Who{Room: room})
			if who.Count != count || h.Count(room) != count || h.Occupied(room) != (count > 0) || !slices.Equal(who.Names, names) || who.Matching != len(names) {
				t.Errorf("%s: member %d has %d people (%d, occupied: %t) with the names %v, want %d with %v", what, i, who.Count, h.Count(room), h.Occupied(room), who.Names, count, names)
			}
		}
	}
	c.name(1, "anna")
	c.name(2, "budi")
	watcher := c.join(2, "den", 9)
	anna, again := c.join(0, "den", 1), c.join(1, "den", 1)
	budi := c.join(1, "den", 2)
	alone := c.join(0, "attic", 2)
	c.tick(2)
	expect("joined", "den", 3, "anna", "budi")
	expect("a room that others have opened", "attic", 1, "budi")
	if p := string(watcher.State().Presence); !strings.Contains(p, `"count":3,"names":["anna","budi"]`) {
		t.Errorf("the frame is %s", p)
	}
	anna.Leave()
	c.tick(2)
	expect("anna has another connection", "den", 3, "anna", "budi")
	again.Leave()
	c.tick(2)
	expect("anna has left", "den", 2, "budi")
	c.name(2, "cahya")
	c.tick(1)
	expect("renamed", "den", 2, "cahya")
	opened := c.join(0, "attic", 3)
	if opened.Count() != 2 {
		t.Errorf("a room has %d people when it is opened, want 2", opened.Count())
	}
	opened.Leave()
	alone.Leave()
	c.tick(1)
	expect("empty", "attic", 0)
	for i, h := range c.hubs {
		if open := len(h.rooms); open != 1 || h.Rooms() != (i+1)/2 {
			t.Errorf("member %d has %d rooms, and members in %d; want the den alone", i, open, h.Rooms())
		}
	}

	before := c.sent
	c.tick(100)
	if idle := (c.sent - before) / 300; idle > 200 {
		t.Errorf("a digest without changes has %d bytes", idle)
	}
	c.cut[[2]int{1, 0}], c.cut[[2]int{1, 2}] = true, true // of one direction
	c.tick(silentTicks + 1)
	for _, i := range []int{0, 2} {
		if n := c.hubs[i].Count("den"); n != 1 {
			t.Errorf("member %d has %d people while another is silent, want 1", i, n)
		}
	}
	budi.Leave()
	c.join(1, "den", 4)
	clear(c.cut)
	c.tick(listTicks + 2)
	expect("heard again", "den", 2)

	c.join(0, "den", 5)
	c.tick(1)
	expect("before a restart", "den", 3)
	c.hubs[0].Withdraw()
	for _, i := range []int{1, 2} {
		if n := c.hubs[i].Count("den"); n != 2 {
			t.Errorf("member %d has %d people after another has stopped, want 2", i, n)
		}
	}
	c.restart(0)
	c.tick(listTicks + 2)
	expect("restarted", "den", 2)
	c.join(0, "den", 6)
	c.tick(1)
	c.restart(0) // killed
	c.tick(listTicks + 2)
	expect("killed", "den", 2)
}

// TestTypingOnOtherMembers: those who type on a member are shown on all of them, until they stop, post, or their member is silent.
func TestTypingOnOtherMembers(t *testing.T) {
	c := newPeopleCluster(t, 3)
	var watchers []*Subscription
	for i := range c.hubs {
		watchers = append(watchers, c.join(i, "den", i))
	}
	expect := func(what string, senders ...int) {
		t.Helper()
		for i, w := range watchers {
			var frame wire.Typing
			if b := w.State().Typing; b != nil {
				if err := json.Unmarshal(b, &frame); err != nil {
					t.Fatal(err)
				}
			}
			var by []string
			for _, s := range frame.By {
				by = append(by, s.SenderID)
			}
			var want []string
			for _, s := range senders {
				want = append(want, testSender(s))
			}
			if !slices.Equal(by, want) {
				t.Errorf("%s: member %d shows %v, want %v", what, i, by, want)
			}
		}
	}
	typing := func(member, sender int) { c.hubs[member].Typing("den", testSender(sender), c.now) }
	c.tick(1)
	expect("nobody")
	typing(0, 0)
	typing(1, 1)
	c.tick(2)
	expect("two", 0, 1)
	o := c.hubs[0].apply(eventlog.Command{Kind: eventlog.Say, SenderID: testSender(0), Room: "den", ID: "x", Text: "x"})
	for _, h := range c.hubs {
		h.Feed(o, nil)
	}
	c.tick(1) // before the others hear that the first one has stopped
	expect("one has posted", 1)
	c.tick(int(typingLasts/time.Second) + 2)
	expect("stopped")
	typing(2, 2)
	c.tick(2)
	expect("one", 2)
	c.cut[[2]int{2, 0}], c.cut[[2]int{2, 1}] = true, true
	for range silentTicks + 1 {
		typing(2, 2)
		c.tick(1)
	}
	watchers = watchers[:2]
	expect("silent")
}

// TestPeopleModelOfMembers: whatever happens, and whatever digests are lost, all members agree once digests arrive again.
func TestPeopleModelOfMembers(t *testing.T) {
	c := newPeopleCluster(t, 3)
	random := rand.New(rand.NewPCG(1, 2))
	rooms := []string{"a", "b", "c", "~b"}
	type connection struct {
		member int
		room   string
		sender int
		s      *Subscription
	}
	var open []connection
	for step := range 4000 {
		switch n := random.IntN(20); {
		case n < 8:
			d := connection{member: random.IntN(3), room: rooms[random.IntN(4)], sender: random.IntN(30)}
			d.s = c.join(d.member, d.room, d.sender)
			open = append(open, d)
		case n < 15 && len(open) > 0:
			i := random.IntN(len(open))
			open[i].s.Leave()
			open = slices.Delete(open, i, i+1)
		case n == 16:
			c.cut[[2]int{random.IntN(3), random.IntN(3)}] = true
		case n == 17:
			clear(c.cut)
		case n == 18 && step%10 == 0:
			victim := random.IntN(3)
			c.restart(victim)
			open = slices.DeleteFunc(open, func(d connection) bool { return d.member == victim })
		default:
			c.tick(1 + random.IntN(2))
		}
		if step%100 != 99 {
			continue
		}
		clear(c.cut)
		c.tick(2*listTicks + 2)
		for _, room := range rooms {
			in := map[int]bool{}
			for _, d := range open {
				if d.room == room {
					in[d.sender] = true
				}
			}
			for i, h := range c.hubs {
				if got := h.Count(room); got != len(in) {
					t.Fatalf("step %d: member %d counts %d people in %s, want %d", step, i, got, room, len(in))
				}
			}
		}
	}
}

// TestCrowdOnOtherMembers: many people take few digests of a limited size, also when a list is sent anew.
func TestCrowdOnOtherMembers(t *testing.T) {
	c := newPeopleCluster(t, 2)
	longest, digests := 0, 0
	publish := c.hubs[0].exchange.publish
	c.hubs[0].exchange.publish = func(b []byte) error {
		longest, digests = max(longest, len(b)), digests+1
		return publish(b)
	}
	const crowd = 20_000
	for i := range crowd {
		c.join(0, []string{"den", "attic"}[i%2], i)
	}
	c.join(1, "den", crowd)
	c.cut[[2]int{0, 1}] = true
	c.tick(1) // is lost
	clear(c.cut)
	c.tick(listTicks + 2)
	if n, m := c.hubs[1].Count("den"), c.hubs[1].Count("attic"); n != crowd/2+1 || m != crowd/2 {
		t.Errorf("%d and %d people are counted, want %d and %d", n, m, crowd/2+1, crowd/2)
	}
	if longest > 2*digestSize || digests > 20 {
		t.Errorf("%d digests of up to %d bytes", digests, longest)
	}
}

// TestCrowdElsewhere: to list, count and join the people of a room that only other members have opened takes no look at each of them, and
// the latest speakers come first.
func TestCrowdElsewhere(t *testing.T) {
	c := newPeopleCluster(t, 2)
	const crowd = 3000
	c.name(7, "zara")
	c.name(8, "anna")
	for i := range crowd {
		c.join(0, "den", i)
	}
	c.tick(2)
	h := c.hubs[1]
	h.Feed(h.apply(eventlog.Command{Kind: eventlog.Say, SenderID: testSender(7), Room: "den", ID: "x", Text: "x"}), nil)
	before := c.store.names.Load()
	if who := h.Who(wire.Who{Room: "den"}); who.Count != crowd || !slices.Equal(who.Names, []string{"zara", "anna"}) {
		t.Errorf("%d people with the names %v", who.Count, who.Names)
	}
	if s := c.join(1, "den", crowd); s.Count() != crowd+1 || h.Count("den") != crowd+1 || h.Rooms() != 1 {
		t.Errorf("%d people after one has joined, and %d rooms", s.Count(), h.Rooms())
	}
	if looked := c.store.names.Load() - before; looked != 1 {
		t.Errorf("%d names were looked up, want that of the one who joined", looked)
	}
}

func BenchmarkCrowdElsewhere(b *testing.B) {
	c := newPeopleCluster(b, 2)
	for i := range 30_000 {
		c.join(0, "den", i)
	}
	c.tick(2)
	for name, f := range map[string]func(){
		"who": func() { c.hubs[1].Who(wire.Who{Room: "den"}) }, "count": func() { c.hubs[1].Count("den") },
		"join": func() { c.join(1, "den", 1).Leave() },
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				f()
			}
		})
	}
}

// TestHostileDigests: digests that cannot be valid have no effect.
func TestHostileDigests(t *testing.T) {
	c := newPeopleCluster(t, 2)
	s := testSender(1)
	for name, b := range map[string]string{
		"nothing":             ``,
		"no object":           `[]`,
		"no run":              `{"seq":1,"rooms":[{"room":"den","in":"` + s + `"}]}`,
		"no number":           `{"run":"r","rooms":[{"room":"den","in":"` + s + `"}]}`,
		"an invalid room":     `{"run":"r","seq":1,"rooms":[{"room":"D/en","in":"` + s + `"}]}`,
		"an incomplete id":    `{"run":"r","seq":1,"rooms":[{"room":"den","in":"` + s[1:] + `"}]}`,
		"an invalid id":       `{"run":"r","seq":1,"rooms":[{"room":"den","in":"` + s[1:] + `<"}]}`,
		"half of it is valid": `{"run":"r","seq":1,"rooms":[{"room":"den","in":"` + s + `"},{"room":"x","in":"<"}]}`,
		"too many who type":   `{"run":"r","seq":1,"rooms":[{"room":"den","in":"` + s + `"}],"typing":[{"room":"den","in":"` + strings.Repeat(s, maxTyping+1) + `"}]}`,
		"typing in many rooms": `{"run":"r","seq":1,"rooms":[{"room":"den","in":"` + s + `"}],"typing":[` +
			strings.Repeat(`{"room":"den","in":"`+s+`"},`, maxTypingRooms) + `{"room":"den"}]}`,
	} {
		c.hubs[0].Receive("x", []byte(b))
		if n := c.hubs[0].Count("den"); n != 0 || len(c.hubs[0].exchange.reporters) > 0 {
			t.Errorf("%s: %d people", name, n)
		}
	}
	for i := range 2 * maxReporters {
		c.hubs[0].Receive(fmt.Sprint("x", i), []byte(`{"run":"r","seq":1,"rooms":[{"room":"den","in":"`+testSender(i)+`"}]}`))
	}
	if n := c.hubs[0].Count("den"); n != maxReporters {
		t.Errorf("%d members have reported people, want %d", n, maxReporters)
	}
}

// TestExchangeAlone: a server that runs alone, and one whose reports cannot be sent, work as before.
func TestExchangeAlone(t *testing.T) {
	st := newHarness(t, 1<<20)
	st.Join("den", JSON, &countingMember{by: testSender(1)})
	st.Receive("x", []byte(`{"run":"r","seq":1,"rooms":[{"room":"den","in":"`+testSender(2)+`"}]}`))
	st.Tick(start)
	st.Withdraw()
	if n := st.Count("den"); n != 1 || st.Occupied("attic") || st.Count("attic") != 0 {
		t.Errorf("%d people", n)
	}
	c := newPeopleCluster(t, 2)
	c.hubs[0].exchange.publish = func([]byte) error { return errors.New("not connected") }
	watcher := c.join(0, "den", 1)
	c.tick(1)
	if p := watcher.State().Presence; !bytes.Contains(p, []byte(`"count":1`)) {
		t.Errorf("the frame is %s", p)
	}
}

func FuzzReceive(f *testing.F) {
	f.Add([]byte(`{"run":"r","seq":1,"more":true,"rooms":[{"room":"den","in":"` + testSender(1) + `"}]}` + "\n" +
		`{"run":"r","seq":3,"list":true,"first":true,"rooms":[{"room":"den","in":"` + testSender(2) + testSender(3) + `"}]}` + "\n" +
		`{"run":"r","seq":4,"rooms":[{"room":"den","out":"` + testSender(2) + `"}],"typing":[{"room":"den","in":"` + testSender(3) + `"}]}` + "\n" +
		`{"run":"r","seq":5,"gone":true}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		c := newPeopleCluster(t, 1)
		watcher := c.join(0, "den", 0)
		for line := range bytes.Lines(b) {
			c.hubs[0].Receive("x", line)
			c.tick(1)
		}
		x := c.hubs[0].exchange
		in := map[senderKey]bool{keyOf(testSender(0)): true}
		for _, m := range x.reporters {
			count := 0
			for room, people := range m.rooms {
				if count += len(people); len(people) == 0 || wire.CheckRoom(room) != nil {
					t.Errorf("the room %q has %d people", room, len(people))
				}
			}
			if count != m.count {
				t.Errorf("%d people are counted as %d", count, m.count)
			}
			for by := range m.rooms["den"] {
				in[by] = true
			}
		}
		if watcher.Count() != len(in) {
			t.Errorf("the room has %d people, want %d", watcher.Count(), len(in))
		}
		c.tick(silentTicks + 1)
		if watcher.Count() != 1 || x.typists.Load() != 0 {
			t.Errorf("%d people, and %d rooms in which somebody types, when all members are silent", watcher.Count(), x.typists.Load())
		}
	})
}
