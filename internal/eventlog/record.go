package eventlog

import (
	"errors"
	"fmt"

	"ramai/wire"
)

// A Record is a stored row of a room. Every number of a room is the number of one record, and not every record is a message.
type Record struct {
	Room        string
	N           uint64
	At          wire.Time
	SenderID    string
	DisplayName string // the sender's name at that time, or ""
	ID          string // the sender's
	Kind        Kind   // of the command that added it
	Body        string // its content, in the encoding of its kind; never empty
}

// A recordKind is a kind whose commands add records. Each of its methods except frameType returns an error, and changes
// nothing, if the body has an unknown version. Only checkBody checks everything else: the others get records that Check has
// accepted, or that Decide has made.
//
// The encoding of a body begins with a byte for its version. It is deterministic, and the encodings of earlier versions
// are decoded forever.
type recordKind interface {
	// checkBody returns an error for a body that no command of this kind can have written.
	checkBody(body string) error
	// frameType is the type of the record's frame in ramai.v1.
	frameType() string
	// appendFrame appends the record as a frame of ramai.v1. Every record has one, so that clients can count numbers.
	appendFrame(dst []byte, r *Record) ([]byte, error)
	// appendLine appends the record as a line of the plain protocol. It returns false, and appends nothing, if the plain
	// protocol does not show the record.
	appendLine(dst []byte, r *Record) ([]byte, bool, error)
	// message returns the record as a message of a page. It returns false if the record is not a message.
	message(r *Record) (wire.Message, bool, error)
	// searchText returns the text by which the record is found; empty if it is not searched.
	searchText(r *Record) (string, error)
}

// A changeRecord is a recordKind whose records report changes of messages.
type changeRecord interface {
	// changes returns the numbers of the messages.
	changes(r *Record) []wire.Range
}

// Changes returns the numbers of the messages whose changes the record reports. The rows of these messages have their present
// texts, not those after the change.
func (r *Record) Changes() []wire.Range {
	if k, err := r.recordKind(); err == nil {
		if k, ok := k.(changeRecord); ok {
			return k.changes(r)
		}
	}
	return nil
}

// noRecords is embedded by kinds that add no records.
type noRecords struct{}

func (noRecords) records() recordKind { return nil }

// recordKind returns the definition of a record's kind.
func (r *Record) recordKind() (recordKind, error) {
	d, err := Current.kind(r.Kind)
	if err != nil {
		return nil, fmt.Errorf("record %d: %w", r.N, err)
	}
	k := d.records()
	if k == nil {
		return nil, fmt.Errorf("record %d has the kind %v, which adds no records", r.N, r.Kind)
	}
	return k, nil
}

// Check returns an error if the kind is unknown, or the body is not valid for it. A Store returns no such record, so the
// errors of the other methods do not occur for records from a store.
func (r *Record) Check() error {
	k, err := r.recordKind()
	if err == nil {
		err = k.checkBody(r.Body)
	}
	return err
}

// FrameType returns the type of the record's frame in ramai.v1, or "" if the kind is unknown.
func (r *Record) FrameType() string {
	k, err := r.recordKind()
	if err != nil {
		return ""
	}
	return k.frameType()
}

// AppendFrame appends the record as a frame of ramai.v1, without a WebSocket header. The result depends only on r.
func (r *Record) AppendFrame(dst []byte) ([]byte, error) {
	k, err := r.recordKind()
	if err != nil {
		return dst, err
	}
	return k.appendFrame(dst, r)
}

// AppendLine appends the record as a line of the plain protocol, without a WebSocket header. It returns false, and appends
// nothing, if that protocol does not show records of this kind: its readers then only move on. The result depends only on r.
func (r *Record) AppendLine(dst []byte) ([]byte, bool, error) {
	k, err := r.recordKind()
	if err != nil {
		return dst, false, err
	}
	return k.appendLine(dst, r)
}

// Message returns the record as a message of a page. It returns false if the record is not a message.
func (r *Record) Message() (wire.Message, bool, error) {
	k, err := r.recordKind()
	if err != nil {
		return wire.Message{}, false, err
	}
	return k.message(r)
}

// SearchText returns the text by which the record is found; empty if it is not searched.
func (r *Record) SearchText() (string, error) {
	k, err := r.recordKind()
	if err != nil {
		return "", err
	}
	return k.searchText(r)
}

// putRecord stores the record of a command with an outcome that has its number and time. The body is part of the outcome,
// from which the feed reconstructs the record.
func (c *Delta) putRecord(tx Tx, o *Outcome, body string) error {
	o.Body = body
	c.row = o.Record()
	return tx.PutRecord(&c.row)
}

var errNotDeterministic = errors.New("the body of the record is not in the deterministic encoding")

var errRecordVersion = errors.New("the body of the record has an unknown version; it is damaged, or was written by a newer version of ramai")

// checkRecordVersion returns an error if a body does not begin with a version.
func checkRecordVersion(body string, version byte) error {
	if body == "" {
		return errors.New("the body of the record is empty")
	}
	if body[0] != version {
		return fmt.Errorf("%w (version %d)", errRecordVersion, body[0])
	}
	return nil
}
