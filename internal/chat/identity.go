package chat

import (
	"context"
	"encoding/binary"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"ramai/internal/eventlog"
	"ramai/internal/names"
	"ramai/internal/token"
	"ramai/wire"
)

// Identity says who a client is.
type Identity struct {
	SenderID string
	Known    bool             // the sender has a proof
	Session  *eventlog.Digest // of the session, if one is stored; nil: the sender is derived from the session, or there is none
	Proved   bool             // the client shows its proof on each connection, such as a key: it needs no session

	generation uint64 // of the sessions, when this was read
}

// ErrSessionEnded refuses a session that was ended.
var ErrSessionEnded = &wire.CodedError{
	Code: wire.NotAllowed, Reason: "this session has ended: somebody signed out, or signed in with it; continue with a new session, and sign in again if you want to",
}

var errUnreadable = &wire.CodedError{Code: wire.Unavailable, RetryAfter: time.Second, Reason: "sessions cannot be read now; try again"}

// identities is the part of a Service that knows which sessions are stored, and which tokens were verified.
type identities struct {
	generation atomic.Uint64 // changes after sessions have changed

	mu     sync.Mutex
	stored map[uint64]struct{}           // guarded by mu: the keys of the table of sessions, hashed. Most sessions are not stored
	proved map[uint64]struct{}           // guarded by mu: the senders that have or had a proof, hashed
	tokens map[eventlog.Digest]*verified // guarded by mu: verified tokens, at most maxTokens
	used   map[eventlog.Digest]struct{}  // guarded by mu: sessions whose use is being recorded
	links  linkCodes
}

const (
	maxTokens  = 4096
	tokenLife  = time.Minute      // how long a token counts as verified
	recordUsed = 24 * time.Hour   // after which the use of a session is recorded again
	signInTime = 15 * time.Second // for a sign-in, with a fetch of the issuer's keys
)

// verified is a verified token.
type verified struct {
	who    Identity
	claims token.Claims
	at     time.Time // when it was verified
}

// hashKey hashes a key of the table of sessions.
func hashKey(key string) uint64 {
	d := eventlog.SessionDigest(key)
	return binary.LittleEndian.Uint64(d[:])
}

// LoadSessions reads which sessions are stored, and which senders have proofs.
func (s *Service) LoadSessions() error {
	if err := s.loadKeys(eventlog.SenderProofs, s.identities.proved); err != nil {
		return err
	}
	return s.loadKeys(eventlog.Sessions, s.identities.stored)
}

// loadKeys reads the keys of a table.
func (s *Service) loadKeys(table eventlog.Table, into map[uint64]struct{}) error {
	for after := ""; ; {
		some, err := s.cfg.Store.Entries(table, "", "", after, eventlog.MaxEntries)
		if err != nil {
			return err
		}
		for i := range some {
			into[hashKey(some[i].Key)] = struct{}{}
		}
		if len(some) < eventlog.MaxEntries {
			return nil
		}
		after = some[len(some)-1].Key
	}
}

