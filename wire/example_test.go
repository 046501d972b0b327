package wire_test

import (
	"fmt"

	"ramai/wire"
)

// The server parses a request and answers it.
func ExampleParseRequest() {
	r, bad := wire.ParseRequest([]byte(`{"type":"say","room":"lobby","id":"m-1","text":"Hello!","ref":"7"}`))
	if bad != nil {
		fmt.Printf("%s\n", wire.Append(nil, r.Refused(bad)))
		return
	}
	switch f := r.Frame.(type) {
	case wire.Say:
		if bad := wire.CheckText(f.Text, 4000); bad != nil {
			fmt.Printf("%s\n", wire.Append(nil, r.Refused(bad)))
			return
		}
		fmt.Printf("%s\n", wire.Append(nil, wire.Saved{Room: f.Room, ID: f.ID, N: 1, At: 1_700_000_000_000, Ref: r.Ref}))
	}
	// Output: {"type":"saved","room":"lobby","id":"m-1","n":1,"at":"2023-11-14T22:13:20.000Z","ref":"7"}
}

// A client parses what the server sends.
func ExampleParseFrame() {
	frame, err := wire.ParseFrame([]byte(`{"type":"gap","room":"lobby","from":1,"to":9}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	if gap, ok := frame.(wire.Gap); ok {
		fmt.Printf("%d to %d of %s are gone\n", gap.From, gap.To, gap.Room)
	}
	// Output: 1 to 9 of lobby are gone
}
