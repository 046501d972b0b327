package eventlog_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestDecideIsReproducible: Decide gives the same result on every machine and in every version of the program, so no part
// of it may depend on Unicode tables, which change with Go, on floats, or on regular expressions. This holds for this
// package and for the packages of this module that it imports.
func TestDecideIsReproducible(t *testing.T) {
	t.Parallel()
	forbidden := map[string]bool{"unicode": true, "regexp": true, "math/rand": true, "math/rand/v2": true, "math/cmplx": true, "ramai/internal/names": true}
	seen := map[string]bool{}
	var check func(dir string)
	check = func(dir string) {
		if seen[dir] {
			return
		}
		seen[dir] = true
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("no files in %s (%v)", dir, err)
		}
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			for _, i := range f.Imports {
				path, _ := strconv.Unquote(i.Path.Value)
				if forbidden[path] || strings.HasPrefix(path, "golang.org/x/text") {
					t.Errorf("%s imports %s", name, path)
				}
				if inModule, ok := strings.CutPrefix(path, "ramai/"); ok {
					check(filepath.Join("../..", inModule))
				}
			}
			if dir != "." {
				continue
			}
			ast.Inspect(f, func(n ast.Node) bool {
				if id, ok := n.(*ast.Ident); ok && (id.Name == "float64" || id.Name == "float32") {
					t.Errorf("%s uses %s", name, id.Name)
				}
				return true
			})
		}
	}
	check(".")
	if _, err := os.Stat("decide.go"); err != nil || !seen["../../wire"] {
		t.Errorf("Decide or the packages that it uses were not found: %v, %v", seen, err)
	}
}
