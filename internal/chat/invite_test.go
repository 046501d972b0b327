package chat

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"ramai/internal/eventlog"
	"ramai/wire"
)

// In these tests, the owner has a private room, den, with a password.
const (
	den      = "den"
	password = "Kelas 7b é"
)

// actorAt returns a sender with a session, at an address.
func actorAt(name, addr string) *Actor {
	return &Actor{SenderID: wire.SenderIDOf(name), Addr: netip.AddrPortFrom(netip.MustParseAddr(addr), 1), Protocol: V1}
}

// ownDen makes the room, and returns its owner.
func (c *server) ownDen() *Actor {
	c.tb.Helper()
	cheap := *passwordParams
	cheap.Memory, cheap.Iterations = 64, 1
	was := passwordParams
	passwordParams = &cheap
	c.tb.Cleanup(func() { passwordParams = was })
	for _, cmd := range []eventlog.Command{
		{Kind: eventlog.Level, Body: eventlog.LevelBody{Level: eventlog.Current.Level()}},
		{Kind: eventlog.Set, SenderID: eventlog.OperatorSender, Room: den, ID: "1", Body: eventlog.SetBody{Key: wire.RolePrefix + wire.SenderIDOf("owner"), Value: wire.TextValue("owner")}},
		{Kind: eventlog.Set, SenderID: eventlog.OperatorSender, Room: den, ID: "2", Body: eventlog.SetBody{Key: wire.EveryoneKey, Value: wire.TextValue("none")}},
	} {
		if err := c.submit(eventlog.Submission{Command: cmd}, nil); err != nil {
			c.tb.Fatal(err)
		}
		c.step()
	}
	owner := actorAt("owner", "192.0.2.9")
	if got := c.setPassword(owner, password); got != "saved" {
		c.tb.Fatalf("setting the password is %s", got)
	}
	return owner
}

// setPassword sets the password of the room.
func (c *server) setPassword(a *Actor, s string) string {
	c.tb.Helper()
	set := &Setting{Room: den, ID: fmt.Sprint("p", c.clock.UnixNano(), s), Key: wire.PasswordKey, Value: wire.TextValue(s)}
	got := "nothing"
	err := c.HashPassword(a, set, func(err error) {
		got = codeOf(err)
		if err == nil {
			got = codeOf(c.Set(a, set, c.reply()))
		}
	})
	if err != nil {
		return codeOf(err)
	}
	for _, o := range c.step() {
		if got = "saved"; o.Status == eventlog.Refused {
			got = codeOf(o.Err)
		}
	}
	return got
}

// codeOf describes an error: its code and its rule.
func codeOf(err error) string {
	refused := Refusal(err)
	if err == nil || refused == nil {
		return "ok"
	}
	return strings.TrimSpace(string(refused.Code) + " " + refused.Rule)
}

// redeem returns the role that an actor gets, or the error.
func (c *server) redeem(a *Actor, ask wire.Redeem) (role wire.Role, err error) {
	c.tb.Helper()
	ask.Room = den
	calls := 0
	err = c.Redeem(a, ask, func(got wire.OwnRole, failed error) { role, err, calls = got.Role, failed, calls+1 })
	begun := err == nil || calls > 0
	c.step()
	if want := map[bool]int{true: 1, false: 0}[begun]; calls != want {
		c.tb.Fatalf("done was called %d times, want %d (%v)", calls, want, err)
	}
	return role, err
}

