package server_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"ramai/server"
)

// TestCommandsOfTheDocuments runs the commands of the documents, each block against its own server, and compares their
// output with the document.
func TestCommandsOfTheDocuments(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("curl is missing: make tools installs it")
		}
		t.Skip("curl is missing")
	}
	for _, file := range []string{"../README.md", "../docs/PROTOCOL.md"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		blocks := strings.Split(string(text), "```console\n")[1:]
		if len(blocks) == 0 {
			t.Errorf("%s has no commands", file)
		}
		for i, part := range blocks {
			block, _, _ := strings.Cut(part, "```")
			t.Run(fmt.Sprintf("%s/%d", strings.TrimPrefix(file, "../"), i+1), func(t *testing.T) {
				t.Parallel()
				web := start(t, func(c *server.Config) { c.Quiet = true })
				for _, one := range strings.Split("\n"+block, "\n$ ")[1:] {
					command, want, _ := strings.Cut(one, "\n")
					runCommand(t, strings.ReplaceAll(command, "http://localhost:2000", web.URL), strings.TrimRight(want, "\n"))
				}
			})
		}
	}
}

// runCommand runs a command in a shell until it has printed the wanted output. A stream never ends.
func runCommand(t *testing.T, command, want string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-c", "exec "+command)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		cancel()
		cmd.Wait()
	}()
	lines := bufio.NewScanner(out)
	for w := range strings.SplitSeq(want, "\n") {
		if !lines.Scan() {
			t.Fatalf("$ %s\nends, but the document continues\n%s", command, w)
		}
		pattern := "^" + strings.ReplaceAll(regexp.QuoteMeta(w), "…", ".*") + "$"
		if !regexp.MustCompile(pattern).MatchString(lines.Text()) {
			t.Fatalf("$ %s\nprints\n%s\nwant, from the document,\n%s", command, lines.Text(), w)
		}
	}
}
