package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"ramai/client"
	"ramai/internal/nearest"
	"ramai/wire"
)

// Every setting is declared once, as a flag. It can also be set by an environment variable, RAMAI_ and the name of the flag,
// or by a key in the configuration file: in the table of its command, or above all tables for every command that has it.
// The command line takes precedence over the environment, and the environment over the file.

// prefix begins the environment variables of flags.
const prefix = "RAMAI_"

// sourceKey is the annotation of a flag with the source of its value, unless that is the command line.
const sourceKey = "source"

// settings are the values that do not come from the command line.
type settings struct {
	known  map[string][]string // flags by command
	env    map[string]string   // RAMAI_ variables
	file   string              // empty: no file was read
	values map[string]any      // of the file
	lines  map[string]int      // line numbers in the file by key, from 1
}

// configure sets the flags of cmd that are not on the command line. It prints warnings to notes.
func configure(cmd *cobra.Command, environ []string, notes io.Writer) error {
	s := &settings{known: flagsOf(cmd.Root()), env: map[string]string{}}
	for _, pair := range environ {
		if name, value, _ := strings.Cut(pair, "="); strings.HasPrefix(name, prefix) {
			s.env[name] = value
		}
	}
	s.noteUnknown(notes)
	config := cmd.Flags().Lookup("config")
	if value := s.env[variable(config.Name)]; value != "" && !config.Changed {
		if err := set(config, variable(config.Name), value); err != nil {
			return err
		}
	}
	if err := s.read(config); err != nil {
		return exit(exitUsage, err)
	}
	var err error
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if err == nil && !f.Changed && f.Name != "help" {
			err = s.apply(tableOf(cmd), f)
		}
	})
	return err
}

// tableOf returns the name of the table with the settings of a command. A command shares it with its subcommands.
func tableOf(cmd *cobra.Command) string {
	for cmd.HasParent() && cmd.Parent().HasParent() {
		cmd = cmd.Parent()
	}
	return cmd.Name()
}

// flagsOf returns the names of the flags in each table, without those of the root.
func flagsOf(root *cobra.Command) map[string][]string {
	all := map[string][]string{}
	for _, top := range root.Commands() {
		table := top.Name()
		for _, cmd := range append(top.Commands(), top) {
			cmd.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
				if f.Name != "help" && !slices.Contains(all[table], f.Name) {
					all[table] = append(all[table], f.Name)
				}
			})
		}
	}
	return all
}

// variable returns the environment variable of a flag.
func variable(flag string) string {
	return prefix + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// apply sets f to its value in the environment or in the file.
func (s *settings) apply(command string, f *pflag.Flag) error {
	// An empty variable counts as unset, except for an address: RAMAI_LISTEN=$UNSET must not fall back to the default.
	if value, ok := s.env[variable(f.Name)]; ok && (value != "" || f.Value.Type() == addressType) {
		return set(f, variable(f.Name), value)
	}
	key := command + "." + f.Name
	table, _ := s.values[command].(map[string]any)
	value, ok := table[f.Name]
	if !ok {
		key = f.Name
		value, ok = s.values[key]
		if _, isTable := value.(map[string]any); isTable && s.known[key] != nil {
			return nil // the table of a command with the same name as the flag
		}
	}
	if !ok {
		return nil
	}
	values, err := flagValues(value)
	if err != nil {
		return exit(exitUsage, fmt.Errorf("%s: %s %w", s.at(key), key, err))
	}
	return set(f, s.at(key)+": "+key, values...)
}

// at returns the file and the line of a key.
func (s *settings) at(key string) string {
	if line := s.lines[key]; line > 0 {
		return fmt.Sprintf("%s:%d", s.file, line)
	}
	return s.file
}

// set sets f to values from source. Only a flag that can be repeated takes several.
func set(f *pflag.Flag, source string, values ...string) error {
	if len(values) != 1 && !repeatable(f) {
		return exit(exitUsage, fmt.Errorf("%s has %d values (want one)", source, len(values)))
	}
	for _, value := range values {
		if err := f.Value.Set(value); err != nil {
			return invalidValue(f, source, value, err)
		}
	}
	f.Changed = true
	f.Annotations = map[string][]string{sourceKey: {source}}
	return nil
}

// invalidValue returns the error for a value that f does not take.
func invalidValue(f *pflag.Flag, source, value string, err error) error {
	if want := kinds[f.Value.Type()]; want != "" {
		return exit(exitUsage, fmt.Errorf("%s: invalid value %q (want %s)", source, value, want))
	}
	return exit(exitUsage, fmt.Errorf("%s: %w", source, err))
}

// flagError words the errors of pflag like those of other sources.
func flagError(cmd *cobra.Command, err error) error {
	var bad *pflag.InvalidValueError
	var unknown *pflag.NotExistError
	switch {
	case errors.As(err, &bad):
		return invalidValue(bad.GetFlag(), "--"+bad.GetFlag().Name, bad.GetValue(), errors.Unwrap(bad))
	case errors.As(err, &unknown) && unknown.GetSpecifiedShortnames() == "":
		var known []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) { known = append(known, f.Name) })
		err = fmt.Errorf("unknown flag: --%s; did you mean --%s?", unknown.GetSpecifiedName(), meant(unknown.GetSpecifiedName(), known))
	}
	return exit(exitUsage, err)
}

// kinds describes the values of pflag's types; the errors of other types describe them.
var kinds = map[string]string{
	"bool": "true or false", "int": "a whole number", "uint64": "a whole number", "float64": "a number", "duration": "a duration, for example 90s or 5m",
}

