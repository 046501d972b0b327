package main

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"time"
	"unicode/utf8"
)

// Sizes in the picture, in its units.
const (
	cellWidth, cellHeight = 8, 18
	padding, gap, bar     = 12, 12, 26
)

const style = `text{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;fill:#d8dee6;white-space:pre}
.bar{font-family:system-ui,sans-serif;fill:#8b97a6}
.t{fill:#14181d;stroke:#2c343e}
@media (prefers-reduced-motion:reduce){text{animation:none!important}}
`

// drawCast draws everything seen up to end as an endless animation with a title. With reduced motion, the last frame is shown.
func drawCast(title string, terminals []*terminal, end time.Duration) []byte {
	// A wide terminal is above two narrow ones.
	x := func(t *terminal) int { return t.column * (t.width*cellWidth + 2*padding + gap) }
	boxHeight := func(t *terminal) int { return bar + t.height*cellHeight + padding }
	var width, height int
	tops := map[int]int{}
	for _, t := range terminals {
		if _, ok := tops[t.row]; !ok {
			tops[t.row] = height
			height += boxHeight(t) + gap
		}
		width = max(width, x(t)+t.width*cellWidth+2*padding)
	}
	height -= gap

	var films, boxes bytes.Buffer
	n := 0
	for _, t := range terminals {
		left, top := x(t), tops[t.row]
		boxWidth := t.width*cellWidth + 2*padding
		if t.column == 0 && t.row == 0 {
			boxWidth = width
		}
		fmt.Fprintf(&boxes, `<rect class="t" x="%d.5" y="%d.5" width="%d" height="%d" rx="8"/>`+"\n", left, top, boxWidth-1, boxHeight(t)-1)
		fmt.Fprintf(&boxes, `<text class="bar" x="%d" y="%d">%s</text>`+"\n", left+padding, top+17, t.title)
		for row, seen := range t.rows {
			for i, s := range seen {
				until, last := end, i == len(seen)-1
				if !last {
					until = seen[i+1].from
				}
				if s.text == "" {
					continue
				}
				n++
				from, to := percent(s.from, end), percent(until, end)
				opacity := 0
				if last {
					opacity = 1
				}
				fmt.Fprintf(&films, "@keyframes f%d{0%%{opacity:0}%.2f%%{opacity:1}%.2f%%,100%%{opacity:%d}}\n", n, from, to, opacity)
				fmt.Fprintf(&films, "#f%d{opacity:%d;animation:f%d %.1fs step-end infinite}\n", n, opacity, n, end.Seconds())
				fmt.Fprintf(&boxes, `<text id="f%d" x="%d" y="%d" textLength="%d" lengthAdjust="spacingAndGlyphs">`,
					n, left+padding, top+bar+row*cellHeight+13, utf8.RuneCountInString(s.text)*cellWidth)
				xml.EscapeText(&boxes, []byte(s.text))
				boxes.WriteString("</text>\n")
			}
		}
	}
	var svg bytes.Buffer
	fmt.Fprintf(&svg, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d">`+"\n", width, height, width, height)
	fmt.Fprintf(&svg, "<title>%s</title>\n", title)
	fmt.Fprintf(&svg, "<style>%s%s</style>\n%s</svg>\n", style, films.String(), boxes.String())
	return svg.Bytes()
}

// percent returns a time as a percentage of the animation, at least a little after its start.
func percent(at, end time.Duration) float64 { return max(0.01, 100*float64(at)/float64(end)) }
