// Command cast makes the pictures of the documents: it drives real terminals (tmux) with a real server and real clients,
// and writes what was on their screens as an SVG that plays, for the README, and as some that do not, for docs/TERMINAL.md.
// Run it in the root of the tree, as make docs does.
package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"time"
)

const film = "docs/cast.svg"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	ctx, late := context.WithTimeout(ctx, 2*time.Minute)
	err := run(ctx)
	late()
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "cast:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
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
	s := &stage{ctx: ctx, home: home}
	s.play()
	end := s.now()
	s.close() // so that nothing is recorded any more
	if s.err != nil {
		return s.err
	}
	if err := os.WriteFile(film, draw(s.terminals, end), 0o644); err != nil {
		return err
	}
	if err := os.RemoveAll(filepath.Join(home, ".local")); err != nil { // a server without a past
		return err
	}
	s = &stage{ctx: ctx, home: home}
	s.pose()
	s.close()
	return s.err
}

// play is what the picture shows: people talk, the server is killed, and nothing is lost or doubled.
func (s *stage) play() {
	server := s.open("server", 100, 9, 0, 0)
	anna := s.open("anna", 49, 12, 0, 1)
	budi := s.open("budi", 49, 12, 1, 1)
	s.record()

	server.types("ramai serve --quiet &")
	server.await("msg=listening address=127.0.0.1:2000")
	anna.types("ramai join --name anna")
	anna.await("live")
	budi.types("ramai join --name budi")
	budi.await("live")
	s.pause(time.Second)
	anna.types("Hello! Can you hear me?")
	budi.await("Can you hear me")
	budi.types("Loud and clear.")
	anna.await("budi Loud and clear")
	s.pause(time.Second)

	server.types("kill -9 %1")
	anna.await("again in|connecting")
	s.pause(time.Second)
	anna.types("Is anybody still there?")
	s.pause(1500 * time.Millisecond)
	server.types("ramai serve --quiet &")
	budi.await("anna Is anybody still there")
	budi.types("Of course! I missed nothing.")
	anna.await("budi Of course")
	s.pause(4 * time.Second)
}

// pose is what the pictures of docs/TERMINAL.md show.
func (s *stage) pose() {
	server := s.open("server", 80, 24, 0, 0)
	server.types("TZ=UTC ramai serve --quiet --rate 0 &")
	server.await("msg=listening address=127.0.0.1:2000")
	say := func(who, room, text string) { s.ramai("say", "--name", who, room, text) }
	for i := range 30 {
		if i%6 == 0 {
			say("budi", "lobby", fmt.Sprintf("night run %d: all tests pass", i/6+1))
		}
	}
	screen := func(title string, width, height int, how string) *terminal {
		t := s.open(title, width, height, 0, 0)
		s.tmux("send-keys", "-t", title, "clear; ramai join "+how, "Enter")
		t.await("live")
		return t
	}
	anna := screen("anna", 80, 24, "--name anna --theme dark --rooms team,tea")
	small := screen("small", 20, 6, "--name dewi")
	say("budi", "lobby", "Good morning! Has anybody seen the numbers of last night? https://example.org/bench?run=7 says 121,000 rows a second.")
	say("sakura", "lobby", "おはようございます。とても速いですね 👍")
	say("budi", "lobby", "@anna could you look whether `make bench` says so too?")
	say("budi", "team", "@anna standup in five minutes")
	say("sakura", "tea", "there is cake 🍰")
	anna.types("It does. I did not believe it either, so I ran it twice.")
	anna.await("✓ It does")
	anna.still("docs/terminal-talk.svg", dark)
	small.await("twice")
	small.types("Well done!")
	small.await("✓ Well done!")
	small.still("docs/terminal-small.svg", dark)
	s.tmux("send-keys", "-t", "anna", "/")
	anna.await("go to a room")
	anna.still("docs/terminal-palette.svg", dark)
	s.tmux("send-keys", "-t", "anna", "C-u")
	s.tmux("send-keys", "-t", "anna", "C-d")
	light80 := screen("light", 80, 24, "--name anna --theme light")
	light80.await("team")
	light80.types("/search tests")
	light80.await("5 messages with tests")
	light80.still("docs/terminal-search.svg", light)
	s.tmux("send-keys", "-t", "light", "Escape")
	s.pause(500 * time.Millisecond)
	s.tmux("set-buffer", "-t", "light", "one line\nanother\nand a third\n")
	s.tmux("paste-buffer", "-p", "-t", "light")
	light80.await("pasted 3 lines")
	light80.still("docs/terminal-paste.svg", light)
}
