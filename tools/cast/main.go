// Command cast records the picture of the README: it drives real terminals (tmux) with a real server and real clients,
// and writes what was on their screens as an SVG that plays. Run it in the root of the tree, as make docs does.
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

const picture = "docs/cast.svg"

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
	return os.WriteFile(picture, draw(s.terminals, end), 0o644)
}

// play is what the picture shows: people talk, the server is killed, and nothing is lost or doubled.
func (s *stage) play() {
	server := s.open("server", 100, 9, 0, 0)
	anna := s.open("anna", 49, 12, 0, 1)
	budi := s.open("budi", 49, 12, 1, 1)
	s.record()

	server.types("ramai serve --quiet &")
	server.await("listening on port 2000")
	anna.types("ramai join --name anna")
	anna.await("Welcome to chat")
	budi.types("ramai join --name budi")
	budi.await("Welcome to chat")
	s.pause(time.Second)
	anna.types("Hello! Can you hear me?")
	budi.await("Can you hear me")
	budi.types("Loud and clear.")
	anna.await("From server: budi: Loud")
	s.pause(time.Second)

	server.types("kill -9 %1")
	anna.await("again|lost|closed|connect")
	s.pause(time.Second)
	anna.types("Is anybody still there?")
	s.pause(1500 * time.Millisecond)
	server.types("ramai serve --quiet &")
	budi.await("anna: Is anybody still there")
	budi.types("Of course! I missed nothing.")
	anna.await("budi: Of course")
	s.pause(4 * time.Second)
}
