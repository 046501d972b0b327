package main

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/gobwas/ws"
)

// piece is one frame, valid or not.
type piece struct {
	first   byte // FIN, the reserved bits and the opcode
	payload string
	unlike  bool   // masked by the server, or unmasked by the client
	length  string // replaces the length of the payload: the code without the mask bit, and the bytes that follow
}

const (
	fin  = 0x80
	rsv1 = 0x40
	rsv2 = 0x20
	rsv3 = 0x10
)

// bytes returns the frame as it is sent to a server or to a client.
func (p piece) bytes(toServer bool) []byte {
	length := p.length
	if n := len(p.payload); length == "" {
		switch {
		case n <= 125:
			length = string([]byte{byte(n)})
		case n < 1<<16:
			length = "\x7e" + string(binary.BigEndian.AppendUint16(nil, uint16(n)))
		default:
			length = "\x7f" + string(binary.BigEndian.AppendUint64(nil, uint64(n)))
		}
	}
	b := append([]byte{p.first}, length...)
	payload := []byte(p.payload)
	if toServer != p.unlike {
		mask := [4]byte{0x37, 0xfa, 0x21, 0x3d}
		b[1] |= 0x80
		b = append(b, mask[:]...)
		for i := range payload {
			payload[i] ^= mask[i%4]
		}
	}
	return append(b, payload...)
}

func text(s string) piece        { return piece{first: fin | byte(ws.OpText), payload: s} }
func bin(s string) piece         { return piece{first: fin | byte(ws.OpBinary), payload: s} }
func ping(s string) piece        { return piece{first: fin | byte(ws.OpPing), payload: s} }
func pong(s string) piece        { return piece{first: fin | byte(ws.OpPong), payload: s} }
func textPart(s string) piece    { return piece{first: byte(ws.OpText), payload: s} }
func binPart(s string) piece     { return piece{first: byte(ws.OpBinary), payload: s} }
func more(s string) piece        { return piece{first: byte(ws.OpContinuation), payload: s} }
func last(s string) piece        { return piece{first: fin | byte(ws.OpContinuation), payload: s} }
func closing(s string) piece     { return piece{first: fin | byte(ws.OpClose), payload: s} }
func head(first byte) piece      { return piece{first: first} }
func unlike(p piece) piece       { p.unlike = true; return p }
func with(p piece, b byte) piece { p.first |= b; return p }

// body returns the payload of a close frame.
func body(code uint16, reason string) string {
	return string(binary.BigEndian.AppendUint16(nil, code)) + reason
}

// example is what a peer sends and what it gets back.
type example struct {
	name string
	send []piece
	want []piece // frames that come back, before the close frame
	code uint16  // of the close frame; 0: it has none. With 1000 and no close frame in send, one is sent at the end
	cut  int     // bytes of each write; 0: all at once
}

// fine returns an example that ends normally.
func fine(name string, send, want []piece) example {
	return example{name: name, send: send, want: want, code: 1000}
}

// bad returns an example that ends with an error.
func bad(name string, code uint16, send ...piece) example {
	return example{name: name, send: send, code: code}
}

// parts cuts s into fragments of n bytes.
func parts(first byte, s string, n int) (all []piece) {
	for i := 0; i < len(s); i += n {
		p := more(s[i:min(i+n, len(s))])
		if i == 0 {
			p.first = first
		}
		all = append(all, p)
	}
	all[len(all)-1].first |= fin
	return all
}

// between puts p between all fragments.
func between(all []piece, p piece) (mixed []piece) {
	for i, one := range all {
		if i > 0 {
			mixed = append(mixed, p)
		}
		mixed = append(mixed, one)
	}
	return mixed
}

func repeat(p piece, n int) (all []piece) {
	for range n {
		all = append(all, p)
	}
	return all
}

// examples follow the groups of Autobahn's test suite, but not its text. Short ones are also sent byte by byte.
func examples() (all []example) {
	for _, group := range [][]example{
		framing(), pings(), reserved(), fragments(), characters(), closes(), limits(),
	} {
		all = append(all, group...)
	}
	for _, e := range all {
		if len(e.stream(true)) < 200 {
			e.name, e.cut = e.name+", byte by byte", 1
			all = append(all, e)
		}
	}
	return all
}

// stream returns everything that the peer sends, including the close frame at the end.
func (e example) stream(toServer bool) (b []byte) {
	closes := false
	for _, p := range e.send {
		b = append(b, p.bytes(toServer)...)
		closes = closes || p.first == fin|byte(ws.OpClose)
	}
	if e.code == 1000 && !closes {
		b = append(b, closing(body(1000, "")).bytes(toServer)...)
	}
	return b
}

