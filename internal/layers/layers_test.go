package layers

import (
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// forbidden lists packages that a package must not depend on, not even indirectly.
const forbidden = `
	client            modernc.org/sqlite github.com/nats-io charm.land github.com/charmbracelet
	wire              net os
	internal/fanout     net os ramai/wire ramai/internal/frame
	internal/reactor  ramai/wire ramai/internal/frame
	internal/tokenize    net modernc.org/sqlite
	internal/session  net/http modernc.org/sqlite
	internal/tui      os os/signal net net/http
`

// direct lists packages whose rules in forbidden apply only to their own imports, because libraries bring the rest along.
var direct = []string{"wire", "internal/session", "internal/tui"}

type pkg struct {
	ImportPath string
	Imports    []string
	Deps       []string
}

// list returns the packages of this module, with their dependencies on all supported systems.
func list(t *testing.T) map[string]*pkg {
	t.Helper()
	all := make(map[string]*pkg)
	for _, goos := range []string{"linux", "darwin", "windows"} {
		cmd := exec.Command("go", "list", "-json=ImportPath,Imports,Deps", "ramai/...")
		cmd.Env = append(cmd.Environ(), "GOOS="+goos, "CGO_ENABLED=0")
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("go list: %v", err)
		}
		for d := json.NewDecoder(strings.NewReader(string(out))); ; {
			p := new(pkg)
			if err := d.Decode(p); err == io.EOF {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			name := strings.TrimPrefix(p.ImportPath, "ramai/")
			if old := all[name]; old != nil {
				p.Imports, p.Deps = append(p.Imports, old.Imports...), append(p.Deps, old.Deps...)
			}
			all[name] = p
		}
	}
	return all
}

func lines(text string) (all [][]string) {
	for line := range strings.Lines(text) {
		if fields := strings.Fields(line); len(fields) > 0 {
			all = append(all, fields)
		}
	}
	return all
}

// layers returns the layers of all packages, which the table in ARCHITECTURE.md says. A package may import only packages of
// lower layers.
func layers(t *testing.T) map[string]int {
	t.Helper()
	layer := make(map[string]int)
	for _, row := range regexp.MustCompile("(?m)^\\| (\\d) \\| `([^`]+)` \\|").FindAllStringSubmatch(architecture(t), -1) {
		layer[row[2]], _ = strconv.Atoi(row[1])
	}
	if len(layer) == 0 {
		t.Fatal("ARCHITECTURE.md has no table of layers")
	}
	return layer
}

func TestLayers(t *testing.T) {
	layer := layers(t)
	packages := list(t)
	for name, p := range packages {
		own, ok := layer[name]
		if !ok {
			t.Errorf("%s has no layer: add it to the table in ARCHITECTURE.md", name)
			continue
		}
		for _, imported := range p.Imports {
			other, ours := strings.CutPrefix(imported, "ramai/")
			if ours && layer[other] >= own {
				t.Errorf("%s (layer %d) imports %s (layer %d): imports may only point downwards", name, own, other, layer[other])
			}
		}
	}
	for name := range layer {
		if packages[name] == nil {
			t.Errorf("ARCHITECTURE.md has a layer for %s, but there is no such package", name)
		}
	}
}

func architecture(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestForbiddenPackages(t *testing.T) {
	packages := list(t)
	for _, fields := range lines(forbidden) {
		p := packages[fields[0]]
		if p == nil {
			t.Errorf("the rules have %s, but there is no such package", fields[0])
			continue
		}
		deps := p.Deps
		if slices.Contains(direct, fields[0]) {
			deps = p.Imports
		}
		for _, dep := range deps {
			for _, bad := range fields[1:] {
				if dep == bad || strings.Contains(bad, ".") && strings.HasPrefix(dep, bad+"/") {
					t.Errorf("%s depends on %s", fields[0], dep)
				}
			}
		}
	}
}
