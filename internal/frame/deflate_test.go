package frame

import (
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/gobwas/httphead"
	"github.com/gobwas/ws"
)

// packed returns text compressed by the library, in the form of RFC 7692, section 7.2.1.
func packed(text string) string {
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestCompression)
	if err != nil {
		panic(err)
	}
	w.Write([]byte(text))
	w.Flush()
	return strings.TrimSuffix(b.String(), "\x00\x00\xff\xff")
}

// compressed returns one frame with RSV1, as sent by a client.
func compressed(fin bool, op Op, payload string) string {
	f := ws.NewFrame(ws.OpCode(op), fin, []byte(payload))
	f.Header.Rsv = ws.Rsv(true, false, false)
	return string(ws.MustCompileFrame(ws.MaskFrameWith(f, testMask)))
}

func deflateTests() []ruleTest {
	const hello = "\xf2\x48\xcd\xc9\xc9\x07\x00" // RFC 7692, section 7.2.3.1
	good := []ruleTest{
		{name: "one block", stream: compressed(true, Text, hello), want: []message{{Text, "Hello"}}},
		{name: "in two frames", stream: compressed(false, Text, hello[:3]) + masked(true, continuation, hello[3:]),
			want: []message{{Text, "Hello"}}},
		{name: "stored", stream: compressed(true, Text, "\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00"), want: []message{{Text, "Hello"}}},
		{name: "last block", stream: compressed(true, Text, "\xf3\x48\xcd\xc9\xc9\x07\x00\x00"), want: []message{{Text, "Hello"}}},
		{name: "two blocks", stream: compressed(true, Text, "\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"),
			want: []message{{Text, "Hello"}}},
		{name: "last blocks inside a message", stream: compressed(true, Text, "\xf3\x48\xcd\xc9\xc9\x07\x00\xf3\x48\xcd\xc9\xc9\x07\x00"+hello),
			want: []message{{Text, "HelloHelloHello"}}},
		{name: "empty", stream: compressed(true, Text, "\x00"), want: []message{{Text, ""}}},
		{name: "compressed, plain, compressed", stream: compressed(true, Text, hello) + masked(true, Text, "plain") + compressed(true, Text, hello),
			want: []message{{Text, "Hello"}, {Text, "plain"}, {Text, "Hello"}}},
		{name: "fragments after compressed ones", stream: compressed(false, Text, hello) + masked(true, continuation, "") +
			masked(false, Text, "a") + masked(true, continuation, "b"), want: []message{{Text, "Hello"}, {Text, "ab"}}},
		{name: "control frames in between", stream: compressed(false, Text, hello[:2]) + masked(true, Ping, hello) +
			masked(false, continuation, hello[2:4]) + masked(true, Close, "\x03\xe8") + masked(true, continuation, hello[4:]),
			want: []message{{Ping, hello}, {Close, "\x03\xe8"}, {Text, "Hello"}}},
		{name: "binary", binary: true, stream: compressed(true, Binary, packed("\xff\xfe")), want: []message{{Binary, "\xff\xfe"}}},
		{name: "a character in two frames", stream: compressed(false, Text, packed("é")[:2]) + masked(true, continuation, packed("é")[2:]),
			want: []message{{Text, "é"}}},
		{name: "as long as allowed", stream: compressed(true, Text, packed(repeat(testMaxMessage, "x"))),
			want: []message{{Text, repeat(testMaxMessage, "x")}}},
		{name: "from a server", client: true, stream: string(AppendDeflated(nil, []byte(repeat(100, "Hello")))),
			want: []message{{Text, repeat(100, "Hello")}}},
	}
	bad := []ruleTest{
		{name: "a byte too long", stream: compressed(true, Text, packed(repeat(testMaxMessage+1, "x"))), code: 1009},
		{name: "a byte too long in two streams", stream: compressed(true, Text, "\xf3\x48\xcd\xc9\xc9\x07\x00"+packed(repeat(testMaxMessage-4, "x"))),
			code: 1009},
		{name: "text that is not UTF-8", stream: compressed(true, Text, packed("a\xff")), code: 1007},
		{name: "text that ends inside a character", stream: compressed(true, Text, packed("a\xc3")), code: 1007},
		{name: "invalid deflate data", stream: compressed(true, Text, "\xff\xff\xff\xff"), code: 1007},
		{name: "empty payload", stream: compressed(true, Text, ""), code: 1007},
		{name: "cut off", stream: compressed(true, Text, hello[:4]), code: 1007},
		{name: "the last block without the empty one", stream: compressed(true, Text, "\xf3\x48\xcd\xc9\xc9\x07\x00"), code: 1007},
		{name: "refers to the message before", stream: compressed(true, Text, hello) + compressed(true, Text, "\xf2\x00\x11\x00\x00"),
			want: []message{{Text, "Hello"}}, code: 1007}, // section 7.2.3.2, which requires context takeover
	}
	for i := range bad {
		bad[i].at = len(bad[i].stream)
	}
	flags := []ruleTest{
		{name: "compressed continuation", stream: compressed(false, Text, hello) + compressed(true, continuation, ""), code: 1002, at: 13 + 6},
		{name: "compressed continuation of a plain message", stream: masked(false, Text, "a") + compressed(true, continuation, hello),
			code: 1002, at: 7 + 6},
		{name: "compressed ping", stream: compressed(true, Ping, ""), code: 1002, at: 6},
		{name: "compressed close", stream: compressed(true, Close, ""), code: 1002, at: 6},
		{name: "compressed text in a fragmented message", stream: masked(false, Text, "") + compressed(true, Text, hello), code: 1002, at: 12},
		{name: "compressed binary refused", stream: compressed(true, Binary, hello), code: 1003, at: 6},
		{name: "RSV2 too", stream: "\xe1\x80" + key, code: 1002, at: 6},
		{name: "a length beyond the limit", stream: "\xc1\xff\x00\x00\x00\x00\x00\x01\x11\x71" + key, code: 1009, at: 14}, // 70,001
	}
	tests := append(append(good, bad...), flags...)
	for i := range tests {
		tests[i].name, tests[i].deflate = "deflate: "+tests[i].name, true
	}
	return tests
}