// source returns where the value of f comes from.
func source(f *pflag.Flag) string {
	if from := f.Annotations[sourceKey]; len(from) > 0 {
		return from[0]
	}
	if f.Changed {
		return "--" + f.Name
	}
	return "default"
}

// typed reports whether a flag is on the command line.
func typed(flags *pflag.FlagSet, name string) bool {
	return source(flags.Lookup(name)) == "--"+name
}

// repeatable reports whether f takes several values.
func repeatable(f *pflag.Flag) bool {
	_, ours := f.Value.(interface{ repeats() })
	_, theirs := f.Value.(pflag.SliceValue)
	return ours || theirs
}

// flagValues returns a value of the file as it could be written on a command line.
func flagValues(v any) ([]string, error) {
	switch v := v.(type) {
	case []any:
		var all []string
		for _, one := range v {
			inner, err := flagValues(one)
			if err != nil || len(inner) != 1 {
				return nil, errors.New("is a list of lists (want a list of values)")
			}
			all = append(all, inner...)
		}
		return all, nil
	case map[string]any:
		return nil, errors.New("is a table (want a value)")
	}
	return []string{fmt.Sprint(v)}, nil
}

// configFile returns the default configuration file: $XDG_CONFIG_HOME/ramai/config.toml, or its equivalent on the system.
func configFile() string {
	dir := os.Getenv("XDG_CONFIG_HOME")
	if !filepath.IsAbs(dir) {
		var err error
		if dir, err = os.UserConfigDir(); err != nil {
			return ""
		}
	}
	return filepath.Join(dir, "ramai", "config.toml")
}

// read reads the configuration file. It may be missing, unless it was named explicitly.
func (s *settings) read(config *pflag.Flag) error {
	path := config.Value.String()
	if path == "" {
		return nil
	}
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && !config.Changed {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot read the configuration file: %w", err)
	}
	if !utf8.Valid(b) {
		return fmt.Errorf("%s is not UTF-8; save it as UTF-8", path)
	}
	b = []byte(wire.NormalizeText(string(b))) // as Notepad and PowerShell write it
	s.file, s.lines = path, linesOf(b)
	if err := toml.Unmarshal(b, &s.values); err != nil {
		at := path
		if bad := (*toml.DecodeError)(nil); errors.As(err, &bad) {
			line, column := bad.Position()
			at = fmt.Sprintf("%s:%d:%d", path, line, column)
		}
		return fmt.Errorf("%s is not valid TOML (https://toml.io): %w", at, err)
	}
	return s.checkKeys()
}

// linesOf returns the line numbers of keys and tables in a file, up to the first syntax error.
func linesOf(b []byte) map[string]int {
	lines := map[string]int{}
	var p unstable.Parser
	p.Reset(b)
	var table []string
	for p.NextExpression() {
		e := p.Expression()
		var key []string
		var first *unstable.Node
		for it := e.Key(); it.Next(); {
			if first == nil {
				first = it.Node()
			}
			key = append(key, string(it.Node().Data))
		}
		if e.Kind == unstable.KeyValue {
			key = append(slices.Clone(table), key...)
		} else {
			table = key
		}
		line := p.Shape(first.Raw).Start.Line
		for n := range key { // a table that is named only in a dotted key begins at that key
			if name := strings.Join(key[:n+1], "."); lines[name] == 0 {
				lines[name] = line
			}
		}
	}
	return lines
}

// checkKeys rejects unknown keys.
func (s *settings) checkKeys() error {
	all := slices.Concat(slices.Collect(maps.Values(s.known))...)
	for _, key := range slices.Sorted(maps.Keys(s.values)) {
		value := s.values[key]
		table, isTable := value.(map[string]any)
		known, isCommand := s.known[key]
		switch {
		case isTable && isCommand:
			for _, inner := range slices.Sorted(maps.Keys(table)) {
				if !slices.Contains(known, inner) {
					return fmt.Errorf("%s: unknown setting %q in [%s]; did you mean %s?", s.at(key+"."+inner), inner, key, meant(inner, known))
				}
			}
		case isTable:
			return fmt.Errorf("%s: unknown table [%s]; did you mean [%s]?", s.at(key), key, meant(key, slices.Collect(maps.Keys(s.known))))
		case !slices.Contains(all, key):
			return fmt.Errorf("%s: unknown setting %q; did you mean %s?", s.at(key), key, meant(key, all))
		}
	}
	return nil
}

// noteUnknown warns about variables that belong to no flag.
func (s *settings) noteUnknown(notes io.Writer) {
	names := map[string]string{variable("config"): "config"} // of flags, by variable
	for _, flags := range s.known {
		for _, flag := range flags {
			names[variable(flag)] = flag
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.env)) {
		if names[name] != "" || s.env[name] == "" {
			continue
		}
		flag := strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(name, prefix), "_", "-"))
		fmt.Fprintf(notes, "ramai: unknown environment variable %s; did you mean %s?\n", client.Printable(name), variable(meant(flag, slices.Collect(maps.Values(names)))))
	}
}

// renamed maps former names of flags to their present ones.
var renamed = map[string]string{
	"for": "duration", "host": "allow-host", "keep": "retention", "max-joined": "max-rooms-per-client", "memory": "in-memory",
	"reactor": "io", "sources": "source-addresses", "stall": "slow-client-timeout", "talkers": "publishers", "tape-memory": "buffer-memory",
}

// meant returns the known name that is meant by an unknown one: its present name if it was renamed, otherwise the most
// similar one.
func meant(name string, known []string) string {
	if present := renamed[name]; slices.Contains(known, present) {
		return present
	}
	slices.Sort(known)
	return slices.MinFunc(known, func(a, b string) int {
		return nearest.Distance(name, a) - nearest.Distance(name, b)
	})
}
