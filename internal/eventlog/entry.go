package eventlog

import "strings"

// An Entry is stored state that is not a record: a value under a key, in a table of entries. Only the owner of a table knows
// the encoding of its keys and values. All entries are part of the state that Decide depends on.
//
// One mechanism stores what would otherwise be a table of its own each, so that a new kind of command needs no change of the
// stores.
type Entry struct {
	Table Table
	Room  string // empty in tables that do not belong to rooms
	Key   string // bytes, 1 to MaxEntryKey; the entries of a table and room are in their order
	Value string // bytes, not empty
}

// A Table is a table of entries. Its number is stored and never reused.
type Table uint8

// The tables of entries. Each is owned by the file of the kind that writes it.
const (
	Senders       Table = 1  // of a room: when senders first tried to post, and when they last did
	Proofs        Table = 2  // senders by the digest of a proof
	Sessions      Table = 3  // senders by the digest of a session
	SenderProofs  Table = 4  // proofs and sessions by sender
	Invites       Table = 5  // of a room, by digest
	Redemptions   Table = 6  // of a room: who redeemed which invite
	Held          Table = 8  // of a room: messages that wait for a moderator
	HeldDecisions Table = 9  // of a room: what became of them, by id
	Reports       Table = 10 // of a room: reported messages
	Erasures      Table = 11 // of a room: what moderators erased
	Vault         Table = 12 // of a room: erased messages that can be restored
	Origins       Table = 13 // of a room: hashes of the addresses that messages came from
	AddressKeys   Table = 14 // keys of those hashes
	Creators      Table = 16 // of rooms in which only the creator has posted
	Members       Table = 17 // of a cluster, by name
	HashChain     Table = 18 // the newest link, see chain.go
)

// MaxEntries is how many entries one call of Entries returns at most.
const MaxEntries = 500

// An EntryReader reads entries. Those of a Tx are as they are in its transaction, and those of a Store are committed.
type EntryReader interface {
	// Entry returns the value of an entry, if there is one.
	Entry(t Table, room, key string) (value string, found bool, err error)
	// Entries returns the entries of a table and room whose keys begin with prefix and are above after, in the order of
	// their keys: at most limit (clamped to 1 to MaxEntries).
	Entries(t Table, room, prefix, after string, limit int) ([]Entry, error)
}

// MaxEntryKey is the length of the longest key, in bytes.
const MaxEntryKey = 1024

// EntryRange returns the range of keys that Entries looks at: from from, and below below.
func EntryRange(prefix, after string) (from, below string) {
	from = prefix
	if after >= prefix {
		from = after + "\x00" // the next key that there can be
	}
	for i := len(prefix) - 1; i >= 0; i-- {
		if prefix[i] < 0xff {
			return from, prefix[:i] + string([]byte{prefix[i] + 1})
		}
	}
	return from, strings.Repeat("\xff", MaxEntryKey+1)
}
