// Package sqlitepage clears what the pages of an SQLite database do not use.
//
// With PRAGMA secure_delete, SQLite overwrites a deleted cell with zeros. But when it moves cells to other pages, copies of
// them may stay in the unallocated space of the page that they came from, and a cell that is deleted later is overwritten
// only where it is then. This package overwrites such copies. It knows the file format
// (https://sqlite.org/fileformat.html) and reads and writes pages through the virtual table sqlite_dbpage, so that locks,
// transactions and the write-ahead log are SQLite's.
package sqlitepage

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// DB is an open database. Its file must have been made with auto_vacuum, because the pointer map of such a file says which
// pages belong to trees.
type DB interface {
	// Page returns a page, which the caller may change.
	Page(number uint32) ([]byte, error)
	// SetPages writes pages in one transaction: edit is called within it for each number, with the page as it is then, and
	// returns whether it has changed the page.
	SetPages(numbers []uint32, edit func(number uint32, page []byte) bool) error
}

const (
	fileHeader   = 100 // bytes of page 1 before its tree
	mapEntry     = 5   // bytes
	pendingByte  = 0x40000000
	mapRoot      = 1 // type in the pointer map: the root of a tree
	mapTree      = 5 // another page of a tree
	leafHeader   = 8
	parentHeader = 12
)

// Clean clears the unused space of the tree pages from number from on, of at most count pages, and returns the number of the
// next page; 0: there is none. Page 1, the schema, is left alone.
func Clean(db DB, from uint32, count int) (next uint32, err error) {
	first, err := db.Page(1)
	if err != nil {
		return 0, err
	}
	if len(first) < 512 || binary.BigEndian.Uint32(first[52:]) == 0 {
		return 0, errors.New("the file has no pointer map")
	}
	usable := len(first) - int(first[20])
	pages := binary.BigEndian.Uint32(first[28:])
	var dirty []uint32
	var pointers []byte
	var mapped uint32 // the number of pointers
	n := max(from, 3)
	for ; n <= pages && count > 0; n, count = n+1, count-1 {
		m := mapPage(n, len(first), usable)
		if n == m || n == pendingByte/uint32(len(first))+1 {
			continue
		}
		if m != mapped {
			if pointers, err = db.Page(m); err != nil {
				return 0, err
			}
			mapped = m
		}
		at := mapEntry * int(n-m-1)
		if at < 0 || at >= usable {
			return 0, fmt.Errorf("page %d is not in the pointer map", n)
		}
		if kind := pointers[at]; kind != mapRoot && kind != mapTree {
			continue
		}
		page, err := db.Page(n)
		if err != nil {
			return 0, err
		}
		if Clear(page[:usable]) {
			dirty = append(dirty, n)
		}
	}
	if n > pages {
		n = 0
	}
	if len(dirty) == 0 {
		return n, nil
	}
	return n, db.SetPages(dirty, func(number uint32, page []byte) bool {
		m := mapPage(number, len(first), usable)
		pointers, err := db.Page(m) // the page may have another use by now
		if err != nil {
			return false
		}
		kind := pointers[mapEntry*int(number-m-1)]
		return (kind == mapRoot || kind == mapTree) && Clear(page[:usable])
	})
}

// mapPage returns the number of the page of the pointer map that has page n.
func mapPage(n uint32, pageSize, usable int) uint32 {
	each := uint32(usable/mapEntry) + 1
	m := (n-2)/each*each + 2
	if m == pendingByte/uint32(pageSize)+1 {
		m++
	}
	return m
}

// Clear overwrites with zeros what a page of a tree, other than page 1, does not use: the space between the pointers and the
// cells, and the free blocks among the cells. It returns whether anything was there. A malformed page is
// left alone.
func Clear(page []byte) (cleared bool) {
	if len(page) < parentHeader {
		return false
	}
	header := parentHeader
	switch page[0] {
	case 10, 13:
		header = leafHeader
	case 2, 5:
	default:
		return false
	}
	begin := header + 2*int(binary.BigEndian.Uint16(page[3:]))
	end := int(binary.BigEndian.Uint16(page[5:]))
	if end == 0 {
		end = 1 << 16
	}
	if begin > end || end > len(page) {
		return false
	}
	var blocks [][2]int // begin and end of what is free in each block, after its own header
	for at := int(binary.BigEndian.Uint16(page[1:])); at != 0; {
		if at < end || at+4 > len(page) || len(blocks) > len(page)/4 {
			return false
		}
		size := int(binary.BigEndian.Uint16(page[at+2:]))
		next := int(binary.BigEndian.Uint16(page[at:]))
		if size < 4 || at+size > len(page) || next != 0 && next < at+size {
			return false
		}
		blocks = append(blocks, [2]int{at + 4, at + size})
		at = next
	}
	for _, b := range append(blocks, [2]int{begin, end}) {
		for i := b[0]; i < b[1]; i++ {
			if page[i] != 0 {
				clear(page[i:b[1]])
				cleared = true
				break
			}
		}
	}
	return cleared
}
