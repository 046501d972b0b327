package wire

import (
	"strings"
	"testing"
)

// What others write is taken exactly as it stands, or refused in words for people.
func TestParseJSON(t *testing.T) {
	for in, want := range map[string]string{ // a text, or behind "! " a part of the reason why there is none
		`{"text":"x"}`:                            "x",
		BOM + `{"text":"x"}`:                      "x",
		`{"TEXT":"x","Text":"x","te\u0058t":"x"}`: "none",
		`{"text":"x","TEXT":"y"}`:                 "x",
		`{"te\u0078t":"x"}`:                       "x",
		`{"text":"x","text":"y"}`:                 "y",
		`{"text":"x","more":{"text":7}}`:          "x",
		`{"text":null}`:                           "none",
		`{}`:                                      "none",
		`{"text":"\ud83d\ude00 \uD83D\uDE00"}`:    "😀 😀",
		`{"text":"\\ud800"}`:                      `\ud800`, // a backslash, and then letters
		`{"text":"\ud800"}`:                       "! surrogate",
		`{"text":"\ud800x"}`:                      "! surrogate",
		`{"text":"\ude00\ud83d"}`:                 "! surrogate",
		`{"text":"\ud83d\ud83d\ude00"}`:           "! surrogate",
		`{"text":"\uDC00"}`:                       "! surrogate",
		`{"text":"\ud83d\n\ude00"}`:               "! surrogate",
		`{"text":"x","more":"\ud800"}`:            "! surrogate",
		"{\"text\":\"\xff\"}":                     "! UTF-8",
		"{\"text\":\"\xed\xa0\x80\"}":             "! UTF-8",
		`{"text":7}`:                              `! the field "text" cannot be a number`,
		`[]`:                                      "! it is an array, not an object",
		`{"text":"x"`:                             "! it ends too early",
		``:                                        "! it ends too early",
		`{"text":"x"}{}`:                          "! after top-level value",
	} {
		var v struct {
			Text *string `json:"text"`
		}
		err := ParseJSON([]byte(in), &v)
		got := "none"
		switch {
		case err != nil:
			got = "! " + err.Reason
		case v.Text != nil:
			got = *v.Text
		}
		reason, refused := strings.CutPrefix(want, "! ")
		if refused != (err != nil) || !strings.Contains(got, reason) || !refused && got != want {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
		if err != nil && (err.Code != BadRequest || strings.Contains(err.Reason, "json")) {
			t.Errorf("%s: %v", in, err)
		}
	}
}
