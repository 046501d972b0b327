package websockettest

import (
	"fmt"
	"strings"

	"github.com/gobwas/ws"
)

// Size is how much of the list is played.
type Size struct {
	Divisor  int // of the length of the messages of 9.1 to 9.6, and of messages and fragments of 12 and 13
	Messages int // of each case of 9.7, 9.8, 12 and 13
}

// Whole is the list as it is published. Brief has all of its cases, with fewer and shorter messages.
var (
	Whole = Size{Divisor: 1, Messages: 1000}
	Brief = Size{Divisor: 64, Messages: 2}
)

// List returns the cases without compression, 301 of 517: those of 1 to 10.
func List(size Size) (all []Case) {
	for _, group := range [][]Case{
		listFraming(), listPings(), listReserved(), listOpcodes(), listFragments(), listText(), listClose(), listLimits(size), listMany(size),
		{fine("10.1.1", parts(byte(ws.OpText), strings.Repeat("*", 65536), 1300), []Frame{Text(strings.Repeat("*", 65536))})},
	} {
		all = append(all, group...)
	}
	return all
}

// numbered names cases by the number of their group and their position.
func numbered(group string, cases ...Case) []Case {
	for i := range cases {
		cases[i].Name = fmt.Sprintf("%s.%d", group, i+1)
	}
	return cases
}

// cut returns a case that is sent in writes of a size.
func cut(c Case, size int) Case { c.Cut = size; return c }

// echoed returns a case of frames that come back as they are.
func echoed(frames ...Frame) Case { return fine("", frames, frames) }

func listFraming() []Case {
	var texts, binaries []Case
	for _, n := range []int{0, 125, 126, 127, 128, 65535, 65536} {
		texts = append(texts, echoed(Text(strings.Repeat("*", n))))
		binaries = append(binaries, echoed(bin(strings.Repeat("\xfe", n))))
	}
	texts = append(texts, cut(echoed(Text(strings.Repeat("*", 65536))), 997))
	binaries = append(binaries, cut(echoed(bin(strings.Repeat("\xfe", 65536))), 997))
	return append(numbered("1.1", texts...), numbered("1.2", binaries...)...)
}

func listPings() []Case {
	full, ten, back := strings.Repeat("\xfe", 125), []Frame(nil), []Frame(nil)
	for i := range 10 {
		ten, back = append(ten, ping(fmt.Sprint("number ", i))), append(back, pong(fmt.Sprint("number ", i)))
	}
	answered := func(s string) Case { return fine("", []Frame{ping(s)}, []Frame{pong(s)}) }
	return numbered("2",
		answered(""), answered("Hello, world!"), answered("\x00\xff\xfe\xfd\xfc\xfb\x00\xff"), answered(full),
		bad("", 1002, ping(full+"\xfe")),
		cut(answered(full), 1),
		fine("", []Frame{pong("")}, nil),
		fine("", []Frame{pong("nobody asked")}, nil),
		fine("", []Frame{pong("nobody asked"), ping("a question")}, []Frame{pong("a question")}),
		fine("", ten, back), cut(fine("", ten, back), 1))
}

// afterGood returns a case whose faulty frame comes after a message and before a ping, which is not answered.
func afterGood(f Frame) Case {
	return Case{Send: []Frame{Text("good"), f, ping("")}, Want: []Frame{Text("good")}, Code: 1002}
}

func listReserved() []Case {
	return numbered("3",
		bad("", 1002, with(Text("Hello"), rsv3)),
		afterGood(with(Text("Hello"), rsv2)),
		cut(afterGood(with(Text("Hello"), rsv2|rsv3)), -1),
		cut(afterGood(with(Text("Hello"), rsv1)), 1),
		bad("", 1002, with(bin("\x00\xff\xfe"), rsv1|rsv3)),
		bad("", 1002, with(ping("Hello"), rsv1|rsv2)),
		bad("", 1002, with(closing(body(1000, "")), rsv1|rsv2|rsv3)))
}

func listOpcodes() (all []Case) {
	for group, first := range map[string]byte{"4.1": 3, "4.2": 11} {
		full := func(op byte) Frame { return Frame{First: fin | (first + op), Payload: "reserved"} }
		all = append(all, numbered(group,
			bad("", 1002, head(fin|first)),
			bad("", 1002, full(1)),
			cut(afterGood(head(fin|(first+2))), -1),
			cut(afterGood(full(3)), -1),
			cut(afterGood(full(4)), 1))...)
	}
	return all
}

