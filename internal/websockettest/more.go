package websockettest

import (
	"fmt"
	"strings"

	"github.com/gobwas/ws"
)

// maxMessage is the longest message of the list.
const maxMessage = 16 << 20

// More returns cases that are not in the list. Short ones are also sent byte
// by byte.
func More() (all []Case) {
	for _, group := range [][]Case{
		Framing(), pings(), reserved(), fragments(), characters(), closes(), Long(),
	} {
		all = append(all, group...)
	}
	for _, e := range all {
		if len(e.stream(true)) < 200 {
			e.Name, e.Cut = e.Name+", byte by byte", 1
			all = append(all, e)
		}
	}
	return all
}

// Framing returns the cases of More about lengths and masks.
func Framing() (all []Case) {
	for _, n := range []int{0, 1, 125, 126, 127, 128, 65535, 65536} {
		s := strings.Repeat("*", n)
		all = append(all,
			fine(fmt.Sprintf("a text of %d bytes", n), []Frame{Text(s)}, []Frame{Text(s)}),
			fine(fmt.Sprintf("%d bytes, not text", n), []Frame{bin(strings.Repeat("\xfe", n))}, []Frame{bin(strings.Repeat("\xfe", n))}))
	}
	for form, length := range map[string]string{
		"16 bits for 125":     "\x7e\x00\x7d",
		"16 bits for 0":       "\x7e\x00\x00",
		"64 bits for 125":     "\x7f\x00\x00\x00\x00\x00\x00\x00\x7d",
		"64 bits for 65535":   "\x7f\x00\x00\x00\x00\x00\x00\xff\xff",
		"64 bits and the top": "\x7f\x80\x00\x00\x00\x00\x00\x00\x01",
	} {
		all = append(all, bad("a length of "+form, 1002, Frame{First: fin | byte(ws.OpBinary), length: length}))
	}
	return append(all,
		bad("the wrong side masks", 1002, unlike(Text("x"))),
		bad("the wrong side masks a ping", 1002, unlike(ping("x"))))
}

func pings() []Case {
	full := strings.Repeat("\xfe", 125)
	return []Case{
		fine("a ping", []Frame{ping("")}, []Frame{pong("")}),
		fine("a ping with words", []Frame{ping("Hello")}, []Frame{pong("Hello")}),
		fine("a ping of 125 bytes, not text", []Frame{ping(full)}, []Frame{pong(full)}),
		fine("a pong that nobody asked for", []Frame{pong("x"), ping("y"), pong("")}, []Frame{pong("y")}),
		fine("many pings", repeat(ping("again"), 100), repeat(pong("again"), 100)),
		bad("a ping of 126 bytes", 1002, ping(full+"x")),
		bad("a pong of 126 bytes", 1002, pong(full+"x")),
		bad("a close frame of 126 bytes", 1002, closing(body(1000, strings.Repeat("x", 124)))),
		bad("a ping in fragments", 1002, Frame{First: byte(ws.OpPing), Payload: "a"}, last("b")),
		bad("a pong in fragments", 1002, Frame{First: byte(ws.OpPong), Payload: "a"}, last("b")),
	}
}

func reserved() (all []Case) {
	for _, bits := range []byte{rsv1, rsv2, rsv3, rsv1 | rsv2, rsv1 | rsv3, rsv2 | rsv3, rsv1 | rsv2 | rsv3} {
		name := fmt.Sprintf(" with the reserved bits %#x", bits)
		all = append(all,
			bad("a text"+name, 1002, with(Text("x"), bits)),
			bad("a ping"+name, 1002, with(ping(""), bits)),
			bad("a close frame"+name, 1002, with(closing(""), bits)),
			bad("a continuation"+name, 1002, textPart("x"), with(last("y"), bits)),
			Case{"a text before one" + name, []Frame{Text("good"), with(Text("x"), bits), ping("")}, []Frame{Text("good")}, 1002, 0})
	}
	for _, op := range []byte{3, 4, 5, 6, 7, 0xb, 0xc, 0xd, 0xe, 0xf} {
		name := fmt.Sprintf("opcode %#x", op)
		all = append(all,
			bad(name, 1002, head(fin|op)),
			bad(name+" with words", 1002, Frame{First: fin | op, Payload: "words"}),
			bad(name+" inside a message", 1002, textPart("x"), head(fin|op)),
			Case{name + " after a text", []Frame{Text("good"), head(fin | op), ping("")}, []Frame{Text("good")}, 1002, 0})
	}
	return all
}

func fragments() []Case {
	long := strings.Repeat("0123456789", 700)
	return []Case{
		fine("two fragments", []Frame{textPart("ab"), last("c")}, []Frame{Text("abc")}),
		fine("fragments that are not text", []Frame{binPart("\xff"), more("\xfe"), last("\xfd")}, []Frame{bin("\xff\xfe\xfd")}),
		fine("empty fragments", []Frame{textPart(""), more(""), last("")}, []Frame{Text("")}),
		fine("an empty one at the end", []Frame{textPart("a"), more(""), last("")}, []Frame{Text("a")}),
		fine("a ping between fragments", []Frame{textPart("a"), ping("now"), last("b")}, []Frame{pong("now"), Text("ab")}),
		fine("a ping between each two of many", between(parts(byte(ws.OpText), long, 70), ping("x")),
			append(repeat(pong("x"), 99), Text(long))),
		fine("fragments of a byte", parts(byte(ws.OpBinary), long, 1), []Frame{bin(long)}),
		fine("two messages in fragments", []Frame{textPart("a"), last("b"), binPart("c"), last("d")}, []Frame{Text("ab"), bin("cd")}),
		fine("pongs between fragments", between([]Frame{textPart("a"), more("b"), last("c")}, pong("x")), []Frame{Text("abc")}),
		{"a close frame between fragments", []Frame{textPart("a"), closing(body(1000, "")), last("b")}, nil, 1000, 0},
		bad("a continuation of nothing", 1002, last("x")),
		bad("a continuation of nothing that goes on", 1002, more("x"), last("y")),
		{"a continuation of a message that is over", []Frame{textPart("a"), last("b"), last("c")}, []Frame{Text("ab")}, 1002, 0},
		bad("a text inside a message", 1002, textPart("a"), Text("b")),
		bad("another message inside a message", 1002, textPart("a"), binPart("b"), last("c")),
	}
}

