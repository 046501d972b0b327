package sqlite

import (
	"bufio"
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
)

// metaRow is the content of the table meta, read without SQLite from a page: either of the database file, ignoring its
// write-ahead log, or of that log.
type metaRow struct {
	historyID, run string
	position       int64
}

// decodeMeta decodes the row of the table meta from its only page (https://sqlite.org/fileformat.html, sections 1.6 and
// 2.1).
func decodeMeta(page []byte) (metaRow, error) {
	const tableLeaf, leafHeader = 13, 8
	unreadable := errors.New("the page of meta cannot be read")
	if len(page) < 512 || page[0] != tableLeaf || binary.BigEndian.Uint16(page[3:]) != 1 {
		return metaRow{}, unreadable
	}
	cell := int(binary.BigEndian.Uint16(page[leafHeader:]))
	if cell < leafHeader+2 || cell >= len(page) {
		return metaRow{}, unreadable
	}
	b := page[cell:]
	_, b = varint(b) // the size
	_, b = varint(b) // the rowid
	size, types := varint(b)
	used := len(b) - len(types)
	if size < int64(used) || size > int64(len(b)) {
		return metaRow{}, unreadable
	}
	body := b[size:]
	types = b[used:size]
	var row metaRow
	for column := 0; len(types) > 0; column++ {
		var serial int64
		serial, types = varint(types)
		size := serialSize(serial)
		if size < 0 || size > len(body) {
			return metaRow{}, unreadable
		}
		value := body[:size]
		body = body[size:]
		switch column {
		case 1:
			row.historyID = string(value)
		case 2:
			row.position = serialInt(serial, value)
		case 6:
			row.run = string(value)
		}
	}
	return row, nil
}

// varint decodes a SQLite varint, and returns the rest of b.
func varint(b []byte) (v int64, rest []byte) {
	for i := range min(len(b), 9) {
		if i == 8 {
			return v<<8 | int64(b[i]), b[9:]
		}
		v = v<<7 | int64(b[i]&0x7f)
		if b[i] < 0x80 {
			return v, b[i+1:]
		}
	}
	return 0, nil
}

// serialSize is the length in bytes of a value of a serial type; -1: there is no such type.
func serialSize(serial int64) int {
	switch {
	case serial < 0 || serial == 10 || serial == 11 || serial > 1<<30:
		return -1
	case serial >= 12:
		return int(serial-12) / 2
	}
	return [...]int{0, 1, 2, 3, 4, 6, 8, 8, 0, 0}[serial]
}

func serialInt(serial int64, value []byte) (v int64) {
	if serial == 9 {
		return 1
	}
	for i, b := range value {
		if i == 0 {
			v = int64(int8(b))
			continue
		}
		v = v<<8 | int64(b)
	}
	return v
}

// walRows has the row of meta after the first and after the last transaction of a write-ahead log. ok: there are
// transactions.
type walRows struct {
	first, last metaRow
	ok          bool
}

// readWAL reads the transactions of a write-ahead log that SQLite would apply (https://sqlite.org/fileformat.html,
// section 4). root is the page number of meta.
func readWAL(path string, root uint32) (found walRows, err error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return found, nil
	}
	if err != nil {
		return found, err
	}
	defer f.Close()
	const headSize, frameHead = 32, 24
	in := bufio.NewReaderSize(f, 1<<18)
	var head [headSize]byte
	if _, err := io.ReadFull(in, head[:]); err != nil {
		return found, nil // empty, or equivalent
	}
	magic, pageSize := binary.BigEndian.Uint32(head[:]), binary.BigEndian.Uint32(head[8:])
	if magic&^1 != 0x377f0682 || pageSize < 512 || pageSize > 1<<16 {
		return found, nil
	}
	sum := walSum{order: binary.LittleEndian}
	if magic&1 == 1 {
		sum.order = binary.BigEndian
	}
	if sum.add(head[:24]); !sum.matches(head[24:]) {
		return found, nil
	}
	frame := make([]byte, frameHead+pageSize)
	var row metaRow // of the current transaction
	var seen bool
	for {
		if _, err := io.ReadFull(in, frame); err != nil {
			return found, nil
		}
		sum.add(frame[:8])
		sum.add(frame[frameHead:])
		if string(frame[8:16]) != string(head[16:24]) || !sum.matches(frame[16:24]) {
			return found, nil
		}
		if binary.BigEndian.Uint32(frame) == root {
			if row, err = decodeMeta(frame[frameHead:]); err != nil {
				return found, err
			}
			seen = true
		}
		if commit := binary.BigEndian.Uint32(frame[4:]) != 0; commit && seen {
			if !found.ok {
				found.first, found.ok = row, true
			}
			found.last, seen = row, false
		}
	}
}