func TestPassword(t *testing.T) {
	c := newServer(t, RateLimits{PerSecond: 1000, Burst: 1000, Address: 100})
	owner := c.ownDen()
	pupil := actorAt("pupil", "192.0.2.1")
	for typed, want := range map[string]string{
		password:                 "ok",
		"  " + password + " ":    "ok",
		"Kelas 7b e\u0301":       "ok", // as some keyboards type it
		"kelas 7b é":             "not_allowed password",
		"short":                  "bad_request",
		strings.Repeat("x", 129): "bad_request",
		"two\nlines":             "bad_request",
		"Kelas 7b \xff":          "bad_request",
		strings.Repeat("x", 1e6): "bad_request",
	} {
		c.clock = c.clock.Add(time.Minute)
		role, err := c.redeem(pupil, wire.Redeem{Password: typed})
		if got := codeOf(err); got != want || want == "ok" && role != wire.RoleGuest {
			t.Errorf("the password %.20q gives %v, %s, want %s", typed, role, got, want)
		}
	}
	if got := c.setPassword(pupil, "another one"); got != "not_allowed role" {
		t.Errorf("a guest sets the password: %s", got)
	}
	if _, err := c.redeem(&Actor{Addr: pupil.Addr}, wire.Redeem{Password: password}); codeOf(err) != "not_allowed" {
		t.Errorf("without a session: %v", err)
	}
	if err := c.Set(owner, &Setting{Room: den, ID: "raw", Key: wire.PasswordKey, Value: wire.TextValue("in the clear")}, c.reply()); codeOf(err) != "internal" {
		t.Errorf("a password that is not hashed is set: %v", err)
	}
	c.clock = c.clock.Add(time.Minute)
	if got := c.setPassword(owner, "a new one"); got != "saved" {
		t.Fatal(got)
	}
	if _, err := c.redeem(actorAt("late", "192.0.2.1"), wire.Redeem{Password: password}); codeOf(err) != "not_allowed password" {
		t.Errorf("the former password: %v", err)
	}
	unset := &Setting{Room: den, ID: "unset", Key: wire.PasswordKey}
	if err := c.Set(owner, unset, c.reply()); unset.HasPassword() || err != nil {
		t.Fatal(err)
	}
	c.step()
	without, wrong := actorAt("without", "192.0.2.1"), actorAt("wrong", "192.0.2.1")
	_, errWithout := c.redeem(without, wire.Redeem{Password: "a new one"})
	if Refusal(errWithout) == nil || codeOf(errWithout) != "not_allowed password" {
		t.Errorf("a room without a password: %v", errWithout)
	}
	c.setPassword(owner, "a third one")
	if _, err := c.redeem(wrong, wire.Redeem{Password: "a new one"}); err == nil || err.Error() != errWithout.Error() {
		t.Errorf("a wrong password is %v, and without a password it is %v; the difference tells others whether it has one", err, errWithout)
	}
}

// TestShownSettings: nobody sees a password or its hash.
func TestShownPassword(t *testing.T) {
	c := newServer(t, RateLimits{})
	owner := c.ownDen()
	page, err := c.Settings(owner, wire.StateRequest{Room: den})
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, s := range append(page.Settings, c.Operator().Settings(den, "")...) {
		if s.Key == wire.PasswordKey {
			found = true
			if s.Value.Text == nil || *s.Value.Text != wire.PasswordSet {
				t.Errorf("the password is shown as %+v", s.Value)
			}
		}
	}
	if !found {
		t.Error("the owner does not see that there is a password")
	}
}

