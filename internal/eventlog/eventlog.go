// Package eventlog orders commands and stores their results before anyone sees them.
//
// A [Log] takes submissions, which never blocks, and has a [Sequencer] put them into batches. A [Store] applies a batch in one
// transaction. After the commit, and only then, the outcomes pass through one ordered feed, from which the rooms write to
// their readers. So no client receives what is not saved.
//
// [Decide], a pure function of stored state and batch, determines the outcome of each command. Every store uses it, so any
// two stores that apply the same batches have the same rows.
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

// Kind says what an event wants.
type Kind uint8

// The kinds of events.
const (
	Say            Kind = iota + 1 // say Text in Room
	ReserveName                    // hold Name from now on, in place of the one held before
	ReleaseName                    // give up the name held
	Restart                        // the server started anew: an epoch begins, and names bound to a connection are free
	Trim                           // let go of the messages of Room up to To, of TrimStep at most
	UnregisterName                 // Name is nobody's any more
	ExpireName                     // the name that By holds is free, if it was not used after Batch.Expiry
	RotateIDs                      // To is the generation of ids that begins now, or that is dated anew
	PruneIDs                       // let go of ids of generations that nobody asks for any more, of ForgetStep at most
	RemoveRoom                     // remove Room with its messages, of which To is the newest; MaxRemove at most

	LastKind = RemoveRoom
)

// An Command is something that a sender wants to happen.
type Command struct {
	Kind     Kind
	SenderID string // the sender

	// Of a Say.
	Room        string
	ID          string // the sender's; with By and Room it makes a retry known
	Text        string
	Once        bool   // ID was drawn by the server and given to nobody, so it cannot come twice: nothing is kept to compare
	RegisterKey string // the Key of a name: if the sender holds that one, it owns it from now on. Only of who has proved a cryptographic key

	// Of a Trim, a Turn, and a Remove.
	To uint64

	// Of a Claim, and a Disown.
	Name  string // in normal form
	Key   string // what is compared, of one part or of two split by a NUL: names clash if their keys have a part in common
	Bound bool   // the name ends with the connection; otherwise HoldName after its last use

	// Of a Restart.
	EpochName string // drawn with NewEpoch; empty: the epoch goes on
}

// A Submission is a command on the node that it was submitted to, with what is needed to answer it. Only the command is
// ordered and stored; the rest never leaves the process.
type Submission struct {
	Command
	ReplyTo *ReplyTo // receives the outcome; nil: nobody does
	Fence   uint64   // see ReplyTo
	Ref     string   // the client's reference for its request, repeated in the answer
}

// ReplyTo is the source of submissions, usually a connection. Its owner increments the fence of its submissions each time
// it continues after a Say was refused with RetryAfter. Any other Say with the refused fence or a lower one is refused as
// well, so that nothing overtakes a message that is sent again.
type ReplyTo struct {
	// Deliver is called by the feed, in order. It must not block. Both values are valid only during the call and must not
	// be changed.
	Deliver func(*Submission, *Outcome)

	fencedBelow uint64 // a Say with a lower fence is refused; owned by the goroutine that steps the log
}

// Status says what became of an event.
type Status uint8

// The verdicts.
const (
	Saved   Status = iota + 1 // on disk now, under N
	Repeat                    // was on disk before, under N
	Refused                   // not stored; Err says why
)

// An Outcome is one event and what became of it.
type Outcome struct {
	Command     Command
	Status      Status
	N           uint64    // of a Say that is on disk: its number in the room; of a Trim or a Remove: the oldest number that is kept now, or the next one
	At          wire.Time // when it was ordered
	DisplayName string    // of a Say: the sender's name at that time
	Renamed     []string  // senders that hold another name than before, or none
	Err         *wire.CodedError
}

// Message returns the row that a saved Say made.
func (o *Outcome) Message() wire.Message {
	return wire.Message{Room: o.Command.Room, N: o.N, At: o.At, SenderID: o.Command.SenderID, DisplayName: o.DisplayName, ID: o.Command.ID, Text: o.Command.Text}
}

// A Batch is what one transaction applies. It carries all that Decide may depend on besides the stored state.
type Batch struct {
	At       wire.Time // given by the orderer; Decide lets the times of a room never go backwards
	Expiry   wire.Time // names that were last used then or before have run out; 0: none, for it is not certain what time it is
	MaxRooms int       // rooms there may be
	Commands []Command
}

