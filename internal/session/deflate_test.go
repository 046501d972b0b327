package session

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"ramai/internal/chat"
	"ramai/internal/frame"
	"ramai/wire"
)

// deflatedOf is bytesOf for clients that negotiated permessage-deflate.
func (st *harness) deflatedOf(v1 bool) (b []byte) {
	st.tb.Helper()
	d := frame.NewDecoder(&clientFrames)
	for plain := st.bytesOf(v1, 0); len(plain) > 0; {
		m, used, err := d.Next(plain)
		if err != nil {
			st.tb.Fatal(err)
		}
		if plain = plain[used:]; len(m.Payload) < 512 {
			b = frame.AppendText(b, m.Payload)
		} else {
			b = frame.AppendDeflated(b, m.Payload)
		}
	}
	return b
}

// TestDeflatedReaders: all clients with deflate receive exactly the same frames, and so do clients without, however the
// bytes are split, from the fan-out buffer or the log, blocked in between or not.
func TestDeflatedReaders(t *testing.T) {
	for _, buffer := range []int64{1, 20 << 10, 4 << 20} {
		for _, v1 := range []bool{true, false} {
			rng := rand.New(rand.NewPCG(uint64(buffer), 1))
			st := newHarness(t, setting{buffer: buffer})
			l, plain := st.connect(Client{Protocol: protocolOf(v1), Deflate: true}), st.plain(Client{})
			if st.settle(); v1 {
				l.send(wire.Join{Room: wire.Lobby, Last: new(int)})
				st.settle()
			}
			l.raw, plain.raw = nil, nil
			for st.store.Bounds(wire.Lobby).Last < 150 {
				st.publishVaried(rng.IntN(40))
				l.writeSize, l.max, l.blocked = 1+rng.IntN(300), 1+rng.IntN(5000), rng.IntN(2) == 0
				st.settle()
			}
			l.blocked = false
			st.settle()
			want := st.deflatedOf(v1)
			if !bytes.Equal(l.raw, want) {
				t.Errorf("buffer of %d bytes, v1 %t: received %d bytes, want %d, or the content differs", buffer, v1, len(l.raw), len(want))
			}
			if all := st.bytesOf(false, 0); !bytes.Equal(plain.raw, all) || len(want) > len(all) {
				t.Errorf("received %d plain bytes, want %d; deflated there are %d", len(plain.raw), len(all), len(want))
			}
		}
	}
}

// TestDeflatedPost: a deflated message is posted like any other, and everyone receives it.
func TestDeflatedPost(t *testing.T) {
	st := newHarness(t, setting{})
	plain := st.plain(Client{})
	l := st.connect(Client{Deflate: true})
	l.heard()
	text := strings.Repeat("and so on, ", 300)
	l.sendText(text)
	if n := len(l.up); n > 200 {
		t.Fatalf("the client sent %d bytes", n)
	}
	l.expect(text)
	plain.expect(text)
	l.sendText(strings.Repeat("x", 64<<10+1))
	l.expect("CLOSE 1009")
}

// TestDeflatedState: clients with deflate receive the state of a room like all others.
func TestDeflatedState(t *testing.T) {
	st := newHarness(t, setting{})
	a, b := st.connect(Client{Protocol: chat.V1, Deflate: true}), st.joined(wire.Lobby)
	a.send(wire.Join{Room: wire.Lobby, Last: new(int)}, wire.Name{Name: "ann"})
	a.heard()
	st.advance(time.Second)
	a.expect("presence lobby 2 ann")
	b.expect("presence lobby 2 ann")
	for i := range 10 { // the presence is long now, but is not a message
		st.joined(wire.Lobby).send(wire.Name{Name: fmt.Sprint(strings.Repeat("n", 30), i)})
	}
	b.send(wire.Typing{Room: wire.Lobby})
	st.advance(time.Second)
	a.expectOf("typing", "typing lobby ")
	b.end(nil)
	st.advance(time.Second)
	if got := a.heard(); len(got) != 1 || !strings.HasPrefix(got[0], "presence lobby 11 ann,nnn") {
		t.Errorf("heard %q, want the presence", got)
	}
}
