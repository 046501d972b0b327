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

	"github.com/agnivade/levenshtein"
	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"ramai/client"
	"ramai/wire"
)

// A flag is the one declaration of a setting. Who does not give it on the command line can set RAMAI_ and its name in
// the environment, or its name in a file: in the table of the command, or above all tables for every command that has
// it. The flag is stronger than the environment, and that is stronger than the file.

// prefix begins the environment variables of flags.
const prefix = "RAMAI_"

// sourceKey is the annotation of a flag that tells where its value comes from, if that is not the command line.
const sourceKey = "source"

// settings is where values come from when they are not on the command line.
type settings struct {
	known  map[string][]string // names of flags, by command
	env    map[string]string   // RAMAI_ variables
	file   string              // empty: there is none
	values map[string]any      // of the file
	lines  map[string]int      // of the file, by key: 1 is the first
}

// settle gives the flags of cmd that are not on the command line their values. Notes are about what helps nobody.
func settle(cmd *cobra.Command, environ []string, notes io.Writer) error {
	s := &settings{known: flagsOf(cmd.Root()), env: map[string]string{}}
	for _, one := range environ {
		if name, value, _ := strings.Cut(one, "="); strings.HasPrefix(name, prefix) {
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
			err = s.give(cmd.Name(), f)
		}
	})
	return err
}

// flagsOf are the names of the flags that each command has for itself.
func flagsOf(root *cobra.Command) map[string][]string {
	all := map[string][]string{}
	for _, cmd := range root.Commands() {
		cmd.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
			if f.Name != "help" {
				all[cmd.Name()] = append(all[cmd.Name()], f.Name)
			}
		})
	}
	return all
}

// variable is the environment variable of a flag.
func variable(flag string) string {
	return prefix + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// give gives f what the environment or the file has for it.
func (s *settings) give(command string, f *pflag.Flag) error {
	// An empty variable counts as none, but for an address: who sets that from a variable that is not there does not mean the
	// default.
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
			return nil // the table of a command that is called as this flag is
		}
	}
	if !ok {
		return nil
	}
	values, err := strs(value)
	if err != nil {
		return exit(exitUsage, fmt.Errorf("%s: %s %w", s.at(key), key, err))
	}
	return set(f, s.at(key)+": "+key, values...)
}

// at is the file and the line of a key.
func (s *settings) at(key string) string {
	if line := s.lines[key]; line > 0 {
		return fmt.Sprintf("%s:%d", s.file, line)
	}
	return s.file
}

// set gives f values from somewhere else than the command line. Several are for flags that can be repeated.
func set(f *pflag.Flag, source string, values ...string) error {
	if len(values) != 1 && !repeatable(f) {
		return exit(exitUsage, fmt.Errorf("%s takes one value, not %d", source, len(values)))
	}
	for _, value := range values {
		if err := f.Value.Set(value); err != nil {
			return unfit(f, source, value, err)
		}
	}
	f.Changed = true
	f.Annotations = map[string][]string{sourceKey: {source}}
	return nil
}

// unfit is the error of a flag that was given a value that it does not take, wherever that comes from.
func unfit(f *pflag.Flag, source, value string, err error) error {
	if right := kinds[f.Value.Type()]; right != "" {
		return exit(exitUsage, fmt.Errorf("%s is to be %s, not %q", source, right, value))
	}
	return exit(exitUsage, fmt.Errorf("%s: %w", source, err))
}

// flagError says of the command line what is said of other sources of settings.
func flagError(cmd *cobra.Command, err error) error {
	var bad *pflag.InvalidValueError
	var unknown *pflag.NotExistError
	switch {
	case errors.As(err, &bad):
		return unfit(bad.GetFlag(), "--"+bad.GetFlag().Name, bad.GetValue(), errors.Unwrap(bad))
	case errors.As(err, &unknown) && unknown.GetSpecifiedShortnames() == "":
		var known []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) { known = append(known, f.Name) })
		err = fmt.Errorf("unknown flag: --%s; did you mean --%s?", unknown.GetSpecifiedName(), nearest(unknown.GetSpecifiedName(), known))
	}
	return exit(exitUsage, err)
}

