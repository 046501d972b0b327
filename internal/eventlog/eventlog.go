// Package eventlog orders commands and stores their results before anyone sees them.
//
// A [Log] takes submissions, which never blocks, and has a [Sequencer] put them into batches. A [Store] applies a batch in one
// transaction. After the commit, and only then, the outcomes pass through one ordered feed, from which the rooms write to
// their readers. So no client receives a message that is not saved.
//
// [Decide], a pure function of stored state and batch, determines the outcome of each command. Every store uses it, so any
// two stores that apply the same batches have the same rows. A row of a room is a [Record]: it has a number, and a body in
// the encoding of its kind. Each kind of command has a file of its own, which says what the command does, and how its
// records are stored, sent and searched.
//
// Each start of a server begins an epoch, which tells apart numbers that were assigned before and after a reset of the data.
package eventlog

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"

	"ramai/wire"
)

// A Submission is a command on the node to which it was submitted, with the information for the answer. Only the command is
// ordered and stored; the rest never leaves the process.
type Submission struct {
	Command
	ReplyTo *ReplyTo // receives the outcome; may be nil
	Fence   uint64   // see ReplyTo
	Ref     string   // the client's reference for its request, repeated in the answer
}

// ReplyTo is the source of submissions, usually a connection. Its owner increments the fence of its submissions each time
// it continues after a post (a Say, a Change or a Set) was refused with RetryAfter. Any other post with the refused fence or a lower
// one is refused as well, so that nothing overtakes what is sent again.
type ReplyTo struct {
	// Deliver is called by the feed, in order. It must not block. Both values are valid only during the call and must not
	// be changed.
	Deliver func(*Submission, *Outcome)
	// Lost is called instead if it is unknown whether submissions were stored, for example because a snapshot replaced the
	// store. The source should close its connection, so that the client sends them again. May be nil.
	Lost func()

	fencedBelow uint64 // a post with a lower fence is refused; owned by the goroutine that steps the log
}

// ReplyOnce returns a ReplyTo for one submission, and the channel that receives its outcome. If the outcome is lost, the
// channel is closed instead.
func ReplyOnce() (*ReplyTo, <-chan *Outcome) {
	outcome := make(chan *Outcome, 1)
	return &ReplyTo{
		Deliver: func(_ *Submission, o *Outcome) {
			kept := *o // o is valid only during the call
			outcome <- &kept
		},
		Lost: func() { close(outcome) },
	}, outcome
}

