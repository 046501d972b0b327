package eventlog

import (
	"fmt"
	"slices"

	"ramai/wire"
)

// AddressSecretBytes is the length of the secret of an AddressKey.
const AddressSecretBytes = 32

// An AddressKey is a key with which addresses are hashed.
type AddressKey struct {
	Since  wire.Time // when it was first used
	Secret string    // AddressSecretBytes
}

// RotateAddressKeysBody is the body of a RotateAddressKeys, which begins to hash addresses with a new key, drawn by the node that
// submits the command, if the newest one is AddressKeyLife old, and destroys those that are OriginLife old. Otherwise it does nothing, so
// several nodes can submit it.
type RotateAddressKeysBody struct {
	_      struct{} `cbor:",toarray"`
	Secret []byte
}

func (RotateAddressKeysBody) kind() Kind { return RotateAddressKeys }

type rotateAddressKeysKind struct {
	inBackground
	withBody[RotateAddressKeysBody]
	noRecords
}

func (rotateAddressKeysKind) name() string { return "rotate_address_keys" }

func (rotateAddressKeysKind) check(c *Command) error {
	body, err := bodyOf[RotateAddressKeysBody](c)
	if err != nil {
		return err
	}
	if len(body.Secret) != AddressSecretBytes {
		return fmt.Errorf("a rotate_address_keys command has a key of %d bytes, want %d", len(body.Secret), AddressSecretBytes)
	}
	return checkHead(c, 0)
}

func (rotateAddressKeysKind) decide(c *Delta, tx Tx, o *Outcome) error {
	body, err := bodyOf[RotateAddressKeysBody](o.Command)
	if err != nil {
		return err
	}
	if !NeedsAddressKey(c.addressKeys, c.at) {
		return nil
	}
	adds := newestOver(c.addressKeys, c.at)
	var kept []AddressKey
	for _, k := range c.addressKeys {
		if !keyOver(k.Since, c.at) {
			kept = append(kept, k)
		} else if err := tx.DeleteEntry(AddressKeys, "", k.entryKey()); err != nil {
			return err
		}
	}
	c.addressKeys = kept
	if !adds {
		return nil
	}
	added := AddressKey{Since: c.at, Secret: string(body.Secret)}
	c.addressKeys = append(kept, added)
	return tx.PutEntry(&Entry{Table: AddressKeys, Key: added.entryKey(), Value: added.Secret})
}

// NeedsAddressKey reports whether a RotateAddressKeys would add or destroy a key at a time.
func NeedsAddressKey(keys []AddressKey, at wire.Time) bool {
	return newestOver(keys, at) || slices.ContainsFunc(keys, func(k AddressKey) bool { return keyOver(k.Since, at) })
}

// newestOver reports whether a new key is needed at a time.
func newestOver(keys []AddressKey, at wire.Time) bool {
	if len(keys) == 0 {
		return true
	}
	newest := keys[len(keys)-1].Since
	return newest+addressKeyLife <= at || newest-addressKeyLife > at // or it was made while the clock was ahead
}

// entryKey returns the key of a key's entry.
func (k *AddressKey) entryKey() string { return numberKey(uint64(k.Since)) }

// DecodeAddressKey returns the key of an entry of the table AddressKeys.
func DecodeAddressKey(e *Entry) (k AddressKey, err error) {
	n, err := keyNumber(e.Key)
	if err == nil && len(e.Value) != AddressSecretBytes {
		err = fmt.Errorf("%w: an address key has %d bytes", ErrDamaged, len(e.Value))
	}
	return AddressKey{Since: wire.Time(n), Secret: e.Value}, err
}

// AddressKeys returns the keys with which addresses are hashed, the newest one last. The slice must not be changed.
func (s *State) AddressKeys() []AddressKey {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.addressKeys
}

// loadAddressKeys replaces all keys. mu is held.
func (s *State) loadAddressKeys(keys []AddressKey) {
	s.addressKeys = slices.SortedFunc(slices.Values(keys), func(a, b AddressKey) int { return int(a.Since - b.Since) })
}
