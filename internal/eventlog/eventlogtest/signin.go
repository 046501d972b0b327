package eventlogtest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"ramai/internal/eventlog"
	"ramai/wire"
)

// signIn signs in with a proof, from the session from, in a new session. Empty ones are left out.
func signIn(proof, from, session string) eventlog.Command {
	body := eventlog.SignInBody{Kind: eventlog.JWTProof, Proof: eventlog.ProofDigest(eventlog.JWTProof, "i", proof), Label: proof}
	if session != "" {
		body.Session = eventlog.SessionDigest(session)
	}
	body.From = eventlog.SessionDigest(from)
	return eventlog.Command{Kind: eventlog.SignIn, SenderID: body.From.SenderID(), Body: body}
}

// newSession adds a session to a sender.
func newSession(by, session string) eventlog.Command {
	return eventlog.Command{Kind: eventlog.SignIn, SenderID: by, Body: eventlog.SignInBody{Session: eventlog.SessionDigest(session)}}
}

// signOut ends a session of a sender; empty: all.
func signOut(by, session string) eventlog.Command {
	if session == "" {
		return eventlog.Command{Kind: eventlog.SignOut, SenderID: by, Body: eventlog.SignOutBody{All: true}}
	}
	return eventlog.Command{Kind: eventlog.SignOut, SenderID: by, Body: eventlog.SignOutBody{Session: eventlog.SessionDigest(session)}}
}

// derived is the sender that is derived from a session.
func derived(session string) string { return eventlog.SessionDigest(session).SenderID() }

// anySession draws a command about sessions.
func anySession(t *rapid.T, kind eventlog.Kind) eventlog.Command {
	session := rapid.SampledFrom([]string{"one", "two", "three"})
	if kind == eventlog.SignOut {
		return signOut(derived(session.Draw(t, "sender")), rapid.SampledFrom([]string{"", "one", "two", "three"}).Draw(t, "session"))
	}
	if rapid.IntRange(0, 3).Draw(t, "link") == 0 {
		return newSession(derived(session.Draw(t, "sender")), session.Draw(t, "session"))
	}
	return signIn(rapid.SampledFrom([]string{"anna", "bert"}).Draw(t, "proof"), session.Draw(t, "from"), rapid.SampledFrom([]string{"", "one", "two", "three"}).Draw(t, "session"))
}

// wantSession compares the sender of a session.
func (j *tested) wantSession(session, by string) {
	j.t.Helper()
	got, _, err := eventlog.SessionOf(j, eventlog.SessionDigest(session))
	if err != nil || got != by {
		j.t.Fatalf("the session %s is of %q (%v), want %q", session, got, err, by)
	}
}

// signsIn applies a command, and compares who is signed in; "": it is refused.
func (j *tested) signsIn(c eventlog.Command, by string) {
	j.t.Helper()
	o := j.apply(c)[0]
	if o.Status != eventlog.Saved && by != "" || o.SignedIn != by {
		j.t.Fatalf("%+v signs in %q (%v), want %q", c.Body, o.SignedIn, o.Err, by)
	}
}

