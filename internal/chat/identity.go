package chat

import (
	"context"
	"encoding/binary"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"ramai/internal/eventlog"
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

func newIdentities() identities {
	return identities{
		stored: map[uint64]struct{}{}, proved: map[uint64]struct{}{}, tokens: map[eventlog.Digest]*verified{}, used: map[eventlog.Digest]struct{}{},
		links: linkCodes{waiting: map[string]*linkRequest{}, wrong: map[wrongCodes]*tries{}},
	}
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