func TestInvite(t *testing.T) {
	c := newServer(t, RateLimits{})
	owner := c.ownDen()
	invite := func(a *Actor, ask wire.Invite) (got wire.Invited, err error) {
		ask.Room = den
		if ask.ID == "" {
			ask.ID = fmt.Sprint("i", c.store.Position())
		}
		err = c.Invite(a, ask, func(invited wire.Invited, failed error) { got, err = invited, failed })
		c.step()
		return got, err
	}
	got, err := invite(owner, wire.Invite{Role: wire.RoleTrusted})
	if err != nil || wire.CheckInvite(got.Invite) != nil || got.Uses != wire.DefaultUses || got.Until != wire.TimeOf(c.clock.Add(wire.DefaultLife)) || got.Role != wire.RoleTrusted {
		t.Fatalf("the invite is %+v, %v", got, err)
	}
	anna := actorAt("anna", "192.0.2.1")
	if role, err := c.redeem(anna, wire.Redeem{Invite: got.Invite}); role != wire.RoleTrusted || err != nil {
		t.Errorf("redeemed, it gives %v, %v", role, err)
	}
	again, err := invite(owner, wire.Invite{Role: wire.RoleTrusted})
	if err != nil || again.Invite == got.Invite {
		t.Errorf("the next invite is %+v, %v", again, err)
	}
	at := wire.TimeOf(c.clock)
	for _, row := range []struct {
		name string
		by   *Actor
		ask  wire.Invite
		want string
	}{
		{"none", owner, wire.Invite{Role: wire.RoleNone}, "bad_request"},
		{"an unknown role", owner, wire.Invite{Role: 99}, "bad_request"},
		{"uses below 0", owner, wire.Invite{Role: wire.RoleGuest, Uses: -1}, "bad_request"},
		{"too many uses", owner, wire.Invite{Role: wire.RoleGuest, Uses: wire.MaxUses + 1}, "bad_request"},
		{"the past", owner, wire.Invite{Role: wire.RoleGuest, Until: at}, "bad_request"},
		{"far ahead", owner, wire.Invite{Role: wire.RoleGuest, Until: at + wire.Time(wire.MaxInviteLife.Milliseconds()) + 1}, "bad_request"},
		{"a year", owner, wire.Invite{Role: wire.RoleGuest, Until: at + wire.Time(wire.MaxInviteLife.Milliseconds())}, "ok"},
		{"most uses", owner, wire.Invite{Role: wire.RoleModerator, Uses: wire.MaxUses}, "ok"},
		{"owners", owner, wire.Invite{Role: wire.RoleOwner, Uses: 2}, "bad_request"},
		{"an owner for a day", owner, wire.Invite{Role: wire.RoleOwner, Until: at + 1000}, "bad_request"},
		{"a recovery code", owner, wire.Invite{Role: wire.RoleOwner}, "ok"},
		{"a trusted sender", anna, wire.Invite{Role: wire.RoleReader}, "not_allowed role"},
		{"without a session", &Actor{Addr: anna.Addr}, wire.Invite{Role: wire.RoleReader}, "not_allowed role"},
	} {
		got, err := invite(row.by, row.ask)
		if codeOf(err) != row.want || (got.Invite != "") != (row.want == "ok") {
			t.Errorf("%s: the invite is %+v, %v, want %s", row.name, got, err, row.want)
		}
	}
	code, err := invite(owner, wire.Invite{Role: wire.RoleOwner})
	if err != nil || code.Until != 0 || code.Uses != 1 {
		t.Fatalf("the recovery code is %+v, %v", code, err)
	}
	if role, err := c.redeem(anna, wire.Redeem{Invite: code.Invite}); role != wire.RoleOwner || err != nil {
		t.Errorf("the recovery code gives %v, %v", role, err)
	}
	operators, err := c.inviteAsOperator(wire.Invite{Room: den, ID: "op", Role: wire.RoleModerator, Uses: 1})
	if err != nil {
		t.Fatal(err)
	}
	if role, err := c.redeem(actorAt("bert", "192.0.2.1"), wire.Redeem{Invite: operators.Invite}); role != wire.RoleModerator || err != nil {
		t.Errorf("an invite of the operator gives %v, %v", role, err)
	}
}

// inviteAsOperator makes an invite as the operator, who waits for it.
func (c *server) inviteAsOperator(ask wire.Invite) (wire.Invited, error) {
	o := c.Operator()
	o.Decide = func(_ context.Context, cmd eventlog.Command) (*eventlog.Outcome, error) {
		if err := c.submit(eventlog.Submission{Command: cmd, ReplyTo: c.reply().To}, nil); err != nil {
			return nil, err
		}
		return &c.step()[0], nil
	}
	secret, err := c.NewID()
	if err != nil {
		return wire.Invited{}, err
	}
	return o.Invite(context.Background(), ask, secret, c.clock)
}

