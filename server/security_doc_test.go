package server_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	testPackage = regexp.MustCompile("^`([a-z/]+)` ")
	testName    = regexp.MustCompile("`([Tt]est[A-Za-z]+)`")
)

// TestSecurityDocument: each threat in docs/SECURITY.md has tests, and they exist in the package that it names.
func TestSecurityDocument(t *testing.T) {
	text, err := os.ReadFile("../docs/SECURITY.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.TrimSpace(line), " | ")
		if len(cells) != 3 || cells[0] == "| what" {
			continue
		}
		rows++
		tests := 0
		for part := range strings.SplitSeq(strings.TrimSuffix(cells[2], " |"), "; ") {
			in := testPackage.FindStringSubmatch(part)
			if in == nil {
				t.Errorf("%q names no package", part)
				continue
			}
			files, err := filepath.Glob("../" + in[1] + "/*.go")
			if err != nil || len(files) == 0 {
				t.Errorf("there is no package %s (%v)", in[1], err)
			}
			source := ""
			for _, file := range files {
				b, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				source += string(b)
			}
			for _, name := range testName.FindAllStringSubmatch(part, -1) {
				tests++
				if !strings.Contains(source, "\nfunc "+name[1]+"(") {
					t.Errorf("the package %s has no %s", in[1], name[1])
				}
			}
		}
		if tests == 0 {
			t.Errorf("no test is named for %q", cells[0])
		}
	}
	if rows < 30 {
		t.Errorf("the page has %d threats", rows)
	}
}
