package eventlog

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"time"

	"ramai/wire"
)

// Limits of sessions and proofs.
const (
	MaxSessions     = 20                   // of a sender; another one ends the one that was not used for longest
	SessionLife     = 180 * 24 * time.Hour // after which a session that is not used ends
	MaxSenderProofs = 8                    // of a sender
	maxLabel        = 512                  // bytes of the label of a proof
)

// The kinds of proofs.
const (
	SSHProof = "ssh" // possession of a key; the subject is its fingerprint
	JWTProof = "jwt" // a token of an issuer for a subject
)

// A Digest is the SHA-256 of a session or of a proof. The secrets themselves are not stored.
type Digest [sha256.Size]byte

// SessionDigest returns the digest of a session.
func SessionDigest(session string) Digest { return sha256.Sum256([]byte(session)) }

// SenderID returns the sender of the session with the digest d, as long as none is stored for it. It is wire.SenderIDOf of the
// session.
func (d Digest) SenderID() string {
	return base64.RawURLEncoding.EncodeToString(d[:wire.SenderIDLen*3/4])
}

// ProofDigest returns the digest of a proof: something that a client has shown about itself.
func ProofDigest(kind, issuer, subject string) Digest {
	return sha256.Sum256(must(encoding.Marshal([]string{kind, issuer, subject})))
}

// SignInBody is the body of a SignIn. With a proof, it signs in the sender of the command: the proof's sender if it has one; the
// sender of the command otherwise, if that has no proof, so that names, roles and messages stay; or else a new sender. Senders
// that both have proofs are never merged. The session From, if it is the one from which the command's sender is derived, ends.
//
// Without a proof, Session is a session of the command's sender: one that is in use, or a new one for another device, which so far had
// the session From.
//
// The command needs no id: repeated, it finds the proof and the session stored.
type SignInBody struct {
	_       struct{} `cbor:",toarray"`
	Proof   Digest
	Kind    string // of the proof; empty: there is no proof, and Proof is zero
	Label   string // of the proof, for its owner and the operator
	Session Digest // of the session that is stored; zero: none
	From    Digest // of the session in which the client signs in; zero: none
}

func (SignInBody) kind() Kind { return SignIn }

type signInKind struct {
	onDemand
	withBody[SignInBody]
	noRecords
}

func (signInKind) name() string { return "sign_in" }

func (signInKind) check(c *Command) error {
	body, err := bodyOf[SignInBody](c)
	if err != nil {
		return err
	}
	if err := checkString(SignIn, "label", body.Label, maxLabel, false); err != nil {
		return err
	}
	switch hasProof := body.Proof != (Digest{}); {
	case body.Kind != "" && body.Kind != SSHProof && body.Kind != JWTProof:
		return fmt.Errorf("a sign_in command has a proof of the unknown kind %.80q", body.Kind)
	case hasProof != (body.Kind != ""):
		return errors.New("a sign_in command has a proof without a kind, or a kind without a proof")
	case !hasProof && body.Session == (Digest{}):
		return errors.New("a sign_in command has neither a proof nor a session")
	}
	return checkHead(c, hasSender)
}

func (signInKind) decide(c *Delta, tx Tx, o *Outcome) error {
	body, err := bodyOf[SignInBody](o.Command)
	if err != nil {
		return err
	}
	from := o.Command.SenderID
	if o.SignedIn = from; body.Kind != "" {
		if o.SignedIn, err = c.prove(tx, &body, from); err != nil {
			return err
		}
	}
	if o.SignedIn == "" {
		o.refuse(wire.NotAllowed, "this sender has proved another identity; sign out first, then sign in with the other one")
		return nil
	}
	if body.Session != (Digest{}) {
		if err := c.putSession(tx, o.SignedIn, body.Session); err != nil {
			return err
		}
	}
	return c.leave(tx, o, &body)
}

// leave ends the session in which a client has signed in, if it is the one from which a sender without a proof is derived. The name
// of that sender follows.
func (c *Delta) leave(tx Tx, o *Outcome, body *SignInBody) error {
	guest := body.From.SenderID()
	if body.From == (Digest{}) || body.From == body.Session || body.Kind != "" && guest != o.Command.SenderID {
		return nil
	}
	if _, stored, err := readSession(tx, body.From); err != nil || stored {
		return err // another sender's, which stays
	}
	if guest != o.SignedIn {
		if proofs, err := readProofs(tx, guest); err != nil || len(proofs) > 0 {
			return err
		}
	}
	if err := c.endDerived(tx, guest); err != nil || guest == o.SignedIn {
		return err
	}
	return c.moveName(tx, o, guest, o.SignedIn)
}

