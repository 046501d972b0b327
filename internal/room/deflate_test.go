package room

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"ramai/internal/frame"
)

// longText is long enough to be deflated.
var longText = strings.Repeat("and so on, ", 100)

// countDeflates makes the hub count the payloads that it deflates.
func (st *harness) countDeflates() *int {
	n, deflate := new(int), st.deflate
	st.deflate = func(dst, payload []byte) []byte {
		*n++
		return deflate(dst, payload)
	}
	return n
}

// TestDeflatedOnceForAll: a message is deflated once for all readers of an encoding, and not at all without readers or if
// it is short.
func TestDeflatedOnceForAll(t *testing.T) {
	st := newHarness(t, 1<<20)
	n := st.countDeflates()
	for i := range 50 {
		st.Join("den", []Encoding{Text, JSON}[i%2], &countingMember{by: fmt.Sprint(i)})
	}
	st.publish("den", longText, longText)
	if *n != 0 {
		t.Errorf("nobody reads it, and %d are deflated", *n)
	}
	var subs []*Subscription
	for i := range 100 {
		subs = append(subs, st.Join("den", DeflatedJSON, &countingMember{by: fmt.Sprint("v1 ", i)}))
	}
	st.publish("den", longText, "short", longText)
	if *n != 2 {
		t.Errorf("2 long messages for 100 readers: %d are deflated, want 2", *n)
	}
	for range 100 {
		st.Join("den", DeflatedText, &countingMember{})
	}
	st.publish("den", longText)
	if *n != 4 {
		t.Errorf("another one, for the readers of both protocols: %d are deflated, want 4", *n)
	}
	want := st.bytesOf("den", DeflatedJSON, 2)
	if plain := st.bytesOf("den", JSON, 2); len(want) > len(plain)/2 {
		t.Errorf("deflated they take %d bytes of %d", len(want), len(plain))
	}
	for i, s := range subs {
		if got, held := st.read(s, 2); !held || !bytes.Equal(got, want) {
			t.Fatalf("reader %d gets %d bytes, want %d", i, len(got), len(want))
		}
	}
}

// TestBackfillDeflated: a backfill is deflated once for all readers that wait for it, and equals the content of the buffer,
// whatever was deflated in between.
func TestBackfillDeflated(t *testing.T) {
	st := newHarness(t, 1<<20)
	a, b := st.Join("den", DeflatedJSON, &countingMember{}), st.Join("den", DeflatedJSON, &countingMember{})
	for i := range 40 {
		st.publish("den", fmt.Sprint(i, strings.Repeat(fmt.Sprint(" word", i*i), 10*i)))
	}
	buffered, held := st.read(a, 0)
	if !held {
		t.Fatal("the buffer lost a message")
	}
	long := bytes.Count(deflatedFrames(t, buffered), []byte("d"))
	if long < 10 {
		t.Fatalf("%d of 40 frames are deflated: too few for this test", long)
	}
	st.publish("other", strings.Repeat("nobody is there", 100))
	n := st.countDeflates()
	for _, s := range []*Subscription{a, b} {
		s.Backfill(0, func(result BackfillResult, err error) {
			if err != nil || !bytes.Equal(framesOf(result, 0), buffered) {
				t.Errorf("a backfill differs from what was in the buffer; error %v", err)
			}
		})
	}
	st.runJobs()
	if *n < long {
		t.Errorf("%d were deflated, want at least the %d that are", *n, long)
	}
	if limit := 40; *n > limit {
		t.Errorf("%d were deflated for two readers that wait for the same %d", *n, limit)
	}
}

// deflatedFrames returns for each frame whether it is deflated (d) or plain (p), and decodes them all.
func deflatedFrames(t *testing.T, frames []byte) (kinds []byte) {
	t.Helper()
	d := frame.NewDecoder(&frame.Config{Client: true, TextOnly: true, Deflate: true, MaxMessage: 1 << 16, MaxFragments: 1})
	frames = bytes.Clone(frames)
	for len(frames) > 0 {
		kind := byte('p')
		if frames[0]&0x40 != 0 {
			kind = 'd'
		}
		kinds = append(kinds, kind)
		m, used, err := d.Next(frames)
		if err != nil || m.Op != frame.Text {
			t.Fatalf("frame %d decodes to %v, error %v", len(kinds), m.Op, err)
		}
		frames = frames[used:]
	}
	return kinds
}
