package tokenize

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"ramai/wire"
)

func TestIndex(t *testing.T) {
	for text, want := range map[string]string{
		"":                                         "",
		" -*:\"'\n😀 ":                              "",
		"Good morning, 2nd floor!":                 "good morning 2nd floor",
		"don't e-mail x_y":                         "don t e mail x y",
		"Café CAFE\u0301 Ｃａｆｅ":                     "cafe cafe cafe",
		"ΣΊΣΥΦΟΣ Σίσυφος":                          "σισυφοσ σισυφοσ",
		"ёлка Ёлка":                                "елка елка",
		"naïve İstanbul ıssız":                     "naive istanbul issiz",
		"Việt Nam":                                 "viet nam",
		"हिन्दी":                                   "हिन्दी",
		"مَرْحَبًا مرحبا":                          "مرحبا مرحبا",
		"co\u00adop":                               "coop",
		"Łódź ŁÓDŹ lodz":                           "lodz lodz lodz",
		"Straße STRASSE STRAẞE":                    "strasse strasse strasse",
		"smørrebrød Ærø Œuvre ħobż":                "smorrebrod aero oeuvre hobz",
		"Đorđe Þór Guðrún":                         "dorde thor gudrun",
		"שָׁלוֹם שלום":                             "שלום שלום",
		"مـــحـــمد مُحَمَّد محمد":                 "محمد محمد محمد",
		"می\u200cخواهم میخواهم":                    "میخواهم میخواهم",
		"word\u2060joiner":                         "wordjoiner",
		"水":                                        "水",
		"東京都":                                      "東京 京都 都",
		"我说hello世界2":                               "我说 说 hello 世界 界 2",
		"こんにちは、世界":                                 "こん んに にち ちは は 世界 界",
		"がｶﾞガ か\u3099":                             "がガ ガガ ガ が",
		"コーヒー":                                     "コー ーヒ ヒー ー",
		"น้ำแข็ง":                                  "น\u0e49 \u0e49\u0e4d \u0e4d\u0e32 \u0e32แ แข ข\u0e47 \u0e47ง ง",
		"안녕 하":                                     "안녕 녕 하",
		"\u0301\u0301 a":                           "a",
		strings.Repeat("\u0301", 2000):             "",
		"a" + strings.Repeat("\u0301", 2000) + "b": "ab",
	} {
		if got := Index(text); got != want {
			t.Errorf("Index(%.40q) = %q, want %q", text, got, want)
		}
	}
}

