package layers

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"ramai/internal/sourcetest"
)

const maxTerms = 15

// retired lists words that the glossary's terms have replaced. They must not come back as names of exported types.
var retired = strings.Fields(`
	Aside Brush Chunk Claim Disown Door Drawn Frozen Gains Gate Goal Head Holding Journal Letter Look Mail Orderer Owning
	Place Refill Ruled Seat Shelf Sluice Stalled Stranger Talk Tape Tell Unsaid Verdict Visit Visitor Welcomed
`)

// retiredText lists words and phrases that must not come back in any text, because the field has other terms for them.
var retiredText = regexp.MustCompile(`(?i)\b(re)?tapes?\b|\bseats?\b|\bsluices?\b|\bstrangers?\b|\b(talk|lin|order)ers?\b|` +
	`\bverdicts?\b|\bdisown|\bbarred\b|\bunsay|\bhurry\b|\bpatiently\b|\bwhoever\b|\btells? whether\b|\b(is|are|was|were) told so\b`)

// TestGlossaryInPackages: the doc comment of a package explains the terms that the glossary assigns to it.
func TestGlossaryInPackages(t *testing.T) {
	_, glossary, found := strings.Cut(architecture(t), "\n## Glossary\n")
	if !found {
		t.Fatal("ARCHITECTURE.md has no section Glossary")
	}
	glossary, _, _ = strings.Cut(glossary, "\n## ")
	rows := regexp.MustCompile("(?m)^\\| \\*([^*|]+)\\* \\| `([^`]+)` \\|").FindAllStringSubmatch(glossary, -1)
	if len(rows) == 0 || len(rows) > maxTerms {
		t.Errorf("the glossary has %d terms, want 1 to %d", len(rows), maxTerms)
	}
	for _, row := range rows {
		term, pkg := row[1], row[2]
		if doc := packageDoc(t, pkg); !strings.Contains(strings.Join(strings.Fields(strings.ToLower(doc)), " "), term) {
			t.Errorf("the doc comment of %s does not explain %q, which the glossary of ARCHITECTURE.md assigns to it", pkg, term)
		}
	}
}

// packageDoc returns the doc comment of a package.
func packageDoc(t *testing.T, name string) string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("..", "..", filepath.FromSlash(name), "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var doc strings.Builder
	for _, path := range paths {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.PackageClauseOnly|parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(path, "_test.go") {
			doc.WriteString(file.Doc.Text())
		}
	}
	return doc.String()
}

// TestRetiredText: no file in a language that people read contains a word that the glossary has replaced.
func TestRetiredText(t *testing.T) {
	exempt := []string{
		"CHANGELOG.md", "cmd/ramai/settings.go", "cmd/ramai/settings_test.go", // the former names of flags
		"internal/tui/emoji.txt", "internal/web/page/vendor", // names of emoji
		"internal/layers/glossary_test.go",
	}
	root, files := sourcetest.Root(t), 0
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		name = filepath.ToSlash(name)
		if slices.Contains(exempt, name) || entry.IsDir() && name != "." && (strings.HasPrefix(entry.Name(), ".") || entry.Name() == "node_modules") {
			if entry.IsDir() {
				return filepath.SkipDir
			}
			return nil
		}
		if entry.IsDir() || !slices.Contains([]string{".go", ".md", ".js", ".html", ".css", ".txt"}, filepath.Ext(name)) {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files++
		for i, line := range strings.Split(string(text), "\n") {
			if word := retiredText.FindString(line); word != "" {
				t.Errorf("%s:%d: a retired word: %q", name, i+1, word)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 500 {
		t.Errorf("found only %d files", files)
	}
}

// TestExportedTypesInPackages: no exported type has a name from the vocabulary that the glossary has replaced.
func TestExportedTypesInPackages(t *testing.T) {
	types := 0
	word := regexp.MustCompile(`[A-Z][a-z]*`)
	for _, file := range sourcetest.Files(t) {
		if file.Test {
			continue
		}
		for _, decl := range file.Decls {
			group, ok := decl.(*ast.GenDecl)
			if !ok || group.Tok != token.TYPE {
				continue
			}
			for _, spec := range group.Specs {
				name := spec.(*ast.TypeSpec).Name
				if !name.IsExported() {
					continue
				}
				types++
				for _, part := range word.FindAllString(name.Name, -1) {
					if slices.Contains(retired, part) {
						t.Errorf("%s: the type %s has a retired word in its name: %s", file.Position(name), name.Name, part)
					}
				}
			}
		}
	}
	if types < 100 {
		t.Errorf("found only %d exported types", types)
	}
}
