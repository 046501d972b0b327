package frame_test

import (
	"fmt"

	"ramai/internal/frame"
)

func ExampleDecoder() {
	// Bytes from a client: a message and a ping, split at arbitrary places.
	mask := [4]byte{0x12, 0x34, 0x56, 0x78}
	sent := frame.AppendMasked(nil, frame.Text, []byte("hello"), mask)
	sent = frame.AppendMasked(sent, frame.Ping, []byte("there?"), mask)

	d := frame.NewDecoder(&frame.Config{TextOnly: true, MaxMessage: 64 << 10, MaxFragments: 256})
	for _, received := range [][]byte{sent[:7], sent[7:]} {
		for {
			m, used, err := d.Next(received)
			if err != nil {
				fmt.Println(err)
				return
			}
			if m.Op == 0 {
				break // everything is used
			}
			received = received[used:]
			switch m.Op {
			case frame.Text:
				fmt.Printf("text %s\n", m.Payload)
			case frame.Ping:
				fmt.Printf("ping, answered by % x\n", frame.AppendPong(nil, m.Payload))
			}
		}
	}
	// Output:
	// text hello
	// ping, answered by 8a 06 74 68 65 72 65 3f
}
