package session

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"ramai/internal/chat"
	"ramai/internal/eventlog"
	"ramai/wire"
)

func TestName(t *testing.T) {
	st := newHarness(t, setting{})
	a, b := st.v1(), st.v1()
	a.send(wire.Name{Name: "Ann"})
	a.expect("name Ann")
	for name, want := range map[string]string{
		"Ann": "error name_taken", "ann": "error name_taken", "Аnn": "error name_taken", // the last with a Cyrillic A
		"server": "error name_taken", "Аdmin": "error name_taken",
		"a:b": "error bad_request", " ann": "error bad_request", "!ann": "error bad_request", "a\u200bnn": "error bad_request",
		"\u202eann": "error bad_request", strings.Repeat("x", 33): "error bad_request",
	} {
		b.send(wire.Name{Name: name})
		if got := b.heard(); len(got) != 1 || got[0] != want {
			t.Errorf("the name %q: heard %q, want %s", name, got, want)
		}
	}
	a.send(wire.Name{Name: "Bob"}) // one name per sender: Ann is free again
	a.expect("name Bob")
	b.send(wire.Name{Name: "ann"})
	b.expect("name ann")
	b.send(wire.Name{})
	b.expect("name ")
	b.send(wire.Name{})
	b.expect("name ")
	b.say("x", "without a name")
	b.send(wire.Join{Room: wire.Lobby})
	b.expectOf("message", "message lobby 1 without a name")
}

func TestNameIsInMessagesAndPresence(t *testing.T) {
	st := newHarness(t, setting{})
	a, b := st.joined(wire.Lobby), st.joined(wire.Lobby)
	a.send(wire.Name{Name: "ann"})
	a.say("1", "hi")
	a.expectOf("name message", "name ann", "message lobby 1 ann: hi")
	st.advance(time.Second)
	b.expect("message lobby 1 ann: hi", "presence lobby 2 ann")
	a.send(wire.Who{Room: wire.Lobby})
	a.expectOf("who", "who lobby 2 ann")
	a.send(wire.Name{})
	a.say("2", "incognito")
	st.advance(time.Second)
	b.expect("message lobby 2 incognito", "presence lobby 2 ")
}

// TestNameOfAKey: a client that has proved a key owns its name; with another session, or on another connection, it does
// not.
func TestNameOfAKey(t *testing.T) {
	st := newHarness(t, setting{})
	secret, err := wire.NewSession(st.random)
	if err != nil {
		t.Fatal(err)
	}
	key := st.connect(Client{Protocol: chat.V1, Session: secret, HasKey: true})
	key.expect("welcome")
	key.send(wire.Name{Name: "Ann"})
	key.expect("name Ann")
	key.say("1", "mine")
	key.expect("saved lobby 1 1")
	key.send(wire.Name{Name: "Bob"})
	key.expectOf("name", "name Bob")

	other := st.connect(Client{Protocol: chat.V1, HasKey: true})
	other.send(wire.Hello{Session: strings.Repeat("A", 22)}) // not the one of the key
	other.send(wire.Name{Name: "Cid"})
	other.expectOf("name", "name Cid")
	other.say("1", "not mine")
	other.send(wire.Name{})
	other.heard()

	anybody := st.v1()
	for name, want := range map[string]string{"ann": "error name_taken", "Cid": "name Cid"} {
		anybody.send(wire.Name{Name: name})
		anybody.expect(want)
	}
	back := st.connect(Client{Protocol: chat.V1, Session: secret, HasKey: true})
	back.send(wire.Name{Name: "Ann"})
	back.expectOf("name", "name Ann")
}

// TestNameRegistrationsRateLimited: the registrations of an address's keys are rate limited. Beyond the limit a name is
// reserved without an owner, until a message under it is within the limit again. An owner is charged once.
func TestNameRegistrationsRateLimited(t *testing.T) {
	st := newHarness(t, setting{rate: 100, burst: 100})
	attempts := 0
	registers := func(secret, name string) (owns bool) {
		l := st.connect(Client{Protocol: chat.V1, Session: secret, HasKey: true, Addr: remote})
		defer l.end(nil)
		l.send(wire.Name{Name: name})
		l.expectOf("name error", "name "+name)
		l.say(fmt.Sprint("a", attempts), "x")
		l.say(fmt.Sprint("b", attempts), "more, before the first is stored")
		l.expectOf("refused error")
		attempts++
		return st.store.CanRegister(l.s.SenderID()) == ""
	}
	var secrets []string
	for i := range namesAnHour + 1 {
		secret, err := wire.NewSession(st.random)
		if err != nil {
			t.Fatal(err)
		}
		secrets = append(secrets, secret)
		for range 3 {
			if got, want := registers(secret, fmt.Sprint("name", i)), i < namesAnHour; got != want {
				t.Errorf("key %d owns its name: %t, want %t", i, got, want)
			}
		}
	}
	last := secrets[namesAnHour]
	st.advance(9 * time.Minute)
	if registers(last, "name6") {
		t.Error("a name is owned too soon")
	}
	st.advance(time.Minute)
	if !registers(secrets[0], "name0") || !registers(last, "name6") {
		t.Error("a name is not owned 10 minutes later")
	}
	if registers(last, "name7") {
		t.Error("one key owns more than its address may")
	}
}

// TestRenamed: a client of a protocol with names is told that its name was changed elsewhere.
func TestRenamed(t *testing.T) {
	st := newHarness(t, setting{})
	a, p := st.v1(), st.plain(Client{})
	a.send(wire.Name{Name: "ann"})
	a.expect("name ann")
	if err := st.submit(eventlog.Submission{Command: eventlog.Command{Kind: eventlog.ReleaseName, SenderID: a.s.SenderID()}}, nil); err != nil {
		t.Fatal(err)
	}
	st.settle()
	for _, l := range []*link{a, p} {
		l.s.Renamed(nil)
	}
	a.expect("name ")
	p.expect()
	a.s.Renamed(&a.s.publisher.replyTo) // it knows already
	a.expect()
}

// TestRequestsWaitForName: requests after a name request wait for it: they run under that name, and are answered after it.
func TestRequestsWaitForName(t *testing.T) {
	st := newHarness(t, setting{})
	l := st.v1()
	st.logPaused = true
	l.send(wire.Name{Name: "ann"}, wire.Join{Room: wire.Lobby}, wire.Ping{ID: "x"})
	l.expect()
	st.logPaused = false
	l.expect("name ann", "joined lobby 1-0 count 1", "pong x")
}
