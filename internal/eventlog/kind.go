package eventlog

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/fxamacker/cbor/v2"

	"ramai/wire"
)

// A Kind is the kind of a command. Its number is part of the encoding and is never reused.
type Kind uint8

// isPost reports whether a kind of command is what people post. It is not overtaken by another post of the same source after
// it was refused for now.
func (k Kind) isPost() bool { return k == Say || k == Change || k == Set }

// grows reports whether a kind of command adds to a room. It needs space on the disk, and a room that is not damaged.
func (k Kind) grows() bool {
	return k.isPost() || k == Mark || k == Tally || k == Invite || k == Redeem || k == Report || k == Judge || k == Erase || k == Restore || k == EraseStep || k == RestoreStep || k == Forget
}

// A definition is one kind of command.
type definition interface {
	// name returns the name of the kind in metrics and errors.
	name() string
	// maintenance reports whether the command is maintenance. Nobody waits for such a command, it is applied even if the
	// disk is full or data is damaged, and its failure affects no other command.
	maintenance() bool
	// check returns an error for a command that could not have been submitted: the encoding accepts no such command.
	check(c *Command) error
	// decide sets the outcome and writes its rows. An error rolls the batch back.
	decide(c *Delta, tx Tx, o *Outcome) error
	// encodeBody and decodeBody encode and decode everything besides the head.
	encodeBody(c *Command) ([]byte, error)
	decodeBody(data []byte, c *Command) error
	// records returns how the records of this kind are encoded and shown; nil if it adds none.
	records() recordKind
}

// Kinds returns all kinds of the current program, in the order of their numbers.
func Kinds() []Kind { return Current.Kinds() }

// kindNames has the names of the kinds. String does not look them up in Current, because Current's kinds use String.
var kindNames []string

func init() {
	for k := range Current.kinds {
		name := ""
		if d := Current.kinds[k].definition; d != nil {
			name = d.name()
		}
		kindNames = append(kindNames, name)
	}
}

// String returns the name of a kind in metrics.
func (k Kind) String() string {
	if int(k) < len(kindNames) && kindNames[k] != "" {
		return kindNames[k]
	}
	return fmt.Sprintf("kind_%d", uint8(k))
}

// An UnknownKindError is a command of a kind that this version of the program does not know.
type UnknownKindError struct{ Kind Kind }

func (e UnknownKindError) Error() string {
	return fmt.Sprintf("command of the unknown kind %d; it was written by a newer version of ramai", uint8(e.Kind))
}

// noBody is embedded by kinds without a body.
type noBody struct{}

func (noBody) encodeBody(c *Command) ([]byte, error) { return nil, checkNoBody(c) }

func (noBody) decodeBody(data []byte, _ *Command) error {
	if len(data) > 0 {
		return errors.New("it has a body, want none")
	}
	return nil
}

func checkNoBody(c *Command) error {
	if c.Body != nil {
		return fmt.Errorf("a %v command has the body %T, want none", c.Kind, c.Body)
	}
	return nil
}

// withBody is embedded by kinds whose body is a B, which is encoded as an array of its fields.
type withBody[B Body] struct{}

func (withBody[B]) encodeBody(c *Command) ([]byte, error) {
	body, err := bodyOf[B](c)
	if err != nil {
		return nil, err
	}
	return encoding.Marshal(body)
}

func (withBody[B]) decodeBody(data []byte, c *Command) error {
	var body B
	if err := decoding.Unmarshal(data, &body); err != nil {
		return err
	}
	c.Body = body
	return nil
}

// onDemand is embedded by kinds for which a sender or an operator waits.
type onDemand struct{}

func (onDemand) maintenance() bool { return false }

// inBackground is embedded by kinds of maintenance.
type inBackground struct{}

func (inBackground) maintenance() bool { return true }

// Fields of the head that a kind may have.
type fields uint8

const (
	hasSender fields = 1 << iota
	hasRoom
	hasID
)

// checkHead returns an error unless a command has exactly the given fields of the head.
func checkHead(c *Command, want fields) error {
	for _, f := range [...]struct {
		has   fields
		name  string
		value string
		check func(string) *wire.CodedError
	}{
		{hasSender, "sender", c.SenderID, wire.CheckID},
		{hasRoom, "room", c.Room, wire.CheckRoom},
		{hasID, "id", c.ID, wire.CheckID},
	} {
		switch {
		case want&f.has == 0 && f.value != "":
			return fmt.Errorf("a %v command has the %s %q, want none", c.Kind, f.name, f.value)
		case want&f.has != 0:
			if err := f.check(f.value); err != nil {
				return fmt.Errorf("a %v command has the %s %.80q: %s", c.Kind, f.name, f.value, err.Reason)
			}
		}
	}
	if c.Kind != Say && (c.Text != "" || c.Once || c.RegisterKey != "" || c.Re != 0 || c.Link || c.Transient) {
		return fmt.Errorf("a %v command has fields of a say", c.Kind)
	}
	return checkOrigins(c)
}

// Limits of strings in a command, in bytes. What clients may send is limited further before it is submitted.
const (
	maxText = 1 << 18
	maxName = 1 << 10 // of a name, a node, and a nonce
)

// MaxNameKey is the limit of a name's key, in bytes. A key is longer than its name: one character may become 18.
const MaxNameKey = 4 << 10

// checkString returns an error unless s is valid UTF-8 of at most limit bytes, and not empty if it must not be.
func checkString(kind Kind, field, s string, limit int, required bool) error {
	switch {
	case required && s == "":
		return fmt.Errorf("a %v command has no %s", kind, field)
	case len(s) > limit:
		return fmt.Errorf("a %v command has a %s of %d bytes, at most %d are allowed", kind, field, len(s), limit)
	case !utf8.ValidString(s):
		return fmt.Errorf("a %v command has a %s that is not UTF-8", kind, field)
	}
	return nil
}

var (
	encoding = must(cbor.CoreDetEncOptions().EncMode())
	decoding = must(cbor.DecOptions{
		DupMapKey: cbor.DupMapKeyEnforcedAPF, IndefLength: cbor.IndefLengthForbidden, TagsMd: cbor.TagsForbidden,
		MaxNestedLevels: 8, MaxArrayElements: maxCommands, MaxMapPairs: 64, ExtraReturnErrors: cbor.ExtraDecErrorUnknownField,
	}.DecMode())
)

func must[M any](mode M, err error) M {
	if err != nil {
		panic(err)
	}
	return mode
}
