package wire

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"testing/iotest"
)

func TestCheckRoom(t *testing.T) {
	for s, ok := range map[string]bool{
		"lobby": true, "0": true, "a-b_c": true, "a-": true, strings.Repeat("a", 64): true,
		"~lobby": true, "~~lobby": true, "~~" + strings.Repeat("a", 64): true, "~": false, "~~": false, "~~~a": false, "~-a": false, "a~": false, "~" + strings.Repeat("a", 65): false,
		"": false, strings.Repeat("a", 65): false, "-a": false, "_a": false, "A": false, "a b": false, "a/b": false, "é": false, "a\x00": false, "a.": false,
	} {
		if err := CheckRoom(s); (err == nil) != ok {
			t.Errorf("%q: %v", s, err)
		}
	}
}

// TestSuggestRoom: what is wrong with a room name is said with a name that would be right.
func TestSuggestRoom(t *testing.T) {
	for name, want := range map[string]string{
		"Kelas 7A": "kelas-7a", "#team": "team", "-_a": "a", "Not/A/Room": "not-a-room", "a - b": "a-b", "café_": "caf", "~~~den": "den",
		strings.Repeat("a", 63) + " b": strings.Repeat("a", 63), strings.Repeat("a", 65): strings.Repeat("a", 64), "": "", "Ünä": "n", "会議": "", "~": "",
	} {
		got, err := SuggestRoom(name), CheckRoom(name)
		if got != want {
			t.Errorf("%q is like %q, want %q", name, got, want)
		}
		switch {
		case err == nil:
			t.Errorf("%q is valid", name)
		case want != "" && !strings.HasSuffix(err.Reason, "; try "+want), want == "" && strings.Contains(err.Reason, "try"):
			t.Errorf("%q: %s", name, err.Reason)
		}
		if want != "" && CheckRoom(want) != nil {
			t.Errorf("%q is no room", want)
		}
	}
}

func TestCheckID(t *testing.T) {
	for s, ok := range map[string]bool{
		"a": true, "Z-9_": true, "-": true, strings.Repeat("a", 64): true,
		"": false, strings.Repeat("a", 65): false, "a b": false, "é": false, "a=": false,
	} {
		if err := CheckID(s); (err == nil) != ok {
			t.Errorf("%q: %v", s, err)
		}
	}
}

func TestCheckText(t *testing.T) {
	tests := []struct {
		name, in string
		code     Code // empty: accepted
		reason   string
	}{
		{"empty", "", "", ""},
		{"newline and tab", "a\n\tb", "", ""},
		{"other scripts", "é今👩‍👩‍👧\u202e", "", ""},
		{"U+FFFD itself", "\ufffd", "", ""},
		{"as long as it may be", strings.Repeat("x", 100), "", ""},
		{"too long", strings.Repeat("x", 101), TooLong, "101 bytes"},
		{"bytes count, not characters", strings.Repeat("é", 51), TooLong, "102 bytes"},
		{"NUL", "a\x00", BadRequest, "U+0000"},
		{"return", "a\r\n", BadRequest, "U+000D"},
		{"ESC", "\x1b[0m", BadRequest, "U+001B"},
		{"DEL", "\x7f", BadRequest, "U+007F"},
		{"first of C1", "\u0080", BadRequest, "U+0080"},
		{"last of C1", "\u009f", BadRequest, "U+009F"},
		{"behind C1", "\u00a0", "", ""},
		{"not UTF-8", "ab\xff", BadRequest, "byte 2"},
		{"cut off", "ab\xc3", BadRequest, "byte 2"},
		{"a surrogate", "\xed\xa0\x80", BadRequest, "byte 0"},
		{"overlong", "\xc0\x80", BadRequest, "byte 0"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := CheckText(test.in, 100)
			switch {
			case test.code == "":
				if err != nil {
					t.Error(err)
				}
			case err == nil:
				t.Error("can be said")
			case err.Code != test.code || !strings.Contains(err.Reason, test.reason):
				t.Errorf("%v, want %s and %q", err, test.code, test.reason)
			}
		})
	}
}

func TestSessions(t *testing.T) {
	s, err := NewSession(bytes.NewReader([]byte("0123456789abcdef")))
	if err != nil || s != "MDEyMzQ1Njc4OWFiY2RlZg" {
		t.Fatalf("%q, %v", s, err)
	}
	if err := CheckSession(s); err != nil {
		t.Error(err)
	}
	if _, err := NewSession(iotest.ErrReader(errors.New("no randomness"))); err == nil {
		t.Error("drawn from nothing")
	}
	for _, bad := range []string{"", s[1:], s + "A", s[1:] + "=", s[1:] + "+", s[2:] + "é"} {
		if CheckSession(bad) == nil {
			t.Errorf("%q is a session", bad)
		}
	}
	// From docs/PROTOCOL.md.
	if got := SenderIDOf(someSession); got != "ilvbTMFRZBJsbvJm" || len(got) != SenderIDLen {
		t.Errorf("by is %q", got)
	}
	if _, err := base64.RawURLEncoding.DecodeString(SenderIDOf(s)); err != nil {
		t.Error(err)
	}
}

func TestBaseRoom(t *testing.T) {
	for room, want := range map[string]struct {
		base  string
		wants Role
	}{
		"lobby": {"lobby", RoleNone}, ModeratorsRoom("lobby"): {"lobby", RoleModerator}, OwnersRoom("lobby"): {"lobby", RoleOwner},
		"": {"", RoleNone}, "~": {"", RoleModerator}, "~~~a": {"~a", RoleOwner},
	} {
		if base, wants := BaseRoom(room); base != want.base || wants != want.wants {
			t.Errorf("%q is the room of %q for %v, want %q and %v", room, base, wants, want.base, want.wants)
		}
	}
}
