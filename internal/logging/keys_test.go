package logging

import (
	"go/ast"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"ramai/internal/sourcetest"
)

var key = regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)*$`)

// Every log call in this module has a constant message and keys in snake_case, and docs/OPERATING.md lists the keys.
// A message that contains an address cannot be counted.
func TestKeys(t *testing.T) {
	calls := 0
	used := map[string]bool{}
	for _, file := range sourcetest.Files(t) {
		if file.Test {
			continue
		}
		ast.Inspect(file.File, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || !logs(call) {
				return true
			}
			calls++
			at := file.Position(call)
			if !literal(call.Args[0]) {
				t.Errorf("%s: the message is not a constant: put variable parts under a key", at)
			}
			for i := 1; i < len(call.Args) && call.Ellipsis == token.NoPos; i += 2 {
				arg := call.Args[i]
				if attr, ok := arg.(*ast.CallExpr); ok && len(attr.Args) > 0 { // slog.String and its like
					arg = attr.Args[0]
					i--
				}
				name, ok := arg.(*ast.BasicLit)
				if !ok || !key.MatchString(unquoted(name)) {
					t.Errorf("%s: the key at %v is not a constant in snake_case", at, file.Position(arg))
					continue
				}
				used[unquoted(name)] = true
			}
			return true
		})
	}
	if calls < 30 {
		t.Errorf("found only %d log calls", calls)
	}
	documented := documentedKeys(t)
	for key := range used {
		if !documented[key] {
			t.Errorf("docs/OPERATING.md does not list the log key %s", key)
		}
	}
}

// documentedKeys returns the log keys in the table of docs/OPERATING.md.
func documentedKeys(t *testing.T) map[string]bool {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "OPERATING.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(text), "\n| log key | meaning |\n")
	if !found {
		t.Fatal("docs/OPERATING.md has no table of log keys")
	}
	table, _, _ = strings.Cut(table, "\n\n")
	keys := map[string]bool{}
	for row := range strings.Lines(table) {
		cell, _, _ := strings.Cut(strings.TrimPrefix(row, "|"), "|")
		for _, m := range regexp.MustCompile("`([a-z0-9_]+)`").FindAllStringSubmatch(cell, -1) {
			keys[m[1]] = true
		}
	}
	return keys
}

// logs reports whether a call logs a line: logger.Info, x.Logger.Error and so on.
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
	switch receiver := method.X.(type) {
	case *ast.Ident:
		return receiver.Name == "logger"
	case *ast.SelectorExpr:
		return receiver.Sel.Name == "logger" || receiver.Sel.Name == "Logger"
	case *ast.CallExpr: // slog.New(…).Warn
		return true
	}
	return false
}

// literal reports whether an expression is a string literal, or a concatenation of string literals.
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
