// Command cast makes the pictures of the documentation. It drives real terminals (tmux) with a real server and real
// clients, and writes their screens as animated SVGs for the README and docs/MODERATING.md, and as still ones for docs/TERMINAL.md. Run
// it in the root of the tree, as make docs does; arguments name the pictures to make.
package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"time"
)

// cast is one animation.
type cast struct {
	file, title string
	script      func(*session)
}

// casts are all animations.
var casts = []cast{
	{"docs/cast.svg", "Three terminals: a server, anna and budi. They talk; the server is killed; nothing is lost.", (*session).recordDemo},
	{"docs/raid.svg", "Three terminals: newcomers, anna and budi. The newcomers flood a room; anna, who owns it, locks it, and erases what they wrote.", (*session).recordRaid},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	ctx, late := context.WithTimeout(ctx, 6*time.Minute)
	err := run(ctx, os.Args[1:])
	late()
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "cast:", err)
		os.Exit(1)
	}
}

// run makes the pictures that are named, or all of them: files of casts, or "stills".
func run(ctx context.Context, names []string) error {
	home, err := os.MkdirTemp("", "ramai-cast-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(home)
	build := exec.CommandContext(ctx, "go", "build", "-o", filepath.Join(home, "ramai"), "./cmd/ramai")
	build.Env, build.Stderr = append(os.Environ(), "CGO_ENABLED=0"), os.Stderr
	if err := build.Run(); err != nil {
		return err
	}
	wanted := func(name string) bool { return len(names) == 0 || slices.Contains(names, name) }
	for _, c := range casts {
		if !wanted(c.file) {
			continue
		}
		s := &session{ctx: ctx, home: home, sampling: oneFrame}
		c.script(s)
		end := s.now()
		s.close() // stop recording
		if s.err != nil {
			return s.err
		}
		if err := os.WriteFile(c.file, drawCast(c.title, s.terminals, end), 0o644); err != nil {
			return err
		}
		if err := os.RemoveAll(filepath.Join(home, ".local")); err != nil { // start the next server without data
			return err
		}
	}
	if !wanted("stills") {
		return nil
	}
	s := &session{ctx: ctx, home: home}
	s.takeStills()
	s.close()
	return s.err
}

// recordDemo is the script of the animation: people talk, the server is killed, and nothing is lost or duplicated.
func (s *session) recordDemo() {
	server := s.openTerminal("server", 100, 9, 0, 0)
	anna := s.openTerminal("anna", 49, 12, 0, 1)
	budi := s.openTerminal("budi", 49, 12, 1, 1)
	s.record()

	server.typeLine("ramai serve --quiet &")
	server.waitFor("msg=listening address=127.0.0.1:2000")
	anna.typeLine("ramai join --name anna")
	anna.waitFor("live")
	budi.typeLine("ramai join --name budi")
	budi.waitFor("live")
	s.pause(time.Second)
	anna.typeLine("Hello! Can you hear me?")
	budi.waitFor("Can you hear me")
	budi.typeLine("Loud and clear.")
	anna.waitFor("budi Loud and clear")
	s.pause(time.Second)

	server.typeLine("kill -9 %1")
	anna.waitFor("retry in|connecting")
	s.pause(time.Second)
	anna.typeLine("Is anybody still there?")
	s.pause(1500 * time.Millisecond)
	server.typeLine("ramai serve --quiet &")
	budi.waitFor("anna Is anybody still there")
	budi.typeLine("Of course! I missed nothing.")
	anna.waitFor("budi Of course")
	s.pause(4 * time.Second)
}

// takeStills is the script of the pictures in docs/TERMINAL.md.
func (s *session) takeStills() {
	server := s.openTerminal("server", 80, 24, 0, 0)
	server.typeLine("TZ=UTC ramai serve --quiet --rate 0 &")
	server.waitFor("msg=listening address=127.0.0.1:2000")
	say := func(who, room, text string) { s.ramai("say", "--name", who, room, text) }
	for i := range 30 {
		if i%6 == 0 {
			say("budi", "lobby", fmt.Sprintf("night run %d: all tests pass", i/6+1))
		}
	}
	screen := func(title string, width, height int, how string) *terminal {
		t := s.openTerminal(title, width, height, 0, 0)
		s.tmux("send-keys", "-t", title, "clear; ramai join "+how, "Enter")
		t.waitFor("live")
		return t
	}
	anna := screen("anna", 80, 24, "--name anna --theme dark --rooms team,tea")
	small := screen("small", 20, 6, "--name dewi")
	say("budi", "lobby", "Good morning! Has anybody seen the numbers of last night? https://example.org/bench?run=7 says 121,000 rows a second.")
	say("sakura", "lobby", "おはようございます。とても速いですね 👍")
	say("budi", "lobby", "@anna could you look whether `make bench` says so too?")
	say("budi", "team", "@anna standup in five minutes")
	say("sakura", "tea", "there is cake 🍰")
	anna.typeLine("It does. I did not believe it either, so I ran it twice.")
	anna.waitFor("✓ It does")
	anna.saveStill("docs/terminal-talk.svg", dark)
	small.waitFor("twice")
	small.typeLine("Well done!")
	small.waitFor("✓ Well done!")
	small.saveStill("docs/terminal-small.svg", dark)
	s.tmux("send-keys", "-t", "anna", "/")
	anna.waitFor("go to a room")
	anna.saveStill("docs/terminal-palette.svg", dark)
	s.tmux("send-keys", "-t", "anna", "C-u")
	s.tmux("send-keys", "-t", "anna", "C-d")
	light80 := screen("light", 80, 24, "--name anna --theme light")
	light80.waitFor("team")
	light80.typeLine("/search tests")
	light80.waitFor("5 messages with tests")
	light80.saveStill("docs/terminal-search.svg", light)
	s.tmux("send-keys", "-t", "light", "Escape")
	s.pause(500 * time.Millisecond)
	s.tmux("set-buffer", "-t", "light", "one line\nanother\nand a third\n")
	s.tmux("paste-buffer", "-p", "-t", "light")
	light80.waitFor("pasted 3 lines")
	light80.saveStill("docs/terminal-paste.svg", light)
}