// TestBombs: a message of a few bytes that inflates to a thousand times its size is refused, and takes no more memory than
// the longest message.
func TestBombs(t *testing.T) {
	const limit = 64 << 10
	cfg := &Config{TextOnly: true, Deflate: true, MaxMessage: limit, MaxFragments: 1}
	bomb := packed(repeat(32<<20, "x"))
	if len(bomb) > limit {
		t.Fatalf("the bomb has %d bytes", len(bomb))
	}
	// Empty blocks, each marked as the last one. A block that is not the last must follow.
	blocks := repeat(limit/2, "\x03\x00")
	for name, payload := range map[string]string{"bomb": bomb, "blocks": blocks} {
		stream := compressed(true, Text, payload)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		r := decode(t, cfg, stream, always(len(stream)))
		runtime.ReadMemStats(&after)
		if want := map[string]uint16{"bomb": 1009, "blocks": 1007}[name]; r.err == nil || r.err.Code != want || len(r.messages) > 0 {
			t.Errorf("%s: %v, want close code %d", name, r.err, want)
		}
		if got := after.TotalAlloc - before.TotalAlloc; got > 8*limit {
			t.Errorf("%s: %d bytes were allocated", name, got)
		}
	}
}

// TestAppendDeflated: AppendDeflated returns the same frame for the same payload, regardless of previous and concurrent use
// of the deflater. A decoder returns the payload.
func TestAppendDeflated(t *testing.T) {
	payloads, want := make([][]byte, 60), make([][]byte, 60)
	rnd := rand.New(rand.NewPCG(1, 2))
	for i := range payloads {
		for range rnd.IntN(400) {
			payloads[i] = fmt.Appendf(payloads[i], "word%d ", rnd.IntN(1+i*i))
		}
		want[i] = AppendDeflated([]byte("before"), payloads[i])
		if len(want[i]) > len("before")+HeaderLen(len(payloads[i]))+len(payloads[i]) {
			t.Errorf("%d bytes became %d", len(payloads[i]), len(want[i]))
		}
		r := decode(t, &Config{Client: true, Deflate: true, MaxMessage: 1 << 16}, string(want[i][len("before"):]), always(1000))
		if r.err != nil || len(r.messages) != 1 || r.messages[0] != (message{Text, string(payloads[i])}) {
			t.Fatalf("%d bytes: %v", len(payloads[i]), r)
		}
	}
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for k := range 200 {
				i := (k*7 + g*13) % len(payloads)
				if got := AppendDeflated([]byte("before"), payloads[i]); !bytes.Equal(got, want[i]) {
					t.Errorf("payload %d: the frame differs from the first one", i)
				}
			}
		})
	}
	wg.Wait()
}