// Store keeps what was said. Apply and Reopen are called by one goroutine; everything else by any.
type Store interface {
	// Log is the identity of this history; another after a restore, or a loss that nobody could measure.
	HistoryID() string
	// Position is that of the newest batch applied; 0: none yet.
	Position() uint64
	// Epoch is the newest epoch. What is stored and heard now is of it.
	Epoch() Epoch
	// Knows tells whether what a client has that has heard everything up to p is a part of this history, see State.Contains.
	// The log is compared, too.
	Contains(room string, p *wire.Position) bool
	// Head gives the numbers of a room's oldest and newest message. An unknown room has First 1, Last 0, or if there was one
	// that has been removed First n+1, Last n for the highest number that it had.
	Bounds(room string) Bounds
	// Heads gives the same for every room there is. The map is the caller's.
	AllBounds() map[string]Bounds
	// Times gives the time of the newest message of every room there is: one that is to come was given while the clock was
	// ahead. The map is the caller's.
	NewestTimes() map[string]wire.Time
	// IDGeneration says which ids are kept.
	IDGeneration() IDGeneration
	// Stale tells whether there are ids that a Forget would let go of.
	HasStaleIDs() (bool, error)
	// ExpiredNames gives senders whose names an Expire would change, at most limit of them: names last used at expiry or before,
	// and those used at a time that is to come now.
	ExpiredNames(expiry, now wire.Time, limit int) []string
	// Name is the name that a sender holds, or empty.
	Name(by string) string
	// Owned is what is owned, by name.
	RegisteredNames() []NameRegistration
	// Gains is the Key of the name that a sender holds and does not own yet, but would by a Say with Own; empty: there is none.
	CanRegister(by string) string

	// Apply applies b in one transaction. position is Position()+1, or Position() again to be told once more: then the
	// outcomes are the same as the first time. With ErrRolledBack (wrapped) nothing of b is stored. After any other error
	// it is unknown what is stored: b must not change, and Reopen has to succeed before the next Apply, which is of b at
	// the same position again. Neither b nor the outcomes may be changed later.
	Apply(b *Batch, position uint64) ([]Outcome, error)
	// Reopen makes sure after an error of Apply what is on disk and what is not. Position tells: it is that of the batch
	// in question if it is on disk.
	Reopen() error

	// Read returns messages with numbers above after, ascending, without a hole: at most limit (held to 1 to MaxRead) and
	// no more than ReadBytes of text, but at least one message if there is any. The head is that of the same moment: if
	// after+1 is not kept any more, the first message is the head's First. Asked for separately, with Head, it may not be:
	// retention goes on meanwhile.
	Read(room string, after uint64, limit int) ([]wire.Message, Bounds, error)
	// ReadBefore returns messages with numbers below before, ascending, the nearest to before, with the limits of Read,
	// and the head of the same moment.
	ReadBefore(room string, before uint64, limit int) ([]wire.Message, Bounds, error)

	// Free is the space left for the data, in bytes. What it fails with counts as a full disk.
	Free() (uint64, error)
	// Health says whether what is stored can be relied on. It is cheap. What Reads and Applys have found is in it.
	Health() Health
	// Close ends the store in good order.
	Close() error
}

// Bounds holds the numbers of a room's oldest and newest message that is kept. First is Last+1 where none is.
type Bounds struct{ First, Last uint64 }

// Empty tells whether no message is kept.
func (h Bounds) Empty() bool { return h.First > h.Last }

// Bounds of one Read.
const (
	MaxRead   = 500
	ReadBytes = 64 << 10
)

// Health is what is known to be wrong with what is stored. The zero value: nothing.
type Health struct {
	// Err is what is wrong with all of it. While there is one, nothing more may be acknowledged.
	Err error
	// Rooms is what is wrong with single rooms. Nothing more may be said in them; the others go on. Not to be changed.
	Rooms map[string]error
}

// Of returns what keeps anything from being said in a room; nil: nothing.
func (h Health) Of(room string) error {
	if err := h.Rooms[room]; err != nil {
		return fmt.Errorf("the stored messages of room %s are damaged, see the server's log: %w", room, err)
	}
	if h.Err != nil {
		return fmt.Errorf("the server's stored data cannot be relied on, see its log: %w", h.Err)
	}
	return nil
}

// ErrDamaged says, wrapped in an error of Read or Apply, that what is stored is not what was stored. To try again does not
// help.
var ErrDamaged = errors.New("the stored data is damaged")

// ErrFull says, wrapped together with ErrRolledBack, that there was no space for a batch.
var ErrFull = errors.New("there is no space left")

// ErrRolledBack says that a batch failed and that nothing of it is stored.
var ErrRolledBack = errors.New("rolled back")

// What Submit may return.
var (
	ErrBusy   = errors.New("the queue is full")
	ErrClosed = errors.New("the journal is closed")
)

// NewHistoryID draws the identity of a new history: 128 bits of random as 22 characters of base64url.
func NewHistoryID(random io.Reader) (string, error) {
	var b [16]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return "", fmt.Errorf("draw the identity of a new log: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(b[:]), nil
}
