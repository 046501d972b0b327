package frame

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"unicode/utf8"
)

// What the decoder accepts and refuses.

// ruleTest is a stream, written as its frames, and its result. at is the number of bytes after which the error must
// come.
type ruleTest struct {
	name    string
	client  bool
	binary  bool // allow it
	deflate bool // negotiated
	stream  string
	want    []message
	code    uint16
	at      int
}

func (tt ruleTest) config() *Config {
	return &Config{Client: tt.client, TextOnly: !tt.binary, Deflate: tt.deflate, MaxMessage: testMaxMessage, MaxFragments: testMaxFragments}
}

// key is the mask of headers written by hand.
const key = "\x01\x02\x03\x04"

func ruleTests() []ruleTest {
	return slices.Concat(goodTests(), headerTests(), sequenceTests(), limitTests(), textTests(), closeTests(), deflateTests())
}

func goodTests() []ruleTest {
	return []ruleTest{
		{name: "nothing"},
		{name: "text", stream: masked(true, Text, "hello"), want: []message{{Text, "hello"}}},
		{name: "empty text", stream: masked(true, Text, ""), want: []message{{Text, ""}}},
		{name: "16-bit length, least", stream: masked(true, Text, repeat(126, "x")), want: []message{{Text, repeat(126, "x")}}},
		{name: "16-bit length, most", stream: masked(true, Text, repeat(65535, "x")), want: []message{{Text, repeat(65535, "x")}}},
		{name: "64-bit length, least", stream: masked(true, Text, repeat(65536, "x")), want: []message{{Text, repeat(65536, "x")}}},
		{name: "binary", binary: true, stream: masked(true, Binary, "\xff\x00"), want: []message{{Binary, "\xff\x00"}}},
		{name: "binary in fragments", binary: true,
			stream: masked(false, Binary, "\xff") + masked(true, continuation, "\xc3"), want: []message{{Binary, "\xff\xc3"}}},
		{name: "control frames",
			stream: masked(true, Ping, "a") + masked(true, Pong, "") + masked(true, Ping, repeat(125, "\xff")),
			want:   []message{{Ping, "a"}, {Pong, ""}, {Ping, repeat(125, "\xff")}}},
		{name: "several messages", stream: masked(true, Text, "one") + masked(true, Text, "") + masked(true, Text, "three"),
			want: []message{{Text, "one"}, {Text, ""}, {Text, "three"}}},
		{name: "fragments",
			stream: masked(false, Text, "one ") + masked(false, continuation, "two ") + masked(true, continuation, "three"),
			want:   []message{{Text, "one two three"}}},
		{name: "an empty fragment alone", stream: masked(false, Text, "") + masked(true, continuation, ""), want: []message{{Text, ""}}},
		{name: "control frames between fragments",
			stream: masked(false, Text, "ab") + masked(true, Ping, "p") + masked(false, continuation, "") + masked(true, Pong, "") +
				masked(true, Close, "\x03\xe8bye") + masked(true, continuation, "cd") + masked(true, Text, "ef"),
			want: []message{{Ping, "p"}, {Pong, ""}, {Close, "\x03\xe8bye"}, {Text, "abcd"}, {Text, "ef"}}},
		{name: "from a server", client: true, stream: string(AppendText(nil, "hello")) + string(AppendPing(nil, []byte("p"))),
			want: []message{{Text, "hello"}, {Ping, "p"}}},
	}
}

