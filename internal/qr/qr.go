// Package qr encodes links as QR codes, for a page, a projector and a terminal.
package qr

import (
	"fmt"
	"image/color"
	"strings"

	"github.com/boombuler/barcode"
	"github.com/boombuler/barcode/qr"
)

// MaxText is the limit of a text, in bytes. A larger code has modules that a phone cannot tell apart on a projector.
const MaxText = 512

// quietZone is the light border around a code in a terminal, in modules.
const quietZone = 2

// A Code is a QR code: a square of modules, each of which is dark or light.
type Code struct {
	size int
	dark []bool // row by row
}

// Encode returns the QR code of a text of at most MaxText bytes.
func Encode(text string) (Code, error) {
	if text == "" || len(text) > MaxText {
		return Code{}, fmt.Errorf("a QR code of %d bytes (want 1 to %d)", len(text), MaxText)
	}
	drawn, err := qr.EncodeWithColor(text, qr.M, qr.Unicode, barcode.ColorScheme16)
	if err != nil {
		return Code{}, fmt.Errorf("encode a QR code: %w", err)
	}
	c := Code{size: drawn.Bounds().Dx()}
	for y := range c.size {
		for x := range c.size {
			c.dark = append(c.dark, drawn.At(x, y) == color.Color(color.Black))
		}
	}
	return c, nil
}

// isDark reports whether a module is dark. Everything outside of the code is light.
func (c Code) isDark(x, y int) bool {
	return x >= 0 && x < c.size && y >= 0 && y < c.size && c.dark[y*c.size+x]
}

// Rows returns the rows of the code, without a border: each has a "1" for a dark module and a "0" for a light one.
func (c Code) Rows() []string {
	rows := make([]string, c.size)
	for y := range rows {
		var row strings.Builder
		for x := range c.size {
			if c.isDark(x, y) {
				row.WriteByte('1')
			} else {
				row.WriteByte('0')
			}
		}
		rows[y] = row.String()
	}
	return rows
}

// Blocks returns the code as lines for a terminal, with two rows of modules in a line, and with a light border. Dark modules are
// drawn in the colour of the text, so the text must be darker than its background.
func (c Code) Blocks() []string {
	var lines []string
	for y := -quietZone; y < c.size+quietZone; y += 2 {
		var line strings.Builder
		for x := -quietZone; x < c.size+quietZone; x++ {
			upper, lower := c.isDark(x, y), c.isDark(x, y+1)
			switch {
			case upper && lower:
				line.WriteRune('█')
			case upper:
				line.WriteRune('▀')
			case lower:
				line.WriteRune('▄')
			default:
				line.WriteByte(' ')
			}
		}
		lines = append(lines, line.String())
	}
	return lines
}
