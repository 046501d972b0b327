package logging

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

var key = regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)*$`)

// Every line of the log in this module has a fixed message, and facts under keys in snake_case: a message that has an address
// in it cannot be counted, and a key with a space cannot be searched for.
func TestKeys(t *testing.T) {
	lines := 0
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "node_modules" || d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".") && path != root) {
			return fs.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || !logs(call) {
				return true
			}
			lines++
			at := files.Position(call.Pos())
			if !literal(call.Args[0]) {
				t.Errorf("%s: the message is not a literal: what varies belongs under a key", at)
			}
			for i := 1; i < len(call.Args) && call.Ellipsis == token.NoPos; i += 2 {
				arg := call.Args[i]
				if attr, ok := arg.(*ast.CallExpr); ok && len(attr.Args) > 0 { // slog.String and its like
					arg = attr.Args[0]
					i--
				}
				name, ok := arg.(*ast.BasicLit)
				if !ok || !key.MatchString(unquoted(name)) {
					t.Errorf("%s: %v is not a key in snake_case", at, files.Position(arg.Pos()))
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if lines < 30 {
		t.Errorf("only %d lines of the log were found", lines)
	}
}

// logs reports whether a call is log.Info, x.Log.Error and the like.
func logs(call *ast.CallExpr) bool {
	method, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || len(call.Args) == 0 {
		return false
	}
	switch method.Sel.Name {
	case "Debug", "Info", "Warn", "Error":
	default:
		return false
	}
	switch on := method.X.(type) {
	case *ast.Ident:
		return on.Name == "log" || on.Name == "logger"
	case *ast.SelectorExpr:
		return on.Sel.Name == "log" || on.Sel.Name == "Log"
	}
	return false
}

// literal reports whether an expression is a string in the source, or several joined.
func literal(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.BasicLit:
		return e.Kind == token.STRING
	case *ast.BinaryExpr:
		return literal(e.X) && literal(e.Y)
	}
	return false
}

func unquoted(b *ast.BasicLit) string {
	s, _ := strconv.Unquote(b.Value)
	return s
}