// Feed takes note of outcomes that change who a session belongs to. It returns the senders whose sessions
// may have ended; true: all of them have.
func (s *Service) Feed(outcomes []eventlog.Outcome) (affected map[string]bool) {
	for i := range outcomes {
		o := &outcomes[i]
		if len(o.Ended) > 0 {
			s.identities.generation.Add(1)
			if affected == nil {
				affected = make(map[string]bool)
			}
			for _, sender := range o.Ended {
				if !affected[sender] { // not all of them have ended
					affected[sender] = false
				}
			}
		}
		var session, from eventlog.Digest
		all := false
		switch body := o.Command.Body.(type) {
		case eventlog.SignInBody:
			session, from = body.Session, body.From
		case eventlog.SignOutBody:
			session, from, all = body.Session, body.Session, body.All
		case eventlog.ForgetBody: // the proofs of the sender may be gone
			s.identities.mu.Lock()
			clear(s.identities.tokens)
			s.identities.mu.Unlock()
			s.identities.generation.Add(1)
			continue
		default:
			continue
		}
		if o.Status != eventlog.Saved {
			continue
		}
		s.identities.mu.Lock()
		for _, key := range []string{o.Command.SenderID, o.SignedIn, from.SenderID(), string(session[:])} {
			s.identities.stored[hashKey(key)] = struct{}{}
		}
		if body, is := o.Command.Body.(eventlog.SignInBody); is && body.Kind != "" {
			s.identities.proved[hashKey(o.SignedIn)] = struct{}{}
		}
		clear(s.identities.tokens)
		s.identities.mu.Unlock()
		s.identities.generation.Add(1)
		if affected == nil {
			affected = make(map[string]bool)
		}
		for _, sender := range []string{o.Command.SenderID, o.SignedIn, from.SenderID()} {
			affected[sender] = affected[sender] || all
		}
	}
	return affected
}

// mayBeStored reports whether anything may be stored about a session.
func (s *Service) mayBeStored(d *eventlog.Digest) bool {
	s.identities.mu.Lock()
	defer s.identities.mu.Unlock()
	if len(s.identities.stored) == 0 {
		return false
	}
	if _, is := s.identities.stored[hashKey(string(d[:]))]; is {
		return true
	}
	_, is := s.identities.stored[hashKey(d.SenderID())]
	return is
}

// mayBeProved reports whether a sender may have a proof.
func (s *Service) mayBeProved(senderID string) bool {
	s.identities.mu.Lock()
	defer s.identities.mu.Unlock()
	if len(s.identities.proved) == 0 {
		return false
	}
	_, is := s.identities.proved[hashKey(senderID)]
	return is
}

// ResolveFast is Resolve for a session about which nothing is stored. Otherwise it returns false, and Resolve reads the store.
func (s *Service) ResolveFast(session string) (Identity, bool) {
	d, generation := eventlog.SessionDigest(session), s.identities.generation.Load()
	if s.mayBeStored(&d) {
		return Identity{}, false
	}
	return Identity{SenderID: d.SenderID(), generation: generation}, true
}

// Resolve returns who the holder of a session is. It is the only way from a session to a sender. A session that has ended is
// refused with ErrSessionEnded. It may wait for the disk.
func (s *Service) Resolve(session string) (Identity, error) {
	if who, ok := s.ResolveFast(session); ok {
		return who, nil
	}
	return s.resolve(eventlog.SessionDigest(session))
}

func (s *Service) resolve(d eventlog.Digest) (Identity, error) {
	generation := s.identities.generation.Load()
	sender, stored, err := eventlog.SessionOf(s.cfg.Store, d)
	if err != nil {
		return Identity{}, s.unreadable(err)
	}
	who := Identity{SenderID: sender, generation: generation}
	now := wire.TimeOf(s.cfg.Now())
	switch {
	case sender == "" || stored != nil && stored.Over(now):
		return Identity{}, ErrSessionEnded
	case stored == nil:
		return who, nil
	}
	who.Session = &d
	if now-stored.Used > wire.Time(recordUsed/time.Millisecond) {
		s.recordUse(sender, d)
	}
	who.Known, err = s.known(sender)
	return who, err
}

// known reports whether a sender has a proof.
func (s *Service) known(senderID string) (bool, error) {
	proofs, err := eventlog.ProofsOf(s.cfg.Store, senderID)
	if err != nil {
		return false, s.unreadable(err)
	}
	return len(proofs) > 0, nil
}

func (s *Service) unreadable(err error) error {
	s.cfg.Logger.Error("cannot read sessions", "err", err)
	return errUnreadable
}

