package tui

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// bindings maps keys to names of actions and commands.
type bindings map[string]string

// bind returns the table of keys: the defaults, overridden by settings such as "who=alt+q".
func bind(specs []string) (bindings, error) {
	keys := bindings{}
	var known []string
	add := func(name string, defaults []string) {
		known = append(known, name)
		for _, k := range defaults {
			keys[k] = name
		}
	}
	for _, a := range actions() {
		add(a.name, a.keys)
	}
	for _, c := range allCommands() {
		add(c.name, c.keys)
	}
	wished := map[string]string{}
	for _, spec := range specs {
		name, key, ok := strings.Cut(spec, "=")
		if name, key = strings.TrimSpace(name), strings.ToLower(strings.TrimSpace(key)); !ok || key == "" {
			return nil, fmt.Errorf("invalid key setting %q (want, for example, who=alt+w)", spec)
		}
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("invalid key setting %q: unknown action %q (want one of %s)", spec, name, strings.Join(known, ", "))
		}
		if base, modifiers := bare(key); strings.HasSuffix(modifiers, "shift+") && len(base) == 1 && strings.Contains("`1234567890=[]\\;',/", base) {
			return nil, fmt.Errorf("invalid key setting %q: use the character that the key writes with Shift, as in alt+! for alt+shift+1", spec)
		}
		key = normal(key)
		if err := checkFree(key); err != nil {
			return nil, fmt.Errorf("invalid key setting %q: %w", spec, err)
		}
		if other, taken := wished[key]; taken && other != name {
			return nil, fmt.Errorf("invalid key setting %q: the key is also set for %s", spec, other)
		}
		wished[key] = name
		for k, n := range keys {
			if n == name {
				delete(keys, k)
			}
		}
		keys[key] = name
	}
	return keys, nil
}

// Keys that type no character, and keys that cannot be assigned.
var (
	namedKeys    = strings.Fields("up down left right home end pgup pgdown insert delete backspace f1 f2 f3 f4 f5 f6 f7 f8 f9 f10 f11 f12")
	reservedKeys = strings.Fields("enter esc tab shift+tab space backspace ctrl+c ctrl+d ctrl+h ctrl+j")
)

// checkFree returns an error unless key can be assigned: it exists, is spelled like a pressed key, types no character, and
// is not reserved.
func checkFree(key string) error {
	base, modifiers := bare(key)
	held := modifiers != "" && modifiers != "shift+"
	character := utf8.RuneCountInString(base) == 1
	switch {
	case slices.Contains(reservedKeys, key) || character && !held || strings.HasPrefix(key, "alt+") && len(base) == 1 && base >= "1" && base <= "9":
		return errors.New("that key cannot be reassigned")
	case !character && !slices.Contains(namedKeys, base) && !slices.Contains(reservedKeys, base):
		return fmt.Errorf("unknown key (want a letter after ctrl+, alt+ or ctrl+alt+, or one of %s)", strings.Join(namedKeys, ", "))
	}
	return nil
}

// CheckKeys returns an error unless the key settings are valid.
func CheckKeys(specs []string) error {
	_, err := bind(specs)
	return err
}

// keyOf returns the first key of an action, as shown to people.
func (b bindings) keyOf(name string) string {
	for _, k := range defaults(name) {
		if b[k] == name {
			return shownKey(k)
		}
	}
	for k, n := range b { // a setting: at most one key per action
		if n == name {
			return shownKey(k)
		}
	}
	return ""
}

// defaults returns the default keys of an action or a command.
func defaults(name string) []string {
	for _, a := range actions() {
		if a.name == name {
			return a.keys
		}
	}
	for _, c := range allCommands() {
		if c.name == name {
			return c.keys
		}
	}
	return nil
}

// shownKey returns a key as shown to people.
func shownKey(k string) string {
	parts := strings.Split(k, "+")
	for i, p := range parts {
		switch {
		case p == "pgup":
			parts[i] = "PgUp"
		case p == "pgdown":
			parts[i] = "PgDn"
		case p != "":
			parts[i] = strings.ToUpper(p[:1]) + p[1:]
		}
	}
	return strings.Join(parts, "-")
}