func TestDeflateIncompressible(t *testing.T) {
	noise := make([]byte, 1000) // not UTF-8, which is not checked
	for i := range noise {
		noise[i] = byte(rand.N(256))
	}
	for _, payload := range []string{"", "a", "hello", string(noise)} {
		if got := AppendDeflated(nil, []byte(payload)); !bytes.Equal(got, AppendText(nil, payload)) {
			t.Errorf("%d incompressible bytes: the frame differs from that of AppendText", len(payload))
		}
	}
}

const accepted = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"

// answer returns the answer of a server that accepts the first suitable offer, "" if there is none, or "malformed".
func answer(header string) string {
	offers, ok := httphead.ParseOptions([]byte(header), nil)
	if !ok {
		return "malformed"
	}
	for _, offer := range offers {
		if a, _, ok := AnswerDeflate(offer, TextBits); ok {
			var b bytes.Buffer
			httphead.WriteOptions(&b, []httphead.Option{a})
			return strings.ReplaceAll(b.String(), ";", "; ")
		}
	}
	return ""
}

func TestAnswerDeflate(t *testing.T) {
	const longerOffer = accepted + "; server_max_window_bits=15"
	tests := map[string][]string{
		accepted: {
			"permessage-deflate",
			"permessage-deflate; client_max_window_bits",
			"permessage-deflate; client_max_window_bits=8",
			`permessage-deflate; client_max_window_bits="15"`,
			"permessage-deflate; server_no_context_takeover",
			"permessage-deflate; client_no_context_takeover; server_no_context_takeover",
			"permessage-deflate; server_max_window_bits=10, permessage-deflate",
			"x-other; a=1, permessage-deflate; nonsense, permessage-deflate; client_max_window_bits=010, " +
				"permessage-deflate, x-other",
		},
		accepted + "; server_max_window_bits=12": {
			"permessage-deflate; server_max_window_bits=12",
			"permessage-deflate; server_max_window_bits=11, permessage-deflate; server_max_window_bits=12; client_max_window_bits",
		},
		longerOffer: {
			"permessage-deflate;server_max_window_bits=15",
			"permessage-deflate; server_max_window_bits=15, permessage-deflate",
		},
		"": {
			"permessage-deflate; server_max_window_bits=10",
			"permessage-deflate; server_max_window_bits",
			"permessage-deflate; server_max_window_bits=16",
			"permessage-deflate; server_max_window_bits=015",
			"permessage-deflate; client_max_window_bits=7",
			"permessage-deflate; client_max_window_bits=16",
			"permessage-deflate; client_max_window_bits=08",
			"permessage-deflate; client_max_window_bits=x",
			`permessage-deflate; client_max_window_bits=""`,
			"permessage-deflate; client_max_window_bits; client_max_window_bits",
			"permessage-deflate; client_max_window_bits; client_max_window_bits=10",
			"permessage-deflate; server_no_context_takeover; server_no_context_takeover",
			"permessage-deflate; server_no_context_takeover=1",
			`permessage-deflate; server_no_context_takeover=""`,
			"permessage-deflate; client_no_context_takeover=true",
			"permessage-deflate; unknown",
			"permessage-bzip2",
			"Permessage-Deflate",
		},
		"malformed": {
			"",
			"permessage-deflate; =",
		},
	}
	for want, headers := range tests {
		for _, header := range headers {
			if got := answer(header); got != want {
				t.Errorf("%s\nis answered %q\nwant        %q", header, got, want)
			}
		}
	}
}

