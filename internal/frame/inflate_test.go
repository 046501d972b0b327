package frame

import (
	"bytes"
	"compress/flate"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"unsafe"

	"ramai/internal/frame/frametest"
)

// hard returns messages of about 8 KB each that take long to inflate.
func hard() map[string]string {
	return map[string]string{
		"short blocks": string(frametest.ShortBlocks(750)),
		"long codes":   string(frametest.LongCodes(250)),
		"fixed blocks": repeat(8500/5, "\x02\x08\x20\x80\x00") + "\x00", // four empty blocks in five bytes
		"last blocks":  repeat(8500/2, "\x03\x00") + "\x00",
		"empty blocks": repeat(8500/5, "\x00\x00\x00\xff\xff") + "\x00",
	}
}

// inflated returns the result of the standard library, and 0 or the close code for its error.
func inflated(payload string, limit int) (string, uint16) {
	var text []byte
	r := strings.NewReader(payload + string(inflateTail))
	library := flate.NewReader(r)
	for ; r.Len() > 0; library.(flate.Resetter).Reset(r, nil) {
		b, err := io.ReadAll(io.LimitReader(library, int64(limit+1-len(text))))
		if text = append(text, b...); len(text) > limit {
			return "", 1009
		}
		if err != nil {
			return "", 1007
		}
	}
	return string(text), 0
}

// same checks that inflate returns the same as the standard library.
func same(t *testing.T, payload string, limit int) {
	t.Helper()
	want, code := inflated(payload, limit)
	given := []byte(payload)
	got, err := inflate(given, limit)
	if string(got) != want || err == nil && code != 0 || err != nil && err.Code != code {
		t.Fatalf("limit %d: %d bytes, %.80q, inflate to %d, %.80q, and %v\nwant %d, %.80q, and close code %d",
			limit, len(payload), payload, len(got), got, err, len(want), want, code)
	}
	if string(given) != payload {
		t.Fatalf("%.80q was changed to %.80q", payload, given)
	}
}

// payloads returns texts by compressors that flush never, often, or after each byte, and all of hard.
func payloads() (all []string) {
	for _, text := range []string{"", "a", "hello", string(somewhat(1500)), repeat(3000, "ab"), "\xf0\x9f\x99\x82" + string(noise(700))} {
		for _, level := range []int{flate.HuffmanOnly, flate.NoCompression, flate.BestSpeed, flate.DefaultCompression, flate.BestCompression} {
			for _, piece := range []int{1, 100, 1 << 20} {
				var b bytes.Buffer
				w, _ := flate.NewWriter(&b, level)
				for rest := text; rest != ""; {
					n := min(piece, len(rest))
					w.Write([]byte(rest[:n]))
					w.Flush()
					rest = rest[n:]
				}
				if text == "" {
					w.Flush()
				}
				all = append(all, strings.TrimSuffix(b.String(), deflateTail))
				w.Close()
				all = append(all, b.String()+"\x00")
			}
		}
	}
	for _, p := range hard() {
		all = append(all, p)
	}
	return all
}

func noise(n int) []byte {
	rnd := rand.New(rand.NewPCG(7, 8))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rnd.IntN(256))
	}
	return b
}

// TestInflateAsTheLibrary: output of any compressor inflates as with the standard library, with every limit; both refuse
// invalid input.
func TestInflateAsTheLibrary(t *testing.T) {
	rnd := rand.New(rand.NewPCG(9, 10))
	for _, p := range payloads() {
		text, code := inflated(p, 1<<20)
		if code != 0 {
			t.Fatalf("%.80q is invalid", p)
		}
		for _, limit := range []int{len(text), len(text) - 1} {
			same(t, p, max(limit, 0))
		}
		for range 3 {
			broken := []byte(p[:rnd.IntN(len(p)+1)])
			same(t, string(broken), 1<<20)
			for range 1 + rnd.IntN(3) {
				if len(broken) > 0 {
					broken[rnd.IntN(min(len(broken), 1+rnd.IntN(len(broken))))] ^= 1 << rnd.IntN(8)
				}
			}
			same(t, string(broken), 20_000)
		}
	}
}

// TestInflateBrokenCodes does the same with variants of a single-block message: each differs in one bit, or in one of the
// first 40 bits.
func TestInflateBrokenCodes(t *testing.T) {
	const refersBack = "\xf3\x48\xcd\xc9\xc9\x07\x00" + "\xf2\x00\x11\x00\x00" // beyond a last block
	const noDistances = "\x04\xcb\x81\x00\x00\x00\x00\x00\x90\xff\x6b\x03\x00" // the lengths end with a run of 12 zeroes
	for _, p := range []string{string(frametest.ShortBlocks(1)), string(frametest.LongCodes(1)), packed("a banana"), refersBack, noDistances} {
		b := []byte(p)
		for i := range 8 * len(b) {
			b[i/8] ^= 1 << (i % 8)
			same(t, string(b), 1000)
			for j := range min(i, 40) {
				b[j/8] ^= 1 << (j % 8)
				same(t, string(b), 1000)
				b[j/8] ^= 1 << (j % 8)
			}
			b[i/8] ^= 1 << (i % 8)
		}
		same(t, p, 1000)
	}
}

func FuzzInflate(f *testing.F) {
	for _, p := range payloads() {
		if len(p) < 2000 {
			f.Add(p, uint16(2000))
		}
	}
	f.Add(string(frametest.ShortBlocks(2)), uint16(10))
	f.Add(string(frametest.LongCodes(2)), uint16(10))
	f.Fuzz(func(t *testing.T, payload string, limit uint16) { same(t, payload, int(limit)) })
}

// TestInflateAllocatesLittle: however short its blocks are and whatever codes they have, a message takes memory only for
// its content, and little time for each block. With tables for fast decoding, each of these would take milliseconds.
func TestInflateAllocatesLittle(t *testing.T) {
	for name, p := range hard() {
		payload := []byte(p)
		if text, err := inflate(payload, 1<<20); err != nil || len(text) > 0 {
			t.Fatalf("%s: inflates to %.80q, %v", name, text, err)
		}
		if n := testing.AllocsPerRun(5, func() { inflate(payload, 1<<10) }); n > 2 {
			t.Errorf("%s: %d bytes take %v allocations", name, len(payload), n)
		}
	}
	if n := unsafe.Sizeof(inflater{}); n > 2<<10 {
		t.Errorf("all that blocks may have to fill is %d bytes", n)
	}
}

// BenchmarkInflate measures ordinary messages and the worst ones known.
func BenchmarkInflate(b *testing.B) {
	cases := hard()
	cases["600"] = packed(string(somewhat(600)))
	cases["4000"] = packed(string(somewhat(4000)))
	cases["4000, level 1"] = string(Deflate(nil, somewhat(4000), MostBits))
	cases["bomb"] = packed(repeat(32<<20, "x"))
	for name, payload := range cases {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				inflate([]byte(payload), 64<<10)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(payload)), "ns/byte")
		})
	}
}