func headerTests() []ruleTest {
	tests := []ruleTest{
		{name: "not masked", stream: "\x81\x01a", code: 1002, at: 2},
		{name: "masked by a server", client: true, stream: "\x81\x81" + key + "a", code: 1002, at: 6},
		{name: "fragmented ping", stream: masked(false, Ping, "p"), code: 1002, at: 6},
		{name: "fragmented close", stream: masked(false, Close, ""), code: 1002, at: 6},
		{name: "ping of 126 bytes", stream: masked(true, Ping, repeat(126, "p")), code: 1002, at: 8},
		{name: "ping of 70000 bytes", stream: masked(true, Ping, repeat(70000, "p")), code: 1002, at: 14},
		{name: "125 in 16 bits", stream: "\x81\xfe\x00\x7d" + key + repeat(125, "a"), code: 1002, at: 8},
		{name: "0 in 16 bits", stream: "\x81\xfe\x00\x00" + key, code: 1002, at: 8},
		{name: "65535 in 64 bits",
			stream: "\x81\xff\x00\x00\x00\x00\x00\x00\xff\xff" + key + repeat(65535, "a"), code: 1002, at: 14},
		{name: "5 in 64 bits", stream: "\x81\xff\x00\x00\x00\x00\x00\x00\x00\x05" + key + "hello", code: 1002, at: 14},
		{name: "claim of 2^63", stream: "\x81\xff\x80\x00\x00\x00\x00\x00\x00\x00" + key, code: 1002, at: 14},
		{name: "top bit over a small length", stream: "\x81\xff\x80\x00\x00\x00\x00\x00\x00\x05" + key + "hello", code: 1002, at: 14},
		{name: "all bits", stream: "\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff" + key, code: 1002, at: 14},
		{name: "after a message", stream: masked(true, Text, "a") + "\x81\x01a", want: []message{{Text, "a"}}, code: 1002, at: 9},
	}
	for _, bit := range []byte{0x40, 0x20, 0x10} {
		stream := string([]byte{0x81 | bit, 0x81}) + key + "a"
		tests = append(tests, ruleTest{name: fmt.Sprintf("reserved bit %#x", bit), stream: stream, code: 1002, at: 6})
	}
	for _, op := range []Op{3, 4, 5, 6, 7, 0xb, 0xc, 0xd, 0xe, 0xf} {
		tests = append(tests, ruleTest{name: fmt.Sprintf("reserved opcode %#x", op), stream: masked(true, op, "a"), code: 1002, at: 6})
	}
	return tests
}

func sequenceTests() []ruleTest {
	return []ruleTest{
		{name: "continuation first", stream: masked(true, continuation, "a"), code: 1002, at: 6},
		{name: "continuation after a message", stream: masked(true, Text, "a") + masked(false, continuation, "b"),
			want: []message{{Text, "a"}}, code: 1002, at: 13},
		{name: "continuation after fragments",
			stream: masked(false, Text, "a") + masked(true, continuation, "b") + masked(true, continuation, "c"),
			want:   []message{{Text, "ab"}}, code: 1002, at: 20},
		{name: "text in a fragmented message", stream: masked(false, Text, "a") + masked(true, Text, "b"), code: 1002, at: 13},
		{name: "text after an empty fragment", stream: masked(false, Text, "") + masked(true, Text, "b"), code: 1002, at: 12},
		{name: "binary refused", stream: masked(true, Binary, "a"), code: 1003, at: 6},
		{name: "binary in fragments refused", stream: masked(false, Binary, "a"), code: 1003, at: 6},
	}
}

func limitTests() []ruleTest {
	half := repeat(testMaxMessage/2, "x")
	empty := masked(false, continuation, "")
	return []ruleTest{
		{name: "as long as allowed", stream: masked(true, Text, half+half), want: []message{{Text, half + half}}},
		{name: "a byte too long", stream: masked(true, Text, half+half+"x"), code: 1009, at: 14},
		{name: "largest claim", stream: "\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff" + key, code: 1009, at: 14},
		{name: "claim of 2^40", stream: "\x81\xff\x00\x00\x01\x00\x00\x00\x00\x00" + key, code: 1009, at: 14},
		{name: "claim of 2^32", stream: "\x81\xff\x00\x00\x00\x01\x00\x00\x00\x00" + key, code: 1009, at: 14},
		{name: "sum as long as allowed", stream: masked(false, Text, half) + masked(true, continuation, half),
			want: []message{{Text, half + half}}},
		{name: "sum a byte too long", stream: masked(false, Text, half) + masked(true, continuation, half+"x"),
			code: 1009, at: 8 + len(half) + 8},
		{name: "sum with the largest claim", stream: masked(false, Text, "a") + "\x80\xff\x7f\xff\xff\xff\xff\xff\xff\xff" + key,
			code: 1009, at: 7 + 14},
		{name: "control frames do not count",
			stream: masked(false, Text, half) + masked(true, Ping, "p") + masked(true, continuation, half),
			want:   []message{{Ping, "p"}, {Text, half + half}}},
		{name: "as many fragments as allowed",
			stream: masked(false, Text, "") + empty + masked(true, Ping, "") + empty + masked(true, continuation, ""),
			want:   []message{{Ping, ""}, {Text, ""}}},
		{name: "a fragment too many", stream: masked(false, Text, "") + empty + empty + empty + masked(true, continuation, ""),
			code: 1008, at: 5 * 6},
		{name: "the count begins again",
			stream: masked(false, Text, "") + empty + empty + masked(true, continuation, "a") +
				masked(false, Text, "") + empty + empty + masked(true, continuation, "b"),
			want: []message{{Text, "a"}, {Text, "b"}}},
	}
}