// FuzzAnswerDeflate compares accepted offers with a simple parser.
func FuzzAnswerDeflate(f *testing.F) {
	f.Add("permessage-deflate; client_max_window_bits=10; server_max_window_bits=15")
	f.Add(`permessage-deflate; server_no_context_takeover=""; a="b\"c", permessage-deflate; x`)
	f.Fuzz(func(t *testing.T, header string) {
		offers, _ := httphead.ParseOptions([]byte(header), nil)
		for _, offer := range offers {
			_, window, ok := AnswerDeflate(offer, 10)
			if ok && (window < 10 || window > 15) {
				t.Fatalf("offer %s is accepted with a window of %d", offer, window)
			}
			plain := string(offer.Name) == "permessage-deflate"
			seen := map[string]bool{}
			offer.Parameters.ForEach(func(key, value []byte) bool {
				known := strings.Contains("|server_no_context_takeover|client_no_context_takeover|client_max_window_bits|", "|"+string(key)+"|") &&
					value == nil || string(key) == "server_max_window_bits" && strings.Contains("|10|11|12|13|14|15|", "|"+string(value)+"|") && len(value) > 0 ||
					string(key) == "client_max_window_bits" && strings.Contains("|8|9|10|11|12|13|14|15|", "|"+string(value)+"|") && value != nil
				plain = plain && known && !seen[string(key)]
				seen[string(key)] = true
				return true
			})
			if ok != plain {
				t.Fatalf("offer %s accepted: %v", offer, ok)
			}
		}
	})
}

func BenchmarkAppendDeflated(b *testing.B) {
	for _, n := range []int{600, 4000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			text := somewhat(n)
			var dst []byte
			b.ReportAllocs()
			for b.Loop() {
				dst = AppendDeflated(dst[:0], text)
			}
			b.ReportMetric(float64(len(dst))/float64(n), "of-plain")
		})
	}
}

// somewhat returns a text that can be compressed a little.
func somewhat(n int) []byte {
	rnd := rand.New(rand.NewPCG(3, 4))
	var b []byte
	for len(b) < n {
		b = fmt.Appendf(b, "word%d ", rnd.IntN(200))
	}
	return b[:n]
}

// TestWindows: references do not reach beyond the window. The result inflates with any larger one.
func TestWindows(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	for window := LeastBits; window <= MostBits; window++ {
		noise := make([]byte, 1<<window)
		for i := range noise {
			noise[i] = byte(rnd.IntN(256))
		}
		twice := append(noise, noise...)
		got := Deflate([]byte("before"), twice, window)[len("before"):]
		if len(got) < len(twice)-20 {
			t.Errorf("window %d: %d bytes, deflated to %d, refers back beyond the window", window, len(twice), len(got))
		}
		for _, payload := range [][]byte{nil, []byte("a"), twice, bytes.Repeat([]byte("again "), 1<<window)} {
			back, err := inflate(Deflate(nil, payload, window), 1<<20)
			if err != nil || !bytes.Equal(back, payload) {
				t.Errorf("window %d: %d bytes inflate to %d, %v", window, len(payload), len(back), err)
			}
		}
	}
	if got := Deflate(nil, bytes.Repeat([]byte("again "), 10000), MostBits); len(got) > 1000 {
		t.Errorf("60,000 repetitive bytes deflate to %d", len(got))
	}
}

// TestMaxDeflated: compressed messages can have a separate limit for the received bytes, in one frame or several.
func TestMaxDeflated(t *testing.T) {
	cfg := Config{TextOnly: true, Deflate: true, MaxMessage: 1000, MaxDeflated: 300, MaxFragments: 4}
	stored := func(n int) []byte { // empty blocks, and the start of another one
		return append(bytes.Repeat([]byte("\x00\x00\x00\xff\xff"), n/5), 0)
	}
	for n, want := range map[int]bool{295: true, 300: false} {
		p := stored(n)
		one := AppendMasked(nil, Text|Deflated, p, [4]byte{1, 2, 3, 4})
		two := AppendMasked(nil, Text|Deflated, p[:100], [4]byte{1, 2, 3, 4})
		two[0] &^= finBit
		two = AppendMasked(two, continuation, p[100:], [4]byte{4, 3, 2, 1})
		for _, b := range [][]byte{one, two} {
			d := NewDecoder(&cfg)
			var err error
			for used, k := 0, 0; used < len(b) && err == nil; used += k {
				_, k, err = d.Next(b[used:])
			}
			if refused := new(Error); (err == nil) != want || err != nil && (!errors.As(err, &refused) || refused.Code != 1009) {
				t.Errorf("%d compressed bytes: %v", len(p), err)
			}
		}
	}
	d := NewDecoder(&cfg)
	if m, _, err := d.Next(AppendMasked(nil, Text, make([]byte, 1000), [4]byte{1, 2, 3, 4})); err != nil || len(m.Payload) != 1000 {
		t.Errorf("1000 uncompressed bytes: %d, %v", len(m.Payload), err)
	}
}
