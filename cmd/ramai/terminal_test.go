package main

import (
	"os/exec"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// The script commands for everything that only a terminal shows. tmux draws it.

// tmux runs one of tmux's commands.
func tmux(ts *testscript.TestScript, args ...string) string {
	cmd := exec.Command("tmux", append([]string{"-S", on(ts).tmux, "-f", "/dev/null"}, args...)...)
	cmd.Dir = ts.Getenv("WORK")
	cmd.Env = []string{"LANG=C.UTF-8", "TERM=xterm-256color"}
	for _, name := range []string{"PATH", "HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "TZ", "RAMAI_SERVER"} {
		cmd.Env = append(cmd.Env, name+"="+ts.Getenv(name))
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		ts.Fatalf("tmux %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func measures(ts *testscript.TestScript, s string) (width, height string) {
	width, height, ok := strings.Cut(s, "x")
	if !ok {
		ts.Fatalf("invalid size %q (want, for example, 80x24)", s)
	}
	return width, height
}

func terminal(ts *testscript.TestScript, _ bool, args []string) {
	width, height := measures(ts, args[1])
	tmux(ts, "new-session", "-d", "-s", args[0], "-x", width, "-y", height, "env PS1='$ ' bash --norc --noprofile")
	tmux(ts, "set-option", "-t", args[0], "status", "off")
}

func keys(ts *testscript.TestScript, _ bool, args []string) {
	tmux(ts, append([]string{"send-keys", "-t", args[0]}, args[1:]...)...)
}

func paste(ts *testscript.TestScript, _ bool, args []string) {
	tmux(ts, "load-buffer", ts.MkAbs(args[1]))
	tmux(ts, "paste-buffer", "-p", "-t", args[0]) // -p: bracketed, if enabled
}

func resize(ts *testscript.TestScript, _ bool, args []string) {
	width, height := measures(ts, args[1])
	tmux(ts, "resize-window", "-t", args[0], "-x", width, "-y", height)
}

func sees(ts *testscript.TestScript, neg bool, args []string) {
	for begin := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		screen := tmux(ts, "capture-pane", "-p", "-t", args[0])
		if strings.Contains(screen, args[1]) != neg {
			return
		}
		if time.Since(begin) > limit {
			ts.Fatalf("%q is, or is not, on the terminal %s:\n%s", args[1], args[0], screen)
		}
	}
}

func closed(ts *testscript.TestScript, _ bool, args []string) {
	tmux(ts, "kill-session", "-t", args[0])
}
