package layers

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// law says on which floor each package stands. A package may import packages of lower floors, and none of its own.
const law = `
	7  cmd/ramai bench tools/cast internal/reactor/echo internal/web/page/browser
	6  server
	5  internal/web internal/sshserver internal/metrics
	4  internal/session internal/web/page
	4  internal/rehearse internal/linemode internal/tui
	3  client internal/room
	2  internal/store/sqlite internal/store/memory internal/store/search internal/sequencer/local internal/eventlog/eventlogtest
	1  internal/eventlog internal/fanout internal/names internal/tokenize internal/reactor
	0  wire internal/frame internal/frame/frametest internal/connlimit internal/fairqueue internal/httpfield internal/origin internal/exitcode internal/atomicfile internal/localsocket internal/logging internal/proxytest internal/layers
`

// never says what a package must not pull in, not even through others.
const never = `
	client            modernc.org/sqlite github.com/nats-io charm.land github.com/charmbracelet
	wire              net os
	internal/fanout     net os ramai/wire ramai/internal/frame
	internal/reactor  ramai/wire ramai/internal/frame
	internal/tokenize    net modernc.org/sqlite
	internal/session  net/http modernc.org/sqlite
	internal/tui      os os/signal net net/http
`

// direct marks rules of never that are about a package's own imports, because a library brings the rest along.
var direct = []string{"wire", "internal/session", "internal/tui"}

type pkg struct {
	ImportPath string
	Imports    []string
	Deps       []string
}

// list asks the go command for the packages of this module as they are on every system we build for.
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

// floors reads the law.
func floors() map[string]int {
	floor := make(map[string]int)
	for _, fields := range lines(law) {
		var n int
		fmt.Sscan(fields[0], &n)
		for _, name := range fields[1:] {
			floor[name] = n
		}
	}
	return floor
}

func TestFloors(t *testing.T) {
	floor := floors()
	packages := list(t)
	for name, p := range packages {
		at, ok := floor[name]
		if !ok {
			t.Errorf("%s stands on no floor: give it one in the law, and in ARCHITECTURE.md", name)
			continue
		}
		for _, imported := range p.Imports {
			other, ours := strings.CutPrefix(imported, "ramai/")
			if ours && floor[other] >= at {
				t.Errorf("%s (floor %d) imports %s (floor %d): an arrow may only point down", name, at, other, floor[other])
			}
		}
	}
	for name := range floor {
		if packages[name] == nil {
			t.Errorf("the law speaks of %s, and there is no such package", name)
		}
	}
}

// TestArchitecture compares the table of ARCHITECTURE.md with the law.
func TestArchitecture(t *testing.T) {
	text, err := os.ReadFile("../../ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	told := make(map[string]int)
	for _, row := range regexp.MustCompile("(?m)^\\| (\\d) \\| `([^`]+)` \\|").FindAllStringSubmatch(string(text), -1) {
		told[row[2]], _ = strconv.Atoi(row[1])
	}
	if !maps.Equal(told, floors()) {
		t.Errorf("ARCHITECTURE.md tells of\n%v\nthe law of\n%v", told, floors())
	}
}

func TestNever(t *testing.T) {
	packages := list(t)
	for _, fields := range lines(never) {
		p := packages[fields[0]]
		if p == nil {
			t.Errorf("the law speaks of %s, and there is no such package", fields[0])
			continue
		}
		deps := p.Deps
		if slices.Contains(direct, fields[0]) {
			deps = p.Imports
		}
		for _, dep := range deps {
			for _, forbidden := range fields[1:] {
				if dep == forbidden || strings.Contains(forbidden, ".") && strings.HasPrefix(dep, forbidden+"/") {
					t.Errorf("%s pulls in %s", fields[0], dep)
				}
			}
		}
	}
}