// recordUse records that a session is in use. If that fails, the next use tries it again.
func (s *Service) recordUse(senderID string, d eventlog.Digest) {
	s.identities.mu.Lock()
	defer s.identities.mu.Unlock()
	if _, recording := s.identities.used[d]; recording {
		return
	}
	s.identities.used[d] = struct{}{}
	done := func() {
		s.identities.mu.Lock()
		defer s.identities.mu.Unlock()
		delete(s.identities.used, d)
	}
	to := &eventlog.ReplyTo{Deliver: func(*eventlog.Submission, *eventlog.Outcome) { done() }, Lost: done}
	c := eventlog.Command{Kind: eventlog.SignIn, SenderID: senderID, Body: eventlog.SignInBody{Session: d}}
	if s.submit(c, &Reply{To: to}) != nil {
		delete(s.identities.used, d)
	}
}

// Changed reports whether sessions have changed since an identity was read. Then it has to be read again, or checked with Valid.
func (s *Service) Changed(who Identity) bool { return who.generation != s.identities.generation.Load() }

// Valid reports whether an identity that a connection has still counts, after its sender's sessions have changed. signedOut
// means that all of them were ended. The connection is a use of its session.
func (s *Service) Valid(who Identity, signedOut bool) bool {
	switch {
	case signedOut:
		return false
	case who.Proved:
		return true
	case who.Session != nil:
		now, err := s.resolve(*who.Session)
		return err == nil && now.SenderID == who.SenderID
	}
	ended, err := eventlog.DerivedEnded(s.cfg.Store, who.SenderID)
	return err == nil && !ended
}

// SignInRequest is the argument of SignIn.
type SignInRequest struct {
	Token   string
	Session string // the session so far, which ends if it is not signed in; empty: none
	Keep    bool   // draw a new session, which the client keeps; false: the token is sent with each request
}

// SignedIn is the result of SignIn.
type SignedIn struct {
	Identity
	Secret string // the new session, or the one that is signed in already; empty without SignInRequest.Keep
}

// SignIn verifies a token, and signs its subject in. It waits for the issuer's keys and for the disk. The error is a
// *wire.CodedError.
func (s *Service) SignIn(ctx context.Context, addr netip.Addr, r SignInRequest) (SignedIn, error) {
	if s.cfg.Tokens == nil {
		return SignedIn{}, &wire.CodedError{Code: wire.NotAllowed, Reason: "this server accepts no tokens; its operator can configure an issuer (--jwt-issuer)"}
	}
	ctx, cancel := context.WithTimeout(ctx, signInTime)
	defer cancel()
	if !r.Keep {
		if who, ok := s.verifiedToken(r.Token); ok {
			return SignedIn{Identity: who}, nil
		}
	}
	if wait := s.rates.Take(s.cfg.Now(), "", addr, 1); wait > 0 {
		return SignedIn{}, rateLimited(wait)
	}
	claims, err := s.cfg.Tokens.Verify(ctx, r.Token)
	if err != nil {
		return SignedIn{}, refusedToken(err)
	}
	in, err := s.signIn(ctx, claims, &r)
	if err != nil {
		return SignedIn{}, err
	}
	s.applyClaims(ctx, in.SenderID, &claims)
	if !r.Keep {
		s.storeToken(r.Token, &verified{who: in.Identity, claims: claims, at: s.cfg.Now()})
	}
	return in, nil
}

// refusedToken returns the refusal of a token.
func refusedToken(err error) error {
	bad := (*token.Error)(nil)
	switch {
	case !errors.As(err, &bad):
		return &wire.CodedError{Code: wire.Internal, Reason: "the token cannot be verified"}
	case bad.Later:
		return &wire.CodedError{Code: wire.Unavailable, Reason: bad.Reason, RetryAfter: time.Second}
	}
	return &wire.CodedError{Code: wire.NotAllowed, Reason: bad.Reason}
}

