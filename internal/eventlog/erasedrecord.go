package eventlog

import (
	"fmt"

	"ramai/wire"
)

// An erasedRecord is the content of a record about erased or restored messages.
type erasedRecord struct {
	_       struct{} `cbor:",toarray"`
	Erasure uint64   // number of the erasure; 0: this record's own
	By      string   // only messages of this sender; empty: all
	Of      [][2]uint64
}

// erasedVersion is the version of an erasedRecord.
const erasedVersion = 1

func (r *erasedRecord) encode() string {
	return string(rune(erasedVersion)) + string(must(encoding.Marshal(r)))
}

// add adds a number. Numbers are added in ascending order.
func (r *erasedRecord) add(n uint64) {
	if k := len(r.Of); k > 0 && r.Of[k-1][1]+1 == n {
		r.Of[k-1][1] = n
		return
	}
	r.Of = append(r.Of, [2]uint64{n, n})
}

func (r *erasedRecord) targets() wire.Targets {
	of := make(wire.Targets, len(r.Of))
	for i, s := range r.Of {
		of[i] = wire.Range{From: s[0], To: s[1]}
	}
	return of
}

func decodeErased(body string) (r erasedRecord, err error) {
	if err := checkRecordVersion(body, erasedVersion); err != nil {
		return r, err
	}
	if err := decoding.Unmarshal([]byte(body[1:]), &r); err != nil {
		return erasedRecord{}, err
	}
	if r.encode() != body {
		return erasedRecord{}, errNotDeterministic
	}
	last := uint64(0)
	for _, s := range r.Of {
		if s[0] <= last || s[1] < s[0] {
			return erasedRecord{}, fmt.Errorf("the record has the numbers %d to %d after %d", s[0], s[1], last)
		}
		last = s[1]
	}
	if err := checkString(Erase, "sender", r.By, wire.MaxID, false); err != nil {
		return erasedRecord{}, err
	}
	return r, nil
}

// erasedRecords is embedded by the kinds whose records are an erasedRecord. They show nothing on the plain protocol, and are
// not messages.
type erasedRecords struct{}

func (erasedRecords) checkBody(body string) error {
	_, err := decodeErased(body)
	return err
}

func (erasedRecords) appendLine(dst []byte, r *Record) ([]byte, bool, error) {
	_, err := decodeErased(r.Body)
	return dst, false, err
}

func (erasedRecords) message(r *Record) (wire.Message, bool, error) {
	_, err := decodeErased(r.Body)
	return wire.Message{}, false, err
}

func (erasedRecords) searchText(r *Record) (string, error) {
	_, err := decodeErased(r.Body)
	return "", err
}
