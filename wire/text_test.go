package wire

import "testing"

func TestNormalizeText(t *testing.T) {
	for in, want := range map[string]string{
		"":                     "",
		"one\ntwo":             "one\ntwo",
		"one\r\n":              "one\n",
		"one\r\ntwo\r\n\r\n":   "one\ntwo\n\n",
		"one\rtwo":             "one\rtwo", // not a line ending; refused as a control character
		"one\r\r\ntwo":         "one\r\ntwo",
		"\ufeffone":            "one",
		"\ufeff":               "",
		"\ufeff\r\none\r\n":    "\none\n",
		"within\ufeffa word":   "within\ufeffa word", // a zero-width space here, not a mark
		"\xff\r\n":             "\xff\n",             // invalid UTF-8 is kept, and refused
		"\xef\xbbone":          "\xef\xbbone",
		"今\r\n":                "今\n",
		"\r\n\ufeffone\r\ntwo": "\n\ufeffone\ntwo",
	} {
		if got := NormalizeText(in); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
	if n := testing.AllocsPerRun(100, func() { NormalizeText("what is said by most") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