// signIn signs in the subject of a token.
func (s *Service) signIn(ctx context.Context, claims token.Claims, r *SignInRequest) (SignedIn, error) {
	proof := eventlog.ProofDigest(eventlog.JWTProof, claims.Issuer, claims.Subject)
	by, err := eventlog.SenderOfProof(s.cfg.Store, proof)
	if err != nil {
		return SignedIn{}, s.unreadable(err)
	}
	if by != "" {
		if err := s.checkIssued(by, &claims); err != nil {
			return SignedIn{}, err
		}
	}
	secret, err := s.NewID()
	if err != nil {
		return SignedIn{}, err
	}
	body := eventlog.SignInBody{Proof: proof, Kind: eventlog.JWTProof, Label: label(&claims)}
	from := eventlog.SessionDigest(secret).SenderID() // of nobody, without a session
	in := SignedIn{Identity: Identity{SenderID: by, Known: true, Proved: true}}
	switch {
	case r.Keep:
		d := eventlog.SessionDigest(secret)
		body.Session = d
		in = SignedIn{Identity{Known: true, Session: &d}, secret}
		if r.Session == "" {
			break
		}
		switch who, err := s.Resolve(r.Session); {
		case err == nil && by != "" && who.SenderID == by && who.Session != nil: // signed in already
			return SignedIn{who, r.Session}, nil
		case err == nil:
			body.From, from = eventlog.SessionDigest(r.Session), who.SenderID
		case err != error(ErrSessionEnded):
			return SignedIn{}, err
		}
	case by != "":
		return in, nil
	}
	o, err := Await(ctx, func(reply Reply) error {
		return s.submit(eventlog.Command{Kind: eventlog.SignIn, SenderID: from, Body: body}, &reply)
	})
	switch {
	case err != nil:
		return SignedIn{}, err
	case o.Status == eventlog.Refused:
		return SignedIn{}, o.Err
	}
	in.SenderID = o.SignedIn
	return in, nil
}

// checkIssued refuses a token that was issued before its subject's sessions were ended everywhere. A token that does not say when
// it was issued is accepted.
func (s *Service) checkIssued(by string, claims *token.Claims) error {
	ended, err := eventlog.SessionsEnded(s.cfg.Store, by)
	switch {
	case err != nil:
		return s.unreadable(err)
	case ended != 0 && !claims.Issued.IsZero() && wire.TimeOf(claims.Issued.Add(time.Second)) <= ended: // iat has no fractions
		return &wire.CodedError{Code: wire.NotAllowed, Reason: "the token was issued before its owner signed out everywhere; get a new one"}
	}
	return nil
}

// label describes a proof.
func label(claims *token.Claims) string {
	text := claims.Subject + " (" + claims.Issuer + ")"
	return text[:min(len(text), 500)]
}

// applyClaims gives the sender of a token the name and the role that the token has. What is not possible is left out.
func (s *Service) applyClaims(ctx context.Context, by string, claims *token.Claims) {
	s.applyRole(ctx, by, claims)
	if name, err := names.Parse(claims.Name); err == nil && !names.Reserved(name) && s.cfg.Store.Name(by) == "" {
		_, _ = Await(ctx, func(reply Reply) error {
			return s.submit(eventlog.Command{
				Kind: eventlog.ReserveName, SenderID: by, Body: eventlog.ReserveNameBody{Name: name, Key: names.Key(name)},
			}, &reply)
		})
	}
}

// applyRole gives the sender of a token the role in the room that the token names, at most moderator, until the token expires. It
// neither lifts a ban nor lowers a role, see eventlog.RedeemBody.
func (s *Service) applyRole(ctx context.Context, by string, claims *token.Claims) {
	claimed, ok := wire.ParseRole(claims.Role)
	base, _ := wire.BaseRoom(claims.Room)
	if !ok || claimed == wire.RoleNone || wire.CheckRoom(claims.Room) != nil || base != claims.Room {
		return
	}
	claimed = min(claimed, wire.RoleModerator)
	until := wire.TimeOf(claims.Expires)
	if role, ends := s.cfg.Store.Role(claims.Room, by, wire.TimeOf(s.cfg.Now())); role > claimed || role == claimed && (ends == 0 || ends >= until) {
		return // as with each request that shows the token
	}
	_, _ = Await(ctx, func(reply Reply) error {
		return s.submit(eventlog.Command{Kind: eventlog.Redeem, SenderID: by, Room: claims.Room, Body: eventlog.RedeemBody{Role: claimed, Until: until}}, &reply)
	})
}