// kinds says what a flag of a type of pflag's takes; other types say so themselves.
var kinds = map[string]string{
	"bool": "true or false", "int": "a whole number", "uint64": "a whole number", "float64": "a number", "duration": "a time, like 90s or 5m",
}

// source tells where the value of f comes from.
func source(f *pflag.Flag) string {
	if from := f.Annotations[sourceKey]; len(from) > 0 {
		return from[0]
	}
	if f.Changed {
		return "--" + f.Name
	}
	return "default"
}

// typed tells whether a flag is on the command line.
func typed(flags *pflag.FlagSet, name string) bool {
	return source(flags.Lookup(name)) == "--"+name
}

// repeatable tells whether f takes several values.
func repeatable(f *pflag.Flag) bool {
	_, ours := f.Value.(interface{ repeats() })
	_, theirs := f.Value.(pflag.SliceValue)
	return ours || theirs
}

// strs makes of a value of the file what could stand on a command line.
func strs(v any) ([]string, error) {
	switch v := v.(type) {
	case []any:
		var all []string
		for _, one := range v {
			inner, err := strs(one)
			if err != nil || len(inner) != 1 {
				return nil, errors.New("is a list of lists; it is to be a list of values")
			}
			all = append(all, inner...)
		}
		return all, nil
	case map[string]any:
		return nil, errors.New("is a table; it is to be a value")
	}
	return []string{fmt.Sprint(v)}, nil
}

// configFile is where the file is looked for: $XDG_CONFIG_HOME/ramai/config.toml, or what the system has in its place.
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

// read reads the file. Nobody need have one, unless it was asked for.
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
		return fmt.Errorf("the settings cannot be read: %w", err)
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
		return fmt.Errorf("%s is no TOML (https://toml.io): %w", at, err)
	}
	return s.checkKeys()
}

// linesOf are the lines of the keys and of the tables in a file, as far as it is TOML.
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
		for n := range key { // a table that is only named in a key begins where that is
			if name := strings.Join(key[:n+1], "."); lines[name] == 0 {
				lines[name] = line
			}
		}
	}
	return lines
}

// checkKeys finds keys that mean nothing: mistyped ones, mostly.
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
					return fmt.Errorf("%s: unknown setting %q in [%s]; did you mean %s?", s.at(key+"."+inner), inner, key, nearest(inner, known))
				}
			}
		case isTable:
			return fmt.Errorf("%s: unknown table [%s]; did you mean [%s]?", s.at(key), key, nearest(key, slices.Collect(maps.Keys(s.known))))
		case !slices.Contains(all, key):
			return fmt.Errorf("%s: unknown setting %q; did you mean %s?", s.at(key), key, nearest(key, all))
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
		fmt.Fprintf(notes, "ramai: unknown environment variable %s; did you mean %s?\n", client.Printable(name), variable(nearest(flag, slices.Collect(maps.Values(names)))))
	}
}

// renamed maps former names of flags to their present ones.
var renamed = map[string]string{
	"for": "duration", "host": "allow-host", "keep": "retention", "max-joined": "max-rooms-per-client", "memory": "in-memory",
	"reactor": "io", "sources": "source-addresses", "stall": "slow-client-timeout", "talkers": "publishers", "tape-memory": "buffer-memory",
}

// nearest returns the known name that is meant by an unknown one: its present name if it was renamed, otherwise the most
// similar one.
func nearest(name string, known []string) string {
	if present := renamed[name]; slices.Contains(known, present) {
		return present
	}
	slices.Sort(known)
	return slices.MinFunc(known, func(a, b string) int {
		return levenshtein.ComputeDistance(name, a) - levenshtein.ComputeDistance(name, b)
	})
}