// A Store applies batches and reads what they stored. Apply and Reopen are called by one goroutine, everything else by any.
type Store interface {
	// HistoryID identifies this history. It is replaced by a restore, and by a loss that cannot be measured.
	HistoryID() string
	// Position is the position of the newest batch that was applied; 0: none was.
	Position() uint64
	// Epoch is the newest epoch: that of everything stored now.
	Epoch() Epoch
	// Incarnation is the current incarnation of a node; 0: it has not started.
	Incarnation(node string) uint64
	// Limits are the limits that apply.
	Limits() Limits
	// Level is the stored level, see Program.
	Level() uint64
	// NewestLink is the link of the hash chain of the newest batch that has added one since the store was opened; zero: none has.
	NewestLink() Link
	// LinkAt returns the link of an earlier batch, if it is still known.
	LinkAt(position uint64) (Link, bool)
	// Contains reports whether a client that received everything up to p received a part of this history, see
	// State.Contains. It also compares the history's id.
	Contains(room string, p *wire.Position) bool
	// Bounds returns the numbers of a room's oldest and newest record. A room that does not exist has First 1 and Last 0, or
	// if it was removed First n+1 and Last n, where n is the highest number that it had.
	Bounds(room string) Bounds
	// AllBounds returns the bounds of every room that exists. The caller owns the map.
	AllBounds() map[string]Bounds
	// StartOf returns the position after which the newest messages of a room begin: count of them, at most MaxCounted.
	StartOf(room string, count int) uint64
	// CountAfter returns how many messages of a room have numbers above n, at most MaxCounted.
	CountAfter(room string, n uint64) int
	// OthersAt returns a range of numbers around n that are known, without reading, not to be messages; false: none is
	// known.
	OthersAt(room string, n uint64) (wire.Range, bool)
	// Settings returns settings of a room, see State.Settings.
	Settings(room, prefix, after string, limit int) (settings []wire.Setting, n uint64, more bool)
	// RulesAt returns the rules of a room that are in force at a time, by the keys that clients know.
	RulesAt(room string, at wire.Time) map[string]Setting
	// SettingsFor returns the settings of a room that a sender may see, see State.SettingsFor.
	SettingsFor(senderID string, at wire.Time, room, prefix, after string, limit int) (settings []wire.Setting, n uint64, more bool)
	// Role returns the role of a sender in a room, see State.Role.
	Role(room, senderID string, at wire.Time) (role wire.Role, until wire.Time)
	// CanRead reports whether a sender may read a room at a time.
	CanRead(room, senderID string, at wire.Time) bool
	// RefusedReading returns why a sender may not read a room at a time, see State.RefusedReading.
	RefusedReading(room, senderID string, at wire.Time) *wire.CodedError
	// RefusedAddress returns why a client may not read a room from its address, see State.RefusedAddress.
	RefusedAddress(room, senderID string, at wire.Time, origins func() (newest, former Origin)) *wire.CodedError
	// RuleEnd returns when the next rule of a room ends that says who may read it, or which role a sender has; 0: none does.
	RuleEnd(room string, at wire.Time) wire.Time
	// EndedRules returns rules that are over, at most limit; a PruneEntries deletes them.
	EndedRules(at wire.Time, limit int) []RuleEnd
	// Joined returns the bounds of a room, and the settings that a client needs when it joins, see State.Joined.
	Joined(room string, limit int, at wire.Time) (Bounds, map[string]wire.Value)
	// Asked returns the numbers of questions or polls, see State.Asked.
	Asked(room, as string, before uint64, limit int) (numbers []uint64, more bool)
	// Erasure returns an erasure of a room; nil: there is none with this number, or it can no longer be undone.
	Erasure(room string, n uint64) *Erasure
	// ErasureSteps returns the commands that continue the erasures, see State.ErasureSteps.
	ErasureSteps(at wire.Time, expire bool) []Command
	// AddressKeys returns the keys with which addresses are hashed, the newest one last. The slice must not be changed.
	AddressKeys() []AddressKey
	// NewestTimes returns the time of the newest record of every room that exists. It is in the future if the clock was
	// ahead. The caller owns the map.
	NewestTimes() map[string]wire.Time
	// IDGeneration is the newest generation of ids.
	IDGeneration() IDGeneration
	// HasStaleIDs reports whether there are ids that a PruneIDs would delete.
	HasStaleIDs() (bool, error)
	// PendingTallies returns the rooms in which messages are pending, and when the newest tally of each was; 0: there was none.
	PendingTallies() map[string]wire.Time
	// HasMarks reports whether messages of a room may have marks.
	HasMarks(room string) bool
	// HasDroppedMarks reports whether there are marks that a PruneMarks would delete.
	HasDroppedMarks() (bool, error)
	// Marks returns the marks of a sender on the messages of a room with numbers from first to last.
	Marks(room, senderID string, first, last uint64) (wire.Mine, error)
	EntryReader
	// ExpiredNames returns senders whose names an ExpireName would change, at most limit: names last used at expiry or
	// before, and names last used after now.
	ExpiredNames(expiry, now wire.Time, limit int) []string
	// NameLeases returns the names of all senders, ordered by sender.
	NameLeases() []NameLease
	// Name returns a sender's name, or "".
	Name(senderID string) string
	// RegisteredNames returns all registrations, ordered by name.
	RegisteredNames() []NameRegistration
	// CanRegister returns the key of a sender's name if a Say with that RegisterKey would register it, or "".
	CanRegister(senderID string) string

	// Apply applies b in one transaction. position is Position()+1, or Position() again to get the outcomes of that batch
	// once more. After ErrRolledBack (wrapped) nothing of b is stored. After any other error it is unknown whether b is
	// stored: then b must not change, and Reopen has to succeed before the next Apply, which is of b at the same position
	// again. Neither b nor the outcomes may be changed later. The outcomes are those of b's commands, and after them those of
	// derived commands, which no submission belongs to.
	Apply(b *Batch, position uint64) ([]Outcome, error)
	// Reopen finds out what is on disk after an error of Apply. If the batch in doubt is, Position is its position.
	Reopen() error

	// Read returns records with numbers above after, ascending and without gaps: at most limit (clamped to 1 to MaxRead)
	// and at most ReadBytes of bodies, but at least one record if there is one. Each passes Record.Check. The bounds are
	// those of the same moment: if record after+1 was deleted, the first record is the one at First. Bounds, called
	// separately, may differ.
	Read(room string, after uint64, limit int) ([]Record, Bounds, error)
	// ReadBefore returns the records with the highest numbers below before, in ascending order, and otherwise works like
	// Read.
	ReadBefore(room string, before uint64, limit int) ([]Record, Bounds, error)

	// Free is the free space of the disk in bytes. An error counts as a full disk.
	Free() (uint64, error)
	// Health reports damage that Read and Apply have found. It is cheap.
	Health() Health
	// Close closes the store.
	Close() error
}

// Bounds are the numbers of a room's oldest and newest record. First is Last+1 if there is none.
type Bounds struct{ First, Last uint64 }

// Empty reports whether there is no record.
func (b Bounds) Empty() bool { return b.First > b.Last }

// Limits of one Read.
const (
	MaxRead   = 500
	ReadBytes = 64 << 10
)

// Health is known damage of the stored data. The zero value: none.
type Health struct {
	// Err is damage to the data as a whole. While it is set, nothing is acknowledged.
	Err error
	// Rooms is damage to single rooms. Nothing is acknowledged in them. The map must not be changed.
	Rooms map[string]error
}

// Of returns the damage that keeps messages from being stored in a room, or nil.
func (h Health) Of(room string) error {
	if err := h.Rooms[room]; err != nil {
		return fmt.Errorf("the stored messages of room %s are damaged, see the server's log: %w", room, err)
	}
	if h.Err != nil {
		return fmt.Errorf("the server's stored data is damaged, see its log: %w", h.Err)
	}
	return nil
}

// ErrDamaged is wrapped in an error of Read or Apply if the data differs from what was stored. Retrying does not help.
var ErrDamaged = errors.New("the stored data is damaged")

// ErrFull is wrapped together with ErrRolledBack if there was no space for a batch.
var ErrFull = errors.New("no space left")

// ErrRolledBack is wrapped in the error of Apply if nothing of the batch is stored.
var ErrRolledBack = errors.New("rolled back")

// Errors of Submit.
var (
	ErrBusy   = errors.New("the queue is full")
	ErrClosed = errors.New("the event log is closed")
)

// NewHistoryID generates the identity of a new history: 128 random bits as 22 characters of base64url.
func NewHistoryID(random io.Reader) (string, error) {
	var b [16]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return "", fmt.Errorf("generate the identity of a new history: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(b[:]), nil
}
