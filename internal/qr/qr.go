// Package qr draws links as QR codes in a terminal.
package qr

import (
	"fmt"
	"strings"

	"rsc.io/qr"
)

// MaxText is the limit of a text, in bytes. A larger code does not fit on a screen.
const MaxText = 512

// quietZone is the light border around a code in a terminal, in modules. The standard requires 4; on a screen 2 are enough.
const quietZone = 2

// A Code is a QR code: a square of modules, each of which is dark or light.
type Code struct{ code *qr.Code }

// Encode returns the QR code of a text of at most MaxText bytes, with the lowest level of error correction, which has the fewest
// modules: a screen has no dirt.
func Encode(text string) (Code, error) {
	if text == "" || len(text) > MaxText {
		return Code{}, fmt.Errorf("a QR code of %d bytes (want 1 to %d)", len(text), MaxText)
	}
	code, err := qr.Encode(text, qr.L)
	if err != nil {
		return Code{}, fmt.Errorf("encode a QR code: %w", err)
	}
	return Code{code}, nil
}

// isDark reports whether a module is dark. Everything outside of the code is light.
func (c Code) isDark(x, y int) bool { return c.code.Black(x, y) }

// Blocks returns the code as lines for a terminal, with two rows of modules in a line, and with a light border. Dark modules are
// drawn in the colour of the text, so the text must be darker than its background.
func (c Code) Blocks() []string {
	var lines []string
	for y := -quietZone; y < c.code.Size+quietZone; y += 2 {
		var line strings.Builder
		for x := -quietZone; x < c.code.Size+quietZone; x++ {
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
