package wire

import (
	"strings"
	"testing"
)

// Input is used exactly as it is, or refused with a readable reason.
func TestParseJSON(t *testing.T) {
	for in, want := range map[string]string{ // the text, or "! " and a part of the reason for refusing it
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
		`{"text":"\\ud800"}`:                      `\ud800`, // a backslash followed by letters
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
		`{"text":"x"`:                             "! unexpected end of JSON",
		``:                                        "! unexpected end of JSON",
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
