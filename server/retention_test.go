package server

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"ramai/internal/chat"
	"ramai/internal/eventlog"
	"ramai/wire"
)

// sweepHarness is a server in memory with a clock that the test sets, and its own sweeper that the test steps.
type sweepHarness struct {
	*Server
	t       *testing.T
	clockMu sync.Mutex
	current time.Time // guarded by clockMu: the event log reads it in another goroutine
	elapsed time.Duration
	log     bytes.Buffer
	w       *sweeper
	ids     int
}

func newSweepHarness(t *testing.T, keep string) *sweepHarness {
	t.Helper()
	return sweepHarnessOf(t, keep, "")
}

// sweepHarnessOf is newSweepHarness with a data folder; empty: in memory.
func sweepHarnessOf(t *testing.T, keep, folder string) *sweepHarness {
	t.Helper()
	s := &sweepHarness{t: t, current: time.Date(2026, 11, 2, 3, 4, 5, 0, time.UTC)}
	cfg := Defaults()
	cfg.InMemory, cfg.Data, cfg.Logger, cfg.Quiet = folder == "", folder, slog.New(slog.DiscardHandler), true
	cfg.noMaintenance = true
	cfg.Now = s.now
	var err error
	if s.Server, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	s.start(keep)
	return s
}

// start resets what a start of the server resets for sweeps.
func (s *sweepHarness) start(keep string) {
	s.t.Helper()
	parsed, err := eventlog.ParseRetention(keep)
	if err != nil {
		s.t.Fatal(err)
	}
	logger := slog.New(slog.NewTextHandler(&s.log, nil))
	// The server's own clock is passed to the log, so it is the one to check.
	*s.clock = clock{now: s.cfg.Now, elapsed: func() time.Duration { return s.elapsed }, logger: logger}
	s.w = &sweeper{retention: parsed, store: s.store, submit: s.eventlog.Submit, random: rand.Reader, clock: s.clock, logger: logger}
}

func (s *sweepHarness) now() time.Time {
	s.clockMu.Lock()
	defer s.clockMu.Unlock()
	return s.current
}

func (s *sweepHarness) setNow(now time.Time) {
	s.clockMu.Lock()
	defer s.clockMu.Unlock()
	s.current = now
}

// pass lets time pass, and sweeps every minute.
func (s *sweepHarness) pass(d time.Duration) {
	s.t.Helper()
	for range d / time.Minute {
		if err := s.w.sweep(nil); err != nil {
			s.t.Fatal(err)
		}
		s.setNow(s.now().Add(time.Minute))
		s.elapsed += time.Minute
	}
}

// do submits a command and waits for its outcome.
func (s *sweepHarness) do(e eventlog.Command) *eventlog.Outcome {
	s.t.Helper()
	reply, done := eventlog.ReplyOnce()
	if err := s.eventlog.Submit(eventlog.Submission{Command: e, ReplyTo: reply}, nil); err != nil {
		s.t.Fatal(err)
	}
	return <-done
}

func (s *sweepHarness) say(room string, n int) {
	s.t.Helper()
	for range n {
		s.ids++
		s.do(eventlog.Command{Kind: eventlog.Say, SenderID: "anna", Room: room, ID: fmt.Sprint(s.ids), Text: "x"})
	}
}

func (s *sweepHarness) left(want map[string]string) {
	s.t.Helper()
	for room, want := range want {
		h := s.store.Bounds(room)
		if got := fmt.Sprintf("%d-%d", h.First, h.Last); got != want {
			s.t.Errorf("%s has left %s, want %s", room, got, want)
		}
	}
}

// logged checks how many lines of the log contain a text.
func (s *sweepHarness) logged(text string, want int) {
	s.t.Helper()
	if got := strings.Count(s.log.String(), text); got != want {
		s.t.Errorf("%q is in the log %d times, want %d:\n%s", text, got, want, &s.log)
	}
}