// walSum is the running checksum of a write-ahead log.
type walSum struct {
	order  binary.ByteOrder
	s0, s1 uint32
}

func (s *walSum) add(b []byte) {
	for ; len(b) >= 8; b = b[8:] {
		s.s0 += s.order.Uint32(b) + s.s1
		s.s1 += s.order.Uint32(b[4:]) + s.s0
	}
}

func (s *walSum) matches(b []byte) bool {
	return binary.BigEndian.Uint32(b) == s.s0 && binary.BigEndian.Uint32(b[4:]) == s.s1
}

// errForeignWAL means that a write-ahead log and the database beside it do not belong together.
var errForeignWAL = errors.New("the write-ahead log belongs to another database, or to another state of this one")

// checkWAL detects a write-ahead log that belongs to another database, or to another state of this one: SQLite would
// overwrite pages with those of the log in any case. Each run of a server has a random id, and each transaction has a
// position. So the log of a database begins at the position of the file or earlier, and ends there or later.
func checkWAL(path string) error {
	wal := path + "-wal"
	if info, err := os.Stat(wal); err != nil || info.Size() == 0 {
		return nil // SQLite reports all other faults
	}
	c, err := openReadOnly(path, true)
	if err != nil {
		return err
	}
	file, root, err := metaOf(c)
	if err := c.Close(); err != nil {
		return err
	}
	if isCorrupt(err) || root == 0 {
		return nil // a checkpoint may have been interrupted, or the database is of an earlier version
	}
	if err != nil {
		return err
	}
	found, err := readWAL(wal, root)
	why := ""
	before, _, _ := strings.Cut(file.run, " ")
	_, after, _ := strings.Cut(found.first.run, " ")
	begins := found.first.run == file.run && found.first.position <= file.position+1
	begun := after == before && found.first.position == file.position // the first transaction of a run
	switch {
	case err != nil:
		why = err.Error()
	case !found.ok:
		return nil
	case found.first.run != file.run && !begun:
		why = "they were written in different runs of the server"
	case !begins && !begun:
		why = fmt.Sprintf("the log begins at position %d and the database ends at position %d: what lies between them is missing", found.first.position, file.position)
	case found.last.position < file.position:
		why = fmt.Sprintf("the log ends at position %d and the database is already at position %d", found.last.position, file.position)
	default:
		return nil
	}
	return fmt.Errorf("%w: %s is not the log of %s (%s). One of the two files was probably copied or restored without the other. "+
		"Nothing was changed. Put back the file that belongs to the other, or restore a backup with \"ramai restore FILE --force\", "+
		"which renames the files that are there", errForeignWAL, wal, path, why)
}

// metaOf reads the row of meta and its page number. The number is 0 if the database is of an earlier version or in the
// middle of an upgrade, and cannot be checked.
func metaOf(c conn) (row metaRow, root uint32, err error) {
	page, err := c.ints(`SELECT rootpage FROM sqlite_schema WHERE name = 'meta' AND
		EXISTS (SELECT 1 FROM pragma_table_info('meta') WHERE name = 'run') AND
		NOT EXISTS (SELECT 1 FROM sqlite_schema WHERE name IN ('messages_1', 'messages_4'))`)
	if err != nil || len(page) != 1 {
		return row, 0, err
	}
	err = c.each("SELECT log, run, position FROM meta", func(v []driver.Value) error {
		row.historyID, _ = v[0].(string)
		row.run, _ = v[1].(string)
		row.position, _ = v[2].(int64)
		return nil
	})
	return row, uint32(page[0]), err
}
