// Package httpfield parses HTTP header fields that are lists (RFC 9110, section 5.6). Several lines of a field are one
// list.
package httpfield

import (
	"math"
	"strconv"
	"strings"
)

// List returns the elements of a list, without empty ones.
func List(lines []string) []string {
	var all []string
	for _, line := range lines {
		for _, element := range split(line, ',') {
			if element != "" {
				all = append(all, element)
			}
		}
	}
	return all
}

// Has reports whether a list contains a token, ignoring case.
func Has(lines []string, token string) bool {
	for _, element := range List(lines) {
		if strings.EqualFold(element, token) {
			return true
		}
	}
	return false
}

// Quality returns the weight, 0 to 1, that a list such as Accept gives to the first of names that it contains. It
// returns false if it contains none. An invalid weight is 0 (RFC 9110, section 12.4.2).
func Quality(lines []string, names ...string) (weight float64, found bool) {
	list := List(lines)
	for _, name := range names {
		for _, element := range list {
			parts := split(element, ';')
			if strings.EqualFold(parts[0], name) {
				return weigh(parts[1:]), true
			}
		}
	}
	return 0, false
}

func weigh(parameters []string) float64 {
	for _, p := range parameters {
		name, value, _ := strings.Cut(p, "=")
		if strings.EqualFold(strings.TrimSpace(name), "q") {
			q, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil || math.IsNaN(q) || q < 0 {
				return 0
			}
			return min(q, 1)
		}
	}
	return 1
}

// split splits s at each sep outside of quoted strings and trims the parts.
func split(s string, sep byte) []string {
	var parts []string
	start, quoted := 0, false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			quoted = !quoted
		case c == '\\' && quoted:
			i++
		case c == sep && !quoted:
			parts = append(parts, strings.Trim(s[start:i], " \t"))
			start = i + 1
		}
	}
	return append(parts, strings.Trim(s[min(start, len(s)):], " \t"))
}