// verifiedToken returns whose token it is, if it was verified a moment ago.
func (s *Service) verifiedToken(text string) (Identity, bool) {
	s.identities.mu.Lock()
	defer s.identities.mu.Unlock()
	v := s.identities.tokens[eventlog.SessionDigest(text)]
	if now := s.cfg.Now(); v == nil || now.Sub(v.at) >= tokenLife || now.Before(v.at) || now.After(v.claims.Expires) {
		return Identity{}, false
	}
	return v.who, true
}

func (s *Service) storeToken(text string, v *verified) {
	s.identities.mu.Lock()
	defer s.identities.mu.Unlock()
	if len(s.identities.tokens) >= maxTokens {
		clear(s.identities.tokens)
	}
	s.identities.tokens[eventlog.SessionDigest(text)] = v
}

// ResolveKey returns the sender of an SSH key, and stores the key as a proof of that sender. The sender of a key that is not stored
// yet is derived from a session, which nobody else can know.
func (s *Service) ResolveKey(ctx context.Context, addr netip.Addr, fingerprint, session string) (Identity, error) {
	proof := eventlog.ProofDigest(eventlog.SSHProof, "", fingerprint)
	who := Identity{SenderID: wire.SenderIDOf(session), Proved: true}
	switch by, err := eventlog.SenderOfProof(s.cfg.Store, proof); {
	case err != nil:
		return Identity{}, s.unreadable(err)
	case by != "":
		who.SenderID, who.Known = by, true
		return who, nil
	}
	if s.rates.TakeHold(s.cfg.Now(), addr) > 0 {
		return who, nil // a guest with a key; a later connection tries it again
	}
	o, err := Await(ctx, func(reply Reply) error {
		return s.submit(eventlog.Command{Kind: eventlog.SignIn, SenderID: who.SenderID, Body: eventlog.SignInBody{
			Proof: proof, Kind: eventlog.SSHProof, Label: fingerprint,
		}}, &reply)
	})
	if err == nil && o.Status != eventlog.Refused {
		who.SenderID, who.Known = o.SignedIn, true
	}
	return who, nil // without a disk one can still read
}

// SignOut ends the session of an actor, or all sessions of its sender. After nil the command is in the queue, and its outcome
// goes to r.
func (s *Service) SignOut(a *Actor, who Identity, all bool, r Reply) error {
	if wait := s.rates.Take(s.cfg.Now(), a.SenderID, a.Addr.Addr(), 1); wait > 0 {
		return rateLimited(wait)
	}
	body := eventlog.SignOutBody{All: all}
	if !all {
		if who.Proved {
			return &wire.CodedError{Code: wire.BadRequest, Reason: "this connection proves its identity with a key or token each time, so it has no session to end; signing out everywhere ends the sessions of other devices"}
		}
		if body.Session = eventlog.DerivedDigest(a.sender()); who.Session != nil {
			body.Session = *who.Session
		}
	}
	return s.submit(eventlog.Command{Kind: eventlog.SignOut, SenderID: a.sender(), Body: body}, &r)
}

// EndSessions ends all sessions of a sender.
func (o *Operator) EndSessions(ctx context.Context, senderID string) error {
	outcome, err := o.Decide(ctx, eventlog.Command{Kind: eventlog.SignOut, SenderID: senderID, Body: eventlog.SignOutBody{All: true}})
	if err == nil && outcome.Status == eventlog.Refused {
		return outcome.Err
	}
	return err
}

// maxSignIns is how many sign-ins wait for the issuer's keys and the disk at once.
const maxSignIns = 8

