package main

import (
	"strings"
	"testing"
)

// TestWrongSettings: an invalid value is reported in the same words wherever it comes from, before the server listens.
func TestWrongSettings(t *testing.T) {
	for _, c := range []struct {
		args, environ []string
		want          string
	}{
		{[]string{"--listen", ""}, nil, `--listen: invalid address "" (want a host and a port, for example 127.0.0.1:2000`},
		{[]string{"--listen", "none"}, nil, `--listen: invalid address "none"`},
		{[]string{"--listen", ":"}, nil, `--listen: invalid address ":"`},
		{[]string{"--listen", "127.0.0.1"}, nil, `--listen: invalid address "127.0.0.1"`},
		{[]string{"--ssh", ""}, nil, `--ssh: invalid address "" (want a host and a port, for example 127.0.0.1:2000, or :2000 for all addresses, or none)`},
		{[]string{"--admin", ""}, nil, `--admin: invalid address ""`},
		{nil, []string{"RAMAI_LISTEN", ""}, `RAMAI_LISTEN: invalid address ""`},
		{nil, []string{"RAMAI_SSH", ""}, `RAMAI_SSH: invalid address ""`},
		{[]string{"--rate", "fast"}, nil, `--rate: invalid value "fast" (want a number)`},
		{nil, []string{"RAMAI_RATE", "fast"}, `RAMAI_RATE: invalid value "fast" (want a number)`},
		{[]string{"--in-memory=perhaps"}, nil, `--in-memory: invalid value "perhaps" (want true or false)`},
		{[]string{"--slow-client-timeout", "soon"}, nil, `--slow-client-timeout: invalid value "soon" (want a duration, for example 90s or 5m)`},
		{[]string{"--lisen", "x"}, nil, `unknown flag: --lisen; did you mean --listen?`},
		{[]string{"--keep", "30d"}, nil, `unknown flag: --keep; did you mean --retention?`},
		{[]string{"--memory"}, nil, `unknown flag: --memory; did you mean --in-memory?`},
		{[]string{"--host", "x"}, nil, `unknown flag: --host; did you mean --allow-host?`},
		{[]string{"--acme-directory", "nonsense"}, nil, `--acme-directory: invalid URL "nonsense"`},
		{[]string{"--acme-directory", "https://acme.example/directory"}, nil, `--acme-directory requires --acme`},
		{[]string{"--acme-email", "anna@example.org"}, nil, `--acme-email requires --acme`},
		{[]string{"--ssh-keys-only"}, nil, `--ssh-keys-only requires --ssh`},
		{[]string{"--trust-proxy", "0.0.0.0/0"}, nil, `--trust-proxy: "0.0.0.0/0" contains every address`},
		{[]string{"--trust-proxy", "::/0"}, nil, `--trust-proxy: "::/0" contains every address`},
	} {
		for _, check := range []bool{true, false} {
			args := append([]string{"serve", "--in-memory", "--config", ""}, c.args...)
			if check {
				args = append(args, "--check")
			}
			t.Run(strings.Join(append(args[4:], c.environ...), " "), func(t *testing.T) {
				if c.environ != nil {
					t.Setenv(c.environ[0], c.environ[1])
				}
				var out, notes strings.Builder
				if code := run(t.Context(), args, nil, &out, &notes); code != exitUsage || !strings.HasPrefix(notes.String(), "ramai: "+c.want) {
					t.Errorf("%d, %s\nwant %s", code, notes.String(), c.want)
				}
			})
		}
	}
}

// TestNoAddress: a flag can turn off what the environment has set.
func TestNoAddress(t *testing.T) {
	t.Setenv("RAMAI_SSH", "127.0.0.1:99999") // an invalid port
	var out, notes strings.Builder
	if code := run(t.Context(), []string{"serve", "--check", "--in-memory", "--listen", "127.0.0.1:0", "--ssh", "none"}, nil, &out, &notes); code != 0 {
		t.Errorf("%d %s", code, notes.String())
	}
}

func TestVersion(t *testing.T) {
	for _, arg := range []string{"version", "--version"} {
		var out, notes strings.Builder
		if code := run(t.Context(), []string{arg}, nil, &out, &notes); code != 0 || out.String() != "ramai "+version()+"\n" {
			t.Errorf("%s: %d %q %q", arg, code, out.String(), notes.String())
		}
	}
}
