package eventlog

import (
	"crypto/sha256"
	"errors"
	"fmt"

	"ramai/wire"
)

// Limits of proofs.
const (
	MaxSenderProofs = 8   // of a sender
	maxLabel        = 512 // bytes of the label of a proof
)

// The kinds of proofs.
const (
	SSHProof = "ssh" // possession of a key; the subject is its fingerprint
	JWTProof = "jwt" // a token of an issuer for a subject
)

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
