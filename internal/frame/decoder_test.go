package frame

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/gobwas/ws"
)

var testMask = [4]byte{0x9a, 0x01, 0xff, 0x5c}

// masked returns one frame as sent by a client, made by the library.
func masked(fin bool, op Op, payload string) string {
	f := ws.NewFrame(ws.OpCode(op), fin, []byte(payload))
	return string(ws.MustCompileFrame(ws.MaskFrameWith(f, testMask)))
}

// message is a comparable Message.
type message struct {
	op      Op
	payload string
}

// result is what a decoder returned for a stream. The error came after more than before and at most after bytes.
type result struct {
	messages      []message
	err           *Error
	before, after int
	partial       bool
}

func (r result) String() string {
	return fmt.Sprintf("messages %q, error %v, partial %v", r.messages, r.err, r.partial)
}

func (r result) same(o result) bool {
	sameErr := r.err == nil && o.err == nil || r.err != nil && o.err != nil && *r.err == *o.err
	return slices.Equal(r.messages, o.messages) && sameErr && r.partial == o.partial
}

// decode decodes stream in pieces of the sizes that next returns, and checks what Next promises about b.
func decode(t testing.TB, cfg *Config, stream string, next func() int) result {
	t.Helper()
	d := NewDecoder(cfg)
	var r result
	for given := 0; given < len(stream); {
		n := min(next(), len(stream)-given)
		piece := []byte(stream[given : given+n])
		r.before, r.after = given, given+n
		given += n
		for {
			m, used, err := d.Next(piece)
			if err != nil {
				checkFinal(t, &d, err)
				if used != len(piece) || m.Op != 0 {
					t.Fatalf("with the error Next gave %v and used %d of %d bytes", m, used, len(piece))
				}
				errors.As(err, &r.err)
				return r
			}
			if m.Op == 0 {
				if used != len(piece) {
					t.Fatalf("without a message Next used %d of %d bytes", used, len(piece))
				}
				break
			}
			r.messages = append(r.messages, message{m.Op, string(m.Payload)})
			_ = append(m.Payload, "\xff\xff"...) // must not reach unused bytes
			for i := range piece[:used] {
				piece[i] = 0xff // the decoder must not need used bytes any more
			}
			piece = piece[used:]
		}
	}
	r.partial = d.Partial()
	return r
}

// checkFinal checks that after err the decoder holds no buffer and returns the same error for any input.
func checkFinal(t testing.TB, d *Decoder, err error) {
	t.Helper()
	for _, more := range []string{"", "\x81\x80" + key} {
		m, used, again := d.Next([]byte(more))
		if m.Op != 0 || used != len(more) || again != err {
			t.Fatalf("after error %v: message %v, %d bytes used, error %v", err, m, used, again)
		}
	}
	if d.buf != nil {
		t.Fatalf("after error %v the decoder holds %d bytes", err, cap(d.buf))
	}
}

func always(n int) func() int { return func() int { return n } }

func repeat(n int, s string) string { return strings.Repeat(s, n) }

const (
	testMaxMessage   = 70000
	testMaxFragments = 4
)

func TestPartial(t *testing.T) {
	for name, stream := range map[string]string{
		"text":      masked(true, Text, "ab"),
		"ping":      masked(true, Ping, "p"),
		"fragments": masked(false, Text, "ab") + masked(true, Ping, "p") + masked(true, continuation, ""),
	} {
		d := NewDecoder(&Config{MaxMessage: 100, MaxFragments: 10})
		if d.Partial() {
			t.Error("a new decoder says it is in the middle of something")
		}
		for i := range len(stream) {
			if _, _, err := d.Next([]byte(stream[i : i+1])); err != nil {
				t.Fatal(err)
			}
			if got, want := d.Partial(), i < len(stream)-1; got != want {
				t.Errorf("%s: after %d of %d bytes Partial is %v", name, i+1, len(stream), got)
			}
		}
	}
}

