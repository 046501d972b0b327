package names

import (
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// The rules, written again as patterns, so that FuzzParse does not rely on Parse's own helpers.
var (
	allowed   = regexp.MustCompile(`^[\p{L}\p{M}\p{N}\p{P}\p{S} ]{1,32}$`)
	misplaced = regexp.MustCompile(`^[ !\p{M}]| $|  | \p{M}|:`)
	ignorable = regexp.MustCompile(`[\x{34F}\x{115F}\x{1160}\x{17B4}\x{17B5}\x{180B}-\x{180F}\x{2800}\x{3164}\x{FE00}-\x{FE0F}\x{FFA0}\x{1D159}\x{E0000}-\x{E0FFF}]`)
	stacked   = regexp.MustCompile(`[\p{Mn}\p{Me}]{5}`) // of the NFD
)

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"anna",
		"Anna de la Cruz",
		"\u202eanna",
		"an\u2066na\u2069",
		"an\u200bna",
		"👩\u200d💻",
		"❤\ufe0f",
		"Z\u0301\u0302\u0303\u0304\u0305",
		"e\u0301\u0301",
		"\u0301",
		"\u3164",
		"an\xffna",
		"\xed\xa0\x80",
		" !: ",
		"anna：hi",
		"လျှို့ဝှက်",
		"श्रीकृष्ण",
		"김",
		"a\u0345\u0300",
		"\ufdfa",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		name, err := Parse(s)
		if err != nil {
			if name != "" || !utf8.ValidString(err.Error()) {
				t.Fatalf("Parse(%+q) = %+q, %q", s, name, err)
			}
			return
		}
		nfd := norm.NFD.String(name)
		switch {
		case !allowed.MatchString(name), misplaced.MatchString(name), ignorable.MatchString(name), stacked.MatchString(nfd):
			t.Fatalf("Parse(%+q) = %+q, which breaks the rules", s, name)
		case !norm.NFC.IsNormalString(name), nfd != norm.NFD.String(s):
			t.Fatalf("Parse(%+q) = %+q, which is not its NFC", s, name)
		case strings.Count(Key(name), "\x00") != 1:
			t.Fatalf("Key(%+q) = %+q, want two parts", name, Key(name))
		case Key(nfd) != Key(name):
			t.Fatalf("Key(%+q) = %+q, but of its NFD it is %+q", name, Key(name), Key(nfd))
		}
		again, err := Parse(name)
		if err != nil || again != name {
			t.Fatalf("Parse(%+q) = %+q, but Parse of that = %+q, %v", s, name, again, err)
		}
		Reserved(name)
	})
}
