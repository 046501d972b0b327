package websockettest

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// Parts of the texts of 6.3, 6.4 and 7.5.
const (
	greek     = "κ\u1f79σμε" // of 11 bytes
	surrogate = "\xed\xa0\x80"
	tooHigh   = "\xf4\x90\x80\x80" // like UTF-8, but beyond the last character
	edited    = "edited"
)

// listText returns the cases about UTF-8. Invalid texts are refused as soon as they are: 6.4 never sends the rest.
func listText() (all []Case) {
	const umlauts = "Hello-µ@ßöäüàá-UTF-8!!"
	wrong := greek + surrogate + edited
	all = append(all, numbered("6.1",
		echoed(Text("")),
		fine("", []Frame{textPart(""), more(""), last("")}, []Frame{Text("")}),
		fine("", []Frame{textPart(""), more("middle frame payload"), last("")}, []Frame{Text("middle frame payload")}))...)
	all = append(all, numbered("6.2",
		echoed(Text(umlauts)),
		fine("", []Frame{textPart("Hello-µ@ßöä"), last("üàá-UTF-8!!")}, []Frame{Text(umlauts)}),
		fine("", parts(byte(ws.OpText), umlauts, 1), []Frame{Text(umlauts)}),
		fine("", parts(byte(ws.OpText), greek, 1), []Frame{Text(greek)}))...)
	all = append(all, numbered("6.3", bad("", 1007, Text(wrong)), bad("", 1007, parts(byte(ws.OpText), wrong, 1)...))...)
	all = append(all, numbered("6.4",
		failFast(greek, tooHigh), failFast(greek+tooHigh[:1], tooHigh[1:2]),
		failFastInside(greek, tooHigh), failFastInside(greek+tooHigh[:1], tooHigh[1:2]))...)
	for i, group := range sequences() {
		all = append(all, numbered(fmt.Sprintf("6.%d", 5+i), group...)...)
	}
	return all
}

// failFast returns a case whose text becomes invalid in the second of three fragments. The ping shows that the first was
// accepted.
func failFast(valid, invalid string) Case {
	rest := more(invalid)
	rest.Await = 1
	return Case{Send: []Frame{textPart(valid), ping("so far"), rest}, Want: []Frame{pong("so far")}, Code: 1007}
}

// failFastInside returns a case whose text becomes invalid inside of a frame that is not complete.
func failFastInside(valid, invalid string) Case {
	f := Text(valid + invalid)
	f.length = lengthOf(len(valid) + len(tooHigh) + len(edited))
	return Case{Send: []Frame{f}, Code: 1007, Cut: 1}
}

func valid(texts ...string) (all []Case) {
	for _, s := range texts {
		all = append(all, echoed(Text(s)))
	}
	return all
}

func invalid(texts ...string) (all []Case) {
	for _, s := range texts {
		all = append(all, bad("", 1007, Text(s)))
	}
	return all
}

// sequences returns the sequences of Markus Kuhn's UTF-8 decoder test as the list arranges them.
func sequences() [][]Case {
	incomplete := []string{
		"\xc0", "\xe0\x80", "\xf0\x80\x80", "\xf8\x80\x80\x80", "\xfc\x80\x80\x80\x80",
		"\xdf", "\xef\xbf", "\xf7\xbf\xbf", "\xfb\xbf\xbf\xbf", "\xfd\xbf\xbf\xbf\xbf",
	}
	return [][]Case{
		valid("hello$world", "hello¢world", "hello€world", "hello𤭢world", greek),
		prefixes(greek),
		valid("\x00", "\u0080", "\u0800", "\U00010000"),
		invalid("\xf8\x88\x80\x80\x80", "\xfc\x84\x80\x80\x80\x80"),
		valid("\x7f", "\u07ff", "\uffff", "\U0010ffff"),
		invalid("\xf7\xbf\xbf\xbf", "\xfb\xbf\xbf\xbf\xbf", "\xfd\xbf\xbf\xbf\xbf\xbf"),
		append(valid("\ud7ff", "\ue000", "\ufffd", "\U0010ffff"), invalid(tooHigh)...),
		invalid(
			"\x80", "\xbf", "\x80\xbf", "\x80\xbf\x80", "\x80\xbf\x80\xbf", "\x80\xbf\x80\xbf\x80", "\x80\xbf\x80\xbf\x80\xbf",
			span(0x80, 0xbf, "")),
		invalid(span(0xc0, 0xdf, " "), span(0xe0, 0xef, " "), span(0xf0, 0xf7, " "), span(0xf8, 0xfb, " "), span(0xfc, 0xfd, " ")),
		invalid(incomplete...),
		invalid(strings.Join(incomplete, "")),
		invalid("\xfe", "\xff", "\xfe\xfe\xff\xff"),
		invalid("\xc0\xaf", "\xe0\x80\xaf", "\xf0\x80\x80\xaf", "\xf8\x80\x80\x80\xaf", "\xfc\x80\x80\x80\x80\xaf"),
		invalid("\xc1\xbf", "\xe0\x9f\xbf", "\xf0\x8f\xbf\xbf", "\xf8\x87\xbf\xbf\xbf", "\xfc\x83\xbf\xbf\xbf\xbf"),
		invalid("\xc0\x80", "\xe0\x80\x80", "\xf0\x80\x80\x80", "\xf8\x80\x80\x80\x80", "\xfc\x80\x80\x80\x80\x80"),
		invalid(surrogate, "\xed\xad\xbf", "\xed\xae\x80", "\xed\xaf\xbf", "\xed\xb0\x80", "\xed\xbe\x80", "\xed\xbf\xbf"),
		invalid(pairs([]string{surrogate, "\xed\xad\xbf", "\xed\xae\x80", "\xed\xaf\xbf"}, []string{"\xed\xb0\x80", "\xed\xbf\xbf"})...),
		valid(noncharacters()...),
		valid("\ufff9", "\ufffa", "\ufffb", "\ufffc", "\ufffd", "\ufffe", "\uffff"),
	}
}

// span returns the bytes from first to the one before end, each followed by after.
func span(first, end byte, after string) string {
	var b strings.Builder
	for c := first; c < end; c++ {
		b.WriteByte(c)
		b.WriteString(after)
	}
	return b.String()
}

// pairs returns each of the first followed by each of the second.
func pairs(first, second []string) (all []string) {
	for _, a := range first {
		for _, b := range second {
			all = append(all, a+b)
		}
	}
	return all
}

// prefixes returns cases of all beginnings of s.
func prefixes(s string) (all []Case) {
	for n := 1; n <= len(s); n++ {
		if n == len(s) || utf8.RuneStart(s[n]) {
			all = append(all, valid(s[:n])...)
		} else {
			all = append(all, invalid(s[:n])...)
		}
	}
	return all
}

// noncharacters returns the two noncharacters at the end of each plane.
func noncharacters() (all []string) {
	for plane := rune(0); plane <= 0x10; plane++ {
		all = append(all, string(plane<<16|0xfffe), string(plane<<16|0xffff))
	}
	return all
}
