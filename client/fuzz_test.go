package client

import (
	"testing"

	"ramai/wire"
)

// FuzzRoom looks for an address that is taken and leads to no room or no host.
func FuzzRoom(f *testing.F) {
	for _, s := range []string{"http://127.0.0.1:2000/r/tea#n2", "wss://a:b@chat.example", "https://chat.example/r/~tea/", "http:///r/tea", "//x/r/%2f"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		u, room, err := parse(s)
		if err == nil && (u.Host == "" || wire.CheckRoom(room) != nil) {
			t.Errorf("%q leads to the room %q of %q", s, room, u.Host)
		}
	})
}
