package tui

import (
	"os"
	"strings"
	"testing"
)

// TestDocument compares docs/TERMINAL.md with the commands and actions.
func TestDocument(t *testing.T) {
	b, err := os.ReadFile("../../docs/TERMINAL.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	for _, c := range allCommands() {
		key := map[string]string{"quit": "Ctrl-D", "retry": "Ctrl-R"}[c.name] // keys that also do something else
		if len(c.keys) > 0 {
			key = shownKey(c.keys[0])
		}
		if row := "| `" + strings.TrimSpace("/"+c.name+" "+c.words) + "` | " + strings.TrimSpace(key+" |"); !strings.Contains(text, row) {
			t.Errorf("docs/TERMINAL.md has no row %s", row)
		}
	}
	for _, a := range actions() {
		if !strings.Contains(text, "`"+a.name+"`") {
			t.Errorf("docs/TERMINAL.md does not say that --keys takes %s", a.name)
		}
	}
}
