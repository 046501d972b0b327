package server_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ramai/server"
	"ramai/wire"
)

// TestIdentityDocument runs the programs of docs/IDENTITY.md. The tokens that they create are accepted, are of the same user, and give the
// role that they claim: each a higher one, so that it is not that of the token before.
func TestIdentityDocument(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docs/IDENTITY.md")
	if err != nil {
		t.Fatal(err)
	}
	var cfg server.Config
	base := start(t, func(c *server.Config) {
		acceptTokens(t, c)
		cfg = *c
	}).URL
	post(t, base, "staff", "welcome", bearer(strings.Repeat("A", wire.SessionLen))...)
	var by string
	for _, program := range []struct {
		language, file string
		run            []string
		role           wire.Role
	}{
		{"go", "token.go", []string{"go", "run"}, wire.RoleKnown},
		{"js", "token.js", []string{"node"}, wire.RoleTrusted},
		{"python", "token.py", []string{"python3"}, wire.RoleModerator},
	} {
		_, code, found := strings.Cut(string(text), "```"+program.language+"\n")
		if !found {
			t.Errorf("docs/IDENTITY.md has no program in %s", program.language)
			continue
		}
		code, _, _ = strings.Cut(code, "```")
		path := filepath.Join(t.TempDir(), program.file)
		if err := os.WriteFile(path, []byte(code), 0o600); err != nil {
			t.Fatal(err)
		}
		run := exec.CommandContext(t.Context(), program.run[0], append(program.run[1:], path, cfg.Tokens.KeyFile, "anna@school", "Anna", "staff", program.role.String())...)
		out, err := run.Output()
		if err != nil {
			t.Errorf("%v: %v (make tools installs what is missing)", run.Args, err)
			continue
		}
		anna, welcome := greeted(t, base, wire.Hello{Token: strings.TrimSpace(string(out))})
		if !welcome.Known || welcome.Name != "Anna" || by != "" && welcome.SenderID != by {
			t.Errorf("with the token in %s, the welcome is %+v, want Anna, %s", program.language, welcome, by)
		}
		by = welcome.SenderID
		anna.say(`{"type":"join","room":"staff"}`)
		if joined := frame[wire.Joined](anna); joined.Role != program.role {
			t.Errorf("with the token in %s, the role is %v, want %v", program.language, joined.Role, program.role)
		}
	}
}