// TestGuesses: a guesser is limited, wherever it guesses, and a class behind the same address gets in meanwhile.
func TestGuesses(t *testing.T) {
	c := newServer(t, RateLimits{PerSecond: 1000, Burst: 1000, Address: 100})
	c.ownDen()
	const school = "198.51.100.7"
	guesser := actorAt("guesser", school)
	limited := func(a *Actor, ask wire.Redeem) time.Duration {
		_, err := c.redeem(a, ask)
		return Wait(err)
	}
	for i := range wrongOfSender {
		if wait := limited(guesser, wire.Redeem{Password: fmt.Sprint("guess ", i)}); wait != 0 {
			t.Fatalf("guess %d has to wait %v", i, wait)
		}
	}
	for _, ask := range []wire.Redeem{{Password: "another guess"}, {Password: password}, {Invite: strings.Repeat("x", wire.InviteLen)}} {
		if wait := limited(guesser, ask); wait != time.Minute/wrongOfSender {
			t.Errorf("after %d wrong guesses, %+v has to wait %v, want %v", wrongOfSender, ask, wait, time.Minute/wrongOfSender)
		}
	}
	for i := range 30 {
		pupil := actorAt(fmt.Sprint("pupil", i), school)
		if role, err := c.redeem(pupil, wire.Redeem{Password: password}); role != wire.RoleGuest || err != nil {
			t.Fatalf("pupil %d gets %v, %v", i, role, err)
		}
	}
	// The address: what is left of it are guesses of other senders.
	others := 0
	for limited(actorAt(fmt.Sprint("other", others), school), wire.Redeem{Password: "a wrong one"}) == 0 {
		others++
	}
	if others != wrongOfAddress-wrongOfSender {
		t.Errorf("%d other senders can guess wrong, want %d", others, wrongOfAddress-wrongOfSender)
	}
	if wait := limited(actorAt("elsewhere", "198.51.100.8"), wire.Redeem{Password: "a wrong one"}); wait != 0 {
		t.Errorf("at another address, one has to wait %v", wait)
	}
	late := actorAt("late", school) // waits for its turn, as the page does
	for tries := 1; ; tries++ {
		role, err := c.redeem(late, wire.Redeem{Password: password})
		if role == wire.RoleGuest {
			break
		}
		if tries > 3 {
			t.Fatalf("after %d tries a pupil is not in: %v", tries, err)
		}
		c.clock = c.clock.Add(Wait(err))
	}
	// An IPv6 network is one address.
	for i := range wrongOfAddress {
		if wait := limited(actorAt(fmt.Sprint("six", i), fmt.Sprintf("2001:db8::%x", i+1)), wire.Redeem{Invite: strings.Repeat("x", wire.InviteLen)}); wait != 0 {
			t.Fatalf("invite %d has to wait %v", i, wait)
		}
	}
	if wait := limited(actorAt("six more", "2001:db8::ffff"), wire.Redeem{Password: "a wrong one"}); wait == 0 {
		t.Error("another address of the same /64 can guess on")
	}
}

