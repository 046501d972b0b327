package wire

import (
	"strings"
	"testing"
)

// FuzzParseInvite looks for a link that is taken and has no invite, or leads to no room.
func FuzzParseInvite(f *testing.F) {
	invite := strings.Repeat("i", InviteLen)
	for _, s := range []string{invite, InviteLink("https://chat.example/r/tea", invite), InviteLink("https://chat.example", invite), InviteLink("%", invite)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		room, invite, bad := ParseInvite(s)
		if bad == nil && (CheckInvite(invite) != nil || room != "" && CheckRoom(room) != nil) {
			t.Errorf("%q is the invite %q to %q", s, invite, room)
		}
		if bad == nil && room != "" {
			if again, same, bad := ParseInvite(InviteLink("https://chat.example/r/"+room, invite)); again != room || same != invite || bad != nil {
				t.Errorf("the link for %q of %q is read as %q of %q, %v", invite, room, same, again, bad)
			}
		}
	})
}

// FuzzParseLinkCode looks for a code that is taken and cannot be typed again.
func FuzzParseLinkCode(f *testing.F) {
	f.Add("abcd-efgh")
	f.Add("ABCDEFGH2345")
	f.Fuzz(func(t *testing.T, s string) {
		code, bad := ParseLinkCode(s)
		if bad != nil {
			return
		}
		if again, bad := ParseLinkCode(strings.ToLower(code)); again != code || bad != nil || len(code) != LinkCodeLen {
			t.Errorf("%q is %q, and that is %q, %v", s, code, again, bad)
		}
	})
}