func listFragments() []Case {
	two := fine("", []Frame{textPart("one, "), last("two")}, []Frame{Text("one, two")})
	mixed := fine("", []Frame{textPart("one, "), ping("now"), last("two")}, []Frame{pong("now"), Text("one, two")})
	nothing := func(f Frame) Case { return bad("", 1002, f, Text("new")) }
	over := Case{Send: []Frame{textPart("one, "), last("two"), more("three"), Text("new")}, Want: []Frame{Text("one, two")}, Code: 1002}
	again := func(f Frame) Case {
		return bad("", 1002, f, textPart("one, "), last("two"), f, textPart("one, "), last("two"))
	}
	waits := func(f Frame) Frame { f.Await = 1; return f } // until the first ping was answered
	long := fine("", []Frame{textPart("1"), more("2"), ping("first"),
		waits(more("3")), waits(more("4")), waits(ping("second")), waits(last("5"))},
		[]Frame{pong("first"), pong("second"), Text("12345")})
	return numbered("5",
		bad("", 1002, Frame{First: byte(ws.OpPing), Payload: "one"}, last("two")),
		bad("", 1002, Frame{First: byte(ws.OpPong), Payload: "one"}, last("two")),
		two, cut(two, -1), cut(two, 1), mixed, cut(mixed, -1), cut(mixed, 1),
		nothing(last("none")), cut(nothing(last("none")), -1), cut(nothing(last("none")), 1),
		nothing(more("none")), cut(nothing(more("none")), -1), cut(nothing(more("none")), 1),
		over, again(more("none")), again(last("none")),
		bad("", 1002, textPart("one, "), Text("two")),
		long, cut(long, -1))
}

func listClose() (all []Case) {
	long, goodbye := strings.Repeat("BAsd7&jh23", 26215)[:256<<10], closing(body(1000, ""))
	all = append(all, numbered("7.1",
		echoed(Text("Hello World!")),
		Case{Send: []Frame{goodbye, goodbye}, Code: 1000},
		Case{Send: []Frame{goodbye, ping("")}, Code: 1000},
		Case{Send: []Frame{goodbye, Text("too late")}, Code: 1000},
		Case{Send: []Frame{textPart("one, "), goodbye, last("two")}, Code: 1000},
		Case{Send: []Frame{Text(long), Text("Hello World!"), goodbye, ping("")}, Want: []Frame{Text(long), Text("Hello World!")}, Code: 1000})...)
	all = append(all, numbered("7.3",
		bad("", 0, closing("")),
		bad("", 1002, closing("a")),
		bad("", 1000, goodbye),
		bad("", 1000, closing(body(1000, "Hello World!"))),
		bad("", 1000, closing(body(1000, strings.Repeat("*", 123)))),
		bad("", 1002, closing(body(1000, strings.Repeat("*", 124)))))...)
	all = append(all, numbered("7.5", bad("", 1007, closing(body(1000, greek+surrogate+edited))))...)
	var good, wrong []Case
	for _, code := range []uint16{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999} {
		good = append(good, bad("", code, closing(body(code, ""))))
	}
	for _, code := range []uint16{0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999} {
		wrong = append(wrong, bad("", 1002, closing(body(code, ""))))
	}
	all = append(all, numbered("7.7", good...)...)
	all = append(all, numbered("7.9", wrong...)...)
	return append(all, numbered("7.13", bad("", 1002, closing(body(5000, ""))), bad("", 1002, closing(body(65535, ""))))...)
}

// kinds are the opcodes of the groups of 9 that differ only in it, with the content of the messages.
var kinds = []struct {
	op      ws.OpCode
	content string
}{{ws.OpText, "BAsd7&jh23"}, {ws.OpBinary, "\x00\xfe\x23\xfa\xf0"}}

func listLimits(size Size) (all []Case) {
	for i, kind := range kinds {
		message := func(n int) Frame {
			n /= size.Divisor
			return Frame{First: fin | byte(kind.op), Payload: strings.Repeat(kind.content, n/len(kind.content)+1)[:n]}
		}
		var whole, fragments, chops []Case
		for _, kib := range []int{64, 256, 1 << 10, 4 << 10, 8 << 10, 16 << 10} {
			whole = append(whole, echoed(message(kib<<10)))
		}
		for _, n := range []int{64, 256, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20} {
			m := message(4 << 20)
			fragments = append(fragments, fine("", parts(byte(kind.op), m.Payload, n), []Frame{m}))
		}
		for _, n := range []int{64, 128, 256, 512, 1024, 2048} {
			chops = append(chops, cut(echoed(message(1<<20)), n))
		}
		all = append(all, numbered(fmt.Sprintf("9.%d", 1+i), whole...)...)
		all = append(all, numbered(fmt.Sprintf("9.%d", 3+i), fragments...)...)
		all = append(all, numbered(fmt.Sprintf("9.%d", 5+i), chops...)...)
	}
	return all
}

// listMany returns cases of many messages, each of which is sent when the previous one has come back.
func listMany(size Size) (all []Case) {
	for i, kind := range kinds {
		var many []Case
		for _, n := range []int{0, 16, 64, 256, 1024, 4096} {
			var send, want []Frame
			for j := range size.Messages {
				f := Frame{First: fin | byte(kind.op), Payload: strings.Repeat(kind.content, n/len(kind.content)+1)[:n]}
				want = append(want, f)
				f.Await = j
				send = append(send, f)
			}
			many = append(many, fine("", send, want))
		}
		all = append(all, numbered(fmt.Sprintf("9.%d", 7+i), many...)...)
	}
	return all
}
