package eventlog

import "ramai/wire"

// ExpireNameBody is the body of an ExpireName: the sender's name is free if it was last used at Expiry or before.
// Repeated, the command finds the name gone, or used since.
type ExpireNameBody struct {
	_      struct{} `cbor:",toarray"`
	Expiry wire.Time
}

func (ExpireNameBody) kind() Kind { return ExpireName }

type expireNameKind struct {
	inBackground
	withBody[ExpireNameBody]
	noRecords
}

func (expireNameKind) name() string { return "expire_name" }

func (expireNameKind) check(c *Command) error {
	if _, err := bodyOf[ExpireNameBody](c); err != nil {
		return err
	}
	return checkHead(c, hasSender)
}

// decide also corrects a name that was last used in the future, that is, while the clock was ahead: it expires as if it
// was used now.
func (expireNameKind) decide(c *Delta, tx Tx, o *Outcome) error {
	body, err := bodyOf[ExpireNameBody](o.Command)
	if err != nil {
		return err
	}
	lease := c.lease(o.Command.SenderID)
	switch {
	case lease == nil || lease.Bound:
	case lease.Used <= body.Expiry:
		return c.releaseName(tx, o, lease.SenderID)
	case lease.Used > c.at:
		return c.putUsed(tx, lease)
	}
	return nil
}