func framing() (all []example) {
	for _, n := range []int{0, 1, 125, 126, 127, 128, 65535, 65536} {
		s := strings.Repeat("*", n)
		all = append(all,
			fine(fmt.Sprintf("a text of %d bytes", n), []piece{text(s)}, []piece{text(s)}),
			fine(fmt.Sprintf("%d bytes, not text", n), []piece{bin(strings.Repeat("\xfe", n))}, []piece{bin(strings.Repeat("\xfe", n))}))
	}
	for form, length := range map[string]string{
		"16 bits for 125":     "\x7e\x00\x7d",
		"16 bits for 0":       "\x7e\x00\x00",
		"64 bits for 125":     "\x7f\x00\x00\x00\x00\x00\x00\x00\x7d",
		"64 bits for 65535":   "\x7f\x00\x00\x00\x00\x00\x00\xff\xff",
		"64 bits and the top": "\x7f\x80\x00\x00\x00\x00\x00\x00\x01",
	} {
		all = append(all, bad("a length of "+form, 1002, piece{first: fin | byte(ws.OpBinary), length: length}))
	}
	return append(all,
		bad("the wrong side masks", 1002, unlike(text("x"))),
		bad("the wrong side masks a ping", 1002, unlike(ping("x"))))
}

func pings() []example {
	full := strings.Repeat("\xfe", 125)
	return []example{
		fine("a ping", []piece{ping("")}, []piece{pong("")}),
		fine("a ping with words", []piece{ping("Hello")}, []piece{pong("Hello")}),
		fine("a ping of 125 bytes, not text", []piece{ping(full)}, []piece{pong(full)}),
		fine("a pong that nobody asked for", []piece{pong("x"), ping("y"), pong("")}, []piece{pong("y")}),
		fine("many pings", repeat(ping("again"), 100), repeat(pong("again"), 100)),
		bad("a ping of 126 bytes", 1002, ping(full+"x")),
		bad("a pong of 126 bytes", 1002, pong(full+"x")),
		bad("a close frame of 126 bytes", 1002, closing(body(1000, strings.Repeat("x", 124)))),
		bad("a ping in fragments", 1002, piece{first: byte(ws.OpPing), payload: "a"}, last("b")),
		bad("a pong in fragments", 1002, piece{first: byte(ws.OpPong), payload: "a"}, last("b")),
	}
}

func reserved() (all []example) {
	for _, bits := range []byte{rsv1, rsv2, rsv3, rsv1 | rsv2, rsv1 | rsv3, rsv2 | rsv3, rsv1 | rsv2 | rsv3} {
		name := fmt.Sprintf(" with the reserved bits %#x", bits)
		all = append(all,
			bad("a text"+name, 1002, with(text("x"), bits)),
			bad("a ping"+name, 1002, with(ping(""), bits)),
			bad("a close frame"+name, 1002, with(closing(""), bits)),
			bad("a continuation"+name, 1002, textPart("x"), with(last("y"), bits)),
			example{"a text before one" + name, []piece{text("good"), with(text("x"), bits), ping("")}, []piece{text("good")}, 1002, 0})
	}
	for _, op := range []byte{3, 4, 5, 6, 7, 0xb, 0xc, 0xd, 0xe, 0xf} {
		name := fmt.Sprintf("opcode %#x", op)
		all = append(all,
			bad(name, 1002, head(fin|op)),
			bad(name+" with words", 1002, piece{first: fin | op, payload: "words"}),
			bad(name+" inside a message", 1002, textPart("x"), head(fin|op)),
			example{name + " after a text", []piece{text("good"), head(fin | op), ping("")}, []piece{text("good")}, 1002, 0})
	}
	return all
}

func fragments() []example {
	long := strings.Repeat("0123456789", 700)
	return []example{
		fine("two fragments", []piece{textPart("ab"), last("c")}, []piece{text("abc")}),
		fine("fragments that are not text", []piece{binPart("\xff"), more("\xfe"), last("\xfd")}, []piece{bin("\xff\xfe\xfd")}),
		fine("empty fragments", []piece{textPart(""), more(""), last("")}, []piece{text("")}),
		fine("an empty one at the end", []piece{textPart("a"), more(""), last("")}, []piece{text("a")}),
		fine("a ping between fragments", []piece{textPart("a"), ping("now"), last("b")}, []piece{pong("now"), text("ab")}),
		fine("a ping between each two of many", between(parts(byte(ws.OpText), long, 70), ping("x")),
			append(repeat(pong("x"), 99), text(long))),
		fine("fragments of a byte", parts(byte(ws.OpBinary), long, 1), []piece{bin(long)}),
		fine("two messages in fragments", []piece{textPart("a"), last("b"), binPart("c"), last("d")}, []piece{text("ab"), bin("cd")}),
		fine("pongs between fragments", between([]piece{textPart("a"), more("b"), last("c")}, pong("x")), []piece{text("abc")}),
		{"a close frame between fragments", []piece{textPart("a"), closing(body(1000, "")), last("b")}, nil, 1000, 0},
		bad("a continuation of nothing", 1002, last("x")),
		bad("a continuation of nothing that goes on", 1002, more("x"), last("y")),
		{"a continuation of a message that is over", []piece{textPart("a"), last("b"), last("c")}, []piece{text("ab")}, 1002, 0},
		bad("a text inside a message", 1002, textPart("a"), text("b")),
		bad("another message inside a message", 1002, textPart("a"), binPart("b"), last("c")),
	}
}