func testSignIn(t *testing.T, j *tested) {
	if got := mustApply(j, signIn("anna", "laptop", "new")); len(got) != 0 {
		t.Errorf("below the level, a sign_in has the outcomes %v", got)
	}
	allowChanges(j)
	laptop, phone, shared := derived("laptop"), derived("phone"), derived("shared")
	j.wantSession("laptop", laptop)
	// The first proof of a guest: the sender stays, and its session is replaced.
	j.signsIn(signIn("anna", "laptop", "laptop 2"), laptop)
	j.wantSession("laptop", "")
	j.wantSession("laptop 2", laptop)
	// A known proof: another guest becomes the same sender.
	j.signsIn(signIn("anna", "phone", "phone 2"), laptop)
	j.wantSession("phone", "")
	j.wantSession("phone 2", laptop)
	if proofs, err := eventlog.ProofsOf(j, phone); err != nil || len(proofs) > 0 {
		t.Errorf("the guest of the phone has the proofs %v, %v", proofs, err)
	}
	// A second proof in a session of the first one: senders with proofs are not merged. The session stays.
	body := signIn("bert", "laptop 2", "bert's").Body.(eventlog.SignInBody)
	bert := eventlog.Command{Kind: eventlog.SignIn, SenderID: laptop, Body: body}
	j.signsIn(bert, derived("bert's"))
	j.wantSession("laptop 2", laptop)
	j.wantSession("bert's", derived("bert's"))
	j.signsIn(bert, derived("bert's")) // repeated
	// So neither by the proof of one in the session of the other.
	body = signIn("anna", "bert's", "anna's").Body.(eventlog.SignInBody)
	j.signsIn(eventlog.Command{Kind: eventlog.SignIn, SenderID: derived("bert's"), Body: body}, laptop)
	j.wantSession("bert's", derived("bert's"))
	for by, want := range map[string]string{laptop: "anna", derived("bert's"): "bert"} {
		proofs, err := eventlog.ProofsOf(j, by)
		if err != nil || len(proofs) != 1 || proofs[0].Label != want || proofs[0].Kind != eventlog.JWTProof {
			t.Errorf("the proofs of %s are %+v, %v, want that of %s", by, proofs, err, want)
		}
	}
	// Without a session: a key, or a token in one request.
	j.signsIn(signIn("carl", "shared", ""), shared)
	j.wantSession("shared", "") // signing in ends it
	key := signIn("key", "of a key", "")
	key.Body = eventlog.SignInBody{Kind: eventlog.SSHProof, Proof: eventlog.ProofDigest(eventlog.SSHProof, "", "SHA256:x"), Label: "SHA256:x"}
	j.signsIn(key, derived("of a key"))
	j.wantSession("of a key", derived("of a key"))
	another := key
	another.Body = eventlog.SignInBody{Kind: eventlog.SSHProof, Proof: eventlog.ProofDigest(eventlog.SSHProof, "", "SHA256:y")}
	j.signsIn(another, "") // it has a proof, and there is no session for a new sender
}

func testSignOut(t *testing.T, j *tested) {
	allowChanges(j)
	anna := derived("laptop")
	j.signsIn(signIn("anna", "laptop", "laptop 2"), anna)
	j.signsIn(newSession(anna, "phone"), anna)
	j.wantSession("phone", anna)
	j.expect(commands(signOut(derived("bert"), "phone")), "done") // somebody else's
	j.wantSession("phone", anna)
	j.expect(commands(signOut(anna, "phone"), signOut(anna, "phone")), "done", "done")
	j.wantSession("phone", "")
	j.wantSession("laptop 2", anna)
	j.signsIn(newSession(anna, "phone"), anna) // it has ended for good
	j.wantSession("phone", "")
	j.signsIn(newSession(anna, "tablet"), anna)
	j.expect(commands(signOut(anna, "")), "done")
	for _, session := range []string{"laptop", "laptop 2", "phone", "tablet"} {
		j.wantSession(session, "")
	}
	if at, err := eventlog.SessionsEnded(j, anna); err != nil || at == 0 {
		t.Errorf("the sessions ended at %v, %v", at, err)
	}
	j.signsIn(signIn("anna", "new", "newer"), anna) // the proof stays
	j.wantSession("newer", anna)
	// A guest.
	j.wantSession("guest", derived("guest"))
	j.expect(commands(signOut(derived("guest"), "guest")), "done")
	j.wantSession("guest", "")
	j.expect(commands(signOut(derived("guest 2"), "")), "done")
	j.wantSession("guest 2", "")
}

