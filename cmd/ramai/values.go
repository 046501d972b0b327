package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"ramai/internal/eventlog"
)

// retention is a flag for the messages to keep.
type retention eventlog.Retention

// String implements pflag.Value.
func (r *retention) String() string { return eventlog.Retention(*r).String() }

// Set implements pflag.Value.
func (r *retention) Set(s string) error {
	parsed, err := eventlog.ParseRetention(s)
	*r = retention(parsed)
	return err
}

// Type implements pflag.Value.
func (r *retention) Type() string { return "retention" }

// path is a flag for a file or a folder. It expands ~/, because no shell does that in the environment and in configuration
// files, and $CREDENTIALS_DIRECTORY/, the folder of credentials that systemd has loaded (LoadCredential=).
type path string

const credentials = "$CREDENTIALS_DIRECTORY"

// String implements pflag.Value.
func (p *path) String() string { return string(*p) }

// Set implements pflag.Value.
func (p *path) Set(s string) error {
	if rest, ok := strings.CutPrefix(s, "~/"); ok {
		home, err := os.UserHomeDir()
		if err != nil {
			return fmt.Errorf("%q: %w; use the full path", s, err)
		}
		s = filepath.Join(home, rest)
	}
	if rest, ok := strings.CutPrefix(s, credentials+"/"); ok {
		folder := os.Getenv(credentials[1:])
		if folder == "" {
			return fmt.Errorf("%q: systemd has not loaded any credentials for this process; add LoadCredential= to the unit, or use the full path", s)
		}
		s = filepath.Join(folder, rest)
	}
	*p = path(s)
	return nil
}

// Type implements pflag.Value.
func (p *path) Type() string { return "path" }

// size is a flag for a number of bytes: 1048576, 1024KiB, 1MiB.
type size int64

var units = []struct {
	suffix string
	bytes  int64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"", 1}}

// String implements pflag.Value.
func (s *size) String() string {
	for _, u := range []int{2, 1, 0} {
		if n := int64(*s); n > 0 && n%units[u].bytes == 0 {
			return strconv.FormatInt(n/units[u].bytes, 10) + units[u].suffix
		}
	}
	return strconv.FormatInt(int64(*s), 10)
}

// Set implements pflag.Value.
func (s *size) Set(text string) error {
	for _, u := range units {
		if number, ok := strings.CutSuffix(text, u.suffix); ok {
			n, err := strconv.ParseInt(number, 10, 64)
			if err != nil || n < 0 || n > 1<<50/u.bytes {
				break
			}
			*s = size(n * u.bytes)
			return nil
		}
	}
	return fmt.Errorf("invalid size %q (want, for example, 1048576 or 64MiB)", text)
}

// Type implements pflag.Value.
func (s *size) Type() string { return "bytes" }