// A header allocates nothing, whatever length it announces. Memory grows with the bytes received and is freed with the
// message.
func TestMemoryGrowsWithInput(t *testing.T) {
	cfg := &Config{MaxMessage: 1 << 30, MaxFragments: 2}
	for name, header := range map[string]string{
		"claim of 60 KiB": "\x81\xfe\xf0\x00" + key,
		"claim of 2^30":   "\x81\xff\x00\x00\x00\x00\x40\x00\x00\x00" + key,
	} {
		var d Decoder
		b := []byte(header)
		if n := testing.AllocsPerRun(100, func() {
			d = NewDecoder(cfg)
			if _, _, err := d.Next(b); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%s: the header alone makes %v allocations", name, n)
		}
		for received := 1; received <= 5000; received++ {
			if _, _, err := d.Next([]byte{'x' ^ key[(received-1)%4]}); err != nil {
				t.Fatal(err)
			}
			if cap(d.buf) > 2*received+16 {
				t.Fatalf("%s: %d bytes came and %d are held", name, received, cap(d.buf))
			}
		}
	}
}

func TestIdleDecoderHasNoBuffer(t *testing.T) {
	if size := unsafe.Sizeof(Decoder{}); size > 100 {
		t.Errorf("a decoder takes %d bytes, want at most 100", size)
	}
	for name, stream := range map[string]string{
		"text":      masked(true, Text, repeat(5000, "x")),
		"fragments": masked(false, Text, "a") + masked(true, continuation, "b"),
		"ping":      masked(true, Ping, "ping"),
		"deflated":  compressed(false, Text, packed("ab")) + masked(true, continuation, ""),
	} {
		d := NewDecoder(&Config{Deflate: true, MaxMessage: 5000, MaxFragments: 2})
		var got Message
		for i := range len(stream) {
			m, _, err := d.Next([]byte(stream[i : i+1]))
			if err != nil {
				t.Fatal(err)
			}
			got = m
		}
		if got.Op == 0 || d.buf != nil {
			t.Errorf("%s: message %v came, and the decoder holds %d bytes", name, got.Op, cap(d.buf))
		}
	}
}

func TestWholeFramesAreNotCopied(t *testing.T) {
	d := NewDecoder(&Config{MaxMessage: 1 << 16, MaxFragments: 1})
	stream := masked(true, Text, repeat(1000, "é")) + masked(true, Ping, "ping")
	b := make([]byte, len(stream))
	if n := testing.AllocsPerRun(100, func() {
		copy(b, stream)
		text, used, err := d.Next(b)
		if err != nil || text.Op != Text || &text.Payload[0] != &b[8] {
			t.Fatalf("message %v, error %v; want the text, unmasked in place", text.Op, err)
		}
		ping, used2, err := d.Next(b[used:])
		if err != nil || ping.Op != Ping || &ping.Payload[0] != &b[used+6] || used+used2 != len(b) {
			t.Fatalf("message %v, error %v; want the ping, unmasked in place", ping.Op, err)
		}
	}); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

// Senseless limits refuse; they do not wrap around to "no limit".
func TestInvalidLimits(t *testing.T) {
	for _, cfg := range []Config{{}, {MaxMessage: -1, MaxFragments: -1}} {
		if r := decode(t, &cfg, masked(true, Text, ""), always(100)); r.err != nil || len(r.messages) != 1 {
			t.Errorf("%+v: an empty text gives %v", cfg, r)
		}
		if r := decode(t, &cfg, masked(true, Text, "a"), always(100)); r.err == nil || r.err.Code != 1009 {
			t.Errorf("%+v: a text of a byte gives %v", cfg, r)
		}
		two := masked(false, Text, "") + masked(true, continuation, "")
		if r := decode(t, &cfg, two, always(100)); r.err == nil || r.err.Code != 1008 {
			t.Errorf("%+v: two fragments give %v", cfg, r)
		}
	}
}

func TestErrorReasonAndCode(t *testing.T) {
	err := &Error{Code: 1003, Reason: "a binary message; only text is accepted here"}
	if got, want := err.Error(), "websocket: a binary message; only text is accepted here (close code 1003)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func BenchmarkDecoder(b *testing.B) {
	d := NewDecoder(&Config{TextOnly: true, MaxMessage: 1 << 16, MaxFragments: 256})
	stream := []byte(masked(true, Text, repeat(200, "x")))
	buf := bytes.Clone(stream)
	b.ReportAllocs()
	b.SetBytes(int64(len(stream)))
	for b.Loop() {
		copy(buf, stream)
		if m, _, err := d.Next(buf); m.Op != Text || err != nil {
			b.Fatal(m.Op, err)
		}
	}
}