// prove returns the sender of a proof, and stores the proof if it is new; "" if there can be no sender.
func (c *Delta) prove(tx Tx, body *SignInBody, from string) (string, error) {
	by, found, err := tx.Entry(Proofs, "", string(body.Proof[:]))
	if err != nil || found {
		return by, err
	}
	by = from
	proofs, err := readProofs(tx, from)
	if err != nil {
		return "", err
	}
	if len(proofs) > 0 {
		if body.Session == (Digest{}) {
			return "", nil
		}
		if by = body.Session.SenderID(); by == from {
			return "", nil
		}
		if err := c.endDerived(tx, by); err != nil { // the session counts because it is stored
			return "", err
		}
		if proofs, err = readProofs(tx, by); err != nil || len(proofs) >= MaxSenderProofs {
			return "", err
		}
	}
	proofs = append(proofs, Proof{Digest: body.Proof, Kind: body.Kind, Label: body.Label, At: c.at})
	if err := tx.PutEntry(&Entry{Table: SenderProofs, Key: by, Value: string(must(encoding.Marshal(proofs)))}); err != nil {
		return "", err
	}
	return by, tx.PutEntry(&Entry{Table: Proofs, Key: string(body.Proof[:]), Value: by})
}

// moveName gives the name of a sender that has signed in as another one to that, if it has none. A name that is bound to a
// connection stays.
func (c *Delta) moveName(tx Tx, o *Outcome, from, to string) error {
	lease := c.lease(from)
	if lease == nil || lease.Bound {
		return nil
	}
	moved := *lease
	if err := c.releaseName(tx, o, from); err != nil || c.lease(to) != nil {
		return err
	}
	moved.SenderID, moved.Used = to, c.at
	o.Renamed = append(o.Renamed, to)
	return c.putNewLease(tx, &moved)
}

// A Proof is something that a sender has shown about itself.
type Proof struct {
	_      struct{} `cbor:",toarray"`
	Digest Digest
	Kind   string
	Label  string
	At     wire.Time // when it was first shown
}

// SenderOfProof returns the sender of a proof, or "".
func SenderOfProof(r EntryReader, proof Digest) (string, error) {
	by, _, err := r.Entry(Proofs, "", string(proof[:]))
	return by, err
}

// ProofsOf returns the proofs of a sender. A sender with a proof is known.
func ProofsOf(r EntryReader, senderID string) ([]Proof, error) { return readProofs(r, senderID) }

func readProofs(r EntryReader, senderID string) (proofs []Proof, err error) {
	value, found, err := r.Entry(SenderProofs, "", senderID)
	if err != nil || !found {
		return nil, err
	}
	if err := decoding.Unmarshal([]byte(value), &proofs); err != nil {
		return nil, fmt.Errorf("the proofs of the sender %s: %w", senderID, err)
	}
	return proofs, nil
}

// A Session is what is stored about a session. One that is not stored belongs to the sender that is derived from it.
type Session struct {
	_        struct{}  `cbor:",toarray"`
	SenderID string    // empty: it has ended
	Used     wire.Time // when it was created, last recorded as used, or ended
}

// senderSessions is what is stored about the sessions of a sender, under its id in the table Sessions.
type senderSessions struct {
	_       struct{}  `cbor:",toarray"`
	Derived bool      // the session from which the sender is derived has ended
	Ended   wire.Time // when all sessions were last ended; 0: never
	Digests []Digest  // of the sessions that have not ended
}

// SessionOf returns the sender of a session: the one that is stored for it, or else the one that is derived from it. stored is
// what is stored, if anything. The sender is empty if the session has ended.
func SessionOf(r EntryReader, d Digest) (senderID string, stored *Session, err error) {
	session, found, err := readSession(r, d)
	switch {
	case err != nil:
		return "", nil, err
	case found:
		return session.SenderID, &session, nil
	}
	senderID = d.SenderID()
	of, err := readSessions(r, senderID)
	if err != nil || of.Derived {
		return "", nil, err
	}
	return senderID, nil, nil
}

// SessionsEnded returns when all sessions of a sender were last ended; 0: never.
func SessionsEnded(r EntryReader, senderID string) (wire.Time, error) {
	of, err := readSessions(r, senderID)
	return of.Ended, err
}

// DerivedEnded reports whether the session from which a sender is derived has ended.
func DerivedEnded(r EntryReader, senderID string) (bool, error) {
	of, err := readSessions(r, senderID)
	return of.Derived, err
}

// DerivedDigest returns a digest from which a sender is derived. It stands for the digest of that session, of which only this part
// is known.
func DerivedDigest(senderID string) (d Digest) {
	_, _ = base64.RawURLEncoding.Decode(d[:], []byte(senderID[:min(len(senderID), wire.SenderIDLen)]))
	return d
}

// HasSessions reports whether a sender has a session: a stored one, or the one from which it is derived.
func HasSessions(r EntryReader, senderID string) (bool, error) {
	of, err := readSessions(r, senderID)
	return !of.Derived || len(of.Digests) > 0, err
}