// TestSweep: a sweep deletes the messages of every room that are beyond the limit of age or number, in steps.
func TestSweep(t *testing.T) {
	for keep, want := range map[string]struct {
		left map[string]string
		told string
	}{
		"all":           {map[string]string{"den": "1-1200", "lobby": "1-10"}, ""},
		"5 messages":    {map[string]string{"den": "1196-1200", "lobby": "6-10"}, `messages=1200 rooms=2 by_room="den:1195 lobby:5"`},
		"1000 messages": {map[string]string{"den": "201-1200", "lobby": "1-10"}, `messages=200 rooms=1 by_room=den:200`},
		"4h":            {map[string]string{"den": "1201-1200", "lobby": "5-10"}, `messages=1204 rooms=2 by_room="den:1200 lobby:4"`},
	} {
		t.Run(keep, func(t *testing.T) {
			s := newSweepHarness(t, keep)
			s.say("den", 1200)
			s.say("lobby", 4)
			s.setNow(s.now().Add(3 * time.Hour))
			s.say("lobby", 6)
			s.pass(2 * time.Hour)
			s.left(want.left)
			s.logged("retention deleted messages", min(1, len(want.told)))
			s.logged(want.told, max(1, strings.Count(s.log.String(), want.told)))
		})
	}
}

// TestSweepKeepsLog: what moderators did is not displaced by messages that wait and are withdrawn, however many there are. It is kept for
// 90 days where retention keeps a number of messages.
func TestSweepKeepsLog(t *testing.T) {
	s := newSweepHarness(t, "10 messages")
	s.say("den", 1)
	s.do(eventlog.Command{Kind: eventlog.Set, SenderID: "anna", Room: "den", ID: "hold", Body: eventlog.SetBody{Key: wire.HoldKey, Value: wire.TextValue(wire.HoldAll)}})
	for i := range 20 {
		id := fmt.Sprint("h", i)
		if held := s.do(eventlog.Command{Kind: eventlog.Say, SenderID: "bert", Room: "den", ID: id, Text: "x"}); held.Status != eventlog.OnHold {
			t.Fatalf("the message is not held: %v", held.Err)
		}
		s.do(eventlog.Command{Kind: eventlog.Judge, SenderID: "bert", Room: "den", ID: "j" + id, Body: eventlog.JudgeBody{SenderID: "bert", ID: id, Decision: eventlog.Withdrawn}})
	}
	s.say("lobby", 12)
	s.pass(2 * time.Hour)
	s.left(map[string]string{"den": "1-2", "~den": "1-41", "lobby": "3-12"})
	s.setNow(s.now().Add(90 * 24 * time.Hour))
	s.elapsed += 90 * 24 * time.Hour
	s.say("lobby", 1)
	s.pass(2 * time.Hour)
	s.left(map[string]string{"den": "1-2", "~den": "42-41", "lobby": "4-13"})
}

