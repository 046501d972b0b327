package chat

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"ramai/internal/eventlog"
	"ramai/internal/names"
	"ramai/internal/token"
	"ramai/wire"
)

// verified is a verified token.
type verified struct {
	who    Identity
	claims token.Claims
	at     time.Time // when it was verified
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

// maxSignIns is how many sign-ins wait for the issuer's keys and the disk at once.
const maxSignIns = 8

// run runs f, which may wait for the issuer's keys and the disk, on another goroutine. Waiting ones take turns by address.
func (s *Service) run(from netip.Addr, f func()) {
	s.jobs.Add(1)
	s.signIns.Go(Network(from), func() {
		defer s.jobs.Done()
		f()
	})
}

// Wait returns when everything that run and UndoBy have begun has ended. UndoBy ends early.
func (s *Service) Wait() {
	s.undoing.stop()
	s.jobs.Wait()
}

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
