package wire

import (
	"bytes"
	"strings"
	"testing"
)

func TestLinkCodes(t *testing.T) {
	for in, want := range map[string]string{"ABCD2345": "ABCD2345", "abcd-2345": "ABCD2345", " ab cd 23 45 ": "ABCD2345"} {
		if got, bad := ParseLinkCode(in); bad != nil || got != want {
			t.Errorf("%q is read as %q, %v, want %q", in, got, bad, want)
		}
	}
	for _, in := range []string{"", "ABCD234", "ABCD23456", "ABCDI345", "ABCD0345", "ABCD234é", strings.Repeat("-", 1000) + "ABCD2345"} {
		if got, bad := ParseLinkCode(in); bad == nil {
			t.Errorf("%q is read as %q", in, got)
		}
	}
	code, err := NewLinkCode(bytes.NewReader([]byte{0, 31, 32, 63, 64, 200, 254, 255}))
	if err != nil || code != "A9A9AJ89" {
		t.Errorf("a new code is %q, %v", code, err)
	}
	if parsed, bad := ParseLinkCode(code); bad != nil || parsed != code {
		t.Errorf("a new code is read as %q, %v", parsed, bad)
	}
	if _, err := NewLinkCode(strings.NewReader("short")); err == nil {
		t.Error("a code without enough randomness")
	}
}
