package main

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"image/color"
	"os"
	"strings"

	uv "github.com/charmbracelet/ultraviolet"
	"github.com/charmbracelet/x/ansi"
)

// palette holds the base colors of a still.
type palette struct{ background, foreground, border string }

var (
	dark  = palette{"#14181d", "#d8dee6", "#2c343e"}
	light = palette{"#ffffff", "#1c1f24", "#d0d4da"}
)

// saveStill writes the present screen as a picture.
func (t *terminal) saveStill(file string, colors palette) {
	screen := t.tmux("capture-pane", "-e", "-N", "-p", "-t", t.title)
	if t.err != nil {
		return
	}
	lines := uv.NewStyledString(strings.TrimRight(screen, "\n")).Lines(ansi.WcWidth)
	t.err = os.WriteFile(file, drawStill(lines, t.width, t.height, colors), 0o644)
}

// drawStill draws lines of cells.
func drawStill(lines []uv.Line, width, height int, colors palette) []byte {
	w, h := width*cellWidth+2*padding, height*cellHeight+2*padding
	var svg bytes.Buffer
	fmt.Fprintf(&svg, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d">`+"\n", w, h, w, h)
	fmt.Fprintf(&svg, `<style>text{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;fill:%s;white-space:pre}</style>`+"\n", colors.foreground)
	fmt.Fprintf(&svg, `<rect x=".5" y=".5" width="%d" height="%d" rx="8" fill="%s" stroke="%s"/>`+"\n", w-1, h-1, colors.background, colors.border)
	for y, line := range lines[:min(len(lines), height)] {
		for x := 0; x < len(line); {
			from, at := x, cellsBefore(line, x)
			var text strings.Builder
			for ; x < len(line) && line[x].Style.Equal(&line[from].Style); x++ {
				text.WriteString(line[x].Content)
				if line[x].Width > 1 { // draw each wide character at its cell, whatever the font
					x++
					break
				}
				if x+1 < len(line) && line[x+1].Width > 1 {
					x++
					break
				}
			}
			drawRun(&svg, colors, line[from].Style, text.String(), at, cellsBefore(line, x)-at, y)
		}
	}
	svg.WriteString("</svg>\n")
	return svg.Bytes()
}

func cellsBefore(line uv.Line, i int) (n int) {
	for _, c := range line[:i] {
		n += c.Width
	}
	return n
}

// drawRun draws cells of one style.
func drawRun(svg *bytes.Buffer, colors palette, style uv.Style, text string, x, cells, y int) {
	fg, bg := hex(style.Fg), hex(style.Bg)
	if style.Attrs&uv.AttrReverse != 0 {
		if fg == "" {
			fg = colors.foreground
		}
		if bg == "" {
			bg = colors.background
		}
		fg, bg = bg, fg
	}
	left, top := padding+x*cellWidth, padding+y*cellHeight
	if bg != "" {
		fmt.Fprintf(svg, `<rect x="%d" y="%d" width="%d" height="%d" fill="%s"/>`+"\n", left, top, cells*cellWidth, cellHeight, bg)
	}
	if strings.TrimSpace(text) == "" {
		return
	}
	css := ""
	if fg != "" {
		css += "fill:" + fg + ";"
	}
	if style.Attrs&uv.AttrBold != 0 {
		css += "font-weight:bold;"
	}
	if style.Underline != ansi.UnderlineNone {
		css += "text-decoration:underline;"
	}
	if css != "" {
		css = ` style="` + css + `"`
	}
	fmt.Fprintf(svg, `<text x="%d" y="%d" textLength="%d" lengthAdjust="spacingAndGlyphs"%s>`, left, top+13, cells*cellWidth, css)
	xml.EscapeText(svg, []byte(text))
	svg.WriteString("</text>\n")
}

func hex(c color.Color) string {
	if c == nil {
		return ""
	}
	r, g, b, _ := c.RGBA()
	return fmt.Sprintf("#%02x%02x%02x", r>>8, g>>8, b>>8)
}
