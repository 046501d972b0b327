package main

import (
	"strings"
	"testing"
)

// A wrong value is an error in the same words wherever it comes from, and is found before anything is listened on.
func TestWrongSettings(t *testing.T) {
	for _, c := range []struct {
		args, environ []string
		want          string
	}{
		{[]string{"--listen", ""}, nil, `--listen: "" is no address and port; it is to be like 127.0.0.1:2000`},
		{[]string{"--listen", "none"}, nil, `--listen: "none" is no address and port`},
		{[]string{"--listen", ":"}, nil, `--listen: ":" is no address and port`},
		{[]string{"--listen", "127.0.0.1"}, nil, `--listen: "127.0.0.1" is no address and port`},
		{[]string{"--ssh", ""}, nil, `--ssh: "" is no address and port; it is to be like 127.0.0.1:2000, or :2000 for the whole network, or none`},
		{[]string{"--admin", ""}, nil, `--admin: "" is no address and port`},
		{nil, []string{"RAMAI_LISTEN", ""}, `RAMAI_LISTEN: "" is no address and port`},
		{nil, []string{"RAMAI_SSH", ""}, `RAMAI_SSH: "" is no address and port`},
		{[]string{"--rate", "fast"}, nil, `--rate is to be a number, not "fast"`},
		{nil, []string{"RAMAI_RATE", "fast"}, `RAMAI_RATE is to be a number, not "fast"`},
		{[]string{"--in-memory=perhaps"}, nil, `--in-memory is to be true or false, not "perhaps"`},
		{[]string{"--slow-client-timeout", "soon"}, nil, `--slow-client-timeout is to be a time, like 90s or 5m, not "soon"`},
		{[]string{"--lisen", "x"}, nil, `unknown flag: --lisen; did you mean --listen?`},
		{[]string{"--keep", "30d"}, nil, `unknown flag: --keep; did you mean --retention?`},
		{[]string{"--memory"}, nil, `unknown flag: --memory; did you mean --in-memory?`},
		{[]string{"--host", "x"}, nil, `unknown flag: --host; did you mean --allow-host?`},
		{[]string{"--acme-directory", "nonsense"}, nil, `--acme-directory: "nonsense" is no address of a directory`},
		{[]string{"--acme-directory", "https://acme.example/directory"}, nil, `--acme-directory says where certificates come from, but there is no --acme`},
		{[]string{"--acme-email", "anna@example.org"}, nil, `--acme-email says whom`},
		{[]string{"--ssh-keys-only"}, nil, `--ssh-keys-only is about SSH, which is nowhere`},
		{[]string{"--trust-proxy", "0.0.0.0/0"}, nil, `--trust-proxy: "0.0.0.0/0" is everybody`},
		{[]string{"--trust-proxy", "::/0"}, nil, `--trust-proxy: "::/0" is everybody`},
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

// What a file says can be undone by a flag.
func TestNowhere(t *testing.T) {
	t.Setenv("RAMAI_SSH", "127.0.0.1:99999") // which nothing can listen on
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