func textTests() []ruleTest {
	all := "κόσμε €\U0010FFFF\uFFFF"
	return []ruleTest{
		{name: "characters of every length", stream: masked(true, Text, all), want: []message{{Text, all}}},
		{name: "characters split over fragments",
			stream: masked(false, Text, "a\xf0") + masked(false, continuation, "\x9f\x98") +
				masked(true, Ping, "\xff") + masked(true, continuation, "\x80\xc3\xa9"),
			want: []message{{Ping, "\xff"}, {Text, "a\U0001F600é"}}},
		{name: "bad byte in the middle", stream: masked(true, Text, "ab\xffcd"), code: 1007, at: 6 + 3},
		{name: "bad byte in a frame that never ends",
			stream: masked(true, Text, "ab\xff"+repeat(1000, "x"))[:20], code: 1007, at: 8 + 3},
		{name: "bad byte in the first fragment", stream: masked(false, Text, "\x80"), code: 1007, at: 6 + 1},
		{name: "bad byte after a fragment", stream: masked(false, Text, "a") + masked(true, continuation, "b\xc0c"),
			code: 1007, at: 7 + 6 + 2},
		{name: "character broken between fragments", stream: masked(false, Text, "\xe2\x82") + masked(true, continuation, "x"),
			code: 1007, at: 8 + 6 + 1},
		{name: "character broken past a ping",
			stream: masked(false, Text, "\xe2\x82") + masked(true, Ping, "\xac") + masked(true, continuation, "x"),
			want:   []message{{Ping, "\xac"}}, code: 1007, at: 8 + 7 + 6 + 1},
		{name: "surrogate at its second byte", stream: masked(false, Text, "\xed\xa0\x80"), code: 1007, at: 6 + 2},
		{name: "past U+10FFFF at its second byte", stream: masked(false, Text, "\xf4\x90\x80\x80"), code: 1007, at: 6 + 2},
		{name: "overlong at its second byte", stream: masked(false, Text, "\xe0\x80\x80"), code: 1007, at: 6 + 2},
		{name: "ends inside a character", stream: masked(true, Text, "a\xf0\x9f\x98"), code: 1007, at: 6 + 4},
		{name: "fragments end inside a character", stream: masked(false, Text, "a\xf0\x9f") + masked(true, continuation, ""),
			code: 1007, at: 9 + 6},
		{name: "a good message before", stream: masked(true, Text, "good") + masked(true, Text, "\xff"),
			want: []message{{Text, "good"}}, code: 1007, at: 10 + 7},
	}
}

func closeTests() []ruleTest {
	reason := repeat(123, "r")
	return []ruleTest{
		{name: "close", stream: masked(true, Close, ""), want: []message{{Close, ""}}},
		{name: "close with a code", stream: masked(true, Close, "\x03\xe8"), want: []message{{Close, "\x03\xe8"}}},
		{name: "close with a reason", stream: masked(true, Close, "\x03\xe9"+reason), want: []message{{Close, "\x03\xe9" + reason}}},
		{name: "close of 1 byte", stream: masked(true, Close, "\x03"), code: 1002, at: 7},
		{name: "close with 1005", stream: masked(true, Close, "\x03\xed"), code: 1002, at: 8},
		{name: "close with 999", stream: masked(true, Close, "\x03\xe7bye"), code: 1002, at: 11},
		{name: "close with a bad reason", stream: masked(true, Close, "\x03\xe8a\xff"), code: 1007, at: 10},
		{name: "close with half a character", stream: masked(true, Close, "\x03\xe8\xc3"), code: 1007, at: 9},
		{name: "close of 126 bytes", stream: masked(true, Close, "\x03\xe8"+reason+"r"), code: 1002, at: 8},
		{name: "bad close between fragments", stream: masked(false, Text, "ab") + masked(true, Close, "\x03"), code: 1002, at: 8 + 7},
	}
}