func TestMatch(t *testing.T) {
	for q, want := range map[string]string{
		"hello":                  `"hello"*`,
		"hello  WORLD":           `"hello" AND "world"*`,
		"a b":                    `"a" AND "b"`,
		"don't":                  `"don t"`,
		"foo-bar.com":            `"foo bar com"*`,
		`"one two"`:              `"one" AND "two"*`,
		`one" OR "two`:           `"one" AND "or" AND "two"*`,
		"NEAR(one two, 3)":       `"near one" AND "two" AND "3"`,
		"text:one -two ^three *": `"text one" AND "two" AND "three"*`,
		"one AND NOT two":        `"one" AND "and" AND "not" AND "two"*`,
		"東京":                     `"東京"*`,
		"東京都 a":                  `"東京 京都" AND "a"`,
		"都":                      `"都"*`,
		"都 hello 世界人x":           `"都"* AND "hello" AND "世界 界人 人 x"`,
		"x世":                     `"x 世"*`,
		"😀 ok":                   `"ok"*`,
	} {
		query, err := Parse(q)
		if err != nil {
			t.Errorf("Parse(%q): %v", q, err)
			continue
		}
		if got := query.Match(); got != want {
			t.Errorf("%q becomes %s, want %s", q, got, want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for q, want := range map[string]wire.Code{
		"":                                  wire.BadRequest,
		" \t\n":                             wire.BadRequest,
		`"" * : ( ) 😀`:                      wire.BadRequest,
		"a\xff":                             wire.BadRequest,
		strings.Repeat("a", MaxQuery+1):     wire.TooLong,
		strings.Repeat("a ", MaxWords+1):    wire.TooLong,
		strings.Repeat("都", MaxQuery/3+1):   wire.TooLong,
		strings.Repeat(" ", MaxQuery) + "x": wire.TooLong,
	} {
		if _, err := Parse(q); err == nil || err.Code != want || err.Reason == "" {
			t.Errorf("Parse(%.20q): %v, want %s", q, err, want)
		}
	}
	for _, q := range []string{strings.Repeat("a", MaxQuery), strings.Repeat("a ", MaxWords), strings.Repeat("都", MaxQuery/3)} {
		if _, err := Parse(q); err != nil {
			t.Errorf("Parse(%.20q): %v", q, err)
		}
	}
}

func parse(t *testing.T, q string) *Query {
	t.Helper()
	query, err := Parse(q)
	if err != nil {
		t.Fatalf("Parse(%q): %v", q, err)
	}
	return query
}

// marked puts hits into brackets.
func marked(text string, marks [][2]int) string {
	r := []rune(text)
	for _, m := range slices.Backward(marks) {
		r = slices.Insert(r, m[1], ']')
		r = slices.Insert(r, m[0], '[')
	}
	return string(r)
}

func TestSnippetMarks(t *testing.T) {
	for _, c := range []struct{ q, text, want string }{
		{"morn", "Good mornings", "Good [mornings]"},
		{"good morn", "Good mornings, Morna, good.", "[Good] [mornings], [Morna], [good]."},
		{"goo morn", "Good mornings", "Good mornings"}, // a prefix is enough for the last word only
		{"cafe", "un CAFE\u0301!", "un [CAFE\u0301]!"},
		{"foo-bar", "foo, bar; bar foo", "[foo, bar]; bar foo"},
		{"京", "東京都", "東[京]都"},
		{"都", "東京都", "東京[都]"},
		{"京都", "東京都と京都", "東[京都]と[京都]"},
		{"東京都", "東京都", "[東京都]"},
		{"世界", "hello世界2", "hello[世界]2"},
		{"hello世界", "hello世界2", "[hello世界]2"},
		{"น้ำ", "กินน้ำแข็ง", "กิน[น้ำ]แข็ง"},
		{"ガ", "ｶﾞｽ", "[ｶﾞ]ｽ"},
		{"会社", "㍿", "[㍿]"},
		{"one two", "two one two", "[two] [one] [two]"},
		{"x", "nothing", "nothing"},
	} {
		if got := marked(parse(t, c.q).Snippet(c.text)); got != c.want {
			t.Errorf("%q in %q: %q, want %q", c.q, c.text, got, c.want)
		}
	}
}

func TestSnippetIsShort(t *testing.T) {
	far := strings.Repeat("世", 1000)
	for name, c := range map[string]struct{ text, want string }{
		"short":    {strings.Repeat("é", 196) + " hit", strings.Repeat("é", 196) + " [hit]"},
		"at first": {"hit " + far, "[hit] " + far[:3*196] + "…"},
		"in it":    {far + " hit " + far, "…" + far[:3*59] + " [hit] " + far[:3*136] + "…"},
		"at last":  {far + " hit", "…" + far[:3*196] + " [hit]"},
		"none":     {far, far[:3*200] + "…"},
		"too long": {strings.Repeat("hit ", 1000), strings.Repeat("[hit] ", 50) + "…"},
	} {
		if got := marked(parse(t, "hit").Snippet(c.text)); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	long := strings.Repeat("hit", 500)
	if got := marked(parse(t, "hi").Snippet(long)); got != "["+long[:MaxSnippet]+"]…" {
		t.Errorf("a word longer than a snippet is shown as %q", got)
	}
}

// ExampleQuery_Hits shows that a query consists of words, whatever they look like.
func ExampleQuery_Hits() {
	text := "Is it AND or OR?"
	query, _ := Parse(`OR "is"`)
	for _, h := range query.Hits(text) {
		fmt.Println(text[h[0]:h[1]])
	}
	// Output:
	// Is
	// or
	// OR
}