// TestSweepInvites: an invite that has expired is deleted, also if its room does not exist.
func TestSweepInvites(t *testing.T) {
	s := newSweepHarness(t, "all")
	invites := func() int {
		t.Helper()
		entries, err := s.store.Entries(eventlog.Invites, "plan", "", "", 10)
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	s.do(eventlog.Command{Kind: eventlog.Level, Body: eventlog.LevelBody{Level: eventlog.Current.Level()}})
	if o := s.do(eventlog.Command{Kind: eventlog.Invite, SenderID: eventlog.OperatorSender, Room: "plan", ID: "i", Body: eventlog.InviteBody{
		Digest: eventlog.DigestOf("secret"), Role: wire.RoleGuest, Uses: 1, Until: wire.TimeOf(s.now().Add(time.Hour)),
	}}); o.Err != nil || invites() != 1 {
		t.Fatalf("the invite is %v, and %d are stored", o.Err, invites())
	}
	s.pass(30 * time.Minute)
	if invites() != 1 {
		t.Error("the invite was deleted before its end")
	}
	s.pass(45 * time.Minute)
	if invites() != 0 {
		t.Error("the invite has expired, and is still stored")
	}
}

// TestFirstSweepWaits: a first sweep that would delete more than half waits for an hour and logs that; later ones do not
// wait.
func TestFirstSweepWaits(t *testing.T) {
	s := newSweepHarness(t, "10 messages")
	s.say("lobby", 21)
	s.pass(60 * time.Minute)
	s.left(map[string]string{"lobby": "1-21"})
	s.logged("more than half of the messages", 1)
	s.logged("messages=11 stored_messages=21", 1)
	s.pass(2 * time.Minute)
	s.left(map[string]string{"lobby": "12-21"})
	s.say("lobby", 100)
	s.pass(time.Minute)
	s.left(map[string]string{"lobby": "112-121"})
	s.logged("more than half of the messages", 1)
}

// TestClockAhead: a clock that is ahead deletes nothing if it is corrected before it counts as steady.
func TestClockAhead(t *testing.T) {
	s := newSweepHarness(t, "30d")
	s.say("lobby", 10)
	s.setNow(s.now().Add(24 * time.Hour))
	s.say("lobby", 10)
	begun := s.now()

	for _, stays := range []time.Duration{9 * time.Minute, 69 * time.Minute} { // not yet steady; steady, and still waiting
		s.start("30d")
		s.setNow(begun.Add(40 * 24 * time.Hour))
		s.pass(stays)
		s.setNow(begun.Add(stays))
		s.pass(3 * time.Hour)
		s.left(map[string]string{"lobby": "1-20"})
	}
	s.logged("the clock was set", 2)
	s.logged("more than half of the messages", 1)

	// The same holds for a jump while the server runs, even if sweeps were allowed before.
	s.setNow(s.now().Add(40 * 24 * time.Hour))
	s.pass(69 * time.Minute)
	s.left(map[string]string{"lobby": "1-20"})
	s.logged("the clock was set", 3)
	// If the clock stays, it is right: the server was off for that long.
	s.pass(3 * time.Minute)
	s.left(map[string]string{"lobby": "21-20"})
}

// TestClockMismatch: if the clock does not match the stored data, ten minutes are not enough.
func TestClockMismatch(t *testing.T) {
	type away struct{ stored, newest time.Duration } // how far the clock is ahead of them
	for name, away := range map[string]away{
		"ahead": {14 * 24 * time.Hour, time.Minute}, "behind": {-2 * time.Minute, time.Minute},
		"ahead, and the file was copied": {time.Minute, 14 * 24 * time.Hour}, "behind the messages": {time.Minute, -2 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSweepHarness(t, "7d")
			s.say("lobby", 10)
			s.setNow(s.now().Add(10 * 24 * time.Hour))
			s.say("lobby", 30)
			s.start("7d")
			s.clock.stored, s.clock.newest = s.now().Add(-away.stored), s.now().Add(-away.newest)
			s.pass(59 * time.Minute)
			s.left(map[string]string{"lobby": "1-40"})
			s.logged("the clock does not match the stored data", 1)
			s.pass(3 * time.Minute)
			s.left(map[string]string{"lobby": "11-40"})
		})
	}
	s := newSweepHarness(t, "7d")
	if at := newest(s.store); !at.IsZero() {
		t.Errorf("without a message the newest time is %v", at)
	}
	s.say("lobby", 10)
	s.say("den", 1)
	if at := newest(s.store); !at.Equal(s.now()) {
		t.Errorf("the newest message has the time %v, want %v", at, s.now())
	}
	s.setNow(time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC))
	s.do(eventlog.Command{Kind: eventlog.ReserveName, SenderID: "anna", Body: eventlog.ReserveNameBody{Name: "Anna", Key: "anna"}})
	s.pass(3 * time.Hour)
	s.setNow(time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC))
	if s.pass(9 * time.Minute); s.store.Name("anna") != "Anna" {
		t.Error("a name expired by a clock that was never steady")
	}
}

// TestNamesExpire: names expire a day after their last use, by a steady clock, and are then deleted from the store.
func TestNamesExpire(t *testing.T) {
	s := newSweepHarness(t, "all")
	const many = 2*eventlog.TrimStep + 10
	for i := range many {
		s.do(eventlog.Command{Kind: eventlog.ReserveName, SenderID: fmt.Sprint(i), Body: eventlog.ReserveNameBody{Name: fmt.Sprint("N", i), Key: fmt.Sprint("n", i)}})
	}
	taken := func(want bool) {
		t.Helper()
		o := s.do(eventlog.Command{Kind: eventlog.ReserveName, SenderID: "other", Body: eventlog.ReserveNameBody{Name: "N7", Key: "n7"}})
		if got := o.Status == eventlog.Refused; got != want {
			t.Errorf("the name is taken: %v, want %v", got, want)
		}
	}
	s.pass(15 * time.Minute)
	s.setNow(s.now().Add(40 * 24 * time.Hour)) // for a moment
	taken(true)
	s.pass(9 * time.Minute)
	taken(true)
	s.setNow(s.now().Add(-40 * 24 * time.Hour))
	s.pass(23 * time.Hour)
	taken(true)
	s.pass(time.Hour)
	taken(false)
	reserved := 0
	for i := range many {
		if s.store.Name(fmt.Sprint(i)) != "" {
			reserved++
		}
	}
	if reserved != 0 {
		t.Errorf("%d names are still held", reserved)
	}
}

