package client

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestPrintable(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"plain", "Hello, you!\n\tyes", "Hello, you!\n\tyes"},
		{"other scripts", "Привет 今日は שלום 👩‍👩‍👧", "Привет 今日は שלום 👩‍👩‍👧"},
		{"C0 and DEL", "a\x00b\rc\bd\x7fe", "abcde"},
		{"C1", "a\u0085b\u009fc", "ab"},
		{"colour", "a\x1b[1;31mb\x1b[0mc", "abc"},
		{"colour in C1", "a\u009b1;31mb", "ab"},
		{"private mode", "a\x1b[?1049hb", "ab"},
		{"title, BEL", "a\x1b]0;title\ab", "ab"},
		{"title, ST", "a\x1b]0;title\x1b\\b", "ab"},
		{"title in C1", "a\u009d0;title\u009cb", "ab"},
		{"title without an end", "a\x1b]0;title b", "a"},
		{"DCS", "a\x1bPq#0\x1b\\b", "ab"},
		{"APC, PM, SOS", "a\x1b_x\x1b\\b\x1b^x\x1b\\c\x1bXx\x1b\\d", "abcd"},
		{"reset", "a\x1bcb", "ab"},
		{"charset", "a\x1b(0b", "ab"},
		{"index", "a\x1bMb", "ab"},
		{"ESC at the end", "a\x1b", "a"},
		{"CSI at the end", "a\x1b[3", "a"},
		{"ESC before a letter of another script", "a\x1bж", "aж"},
		{"ESC between", "a\x1b\x01[31mb", "a[31mb"},
		{"bidi", "a\u202eb\u2066c\u200fd", "abcd"},
		{"line separators", "a\u2028b\u2029c", "abc"},
		{"hidden", "a\ufeffb\u2060c\U000e0041d", "abcd"},
		{"not UTF-8", "a\xffb\x9bc", "a\ufffdb\ufffdc"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := Printable(test.in); got != test.want {
				t.Errorf("Printable(%q) = %q, want %q", test.in, got, test.want)
			}
		})
	}
}

func TestOneLine(t *testing.T) {
	if got := OneLine("a\n\tb\x1b[0m\u2028"); got != "a  b" {
		t.Errorf("%q", got)
	}
	if got := Shortened(strings.Repeat("é", 61)); got != strings.Repeat("é", 60)+"…" {
		t.Errorf("%q", got)
	}
}

func FuzzPrintable(f *testing.F) {
	for _, s := range []string{"", "a\x1b[31mb", "\x1b]0;x\x1b\\y", "\u009d\u009c", "\x1b\x1b]\a", "\u202e\xff\x1b("} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := Printable(s)
		if !utf8.ValidString(got) {
			t.Fatalf("%q gives %q, which is not UTF-8", s, got)
		}
		for _, r := range got {
			if unicode.IsControl(r) && r != '\n' && r != '\t' || unicode.Is(unicode.Bidi_Control, r) {
				t.Fatalf("%q gives %q, which contains %U", s, got, r)
			}
		}
		if again := Printable(got); again != got {
			t.Fatalf("%q gives %q, and that %q", s, got, again)
		}
	})
}
