package layers

import (
	"go/ast"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"ramai/internal/sourcetest"
)

// concurrent lists packages whose functions start goroutines.
var concurrent = []string{"golang.org/x/sync/errgroup", "net/http/httptest", "testing/synctest"}

// make test runs some packages without the race detector. They start no goroutines, so it would find nothing in them. cmd/ramai is
// the exception: its tests start the program, whose parts are tested with the detector.
func TestSequentialPackagesStartNoGoroutines(t *testing.T) {
	makefile, err := os.ReadFile(filepath.Join(sourcetest.Root(t), "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^SEQUENTIAL = (.*)$`).FindSubmatch(makefile)
	if m == nil {
		t.Fatal("the Makefile does not set SEQUENTIAL")
	}
	files := sourcetest.Files(t)
	for _, dir := range strings.Fields(string(m[1])) {
		if !slices.ContainsFunc(files, func(f *sourcetest.File) bool { return f.Dir == dir && f.Test }) {
			t.Errorf("SEQUENTIAL has %s, which has no tests", dir)
		}
		for _, file := range files {
			if file.Dir != dir {
				continue
			}
			for _, i := range file.Imports {
				if path := strings.Trim(i.Path.Value, `"`); slices.Contains(concurrent, path) {
					t.Errorf("%s: %s imports %s: remove it from SEQUENTIAL in the Makefile", file.Position(i), dir, path)
				}
			}
			ast.Inspect(file.File, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.GoStmt:
					t.Errorf("%s: %s starts a goroutine: remove it from SEQUENTIAL in the Makefile", file.Position(n), dir)
				case *ast.SelectorExpr:
					if slices.Contains([]string{"AfterFunc", "Go", "Parallel", "RunParallel"}, n.Sel.Name) {
						t.Errorf("%s: %s calls %s, which starts a goroutine: remove it from SEQUENTIAL in the Makefile", file.Position(n), dir, n.Sel.Name)
					}
				}
				return true
			})
		}
	}
}

// Tests that make test runs without the race detector are run somewhere: each is in one of the packages that are run once more,
// and in no other.
func TestUnracedTests(t *testing.T) {
	makefile, err := os.ReadFile(filepath.Join(sourcetest.Root(t), "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	list := func(name string) []string {
		m := regexp.MustCompile(`(?m)^` + name + ` = ((?:.*\\\n)*.*)$`).FindSubmatch(makefile)
		if m == nil {
			t.Fatalf("the Makefile does not set %s", name)
		}
		return strings.Fields(strings.ReplaceAll(string(m[1]), "\\\n", " "))
	}
	found := map[string]bool{}
	for _, unraced := range list("UNRACED") {
		found[strings.Split(unraced, "/")[0]] = false
	}
	packages := list("UNRACED_IN")
	for _, file := range sourcetest.Files(t) {
		for _, d := range file.File.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Recv != nil || !file.Test {
				continue
			}
			if _, unraced := found[f.Name.Name]; !unraced {
				continue
			}
			found[f.Name.Name] = true
			if !slices.Contains(packages, file.Dir) {
				t.Errorf("%s: %s is in UNRACED, so make test does not run it: rename it, or add %s to UNRACED_IN in the Makefile", file.Position(f), f.Name.Name, file.Dir)
			}
		}
	}
	for name, ok := range found {
		if !ok {
			t.Errorf("UNRACED has %s, which is no test", name)
		}
	}
}