// TestWrongInvites: only an unknown invite counts as a guess.
func TestWrongInvites(t *testing.T) {
	c := newServer(t, RateLimits{PerSecond: 1000, Burst: 1000, Address: 100})
	c.ownDen()
	once, err := c.inviteAsOperator(wire.Invite{Room: den, ID: "op", Role: wire.RoleGuest, Uses: 1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.redeem(actorAt("anna", "192.0.2.1"), wire.Redeem{Invite: once.Invite}); err != nil {
		t.Fatal(err)
	}
	for i := range 2 * wrongOfSender {
		if _, err := c.redeem(actorAt("bert", "192.0.2.1"), wire.Redeem{Invite: once.Invite}); codeOf(err) != "not_allowed invite" {
			t.Fatalf("try %d of an invite that is used up: %v", i, err)
		}
	}
}

// TestLostOutcome: an attempt whose outcome is unknown is answered, and does not count.
func TestLostOutcome(t *testing.T) {
	c := newServer(t, RateLimits{})
	c.ownDen()
	submit := c.submit
	for name, row := range map[string]struct {
		submit func(eventlog.Submission, func()) error
		want   error
	}{
		"lost": {func(s eventlog.Submission, _ func()) error { s.ReplyTo.Lost(); return nil }, ErrUnknown},
		"busy": {func(eventlog.Submission, func()) error { return eventlog.ErrBusy }, errUnavailable},
		"over": {func(eventlog.Submission, func()) error { return eventlog.ErrClosed }, errUnavailable},
	} {
		c.submit = row.submit
		for range 2 * wrongOfSender {
			if _, err := c.redeem(actorAt("anna", "192.0.2.1"), wire.Redeem{Password: password}); !errors.Is(err, row.want) {
				t.Errorf("%s: %v, want %v", name, err, row.want)
			}
		}
	}
	c.submit = submit
	if role, err := c.redeem(actorAt("anna", "192.0.2.1"), wire.Redeem{Password: password}); role != wire.RoleGuest || err != nil {
		t.Errorf("afterwards: %v, %v", role, err)
	}
}

// TestSecretsInLog: the log of texts has neither a password nor an invite.
func TestSecretsInLog(t *testing.T) {
	c := newServer(t, RateLimits{})
	var logged bytes.Buffer
	c.cfg.Log = NewClientLog(slog.New(slog.NewTextHandler(&logged, nil)), func() time.Time { return c.clock }, true)
	owner := c.ownDen()
	if err := c.Set(owner, &Setting{Room: den, ID: "t", Key: wire.TopicKey, Value: wire.TextValue("canary of the topic")}, c.reply()); err != nil {
		t.Fatal(err)
	}
	c.step()
	if _, err := c.redeem(actorAt("anna", "192.0.2.1"), wire.Redeem{Password: password}); err != nil {
		t.Fatal(err)
	}
	if log := logged.String(); !strings.Contains(log, "canary of the topic") || strings.Contains(log, "Kelas") || strings.Contains(log, "argon2id") {
		t.Errorf("the log of texts is\n%s", log)
	}
}

// TestHashesAreBounded: a flood of passwords takes the memory of two hashes, and too many wait for nothing.
func TestHashesAreBounded(t *testing.T) {
	h := newHasher(nil)
	addr := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}) }
	hold := make(chan struct{})
	var wg, running sync.WaitGroup
	running.Add(1)
	var once sync.Once
	job := func() {
		defer wg.Done()
		once.Do(running.Done)
		<-hold
	}
	for i := range maxWaiting {
		wg.Add(1)
		if err := h.start(addr(i), job); err != nil {
			t.Fatalf("job %d: %v", i, err)
		}
	}
	running.Wait()
	if err := h.start(addr(1), func() { t.Error("one too many is run") }); Refusal(err) == nil || Refusal(err).Code != wire.Unavailable || Refusal(err).RetryAfter == 0 {
		t.Errorf("one too many: %v", err)
	}
	close(hold)
	wg.Wait()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range 40 {
		wg.Add(1)
		err := h.start(addr(i), func() {
			defer wg.Done()
			if ok, err := matchesPassword("guess", noPassword); ok || err != nil {
				t.Errorf("the hash of no password: %v, %v", ok, err)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	wg.Wait()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapSys) - int64(before.HeapSys); grown > 200<<20 {
		t.Errorf("40 passwords took %d MiB of heap", grown>>20)
	}
}

// TestHostileHash: a hash of a folder that somebody else has written takes no more memory than others.
func TestHostileHash(t *testing.T) {
	for _, hash := range []string{
		"", "$argon2id$v=19$m=4194304,t=1,p=1$c2FsdHNhbHQ$a2V5a2V5a2V5a2V5a2V5a2V5", "$argon2id$v=19$m=64,t=1000000,p=1$c2FsdHNhbHQ$a2V5a2V5a2V5a2V5a2V5a2V5",
		"$argon2id$v=19$m=64,t=0,p=1$c2FsdHNhbHQ$a2V5a2V5a2V5a2V5a2V5a2V5", "$argon2id$v=19$m=64,t=1,p=0$c2FsdHNhbHQ$a2V5a2V5a2V5a2V5a2V5a2V5",
		"$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$", "$argon2i$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$a2V5a2V5a2V5a2V5a2V5a2V5",
	} {
		if ok, err := matchesPassword("", hash); ok || err == nil {
			t.Errorf("%s matches: %v, %v", hash, ok, err)
		}
	}
	if ok, err := matchesPassword("right", "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$a2V5a2V5a2V5a2V5a2V5a2V5"); ok || err != nil {
		t.Errorf("a hash with other parameters: %v, %v", ok, err)
	}
}