func TestRules(t *testing.T) {
	for _, tt := range ruleTests() {
		t.Run(tt.name, func(t *testing.T) {
			check := func(how string, next func() int) {
				t.Helper()
				r := decode(t, tt.config(), tt.stream, next)
				if !slices.Equal(r.messages, tt.want) {
					t.Errorf("%s: messages %.200q, want %.200q", how, r.messages, tt.want)
				}
				if tt.code == 0 {
					if r.err != nil || r.partial {
						t.Errorf("%s: error %v, partial %v, want neither", how, r.err, r.partial)
					}
					return
				}
				if r.err == nil || r.err.Code != tt.code {
					t.Fatalf("%s: error %v, want close code %d", how, r.err, tt.code)
				}
				if len(r.err.Reason) > maxControl-2 || !utf8.ValidString(r.err.Reason) {
					t.Errorf("%s: the reason %q does not fit into a close frame", how, r.err.Reason)
				}
				if tt.at <= r.before || tt.at > r.after {
					t.Errorf("%s: the error came within bytes %d to %d, want at %d", how, r.before+1, r.after, tt.at)
				}
			}
			check("whole", always(len(tt.stream)))
			check("byte by byte", always(1))
			rnd := rand.New(rand.NewPCG(1, uint64(len(tt.name))))
			for i := range 30 {
				most := 1 + rnd.IntN(1+len(tt.stream)/(1+i%5))
				check(fmt.Sprintf("split %d", i), func() int { return 1 + rnd.IntN(most) })
			}
		})
	}
}

// canBeText is an oracle for the start of a text: it reports whether p can be completed to valid UTF-8.
func canBeText(p []byte) bool {
	for _, second := range []byte{0x80, 0x90, 0xa0} { // one of them is valid after every first byte
		ends := []byte{second, 0x80, 0x80}
		for n := range 4 {
			if utf8.Valid(append(slices.Clone(p), ends[:n]...)) {
				return true
			}
		}
	}
	return false
}

// Every pair of bytes but those that begin with ASCII, and the limits of all longer forms, are refused at the first
// invalid byte, whether bytes come together or one by one, in one frame or in a frame each.
func TestTextRefusedAtFirstBadByte(t *testing.T) {
	cfg := &Config{MaxMessage: 100, MaxFragments: 10}
	check := func(text []byte) {
		bad := 0 // number of bytes up to the first invalid one; 0: none
		for n := 1; n <= len(text) && bad == 0; n++ {
			if !canBeText(text[:n]) {
				bad = n
			}
		}
		r := decode(t, cfg, masked(false, Text, string(text)), always(1))
		if got := r.after - 6; bad == 0 && r.err != nil || bad > 0 && (r.err == nil || got != bad) {
			t.Fatalf("% x: error %v after %d bytes, want it after %d", text, r.err, got, bad)
		}
		whole := decode(t, cfg, masked(true, Text, string(text)), always(100))
		if valid := utf8.Valid(text); (whole.err == nil) != valid {
			t.Fatalf("% x whole: error %v, but valid UTF-8 is %v", text, whole.err, valid)
		}
		frames := masked(false, Text, "")
		for _, c := range text {
			frames += masked(false, continuation, string([]byte{c}))
		}
		r = decode(t, cfg, frames, always(100))
		if (r.err == nil) != (bad == 0) {
			t.Fatalf("% x in fragments: error %v, want one: %v", text, r.err, bad > 0)
		}
	}
	for first := 0x7f; first <= 0xff; first++ {
		for second := range 256 {
			check([]byte{byte(first), byte(second)})
		}
	}
	for _, first := range []byte{0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff} {
		for _, second := range []byte{0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xe2} {
			for _, third := range []byte{0x7f, 0x80, 0xbf, 0xc0} {
				for _, fourth := range []byte{0x7f, 0x80, 0xbf, 0xc0} {
					check([]byte{first, second, third, fourth})
				}
			}
		}
	}
}
