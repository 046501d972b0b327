package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"time"
)

const (
	keystroke   = 45 * time.Millisecond
	oneFrame    = 40 * time.Millisecond // between two looks at a screen
	waitTimeout = 30 * time.Second      // for text to appear on a screen
)

// session is a private tmux server with some terminals. It does nothing more after its first error.
type session struct {
	ctx       context.Context
	home      string // its socket and all files of the programs
	terminals []*terminal
	sampling  time.Duration // between two frames of a recording
	start     time.Time
	stop      func()
	recording sync.WaitGroup
	err       error
}

// terminal is one terminal and what was seen in it.
type terminal struct {
	*session
	title         string
	width, height int // characters
	column, row   int // position in the picture
	rows          [][]snapshot
}

// snapshot is the text of a row from a given time on.
type snapshot struct {
	from time.Duration
	text string
}

// tmux runs a command of tmux, unless something has failed.
func (s *session) tmux(args ...string) (out string) {
	if s.err == nil {
		out, s.err = s.command(args...)
	}
	return out
}

func (s *session) command(args ...string) (string, error) {
	return s.run("tmux", append([]string{"-S", s.home + "/tmux", "-f", "/dev/null"}, args...)...)
}

// ramai runs a command of ramai beside the terminals, unless something has failed.
func (s *session) ramai(args ...string) {
	if s.err == nil {
		_, s.err = s.run(s.home+"/ramai", args...)
	}
}

func (s *session) run(name string, args ...string) (string, error) {
	cmd := exec.CommandContext(s.ctx, name, args...)
	cmd.Env = []string{"PATH=" + s.home + ":" + os.Getenv("PATH"), "HOME=" + s.home, "TERM=xterm-256color", "LANG=C.UTF-8", "TZ=UTC"}
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, out)
	}
	return string(out), err
}

// openTerminal opens a terminal at a position of the picture.
func (s *session) openTerminal(title string, width, height, column, row int) *terminal {
	t := &terminal{session: s, title: title, width: width, height: height, column: column, row: row, rows: make([][]snapshot, height)}
	s.tmux("new-session", "-d", "-s", title, "-x", fmt.Sprint(width), "-y", fmt.Sprint(height), "env PS1='$ ' bash --norc --noprofile")
	s.tmux("set-option", "-t", title, "status", "off")
	s.terminals = append(s.terminals, t)
	return t
}

// record starts to capture the terminals.
func (s *session) record() {
	s.pause(500 * time.Millisecond) // for the prompts
	for _, t := range s.terminals {
		t.tmux("clear-history", "-t", t.title)
	}
	s.start = time.Now()
	ctx, stop := context.WithCancel(s.ctx)
	s.stop = stop
	for _, t := range s.terminals {
		s.recording.Go(func() {
			for ctx.Err() == nil {
				t.capture()
				time.Sleep(s.sampling)
			}
		})
	}
}

// capture records which rows have changed. Only the recording goroutine calls it.
func (t *terminal) capture() {
	screen, err := t.session.command("capture-pane", "-p", "-t", t.title)
	if err != nil {
		return // the script fails by itself
	}
	at := t.now()
	lines := strings.Split(screen, "\n")
	for row := range t.rows {
		text := ""
		if row < len(lines) {
			text = strings.TrimRight(lines[row], " ")
		}
		seen := t.rows[row]
		if last := len(seen) - 1; last < 0 && text != "" || last >= 0 && seen[last].text != text {
			t.rows[row] = append(seen, snapshot{at, text})
		}
	}
}

func (s *session) now() time.Duration { return time.Since(s.start) }

// close ends the recording and all terminals.
func (s *session) close() {
	if s.stop != nil {
		s.stop()
		s.recording.Wait()
	}
	s.ctx = context.WithoutCancel(s.ctx) // clean up in any case
	s.command("kill-server")
	for range 100 { // it takes a while
		if _, err := s.command("list-sessions"); err != nil {
			return
		}
		time.Sleep(oneFrame)
	}
}

func (s *session) pause(d time.Duration) {
	if s.err == nil {
		time.Sleep(d)
	}
}

// typeLine types a line at the speed of a person.
func (t *terminal) typeLine(line string) {
	for _, r := range line {
		key := string(r)
		if r == ';' { // which otherwise ends a command of tmux
			key = `\;`
		}
		t.tmux("send-keys", "-t", t.title, "-l", key)
		t.pause(keystroke)
	}
	t.pause(4 * keystroke)
	t.tmux("send-keys", "-t", t.title, "Enter")
}

// waitFor waits until a pattern is on the screen.
func (t *terminal) waitFor(pattern string) {
	re := regexp.MustCompile(pattern)
	for end := time.Now().Add(waitTimeout); ; time.Sleep(oneFrame) {
		screen := t.tmux("capture-pane", "-p", "-t", t.title)
		if t.err != nil || re.MatchString(screen) {
			return
		}
		if time.Now().After(end) {
			t.err = fmt.Errorf("%q did not appear in the terminal %s:\n%s", pattern, t.title, screen)
		}
	}
}