// TestIDsPruned: an id is known for at least a week after its message was saved, and is deleted after two.
func TestIDsPruned(t *testing.T) {
	s := newSweepHarness(t, "1 messages")
	said := func(want eventlog.Status) {
		t.Helper()
		if o := s.do(eventlog.Command{Kind: eventlog.Say, SenderID: "bert", Room: "lobby", ID: "again", Text: "x"}); o.Status != want {
			t.Errorf("after %v it is %v, want %v", s.elapsed, o.Status, want)
		}
	}
	day := func(n int) {
		for range n * 24 {
			s.setNow(s.now().Add(59 * time.Minute))
			s.elapsed += 59 * time.Minute
			s.pass(time.Minute)
		}
	}
	day(3)
	said(eventlog.Saved)
	s.say("lobby", 3)
	day(5) // a generation has ended
	s.setNow(s.now().Add(40 * 24 * time.Hour))
	s.pass(30 * time.Minute) // and a second one, by a clock that is wrong for a long time
	s.setNow(s.now().Add(-40 * 24 * time.Hour))
	s.pass(30 * time.Minute)
	if got := s.store.IDGeneration().Number; got != 3 {
		t.Errorf("it is generation %d, want 3", got)
	}
	day(6)
	if got := s.store.IDGeneration().Number; got != 3 {
		t.Errorf("it is generation %d, want 3: the time was corrected", got)
	}
	day(2)
	if got := s.store.IDGeneration().Number; got != 4 {
		t.Errorf("it is generation %d, want 4", got)
	}
	said(eventlog.Saved)
	if stale, err := s.store.HasStaleIDs(); stale || err != nil {
		t.Errorf("old ids are left: %v, %v", stale, err)
	}
}

// TestUnusedSessionsEnd: a session that is not used for eventlog.SessionLife ends at once, and then leaves the data.
func TestUnusedSessionsEnd(t *testing.T) {
	s := newSweepHarness(t, "all")
	const session, other = "AAAAAAAAAAAAAAAAAAAAAA", "BBBBBBBBBBBBBBBBBBBBBB"
	digest := eventlog.SessionDigest(session)
	by := digest.SenderID()
	for _, one := range []string{session, other} {
		s.do(eventlog.Command{Kind: eventlog.SignIn, SenderID: by, Body: eventlog.SignInBody{Session: eventlog.SessionDigest(one)}})
	}
	who, err := s.chat.Resolve(session)
	if err != nil || who.SenderID != by || !s.chat.Valid(who, false) {
		t.Fatalf("the session is of %+v, %v", who, err)
	}
	stored := func() (n int) {
		entries, err := s.store.Entries(eventlog.Sessions, "", "", "", eventlog.MaxEntries)
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	before := stored()
	s.setNow(s.now().Add(eventlog.SessionLife + time.Second))
	if _, err := s.chat.Resolve(session); err != chat.ErrSessionEnded || s.chat.Valid(who, false) {
		t.Errorf("after %v, the session has the error %v, and is valid: %v", eventlog.SessionLife, err, s.chat.Valid(who, false))
	}
	s.pass(2 * time.Hour)
	if sessions, err := eventlog.SessionsOf(s.store, by); err != nil || len(sessions) > 0 || stored() != before {
		t.Errorf("after a sweep there are the sessions %+v, %v, and %d entries of %d", sessions, err, stored(), before)
	}
	if !s.chat.Changed(who) {
		t.Error("connections are not checked")
	}
	s.setNow(s.now().Add(eventlog.SessionLife + time.Second))
	s.pass(2 * time.Hour)
	if stored() != before-2 { // what is left is about the sender
		t.Errorf("of %d entries, %d are left", before, stored())
	}
}

// TestFutureTimesReported: times in the future are logged, once an hour.
func TestFutureTimesReported(t *testing.T) {
	s := newSweepHarness(t, "all")
	s.say("lobby", 1)
	s.pass(5 * time.Minute)
	s.logged("times in the future", 0)
	s.setNow(s.now().Add(2 * time.Hour))
	s.say("ahead", 1)
	s.setNow(s.now().Add(-2 * time.Hour))
	s.pass(60 * time.Minute)
	s.logged("times in the future", 1)
	s.logged("rooms=1 room=ahead", 1)
	s.pass(3 * time.Hour)
	s.logged("times in the future", 2)
}
