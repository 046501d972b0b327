package eventlog

import (
	"fmt"
	"slices"
	"time"

	"ramai/wire"
)

// NameLeaseTime is how long a sender keeps a name after its last use, unless the name is bound to a connection.
const NameLeaseTime = 24 * time.Hour

// MaxNameLeases limits all reserved names: each takes memory, and senders cost nothing.
const MaxNameLeases = 100_000

// ReserveNameBody is the body of a ReserveName: from now on the sender has Name instead of its previous name.
//
// The command needs no id: repeated, it reserves the name that the sender already has, and changes only its last use. If
// the name was released or taken meanwhile, the repetition is a new request, and is judged as one.
type ReserveNameBody struct {
	_     struct{} `cbor:",toarray"`
	Name  string   // in normal form
	Key   string   // one part, or two separated by NUL: names clash if their keys have a part in common
	Bound bool     // the name ends with the connection, rather than NameLeaseTime after its last use

	// Expiry is the time after which the last use of a name keeps it reserved. 0: all names stay reserved, because the
	// clock is not trusted.
	Expiry wire.Time
}

func (ReserveNameBody) kind() Kind { return ReserveName }

type reserveNameKind struct {
	onDemand
	withBody[ReserveNameBody]
	noRecords
}

func (reserveNameKind) name() string { return "reserve_name" }

func (reserveNameKind) check(c *Command) error {
	body, err := bodyOf[ReserveNameBody](c)
	if err != nil {
		return err
	}
	if err := checkString(ReserveName, "name", body.Name, maxName, true); err != nil {
		return err
	}
	if err := checkString(ReserveName, "key", body.Key, MaxNameKey, true); err != nil {
		return err
	}
	return checkHead(c, hasSender)
}

func (reserveNameKind) decide(c *Delta, tx Tx, o *Outcome) error {
	body, err := bodyOf[ReserveNameBody](o.Command)
	if err != nil {
		return err
	}
	sender := o.Command.SenderID
	for _, r := range c.registrationsOf(body.Key) {
		if r.SenderID != sender {
			o.refuse(wire.NameTaken, fmt.Sprintf("the name %q, or one that looks like it, is registered for an SSH key: connect over SSH with that key, "+
				"ask the server's operator to release it (ramai name release), or choose another name", body.Name))
			return nil
		}
	}
	holders := c.leaseholders(body.Key)
	for _, holder := range holders {
		if lease := c.lease(holder); holder != sender && (lease.Bound || lease.Used > body.Expiry) {
			o.refuse(wire.NameTaken, fmt.Sprintf("the name %q, or one that looks like it, is in use; choose another name", body.Name))
			return nil
		}
	}
	before := c.lease(sender)
	if before == nil && len(holders) == 0 && c.leaseCount >= MaxNameLeases {
		o.refuse(wire.NotAllowed, fmt.Sprintf("all %d names are in use; continue without a name, or try again later", MaxNameLeases))
		return nil
	}
	for _, holder := range append(slices.DeleteFunc(holders, func(h string) bool { return h == sender }), sender) {
		if err := c.releaseName(tx, o, holder); err != nil {
			return err
		}
	}
	switch {
	case before == nil:
		o.Renamed = append(o.Renamed, sender)
	case before.Name == body.Name:
		o.Renamed = o.Renamed[:len(o.Renamed)-1]
	}
	return c.putNewLease(tx, &NameLease{SenderID: sender, Name: body.Name, Key: body.Key, Bound: body.Bound, Node: c.node, Used: c.at})
}

// A NameLease is a name held by a sender.
type NameLease struct {
	SenderID, Name, Key string
	Bound               bool      // ends with a connection to Node
	Node                string    // where the name was reserved
	Used                wire.Time // when it was last reserved, or when a message was last sent under it
}

func (c *Delta) putNewLease(tx Tx, lease *NameLease) error {
	c.leaseCount++
	c.leases[lease.SenderID] = lease
	for _, part := range keyParts(lease.Key) {
		c.leaseKeys[part] = lease.SenderID
	}
	return tx.PutLease(*lease)
}

// touchLease records that a name was used. Once an hour is often enough, and saves a row for each message.
func (c *Delta) touchLease(tx Tx, lease *NameLease) error {
	if since := c.at - lease.Used; since >= 0 && since < wire.Time(time.Hour/time.Millisecond) {
		return nil // below 0 the clock was ahead when it was recorded
	}
	return c.putUsed(tx, lease)
}

func (c *Delta) putUsed(tx Tx, lease *NameLease) error {
	used := *lease
	used.Used = c.at
	c.leases[lease.SenderID] = &used
	return tx.PutLease(used)
}

// lease returns the name that a sender has, or nil.
func (c *Delta) lease(senderID string) *NameLease {
	if lease, ok := c.leases[senderID]; ok {
		return lease
	}
	if lease, ok := c.state.leases[senderID]; ok {
		return &lease
	}
	return nil
}

// leaseholders returns the senders whose names clash with key: at most one for each part of it.
func (c *Delta) leaseholders(key string) (found []string) {
	for _, part := range keyParts(key) {
		if holder := latest(c.leaseKeys, c.state.leaseKeys, part); holder != "" && !slices.Contains(found, holder) {
			found = append(found, holder)
		}
	}
	return found
}

// SetExpiry sets the expiry of a ReserveName; see ReserveNameBody. Other commands stay as they are.
func (c *Command) SetExpiry(expiry wire.Time) {
	if body, ok := c.Body.(ReserveNameBody); ok {
		body.Expiry = expiry
		c.Body = body
	}
}

// BindName makes a ReserveName one of a name that ends with the connection.
func (c *Command) BindName() {
	if body, ok := c.Body.(ReserveNameBody); ok {
		body.Bound = true
		c.Body = body
	}
}
