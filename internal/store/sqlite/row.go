package sqlite

import (
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"

	"ramai/internal/eventlog"
	"ramai/wire"
)

// columns is the number of columns of a record.
const columns = 8

// A rowDecoder decodes rows that recordTable.selection selects.
type rowDecoder struct {
	rooms   map[int64]string // names by id
	scratch []byte           // of checksum
}

var errRowType = errors.New("a column has the wrong type")

// decode returns the record of a row. If it returns an error the row is damaged, and the record has what could be read.
func (d *rowDecoder) decode(row []driver.Value) (r eventlog.Record, err error) {
	key, isKey := row[0].(int64)
	at, isAt := row[1].(int64)
	room, known := d.rooms[key>>numberBits]
	r = eventlog.Record{Room: room, N: uint64(key) % endNumber, At: wire.Time(at)}
	typed := isKey && isAt
	for i, column := range []*string{&r.SenderID, &r.DisplayName, &r.ID} {
		s, is := row[i+2].(string)
		*column, typed = s, typed && is
	}
	sum, isSum := row[7].(int64)
	var got int64
	if row[5] == nil { // of a version before 7
		text, isText := row[6].(string)
		m := wire.Message{Room: r.Room, N: r.N, At: r.At, SenderID: r.SenderID, DisplayName: r.DisplayName, ID: r.ID, Text: text}
		r = eventlog.MessageRecord(&m)
		if got, d.scratch = messageChecksum(d.scratch, &m); row[7] == nil { // of a version before 5
			sum, isSum = got, true
		}
		typed = typed && isText
	} else {
		kind, isKind := row[5].(int64)
		body, isBody := row[6].([]byte)
		r.Kind, r.Body = eventlog.Kind(kind), string(body)
		got, d.scratch = checksum(d.scratch, &r)
		typed = typed && isKind && isBody && kind == int64(r.Kind)
	}
	switch {
	case !known:
		return r, fmt.Errorf("the record with the key %d does not belong to any room", key)
	case !typed || !isSum:
		return r, fmt.Errorf("room %s: record %d is damaged: %w", r.Room, r.N, errRowType)
	case got != sum:
		return r, checksumError(r.Room, r.N)
	}
	return r, nil
}

// appendRow appends the columns of a record. body is its body.
func appendRow(row []driver.Value, key int64, r *eventlog.Record, body []byte, sum int64) []driver.Value {
	return append(row, key, int64(r.At), r.SenderID, r.DisplayName, r.ID, int64(r.Kind), body, sum)
}

// keyOf returns the key of a record.
func keyOf(roomID int64, n uint64) int64 { return roomID<<numberBits | int64(n) }

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// noChecksum is a checksum that no record has. A row that was damaged before an upgrade stays damaged with it.
const noChecksum = math.MinInt64

// checksum returns the CRC-32C of all values of a record. The room is included by name, so a row in the wrong room is
// detected, too. checksum uses scratch, and returns it for the next call.
func checksum(scratch []byte, r *eventlog.Record) (sum int64, used []byte) {
	b := appendHead(scratch[:0], r.N, r.At, r.Room, r.SenderID, r.DisplayName, r.ID)
	b = append(append(b, byte(r.Kind)), r.Body...)
	return int64(crc32.Checksum(b, castagnoli)), b
}

// messageChecksum is the checksum of a message in the versions 5 and 6.
func messageChecksum(scratch []byte, m *wire.Message) (sum int64, used []byte) {
	b := appendHead(scratch[:0], m.N, m.At, m.Room, m.SenderID, m.DisplayName, m.ID)
	b = appendString(b, m.Text)
	return int64(crc32.Checksum(b, castagnoli)), b
}

func appendHead(b []byte, n uint64, at wire.Time, room, senderID, name, id string) []byte {
	b = binary.AppendUvarint(b, n)
	b = binary.AppendVarint(b, int64(at))
	return appendString(appendString(appendString(appendString(b, room), senderID), name), id)
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// checksumError returns the error of a row with the wrong checksum.
func checksumError(room string, n uint64) error {
	return fmt.Errorf("room %s: record %d is damaged: its checksum does not match", room, n)
}