func readSession(r EntryReader, d Digest) (s Session, found bool, err error) {
	value, found, err := r.Entry(Sessions, "", string(d[:]))
	if err == nil && found {
		s, err = decodeSession(value)
	}
	return s, found, err
}

func decodeSession(value string) (s Session, err error) {
	if err := decoding.Unmarshal([]byte(value), &s); err != nil {
		return s, fmt.Errorf("%w: a session: %w", ErrDamaged, err)
	}
	return s, nil
}

// SessionsOf returns the sessions of a sender that are stored and have not ended.
func SessionsOf(r EntryReader, senderID string) (sessions []Session, err error) {
	of, err := readSessions(r, senderID)
	if err != nil {
		return nil, err
	}
	for _, d := range of.Digests {
		s, found, err := readSession(r, d)
		if err != nil {
			return nil, err
		}
		if found && s.SenderID == senderID {
			sessions = append(sessions, s)
		}
	}
	return sessions, nil
}

func readSessions(r EntryReader, senderID string) (of senderSessions, err error) {
	value, found, err := r.Entry(Sessions, "", senderID)
	if err == nil && found {
		if err = decoding.Unmarshal([]byte(value), &of); err != nil {
			err = fmt.Errorf("the sessions of the sender %s: %w", senderID, err)
		}
	}
	return of, err
}

func putSession(tx Tx, d Digest, s Session) error {
	return tx.PutEntry(&Entry{Table: Sessions, Key: string(d[:]), Value: string(must(encoding.Marshal(s)))})
}

func putSessions(tx Tx, senderID string, of *senderSessions) error {
	return tx.PutEntry(&Entry{Table: Sessions, Key: senderID, Value: string(must(encoding.Marshal(of)))})
}

// putSession stores a session of a sender, or that it is in use. If the sender has too many, the one that was not used for
// longest ends. A session that has ended stays ended.
func (c *Delta) putSession(tx Tx, senderID string, d Digest) error {
	stored, found, err := readSession(tx, d)
	if err != nil || found && stored.SenderID != senderID {
		return err
	}
	if !found {
		of, err := readSessions(tx, senderID)
		if err != nil {
			return err
		}
		if len(of.Digests) >= MaxSessions {
			if err := c.endOldest(tx, &of); err != nil {
				return err
			}
		}
		of.Digests = append(of.Digests, d)
		if d.SenderID() == senderID {
			of.Derived = true
		}
		if err := putSessions(tx, senderID, &of); err != nil {
			return err
		}
	}
	return putSession(tx, d, Session{SenderID: senderID, Used: c.at})
}

// endOldest ends the session that was not used for longest.
func (c *Delta) endOldest(tx Tx, of *senderSessions) error {
	oldest, used := 0, wire.Time(0)
	for i, d := range of.Digests {
		s, _, err := readSession(tx, d)
		if err != nil {
			return err
		}
		if i == 0 || s.Used < used {
			oldest, used = i, s.Used
		}
	}
	ended := of.Digests[oldest]
	of.Digests = slices.Delete(of.Digests, oldest, oldest+1)
	return putSession(tx, ended, Session{Used: c.at})
}

// sessionOver reports whether an entry of Sessions is one of a session that was not used for SessionLife, or that ended so long ago
// that nobody tries it any more. What is stored about senders, under their ids, stays.
func sessionOver(e *Entry, at wire.Time) (bool, error) {
	if len(e.Key) != len(Digest{}) {
		return false, nil
	}
	s, err := decodeSession(e.Value)
	return err == nil && s.Over(at), err
}

// Over reports whether a session was not used, or has ended, for so long that nothing is stored about it any more.
func (s *Session) Over(at wire.Time) bool { return int64(at-s.Used) > SessionLife.Milliseconds() }

// pruneSession ends a session that was not used for too long. One that has ended is forgotten.
func (c *Delta) pruneSession(tx Tx, o *Outcome, e *Entry) error {
	s, err := decodeSession(e.Value)
	if err != nil {
		return err
	}
	if s.SenderID == "" {
		return tx.DeleteEntry(Sessions, "", e.Key)
	}
	of, err := readSessions(tx, s.SenderID)
	if err != nil {
		return err
	}
	d := Digest([]byte(e.Key))
	of.Digests = slices.DeleteFunc(of.Digests, func(one Digest) bool { return one == d })
	o.Ended = append(o.Ended, s.SenderID)
	return errors.Join(putSessions(tx, s.SenderID, &of), putSession(tx, d, Session{Used: c.at}))
}

// endDerived ends the session from which a sender is derived.
func (c *Delta) endDerived(tx Tx, senderID string) error {
	of, err := readSessions(tx, senderID)
	if err != nil || of.Derived {
		return err
	}
	of.Derived = true
	return putSessions(tx, senderID, &of)
}
