package eventlog

import (
	"fmt"
	"time"
)

// VaultLife is how long an erasure can be undone. Then the erased texts are deleted.
const VaultLife = 23 * time.Hour

// A vaultEntry is an erased message, under its number in the table Vault.
type vaultEntry struct {
	_       struct{} `cbor:",toarray"`
	Erasure uint64   // number of the erasure
	Body    []byte   // the row's body
	Status  []byte   // of a question or poll: the value of its setting; empty: none
}

// vaulted returns what the vault has of a message.
func vaulted(tx Tx, room string, n uint64) (v vaultEntry, found bool, err error) {
	value, found, err := tx.Entry(Vault, room, numberKey(n))
	if err != nil || !found {
		return v, false, err
	}
	if err := decoding.Unmarshal([]byte(value), &v); err != nil {
		return v, false, fmt.Errorf("%w: message %d in the vault of the room %s: %w", ErrDamaged, n, room, err)
	}
	return v, true, nil
}

// original returns a message as it was before a moderator erased it; false: none did, or its text is no longer kept. row is the
// stored row.
func (c *Delta) original(tx Tx, row *Record) (message messageBody, erased bool, err error) {
	message, err = decodeMessage(row.Body)
	if err != nil || !message.Gone {
		return message, err == nil && c.hiddenBy(row) != nil, err
	}
	v, found, err := vaulted(tx, row.Room, row.N)
	if err != nil || !found {
		return messageBody{}, false, err
	}
	message, err = decodeMessage(string(v.Body))
	return message, true, err
}

// dropVault deletes what the vault has of the messages with numbers from from to to, which are deleted.
func (c *Delta) dropVault(tx Tx, room string, from, to uint64) error {
	if len(c.erasuresOf(room)) == 0 {
		return nil
	}
	for after := from - 1; ; {
		entries, err := tx.Entries(Vault, room, "", numberKey(after), MaxEntries)
		if err != nil {
			return err
		}
		for i := range entries {
			n, err := keyNumber(entries[i].Key)
			if err != nil {
				return err
			}
			if n > to {
				return nil
			}
			if err := tx.DeleteEntry(Vault, room, entries[i].Key); err != nil {
				return err
			}
			after = n
		}
		if len(entries) < MaxEntries {
			return nil
		}
	}
}
