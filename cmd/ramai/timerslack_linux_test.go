package main

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"testing"

	"ramai/internal/timerslack"
)

// TestTimerSlack: a server has the timer slack, in the process that was started.
func TestTimerSlack(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "ramai", "serve", "--in-memory", "--listen", "127.0.0.1:0")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || !strings.HasPrefix(line, "Open http://") {
		t.Fatalf("the server begins with %q, %v", line, err)
	}
	got, err := os.ReadFile(fmt.Sprintf("/proc/%d/timerslack_ns", cmd.Process.Pid))
	if errors.Is(err, fs.ErrPermission) {
		t.Skip("only root can read the timer slack of another process")
	}
	if err != nil || strings.TrimSpace(string(got)) != fmt.Sprint(timerslack.Slack.Nanoseconds()) {
		t.Errorf("the timer slack of the server is %q, %v", got, err)
	}
}
