package eventlog

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/fxamacker/cbor/v2"

	"ramai/wire"
)

// A batch is encoded as one byte, the version, followed by CBOR (RFC 8949) in its core deterministic form. Equal batches
// have equal bytes on every machine, and Decode accepts no other bytes: they can be compared and hashed.
//
//	batch   = version, [at, node, incarnation, seq, [* command]]
//	command = [kind, sender, room, id, body] / [kind, sender, room, id, body, origin]
//
// A body is null, or an array with the fields of the kind in the order of its type. An origin is a string of 8 or 16 bytes, and
// exists from HoldLevel on.
const encodingVersion = 1

// Limits of an encoded batch.
const (
	// MaxBatchBytes is the length of the longest batch that is encoded or decoded.
	MaxBatchBytes = 1 << 20
	// maxCommands is the number of commands that a batch can have.
	maxCommands = 4096
)

// ErrEncodingVersion is wrapped in the error of Decode for a batch of another version of the encoding.
var ErrEncodingVersion = errors.New("the encoding has an unknown version; it was written by another version of ramai")

type encodedBatch struct {
	_           struct{} `cbor:",toarray"`
	At          int64
	Node        string
	Incarnation uint64
	Seq         uint64
	Commands    []encodedCommand
}

type encodedCommand struct {
	Kind     Kind
	SenderID string
	Room     string
	ID       string
	Body     cbor.RawMessage
	Origin   []byte // empty: none, and the command is a shorter array
}

// commandWithout is an encodedCommand without an origin, as all were below HoldLevel.
type commandWithout struct {
	_        struct{} `cbor:",toarray"`
	Kind     Kind
	SenderID string
	Room     string
	ID       string
	Body     cbor.RawMessage
}

// commandWith is an encodedCommand with an origin.
type commandWith struct {
	_        struct{} `cbor:",toarray"`
	Kind     Kind
	SenderID string
	Room     string
	ID       string
	Body     cbor.RawMessage
	Origin   []byte
}

// MarshalCBOR implements cbor.Marshaler.
func (e encodedCommand) MarshalCBOR() ([]byte, error) {
	if len(e.Origin) == 0 {
		return encoding.Marshal(commandWithout{Kind: e.Kind, SenderID: e.SenderID, Room: e.Room, ID: e.ID, Body: e.Body})
	}
	return encoding.Marshal(commandWith{Kind: e.Kind, SenderID: e.SenderID, Room: e.Room, ID: e.ID, Body: e.Body, Origin: e.Origin})
}

// UnmarshalCBOR implements cbor.Unmarshaler.
func (e *encodedCommand) UnmarshalCBOR(b []byte) error {
	if isArray(b, 6) {
		var c commandWith
		err := decoding.Unmarshal(b, &c)
		*e = encodedCommand{Kind: c.Kind, SenderID: c.SenderID, Room: c.Room, ID: c.ID, Body: c.Body, Origin: c.Origin}
		return err
	}
	var c commandWithout
	err := decoding.Unmarshal(b, &c)
	*e = encodedCommand{Kind: c.Kind, SenderID: c.SenderID, Room: c.Room, ID: c.ID, Body: c.Body}
	return err
}

// null is the encoding of a missing body.
var null = cbor.RawMessage{0xf6}

// Encode returns the encoding of a batch. It returns an error for a command that its kind does not allow.
func (b *Batch) Encode() ([]byte, error) {
	e := encodedBatch{At: int64(b.At), Node: b.Node, Incarnation: b.Incarnation, Seq: b.Seq, Commands: make([]encodedCommand, len(b.Commands))}
	if err := checkString(0, "node", b.Node, maxName, false); err != nil {
		return nil, err
	}
	if err := b.check(); err != nil {
		return nil, fmt.Errorf("encode a batch: %w", err)
	}
	if len(b.Commands) > maxCommands {
		return nil, fmt.Errorf("encode a batch of %d commands: at most %d are allowed", len(b.Commands), maxCommands)
	}
	for i := range b.Commands {
		c := &b.Commands[i]
		body, err := b.of().encodeBody(c)
		if err != nil {
			return nil, fmt.Errorf("encode command %d: %w", i+1, err)
		}
		e.Commands[i] = encodedCommand{Kind: c.Kind, SenderID: c.SenderID, Room: c.Room, ID: c.ID, Body: body, Origin: originsOf(c)}
	}
	var buf bytes.Buffer
	buf.WriteByte(encodingVersion)
	if err := encoding.NewEncoder(&buf).Encode(&e); err != nil {
		return nil, fmt.Errorf("encode a batch: %w", err)
	}
	if buf.Len() > MaxBatchBytes {
		return nil, fmt.Errorf("encode a batch: it has %d bytes, at most %d are allowed", buf.Len(), MaxBatchBytes)
	}
	return buf.Bytes(), nil
}

func (p *Program) encodeBody(c *Command) (cbor.RawMessage, error) {
	d, err := p.kind(c.Kind)
	if err != nil {
		return nil, err
	}
	if err := d.check(c); err != nil {
		return nil, err
	}
	body, err := d.encodeBody(c)
	if err != nil || len(body) == 0 {
		return null, err
	}
	return body, nil
}

// DecodeBatch decodes a batch. The error for another version of the encoding is an ErrEncodingVersion, that for an unknown
// kind of command an UnknownKindError. The batch does not refer to b.
func DecodeBatch(b []byte) (*Batch, error) { return Current.DecodeBatch(b) }

// DecodeBatch is the function DecodeBatch for a given program.
func (p *Program) DecodeBatch(b []byte) (*Batch, error) {
	switch {
	case len(b) == 0:
		return nil, errors.New("decode a batch: it is empty")
	case b[0] != encodingVersion:
		return nil, fmt.Errorf("decode a batch of version %d, want %d: %w", b[0], encodingVersion, ErrEncodingVersion)
	case len(b) > MaxBatchBytes:
		return nil, fmt.Errorf("decode a batch: it has %d bytes, at most %d are allowed", len(b), MaxBatchBytes)
	}
	var e encodedBatch
	if err := decoding.Unmarshal(b[1:], &e); err != nil {
		return nil, fmt.Errorf("decode a batch: %w", err)
	}
	batch := p.NewBatch(Batch{At: wire.Time(e.At), Node: e.Node, Incarnation: e.Incarnation, Seq: e.Seq, Commands: make([]Command, len(e.Commands))})
	for i, from := range e.Commands {
		c := &batch.Commands[i]
		*c = Command{Kind: from.Kind, SenderID: from.SenderID, Room: from.Room, ID: from.ID}
		if len(from.Origin) > 0 {
			if err := setOrigins(c, from.Origin); err != nil {
				return nil, fmt.Errorf("decode command %d: %w", i+1, err)
			}
		}
		if err := p.decodeBody(from.Body, c); err != nil {
			return nil, fmt.Errorf("decode command %d: %w", i+1, err)
		}
	}
	switch again, err := batch.Encode(); {
	case err != nil:
		return nil, err
	case !bytes.Equal(again, b):
		return nil, errors.New("decode a batch: its encoding is not the deterministic one")
	}
	return batch, nil
}

func (p *Program) decodeBody(data cbor.RawMessage, c *Command) error {
	d, err := p.kind(c.Kind)
	if err != nil {
		return err
	}
	if bytes.Equal(data, null) {
		data = nil
	}
	return d.decodeBody(data, c)
}
