package eventlog

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// RenewStep is how many keys one RenewKeys can replace.
const RenewStep = 50

// RenewKeysBody is the body of a RenewKeys, which replaces keys of names that were computed with other Unicode tables. The
// command carries the new keys, because Decide computes none. A name keeps its key if another name has a part of the new
// one. Repeated, the command changes nothing, because no name has the old keys any more.
type RenewKeysBody struct {
	_    struct{} `cbor:",toarray"`
	Keys []RenewedKey
}

// A RenewedKey is a key of a name, and the key that replaces it.
type RenewedKey struct {
	_        struct{} `cbor:",toarray"`
	Old, New string
}

func (RenewKeysBody) kind() Kind { return RenewKeys }

type renewKeysKind struct {
	inBackground
	withBody[RenewKeysBody]
	noRecords
}

func (renewKeysKind) name() string { return "renew_keys" }

func (renewKeysKind) check(c *Command) error {
	body, err := bodyOf[RenewKeysBody](c)
	if err != nil {
		return err
	}
	if n := len(body.Keys); n < 1 || n > RenewStep {
		return fmt.Errorf("a renew_keys command has %d keys, want 1 to %d", n, RenewStep)
	}
	for _, k := range body.Keys {
		for _, key := range []string{k.Old, k.New} {
			if err := checkString(RenewKeys, "key", key, MaxNameKey, true); err != nil {
				return err
			}
		}
	}
	return checkHead(c, 0)
}

func (renewKeysKind) decide(c *Delta, tx Tx, o *Outcome) error {
	body, err := bodyOf[RenewKeysBody](o.Command)
	if err != nil {
		return err
	}
	for _, k := range body.Keys {
		if err := c.renewLease(tx, k); err != nil {
			return err
		}
		if err := c.renewRegistration(tx, k); err != nil {
			return err
		}
	}
	return nil
}

func (c *Delta) renewLease(tx Tx, k RenewedKey) error {
	for _, holder := range c.leaseholders(k.Old) {
		lease := c.lease(holder)
		if lease.Key != k.Old || slices.ContainsFunc(c.leaseholders(k.New), func(other string) bool { return other != holder }) {
			continue
		}
		for _, part := range keyParts(k.Old) {
			c.leaseKeys[part] = ""
		}
		for _, part := range keyParts(k.New) {
			c.leaseKeys[part] = holder
		}
		renewed := *lease
		renewed.Key = k.New
		c.leases[holder] = &renewed
		return tx.PutLease(renewed)
	}
	return nil
}

func (c *Delta) renewRegistration(tx Tx, k RenewedKey) error {
	r := latest(c.registrations, c.state.registrations, k.Old)
	if r.Key != k.Old || k.Old == k.New || slices.ContainsFunc(c.registrationsOf(k.New), func(other NameRegistration) bool { return other.Key != k.Old }) {
		return nil
	}
	for _, part := range keyParts(k.Old) {
		c.registeredKeys[part] = ""
	}
	for _, part := range keyParts(k.New) {
		c.registeredKeys[part] = k.New
	}
	r.Key = k.New
	c.registrations[k.Old], c.registrations[k.New] = NameRegistration{}, r
	if err := tx.DeleteRegistration(k.Old); err != nil {
		return err
	}
	return tx.PutRegistration(r)
}

// NameLeases implements Store.
func (s *State) NameLeases() []NameLease {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.SortedFunc(maps.Values(s.leases), func(a, b NameLease) int { return strings.Compare(a.SenderID, b.SenderID) })
}

// RenewedKeys returns commands that replace the keys of all names in a store that differ from what key computes.
func RenewedKeys(s Store, key func(name string) string) (commands []Command) {
	var keys []RenewedKey
	note := func(name, old string) {
		if k := key(name); k != old {
			keys = append(keys, RenewedKey{Old: old, New: k})
		}
	}
	for _, lease := range s.NameLeases() {
		note(lease.Name, lease.Key)
	}
	for _, r := range s.RegisteredNames() {
		note(r.Name, r.Key)
	}
	for step := range slices.Chunk(keys, RenewStep) {
		commands = append(commands, Command{Kind: RenewKeys, Body: RenewKeysBody{Keys: step}})
	}
	return commands
}
