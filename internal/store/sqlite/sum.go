package sqlite

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"ramai/wire"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checksum returns the CRC-32C of all values of a row: room, number, time, sender, name, id and text. The room is
// included by name, so a row in the wrong room is detected, too. checksum uses scratch, and returns it for the next
// call.
func checksum(scratch []byte, m *wire.Message) (sum int64, used []byte) {
	b := binary.AppendUvarint(scratch[:0], m.N)
	b = binary.AppendVarint(b, int64(m.At))
	for _, s := range [...]string{m.Room, m.SenderID, m.DisplayName, m.ID, m.Text} {
		b = append(binary.AppendUvarint(b, uint64(len(s))), s...)
	}
	return int64(crc32.Checksum(b, castagnoli)), b
}

// checksumError returns the error of a row with the wrong checksum.
func checksumError(room string, n uint64) error {
	return fmt.Errorf("room %s: message %d is damaged: its checksum does not match", room, n)
}
