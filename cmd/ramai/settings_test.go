package main

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

var update = flag.Bool("update", false, "rewrite docs/config.example.toml")

// never lists commands without settings of their own.
var never = []string{"completion", "help", "version"}

// example returns a configuration file in which every setting has its default.
func example(root *cobra.Command) []byte {
	var b bytes.Buffer
	b.WriteString(`# Settings of ramai: $XDG_CONFIG_HOME/ramai/config.toml, or --config FILE. A flag on the command line takes precedence over the
# environment (RAMAI_LISTEN for --listen, RAMAI_TRUST_PROXY for --trust-proxy), which takes precedence over this file. The values
# shown are the defaults. Settings above the tables apply to all commands that have them.

# server = "http://127.0.0.1:2000"
`)
	for _, cmd := range root.Commands() {
		if slices.Contains(never, cmd.Name()) {
			continue
		}
		fmt.Fprintf(&b, "\n[%s]\n", cmd.Name())
		listed := []string{"help", "check"}
		for _, cmd := range append([]*cobra.Command{cmd}, cmd.Commands()...) {
			cmd.Flags().VisitAll(func(f *pflag.Flag) {
				if !slices.Contains(listed, f.Name) {
					listed = append(listed, f.Name)
					fmt.Fprintf(&b, "# %s = %s  # %s\n", f.Name, literal(f), f.Usage)
				}
			})
		}
	}
	return b.Bytes()
}

// literal returns the default of a flag in TOML.
func literal(f *pflag.Flag) string {
	switch {
	case f.Name == "data":
		return `"~/.local/share/ramai"`
	case repeatable(f):
		return "[]"
	}
	switch f.Value.Type() {
	case "bool", "int", "uint64", "float64":
		return f.DefValue
	}
	return fmt.Sprintf("%q", f.DefValue)
}

// TestExampleOfSettings: the example has every existing setting, and no other.
func TestExampleOfSettings(t *testing.T) {
	want := example(newRoot(&bytes.Buffer{}))
	path := filepath.Join("..", "..", "docs", "config.example.toml")
	if *update {
		if err := os.WriteFile(path, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("docs/config.example.toml is not what the flags say: go test ./cmd/ramai -run TestExampleOfSettings -update")
	}
	// The commented-out settings are valid TOML, too, and are accepted.
	live := regexp.MustCompile(`(?m)^# ([a-z-]+ = )`).ReplaceAll(got, []byte("$1"))
	if err := toml.Unmarshal(live, new(map[string]any)); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "config.toml")
	if err := os.WriteFile(file, live, 0o600); err != nil {
		t.Fatal(err)
	}
	var out, notes strings.Builder
	for _, cmd := range newRoot(&notes).Commands() { // some commands have the name of another one's flag
		if slices.Contains(never, cmd.Name()) {
			continue
		}
		for _, cmd := range append(cmd.Commands(), cmd) {
			if err := cmd.ParseFlags([]string{"--config", file}); err != nil {
				t.Fatal(err)
			}
			if err := configure(cmd, nil, &notes); err != nil {
				t.Errorf("%s: %v", cmd.CommandPath(), err)
			}
		}
	}
	if code := run(t.Context(), []string{"serve", "--check", "--in-memory", "--listen", "127.0.0.1:0", "--config", file}, nil, &out, &notes); code != 0 {
		t.Errorf("%d %s", code, notes.String())
	}
}

// TestRenamed: a former flag points to one that exists, and no command has both.
func TestRenamed(t *testing.T) {
	known := flagsOf(newRoot(io.Discard))
	for former, present := range renamed {
		exists := false
		for command, flags := range known {
			has := slices.Contains(flags, present)
			exists = exists || has
			if has && slices.Contains(flags, former) {
				t.Errorf("ramai %s has --%s, which was renamed to --%s", command, former, present)
			}
		}
		if !exists {
			t.Errorf("--%s was renamed to --%s, which no command has", former, present)
		}
	}
}

func TestNearest(t *testing.T) {
	known := []string{"trust-proxy", "listen", "rate", "retention"}
	for name, want := range map[string]string{"listn": "listen", "trustproxy": "trust-proxy", "x": "rate", "keep": "retention", "talkers": "rate"} {
		if got := meant(name, known); got != want {
			t.Errorf("nearest to %q is %q, want %q", name, got, want)
		}
	}
}
