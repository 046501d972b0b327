package websockettest

import (
	"bufio"
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// Deflated is a case of 12 or 13: messages that are sent compressed, each when the previous one has come back.
type Deflated struct {
	Name   string
	Offer  string // of a client that plays the case: the header Sec-WebSocket-Extensions
	Answer string // of a server that plays it

	op       ws.OpCode
	data     string
	length   int // of a message
	fragment int // longest fragment; 0: no limit
	messages int
}

// sizes are the lengths of messages and of fragments of the cases of each group.
var sizes = [][2]int{
	{16}, {64}, {256}, {1024}, {4096}, {8192}, {16384}, {32768}, {65536}, {131072},
	{8192, 256}, {16384, 256}, {32768, 256}, {65536, 256}, {131072, 256}, {131072, 1024}, {131072, 4096}, {131072, 32768},
}

const (
	anyOffer = "permessage-deflate; client_no_context_takeover; client_max_window_bits"
	ours     = "; server_no_context_takeover" // asks for what the peer does anyway
)

// negotiations are the groups of 13. A server that plays them to a client that offers server_no_context_takeover accepts
// that, and asks for more.
var negotiations = []struct {
	offer, answer string
}{
	{anyOffer, ""},
	{anyOffer + ours, "; client_no_context_takeover"},
	{anyOffer + "; server_max_window_bits=8", "; client_max_window_bits=8"},
	{anyOffer + "; server_max_window_bits=15", "; client_max_window_bits=15"},
	{anyOffer + ours + "; server_max_window_bits=8", "; client_no_context_takeover; client_max_window_bits=8"},
	{anyOffer + ours + "; server_max_window_bits=15", "; client_no_context_takeover; client_max_window_bits=15"},
	{anyOffer + ours + "; server_max_window_bits=8, " + anyOffer + ours + ", " + anyOffer, "; client_no_context_takeover; client_max_window_bits=8"},
}

// ListDeflated returns the cases of 12 and 13, 216 of 517.
func ListDeflated(size Size) (all []Deflated) {
	json, html := jsonData(), htmlData()
	group := func(name string, like Deflated) {
		like.Answer = "permessage-deflate; server_no_context_takeover" + like.Answer
		like.messages = size.Messages
		for i, s := range sizes {
			c := like
			c.Name, c.length, c.fragment = fmt.Sprintf("%s.%d", name, i+1), max(16, s[0]/size.Divisor), s[1]/size.Divisor
			all = append(all, c)
		}
	}
	for i, set := range []Deflated{
		{op: ws.OpText, data: json}, {op: ws.OpBinary, data: pictureData()}, {op: ws.OpBinary, data: proseData()},
		{op: ws.OpText, data: html}, {op: ws.OpBinary, data: mixedData()},
	} {
		set.Offer = anyOffer
		group(fmt.Sprintf("12.%d", i+1), set)
	}
	for i, n := range negotiations {
		group(fmt.Sprintf("13.%d", i+1), Deflated{op: ws.OpText, data: json, Offer: n.offer, Answer: n.answer})
	}
	return all
}

// message returns message i, a part of the data. It is ASCII if it is a text, so it may be cut anywhere.
func (c Deflated) message(i int) string {
	from := i * c.length % len(c.data)
	var b strings.Builder
	for b.Len() < c.length {
		part := c.data[from:min(len(c.data), from+c.length-b.Len())]
		b.WriteString(part)
		from = (from + len(part)) % len(c.data)
	}
	return b.String()
}

// Case returns c as a case whose messages come back without compression. compressed says how they are sent.
func (c Deflated) Case(compressed bool) Case {
	one := Case{Name: c.Name, Code: 1000}
	for i := range c.messages {
		whole := Frame{First: fin | byte(c.op), Payload: c.message(i)}
		one.Want = append(one.Want, whole)
		send := []Frame{whole}
		if compressed {
			send = c.frames(whole.Payload)
		}
		for _, f := range send {
			f.Await = i
			one.Send = append(one.Send, f)
		}
	}
	return one
}

var writers = sync.Pool{New: func() any {
	w, _ := flate.NewWriter(nil, flate.DefaultCompression) // fails only for invalid levels
	return w
}}

// frames returns the compressed message in fragments.
func (c Deflated) frames(message string) []Frame {
	w := writers.Get().(*flate.Writer)
	defer writers.Put(w)
	var b bytes.Buffer
	w.Reset(&b)
	io.WriteString(w, message)
	w.Flush()
	payload := strings.TrimSuffix(b.String(), "\x00\x00\xff\xff")
	n := c.fragment
	if n == 0 {
		n = len(payload)
	}
	all := parts(byte(c.op), payload, n)
	all[0].First |= rsv1
	return all
}

// Play sends the messages of c to the other end of nc, which has negotiated permessage-deflate, and checks what comes back.
func (c Deflated) Play(t *testing.T, nc net.Conn, toServer bool) {
	t.Helper()
	defer nc.Close()
	r := bufio.NewReaderSize(nc, 32<<10)
	for i := range c.messages {
		nc.SetDeadline(time.Now().Add(Timeout))
		want := c.message(i)
		var b []byte
		for _, f := range c.frames(want) {
			b = append(b, f.Bytes(toServer)...)
		}
		if _, err := nc.Write(b); err != nil { // nothing comes back before its end
			t.Fatalf("message %d: %v", i, err)
		}
		f, err := Read(r, !toServer)
		if err != nil {
			t.Fatalf("message %d: %v", i, err)
		}
		got, err := Inflate(f)
		if err != nil || f.First&^rsv1 != fin|byte(c.op) || got != want {
			t.Fatalf("message %d: %s, inflated %d bytes, %v; want %d", i, f, len(got), err, c.length)
		}
		if f.First&rsv1 == 0 && c.length >= 1024 && c.op == ws.OpText {
			t.Errorf("message %d of %d bytes is not compressed", i, c.length)
		}
	}
	Case{Code: 1000}.Play(t, nc, toServer)
}

// Inflate returns the payload of a message that may be compressed.
func Inflate(f Frame) (string, error) {
	if f.First&rsv1 == 0 {
		return f.Payload, nil
	}
	const end = "\x00\x00\xff\xff" + "\x01\x00\x00\xff\xff" // what was left out, and a last block, which is empty
	b, err := io.ReadAll(flate.NewReader(strings.NewReader(f.Payload + end)))
	return string(b), err
}

// The data is made up, so that each kind is compressed about as well as what it stands for.

const dataLen = 200_000

func newRandom() *rand.Rand { return rand.New(rand.NewPCG(7692, 6455)) }

var words = strings.Fields("the a of and to in wind sea harbour captain letter night lantern window slowly never again said went " +
	"came under over bright heavy seven twelve morning rope sail river stone table someone remembered")

func sentence(r *rand.Rand, b *strings.Builder) {
	for range 6 + r.IntN(12) {
		b.WriteString(words[r.IntN(len(words))])
		b.WriteByte(' ')
	}
	b.WriteString("the end.")
}

func proseData() string {
	r, b := newRandom(), new(strings.Builder)
	for b.Len() < dataLen {
		sentence(r, b)
		b.WriteByte('\n')
	}
	return b.String()
}

func jsonData() string {
	r, b := newRandom(), new(strings.Builder)
	for i := 0; b.Len() < dataLen; i++ {
		fmt.Fprintf(b, `{"id":%d,"price":%.4f,"open":%v,"note":"`, i, r.Float64()*1000, r.IntN(2) == 0)
		sentence(r, b)
		b.WriteString("\"},\n")
	}
	return b.String()
}

func htmlData() string {
	r, b := newRandom(), new(strings.Builder)
	for i := 0; b.Len() < dataLen; i++ {
		fmt.Fprintf(b, "<div class=\"row row-%d\"><a href=\"/page/%d\"><b>%d</b></a><p>", i%2, r.IntN(1e6), i)
		sentence(r, b)
		b.WriteString("</p></div>\n")
	}
	return b.String()
}

// pictureData returns rows of grey values with a little noise.
func pictureData() string {
	r, b := newRandom(), make([]byte, dataLen)
	for i := range b {
		b[i] = byte(i%512/4 + i/512/2 + r.IntN(4))
	}
	return string(b)
}

// mixedData returns text between parts that cannot be compressed.
func mixedData() string {
	r, b := newRandom(), new(strings.Builder)
	for b.Len() < 5*dataLen {
		for range 4096 {
			b.WriteByte(byte(r.Uint32()))
		}
		for range 20 {
			sentence(r, b)
		}
	}
	return b.String()
}
