package wire

import (
	"strings"
	"testing"
)

func TestPositions(t *testing.T) {
	for s, want := range map[string]Position{
		"abc:5": {HistoryID: "abc", N: 5}, "abc:Ep-_och1:5": {HistoryID: "abc", Epoch: "Ep-_och1", N: 5},
		"abc:18446744073709551615": {HistoryID: "abc", N: 1<<64 - 1},
	} {
		if p, ok := ParsePosition(s); !ok || p != want {
			t.Errorf("%q is read as %+v, %t", s, p, ok)
		}
		if got := string(AppendPosition(nil, want)); got != s {
			t.Errorf("%+v is written as %q", want, got)
		}
	}
	if p, ok := ParsePosition("7"); !ok || p != (Position{N: 7}) {
		t.Errorf("a number alone is %+v, %t", p, ok)
	}
	long := strings.Repeat("x", maxPositionPart+1)
	for _, s := range []string{"", "x", "-1", "abc:", "abc:x", ":5", "::5", "abc::5", ":e:5", "a:b:c:5", "18446744073709551616", long + ":5", "a:" + long + ":5", "a:5:"} {
		if p, ok := ParsePosition(s); ok {
			t.Errorf("%q is read as %+v", s, p)
		}
	}
}
