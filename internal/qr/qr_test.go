package qr

import (
	"strings"
	"testing"
	"unicode/utf8"
)

const link = "https://chat.example.org/r/kelas-7b#invite=0123456789abcdefABCDEF"

// rowsOf returns the rows of the code of the link: each has a "1" for a dark module and a "0" for a light one.
func rowsOf(t *testing.T) []string {
	c, err := Encode(link)
	if err != nil {
		t.Fatal(err)
	}
	rows := make([]string, c.code.Size)
	for y := range rows {
		for x := range rows {
			if c.isDark(x, y) {
				rows[y] += "1"
			} else {
				rows[y] += "0"
			}
		}
	}
	return rows
}

// The three finder patterns and the timing pattern show that the rows are a code and not its negative or its mirror image.
func TestEncode(t *testing.T) {
	rows := rowsOf(t)
	size := len(rows)
	if size < 21 || (size-17)%4 != 0 {
		t.Fatalf("the code has %d rows, want 21, 25, 29 and so on", size)
	}
	finder := []string{"1111111", "1000001", "1011101", "1011101", "1011101", "1000001", "1111111"}
	for y, row := range rows {
		if len(row) != size || strings.Trim(row, "01") != "" {
			t.Fatalf("row %d is %q, want %d of 0 and 1", y, row, size)
		}
	}
	for i, want := range finder {
		for _, at := range []struct{ x, y int }{{0, 0}, {size - 7, 0}, {0, size - 7}} {
			if got := rows[at.y+i][at.x : at.x+7]; got != want {
				t.Errorf("row %d of the finder pattern at %d, %d is %s, want %s", i, at.x, at.y, got, want)
			}
		}
	}
	for x := 8; x < size-8; x++ {
		if dark := rows[6][x] == '1'; dark != (x%2 == 0) {
			t.Errorf("module %d of the timing pattern is dark: %v", x, dark)
		}
	}
}

func TestBlocks(t *testing.T) {
	c, err := Encode(link)
	if err != nil {
		t.Fatal(err)
	}
	rows, lines := rowsOf(t), c.Blocks()
	for i, line := range lines {
		if got, want := utf8.RuneCountInString(line), len(rows)+2*quietZone; got != want {
			t.Fatalf("line %d has %d characters, want %d", i, got, want)
		}
	}
	for y, row := range rows {
		line := []rune(lines[(y+quietZone)/2])
		half := "▀█" // characters whose upper half is dark
		if (y+quietZone)%2 == 1 {
			half = "▄█"
		}
		for x := range row {
			if dark := strings.ContainsRune(half, line[x+quietZone]); dark != (row[x] == '1') {
				t.Fatalf("module %d, %d is drawn dark: %v, want %c", x, y, dark, row[x])
			}
		}
	}
	if first := lines[0]; strings.TrimSpace(first) != "" {
		t.Errorf("the first line is %q, want a light border", first)
	}
}

func TestEncodeRefuses(t *testing.T) {
	for _, text := range []string{"", strings.Repeat("x", MaxText+1)} {
		if _, err := Encode(text); err == nil {
			t.Errorf("a text of %d bytes was encoded", len(text))
		}
	}
	if _, err := Encode(strings.Repeat("x", MaxText)); err != nil {
		t.Error(err)
	}
}
