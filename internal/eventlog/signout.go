package eventlog

import (
	"errors"
	"slices"
)

// SignOutBody is the body of a SignOut, which ends sessions of the command's sender.
//
// The command needs no id: repeated, it finds the sessions ended. With All it also ends those that were created since.
type SignOutBody struct {
	_       struct{} `cbor:",toarray"`
	All     bool     // all sessions; tokens that were issued before do not count any more
	Session Digest   // without All: this one
}

func (SignOutBody) kind() Kind { return SignOut }

type signOutKind struct {
	onDemand
	withBody[SignOutBody]
	noRecords
}

func (signOutKind) name() string { return "sign_out" }

func (signOutKind) check(c *Command) error {
	body, err := bodyOf[SignOutBody](c)
	if err != nil {
		return err
	}
	if body.All != (body.Session == (Digest{})) {
		return errors.New("a sign_out command has neither one session nor all, or both")
	}
	return checkHead(c, hasSender)
}

func (signOutKind) decide(c *Delta, tx Tx, o *Outcome) error {
	body, err := bodyOf[SignOutBody](o.Command)
	if err != nil {
		return err
	}
	sender := o.Command.SenderID
	o.SignedIn = sender
	of, err := readSessions(tx, sender)
	if err != nil {
		return err
	}
	ended := []Digest{body.Session}
	if body.All {
		ended, of = of.Digests, senderSessions{Derived: true, Ended: c.at}
	} else if !slices.Contains(of.Digests, body.Session) {
		if _, stored, err := readSession(tx, body.Session); err != nil || stored || body.Session.SenderID() != sender {
			return err // it has ended already, or is another sender's
		}
		ended, of.Derived = nil, true
	}
	for _, d := range ended {
		if err := putSession(tx, d, Session{Used: c.at}); err != nil {
			return err
		}
	}
	of.Digests = slices.DeleteFunc(of.Digests, func(d Digest) bool { return slices.Contains(ended, d) })
	return putSessions(tx, sender, &of)
}
