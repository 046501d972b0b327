package commands

import (
	"slices"
	"strings"
)

// Complete returns what the last argument of a command may become, and the text before that argument. args is what follows the command's
// name and a space.
func (c *Command) Complete(h Host, args string) (before string, candidates []string) {
	rest := args
	for _, kind := range c.Takes {
		if word := argument(h, kind, rest); word != "" {
			rest = rest[len(word):]
			continue
		}
		for _, s := range options(h, kind) {
			if len(s) >= len(rest) && strings.EqualFold(s[:len(rest)], rest) && !slices.Contains(candidates, s) {
				candidates = append(candidates, s)
			}
		}
		if kind == PersonArg && strings.HasPrefix(rest, "@") {
			for _, s := range options(h, kind) {
				if typed := rest[1:]; len(s) >= len(typed) && strings.EqualFold(s[:len(typed)], typed) {
					candidates = append(candidates, "@"+s)
				}
			}
		}
		return args[:len(args)-len(rest)], candidates
	}
	return args, nil
}

// argument returns the argument of a kind that rest begins with, and the spaces after it; empty: it is not complete.
func argument(h Host, kind Kind, rest string) string {
	length := strings.IndexByte(rest, ' ')
	if kind == PersonArg { // a name may contain spaces
		name := strings.TrimPrefix(rest, "@")
		for _, s := range options(h, kind) {
			if n := len(rest) - len(name) + len(s); n > length && len(name) > len(s) && name[len(s)] == ' ' && strings.EqualFold(name[:len(s)], s) {
				length = n
			}
		}
		if length > 0 && length < len(rest) && slices.ContainsFunc(options(h, kind), func(s string) bool {
			return len(s) > len(name) && strings.EqualFold(s[:len(name)], name)
		}) {
			return "" // a longer name is being written
		}
	}
	if length <= 0 || kind == TextArg {
		return ""
	}
	for length < len(rest) && rest[length] == ' ' {
		length++
	}
	return rest[:length]
}

// options returns the usual arguments of a kind.
func options(h Host, kind Kind) []string {
	switch kind {
	case PersonArg:
		return h.People().Names(h.SenderID())
	case RoleArg:
		return append(givenRoles(), "-")
	case EveryoneArg:
		return everyones
	case PresetArg:
		return append(slices.Clone(presets), "-")
	case HoldArg:
		return append(slices.Clone(holds), "-")
	case MayArg:
		return []string{"say", "react", "link"}
	case TimeArg:
		return []string{"10m", "1h", "1d", "7d"}
	}
	return nil
}