func characters() (all []Case) {
	for _, s := range []string{
		"Hello-µ@ßöäüàá-UTF-8!!", "κόσμε", "\x00", "\x7f", "\u0080", "\u07ff", "\u0800", "\ud7ff", "\ue000", "\ufffd", "\ufffe",
		"\uffff", "\U00010000", "\U0010ffff", "𝄞🎉",
	} {
		all = append(all,
			fine(fmt.Sprintf("%+q", s), []Frame{Text(s)}, []Frame{Text(s)}),
			fine(fmt.Sprintf("%+q in fragments of a byte", s), parts(byte(ws.OpText), s, 1), []Frame{Text(s)}),
			fine(fmt.Sprintf("%+q in fragments of 3 bytes, and pings", s), between(parts(byte(ws.OpText), s, 3), ping("")),
				append(repeat(pong(""), (len(s)+2)/3-1), Text(s))))
	}
	for _, s := range []string{
		"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc3(", "\xe0\x80\x80", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xed\xbf\xbf", "\xf0\x80\x80\x80",
		"\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xf8\x88\x80\x80\x80", "\xfe", "\xff", "κόσμε\xed\xa0\x80edited",
	} {
		all = append(all,
			bad(fmt.Sprintf("%+q", s), 1007, Text(s)),
			bad(fmt.Sprintf("%+q in fragments of a byte", s), 1007, parts(byte(ws.OpText), s, 1)...),
			bad(fmt.Sprintf("%+q in a message that goes on", s), 1007, textPart("good"), more(s+"!")),
			fine(fmt.Sprintf("%+q, not text", s), parts(byte(ws.OpBinary), s, 1), []Frame{bin(s)}))
	}
	for _, s := range []string{"\xc3", "\xe2\x82", "\xf0\x9f\x8e"} { // valid so far
		all = append(all,
			bad(fmt.Sprintf("%+q, and no more", s), 1007, Text(s)),
			bad(fmt.Sprintf("%+q, and no more, in fragments", s), 1007, textPart("good"), more(s), last("")))
	}
	return all
}

func closes() []Case {
	all := []Case{
		{"a close frame without a code", []Frame{closing("")}, nil, 0, 0},
		{"a reason", []Frame{closing(body(1000, "goodbye"))}, nil, 1000, 0},
		{"a reason of 123 bytes", []Frame{closing(body(1000, strings.Repeat("x", 123)))}, nil, 1000, 0},
		{"a second close frame", []Frame{closing(body(1000, "")), closing(body(1001, ""))}, nil, 1000, 0},
		{"a text after the close frame", []Frame{closing(body(1000, "")), Text("x")}, nil, 1000, 0},
		{"a ping after the close frame", []Frame{closing(body(1000, "")), ping("x")}, nil, 1000, 0},
		{"nonsense after the close frame", []Frame{closing(body(1000, "")), head(0xff)}, nil, 1000, 0},
		bad("a close frame with half a code", 1002, closing("\x03")),
		bad("a reason that is not UTF-8", 1007, closing(body(1000, "\xce\xba\xed\xa0\x80"))),
	}
	for _, code := range []uint16{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999} {
		all = append(all, bad(fmt.Sprintf("close code %d", code), code, closing(body(code, ""))))
	}
	for _, code := range []uint16{0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535} {
		all = append(all, bad(fmt.Sprintf("close code %d", code), 1002, closing(body(code, "x"))))
	}
	return all
}

// Long returns the cases of More about long messages. The longest is 16 MiB.
func Long() []Case {
	megabyte, most := strings.Repeat("é", 1<<19), strings.Repeat("\xfe", maxMessage)
	return []Case{
		fine("a text of 1 MiB", []Frame{Text(megabyte)}, []Frame{Text(megabyte)}),
		fine("1 MiB in fragments of 64 bytes", parts(byte(ws.OpText), megabyte, 64), []Frame{Text(megabyte)}),
		fine("1 MiB in fragments of 1300 bytes, and pings", between(parts(byte(ws.OpBinary), megabyte, 1300), ping("x")),
			append(repeat(pong("x"), 1<<20/1300), bin(megabyte))),
		fine("many messages", repeat(Text(megabyte[:500]), 1000), repeat(Text(megabyte[:500]), 1000)),
		fine("the longest message", []Frame{bin(most)}, []Frame{bin(most)}),
		bad("a message that is too long", 1009, Frame{First: fin | byte(ws.OpText), length: "\x7f\x00\x00\x00\x00\x01\x00\x00\x01"}),
		bad("fragments that are too long together", 1009, binPart(megabyte), Frame{First: fin, length: "\x7f\x00\x00\x00\x00\x00\xff\xff\xff"}),
	}
}
