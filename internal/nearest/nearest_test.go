package nearest

import (
	"strings"
	"testing"
)

func TestWord(t *testing.T) {
	known := []string{"who", "join", "leave", "history", "last", "ban", "j"}
	for word, want := range map[string]string{
		"hwo": "who", "whoo": "who", "jion": "join", "leav": "leave", "histroy": "history", "hstry": "history", "list": "last", "": "", "x": "",
		"zzz": "", "wat": "", "wo": "who", "who": "who", strings.Repeat("who", 1000): "",
	} {
		if got := Word(word, known); got != want {
			t.Errorf("%q: %q, want %q", word, got, want)
		}
	}
}
