// Package sourcetest parses the source of this module, for tests that hold its conventions.
package sourcetest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A File is a parsed Go file. Dir is the directory of its package, relative to the root of the module, with slashes.
type File struct {
	*ast.File
	Dir  string
	Test bool // its name ends in _test.go
	Set  *token.FileSet
}

// Position returns where a node begins.
func (f *File) Position(n ast.Node) token.Position { return f.Set.Position(n.Pos()) }

// Files parses the Go files of the module, for all systems, without comments. It skips testdata and the page's dependencies.
func Files(t testing.TB) (all []*File) {
	t.Helper()
	root := Root(t)
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "node_modules" || d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".") && path != root) {
			return fs.SkipDir
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, path, nil, 0)
		if err != nil {
			return err
		}
		dir, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		all = append(all, &File{file, filepath.ToSlash(dir), strings.HasSuffix(path, "_test.go"), set})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// Root returns the directory of the module's go.mod.
func Root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Fatal("no go.mod above the test's directory")
		}
		dir = parent
	}
}
