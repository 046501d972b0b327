package httpfield

import (
	"slices"
	"testing"
)

func TestList(t *testing.T) {
	for _, c := range []struct{ in, want []string }{
		{nil, nil},
		{[]string{"", " , ,"}, nil},
		{[]string{"a,b ", "\tc"}, []string{"a", "b", "c"}},
		{[]string{`"a,b", W/"c\",d"`}, []string{`"a,b"`, `W/"c\",d"`}},
		{[]string{`"a, b`, "c"}, []string{`"a, b`, "c"}}, // an unterminated string ends with its line
		{[]string{`"\`}, []string{`"\`}},
	} {
		if got := List(c.in); !slices.Equal(got, c.want) {
			t.Errorf("%q is %q, want %q", c.in, got, c.want)
		}
	}
	if !Has([]string{"keep-alive", " UPGRADE,"}, "upgrade") || Has([]string{"upgrades"}, "upgrade") {
		t.Error("a token is whole, in any case, on any line")
	}
}

func TestQuality(t *testing.T) {
	for _, c := range []struct {
		in    string
		want  float64
		found bool
	}{
		{"", 0, false},
		{"text/plain", 0, false},
		{"text/html", 1, true},
		{"TEXT/HTML ; Q = 0.5", 0.5, true},
		{"text/html;q=0", 0, true},
		{"text/html;level=1;q=0.3", 0.3, true},
		{`text/html;a=";q=0.2";q=0.4`, 0.4, true},
		{"text/html;q=2", 1, true},
		{"text/html;q=-1", 0, true},
		{"text/html;q=NaN", 0, true},
		{"text/html;q=", 0, true},
		{"*/*;q=0.1, text/*;q=0.2", 0.2, true}, // the most specific one decides
		{"*/*, text/html;q=0", 0, true},
	} {
		if got, found := Quality([]string{c.in}, "text/html", "text/*", "*/*"); got != c.want || found != c.found {
			t.Errorf("%q: %v %v, want %v %v", c.in, got, found, c.want, c.found)
		}
	}
}

func FuzzList(f *testing.F) {
	f.Add(`a;q=1, "b\"`, ",")
	f.Fuzz(func(t *testing.T, a, b string) {
		for _, element := range List([]string{a, b}) {
			if element == "" {
				t.Errorf("%q, %q have an empty element", a, b)
			}
		}
		if q, _ := Quality([]string{a, b}, "a"); !(q >= 0 && q <= 1) {
			t.Errorf("%q, %q weigh %v", a, b, q)
		}
	})
}