// testPruneSessions: a session that is not used ends, and is forgotten when it has ended for long. What is in use stays.
func testPruneSessions(t *testing.T, j *tested) {
	allowChanges(j)
	anna := derived("laptop")
	j.signsIn(signIn("anna", "laptop", "laptop 2"), anna)
	j.signsIn(newSession(anna, "phone"), anna)
	keys := func() (keys []string) {
		entries, err := j.Entries(eventlog.Sessions, "", "", "", eventlog.MaxEntries)
		if err != nil {
			t.Fatal(err)
		}
		for i := range entries {
			keys = append(keys, entries[i].Key)
		}
		return keys
	}
	prune := func() []string {
		o := mustApply(j, eventlog.Command{Kind: eventlog.PruneEntries, Body: eventlog.PruneEntriesBody{Table: eventlog.Sessions, Keys: keys()}})
		return o[0].Ended
	}
	const life = wire.Time(eventlog.SessionLife / time.Millisecond)
	j.at += life
	if ended := prune(); len(ended) > 0 {
		t.Errorf("after %v, sessions of %v have ended", eventlog.SessionLife, ended)
	}
	j.signsIn(newSession(anna, "phone"), anna) // it is used
	j.at++
	if ended := prune(); !slices.Equal(ended, []string{anna}) {
		t.Errorf("sessions of %v have ended, want one of %v", ended, anna)
	}
	j.wantSession("laptop 2", "")
	j.wantSession("phone", anna)
	if sessions, err := eventlog.SessionsOf(j, anna); err != nil || len(sessions) != 1 || sessions[0].Used != j.at-1 {
		t.Errorf("the sessions are %+v, %v, want that of the phone", sessions, err)
	}
	before := len(keys())
	j.signsIn(newSession(anna, "phone"), anna)
	j.at += life + 1
	j.signsIn(newSession(anna, "phone"), anna)
	if ended := prune(); len(ended) > 0 || len(keys()) != before-1 {
		t.Errorf("sessions of %v have ended, and there are %d entries, want none, and %d", ended, len(keys()), before-1)
	}
	j.wantSession("laptop", "") // the sender is derived from it
	if proofs, err := eventlog.ProofsOf(j, anna); err != nil || len(proofs) != 1 {
		t.Errorf("the proofs are %+v, %v", proofs, err)
	}
}

func testSignInNames(t *testing.T, j *tested) {
	allowChanges(j)
	anna, phone, tablet := derived("laptop"), derived("phone"), derived("tablet")
	j.signsIn(signIn("anna", "laptop", "1"), anna)
	j.expect(commands(reserve(phone, "Anna")), "done")
	o := j.apply(signIn("anna", "phone", "2"))[0]
	if j.Name(anna) != "Anna" || j.Name(phone) != "" || !slices.Equal(o.Renamed, []string{phone, anna}) {
		t.Errorf("the names are %q and %q, renamed %q, want the name to follow", j.Name(anna), j.Name(phone), o.Renamed)
	}
	j.expect(commands(reserve(tablet, "Guest")), "done")
	j.signsIn(signIn("anna", "tablet", "3"), anna)
	if j.Name(anna) != "Anna" || j.Name(tablet) != "" {
		t.Errorf("the names are %q and %q: a name replaces no other one, and is free", j.Name(anna), j.Name(tablet))
	}
	j.expect(commands(reserve("bert", "Guest")), "done")
}

func testSessionLimit(t *testing.T, j *tested) {
	allowChanges(j)
	anna := derived("laptop")
	j.signsIn(signIn("anna", "laptop", "0"), anna)
	for i := 1; i < eventlog.MaxSessions; i++ {
		j.at += wire.Time(time.Hour / time.Millisecond)
		j.signsIn(newSession(anna, fmt.Sprint(i)), anna)
	}
	j.wantSession("0", anna)
	j.at += wire.Time(time.Hour / time.Millisecond)
	j.signsIn(newSession(anna, "0"), anna) // it is in use
	j.signsIn(newSession(anna, "new"), anna)
	j.wantSession("0", anna)
	j.wantSession("1", "")
	j.wantSession("2", anna)
	j.wantSession("new", anna)
}

func testSessionsReopened(t *testing.T, location Location) {
	j := open(t, location)
	allowChanges(j)
	anna := derived("laptop")
	j.signsIn(signIn("anna", "laptop", "laptop 2"), anna)
	j.expect(commands(signOut(derived("guest"), "guest")), "done")
	if err := j.Reopen(); err != nil {
		t.Fatal(err)
	}
	j.wantSession("laptop", "")
	j.wantSession("laptop 2", anna)
	j.wantSession("guest", "")
	j.signsIn(signIn("anna", "phone", "phone 2"), anna)
}