func characters() (all []example) {
	for _, s := range []string{
		"Hello-µ@ßöäüàá-UTF-8!!", "κόσμε", "\x00", "\x7f", "\u0080", "\u07ff", "\u0800", "\ud7ff", "\ue000", "\ufffd", "\ufffe",
		"\uffff", "\U00010000", "\U0010ffff", "𝄞🎉",
	} {
		all = append(all,
			fine(fmt.Sprintf("%+q", s), []piece{text(s)}, []piece{text(s)}),
			fine(fmt.Sprintf("%+q in fragments of a byte", s), parts(byte(ws.OpText), s, 1), []piece{text(s)}),
			fine(fmt.Sprintf("%+q in fragments of 3 bytes, and pings", s), between(parts(byte(ws.OpText), s, 3), ping("")),
				append(repeat(pong(""), (len(s)+2)/3-1), text(s))))
	}
	for _, s := range []string{
		"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc3(", "\xe0\x80\x80", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xed\xbf\xbf", "\xf0\x80\x80\x80",
		"\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xf8\x88\x80\x80\x80", "\xfe", "\xff", "κόσμε\xed\xa0\x80edited",
	} {
		all = append(all,
			bad(fmt.Sprintf("%+q", s), 1007, text(s)),
			bad(fmt.Sprintf("%+q in fragments of a byte", s), 1007, parts(byte(ws.OpText), s, 1)...),
			bad(fmt.Sprintf("%+q in a message that goes on", s), 1007, textPart("good"), more(s+"!")),
			fine(fmt.Sprintf("%+q, not text", s), parts(byte(ws.OpBinary), s, 1), []piece{bin(s)}))
	}
	for _, s := range []string{"\xc3", "\xe2\x82", "\xf0\x9f\x8e"} { // valid so far
		all = append(all,
			bad(fmt.Sprintf("%+q, and no more", s), 1007, text(s)),
			bad(fmt.Sprintf("%+q, and no more, in fragments", s), 1007, textPart("good"), more(s), last("")))
	}
	return all
}

func closes() []example {
	all := []example{
		{"a close frame without a code", []piece{closing("")}, nil, 0, 0},
		{"a reason", []piece{closing(body(1000, "goodbye"))}, nil, 1000, 0},
		{"a reason of 123 bytes", []piece{closing(body(1000, strings.Repeat("x", 123)))}, nil, 1000, 0},
		{"a second close frame", []piece{closing(body(1000, "")), closing(body(1001, ""))}, nil, 1000, 0},
		{"a text after the close frame", []piece{closing(body(1000, "")), text("x")}, nil, 1000, 0},
		{"a ping after the close frame", []piece{closing(body(1000, "")), ping("x")}, nil, 1000, 0},
		{"nonsense after the close frame", []piece{closing(body(1000, "")), head(0xff)}, nil, 1000, 0},
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

func limits() []example {
	megabyte, most := strings.Repeat("é", 1<<19), strings.Repeat("\xfe", maxMessage)
	return []example{
		fine("a text of 1 MiB", []piece{text(megabyte)}, []piece{text(megabyte)}),
		fine("1 MiB in fragments of 64 bytes", parts(byte(ws.OpText), megabyte, 64), []piece{text(megabyte)}),
		fine("1 MiB in fragments of 1300 bytes, and pings", between(parts(byte(ws.OpBinary), megabyte, 1300), ping("x")),
			append(repeat(pong("x"), 1<<20/1300), bin(megabyte))),
		fine("many messages", repeat(text(megabyte[:500]), 1000), repeat(text(megabyte[:500]), 1000)),
		fine("the longest message", []piece{bin(most)}, []piece{bin(most)}),
		bad("a message that is too long", 1009, piece{first: fin | byte(ws.OpBinary), length: "\x7f\x00\x00\x00\x00\x01\x00\x00\x01"}),
		bad("fragments that are too long together", 1009, binPart(megabyte), piece{first: fin, length: "\x7f\x00\x00\x00\x00\x00\xff\xff\xff"}),
	}
}