func newIdentities() identities {
	return identities{
		stored: map[uint64]struct{}{}, proved: map[uint64]struct{}{}, tokens: map[eventlog.Digest]*verified{}, used: map[eventlog.Digest]struct{}{},
		links: linkCodes{waiting: map[string]*linkRequest{}, wrong: map[wrongCodes]*tries{}},
	}
}

// run runs f, which may wait for the issuer's keys and the disk, on another goroutine. Waiting ones take turns by address.
func (s *Service) run(from netip.Addr, f func()) {
	s.jobs.Add(1)
	s.signIns.Go(Network(from), func() {
		defer s.jobs.Done()
		f()
	})
}

// Wait returns when everything that run has begun has ended.
func (s *Service) Wait() { s.jobs.Wait() }

// Hello finds out who a client is, by its session or token, and calls done on another goroutine. Without an error, Secret is its session. After a *wire.CodedError with a
// sender, the client continues with Secret, as that sender: its session has ended, or its token is not accepted. Without a sender,
// nothing is known.
func (s *Service) Hello(addr netip.Addr, f wire.Hello, done func(SignedIn, error)) {
	s.run(addr, func() { done(s.hello(context.Background(), addr, f)) })
}

func (s *Service) hello(ctx context.Context, addr netip.Addr, f wire.Hello) (SignedIn, error) {
	var refused error
	if f.Token != "" {
		in, err := s.SignIn(ctx, addr, SignInRequest{Token: f.Token, Session: f.Session, Keep: true})
		if err == nil {
			return in, nil
		}
		refused = err
	}
	if f.Session != "" {
		who, err := s.Resolve(f.Session)
		if err == nil {
			return SignedIn{who, f.Session}, refused
		}
		if err != error(ErrSessionEnded) {
			return SignedIn{}, err
		}
		refused = err
	}
	secret, err := s.NewID()
	if err != nil {
		return SignedIn{}, err
	}
	return SignedIn{Identity{SenderID: wire.SenderIDOf(secret), generation: s.identities.generation.Load()}, secret}, refused
}

// SignedOutSince reports whether all sessions of a sender were ended at a time or later.
func (s *Service) SignedOutSince(senderID string, at wire.Time) bool {
	if !s.mayBeStored(new(eventlog.DerivedDigest(senderID))) {
		return false
	}
	ended, err := eventlog.SessionsEnded(s.cfg.Store, senderID)
	return err == nil && ended >= at
}

// KnownSender is a proof of a sender, for the operator.
type KnownSender struct {
	SenderID string
	Kind     string // eventlog.SSHProof or eventlog.JWTProof
	Label    string // fingerprint of the key, or subject and issuer
	Since    wire.Time
	Sessions int       // that have not ended; a key needs none
	Used     wire.Time // when the newest use of one of them was recorded; 0: there is none
}

// KnownSenders returns all senders with a proof, once for each proof, in the order of their ids.
func (o *Operator) KnownSenders(now wire.Time) (list []KnownSender, err error) {
	for after := ""; ; {
		some, err := o.Store.Entries(eventlog.SenderProofs, "", "", after, eventlog.MaxEntries)
		if err != nil {
			return nil, err
		}
		for i := range some {
			after = some[i].Key
			proofs, err := eventlog.ProofsOf(o.Store, after)
			if err != nil {
				return nil, err
			}
			sessions, err := eventlog.SessionsOf(o.Store, after)
			if err != nil {
				return nil, err
			}
			used := wire.Time(0)
			sessions = slices.DeleteFunc(sessions, func(s eventlog.Session) bool { return s.Over(now) })
			for i := range sessions {
				used = max(used, sessions[i].Used)
			}
			for _, p := range proofs {
				list = append(list, KnownSender{after, p.Kind, p.Label, p.At, len(sessions), used})
			}
		}
		if len(some) < eventlog.MaxEntries {
			return list, nil
		}
	}
}
