package eventlog

import (
	"fmt"
	"strings"

	"ramai/wire"
)

// Limits of registered names: for one sender, and in total, because keys cost nothing.
const (
	MaxRegisteredNames    = 8
	MaxAllRegisteredNames = 100_000
)

// A NameRegistration reserves a name for one sender for good. It is made by the sender's first Say under that name with
// RegisterKey. Nobody else can reserve the name.
type NameRegistration struct {
	SenderID, Name, Key string
	Since               wire.Time
}

// UnregisterNameBody is the body of an UnregisterName, which deletes the registration of a name.
//
// The command needs no id: repeated, it is refused, because nobody has registered the name any more.
type UnregisterNameBody struct {
	_    struct{} `cbor:",toarray"`
	Name string
	Key  string // see ReserveNameBody
}

func (UnregisterNameBody) kind() Kind { return UnregisterName }

type unregisterNameKind struct {
	onDemand
	withBody[UnregisterNameBody]
	noRecords
}

func (unregisterNameKind) name() string { return "unregister_name" }

func (unregisterNameKind) check(c *Command) error {
	body, err := bodyOf[UnregisterNameBody](c)
	if err != nil {
		return err
	}
	if err := checkString(UnregisterName, "name", body.Name, maxName, true); err != nil {
		return err
	}
	if err := checkString(UnregisterName, "key", body.Key, MaxNameKey, true); err != nil {
		return err
	}
	return checkHead(c, 0)
}

func (unregisterNameKind) decide(c *Delta, tx Tx, o *Outcome) error {
	body, err := bodyOf[UnregisterNameBody](o.Command)
	if err != nil {
		return err
	}
	found := c.registrationsOf(body.Key)
	if len(found) == 0 {
		o.refuse(wire.BadRequest, fmt.Sprintf("the name %q is not registered", body.Name))
		return nil
	}
	return c.unregister(tx, o, found[0]) // the same name in other letters comes before one that only looks like it
}

// unregister deletes a registration. Its sender loses the name.
func (c *Delta) unregister(tx Tx, o *Outcome, was NameRegistration) error {
	c.registrations[was.Key], c.registeredBy[was.SenderID] = NameRegistration{}, latest(c.registeredBy, c.state.registeredBy, was.SenderID)-1
	for _, part := range keyParts(was.Key) {
		c.registeredKeys[part] = ""
	}
	if err := tx.DeleteRegistration(was.Key); err != nil {
		return err
	}
	if lease := c.lease(was.SenderID); lease != nil && lease.Key == was.Key {
		return c.releaseName(tx, o, was.SenderID)
	}
	return nil
}

// registerName registers a sender's name, if key is the key of that name and it can be registered. The key prevents a
// permission that was given for one name from being used for another, which the sender has reserved meanwhile.
func (c *Delta) registerName(tx Tx, key string, lease *NameLease) error {
	if key != lease.Key || !c.canRegister(lease) {
		return nil
	}
	r := NameRegistration{SenderID: lease.SenderID, Name: lease.Name, Key: lease.Key, Since: c.at}
	c.registrations[r.Key], c.registeredBy[r.SenderID] = r, latest(c.registeredBy, c.state.registeredBy, r.SenderID)+1
	for _, part := range keyParts(r.Key) {
		c.registeredKeys[part] = r.Key
	}
	return tx.PutRegistration(r)
}

// canRegister reports whether a name can be registered by its holder: nobody has registered it, and there are not too many
// registrations.
func (c *Delta) canRegister(lease *NameLease) bool {
	return len(c.registrationsOf(lease.Key)) == 0 && latest(c.registeredBy, c.state.registeredBy, lease.SenderID) < MaxRegisteredNames &&
		len(c.state.registrations)+len(c.registrations) < MaxAllRegisteredNames
}

// registrationsOf returns the registrations that clash with key: at most one for each part of it.
func (c *Delta) registrationsOf(key string) (found []NameRegistration) {
	for _, part := range keyParts(key) {
		if k := latest(c.registeredKeys, c.state.registeredKeys, part); k != "" {
			found = append(found, latest(c.registrations, c.state.registrations, k))
		}
	}
	return found
}

// keyParts returns the parts of a key that can clash: everything before its NUL, and the NUL with everything after it. So
// the first part of one key never equals the second part of another. A key without a NUL has one part.
func keyParts(key string) []string {
	if i := strings.IndexByte(key, 0); i >= 0 {
		return []string{key[:i], key[i:]}
	}
	return []string{key}
}
