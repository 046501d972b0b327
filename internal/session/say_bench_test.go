package session

import (
	"fmt"
	"testing"

	"ramai/internal/eventlog"
	"ramai/internal/frame"
	"ramai/wire"
)

// BenchmarkSay measures a message from its WebSocket frame to the sequencer, and its outcome to the answer.
func BenchmarkSay(b *testing.B) {
	for _, v1 := range []bool{true, false} {
		b.Run(fmt.Sprintf("v1=%v", v1), func(b *testing.B) {
			st := newHarness(b, setting{})
			text := "of the usual length, fifty bytes or so, and a few"
			l, payload := st.plain(Client{}), []byte(text)
			if v1 {
				l, payload = st.joined(wire.Lobby), wire.Append(nil, wire.Say{Room: wire.Lobby, ID: "id", Text: text})
			}
			var submitted eventlog.Submission
			st.submit = func(e eventlog.Submission, _ func()) error {
				submitted = e
				return nil
			}
			sent := frame.AppendMasked(nil, frame.Text, payload, [4]byte{1, 2, 3, 4})
			received := make([]byte, len(sent))
			b.ReportAllocs()
			for b.Loop() {
				copy(received, sent) // unmasking changes it
				if _, err := l.s.Received(received); err != nil {
					b.Fatal(err)
				}
				submitted.ReplyTo.Deliver(&submitted, &eventlog.Outcome{Command: &submitted.Command, Status: eventlog.Saved, N: 1})
				for {
					answer, ok := l.s.Next(1 << 10)
					if !ok {
						break
					}
					l.s.Wrote(len(answer))
				}
			}
		})
	}
}
