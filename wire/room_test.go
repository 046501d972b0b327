package wire

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// TestRoomsAreChecked: each request that names a room is refused if nothing can have that name, and is accepted with a room, and with
// those of its moderators and owners.
func TestRoomsAreChecked(t *testing.T) {
	const digest = "AAAAAAAAAAAAAAAAAAAAAA"
	rest := map[string]string{
		"join": ``, "leave": ``, "typing": ``, "who": ``, "history": ``, "state": ``, "say": `"id":"1","text":"x"`, "change": `"id":"1","of":1,"text":null`,
		"mark": `"of":1,"key":"up","on":true`, "set": `"id":"1","key":"topic","value":"x"`, "report": `"of":1`, "moderate": `"id":"1","undo":1`,
		"invite": `"id":"1","role":"guest"`, "redeem": `"invite":"` + digest + `"`,
	}
	roomless := []string{"hello", "link", "name", "ping", "signout"}
	for _, kind := range slices.Sorted(maps.Keys(requests)) {
		fields, ok := rest[kind]
		if !ok {
			if !slices.Contains(roomless, kind) {
				t.Errorf("add the request %s to this test", kind)
			}
			continue
		}
		parse := func(room string) *CodedError {
			_, bad := ParseRequest([]byte(strings.TrimSuffix(fmt.Sprintf(`{"type":%q,"room":%q,%s`, kind, room, fields), ",") + "}"))
			return bad
		}
		for _, room := range []string{"den", "~den", "~~den", strings.Repeat("x", MaxRoom), "~~" + strings.Repeat("x", MaxRoom)} {
			if bad := parse(room); bad != nil {
				t.Errorf("%s of the room %s is refused: %+v", kind, room, bad)
			}
		}
		for _, room := range []string{"", "~", "~~", "~~~den", "den~", "~-den", "~_den", "-den", "Den", "d n", "../den", "~" + strings.Repeat("x", MaxRoom+1)} {
			if bad := parse(room); bad == nil || bad.Code != BadRequest || !strings.Contains(bad.Reason, "room name") {
				t.Errorf("%s of the room %q is answered by %+v", kind, room, bad)
			}
		}
	}
}
