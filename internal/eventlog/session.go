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

// Limits of sessions.
const (
	MaxSessions = 20                   // of a sender; another one ends the one that was not used for longest
	SessionLife = 180 * 24 * time.Hour // after which a session that is not used ends
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
