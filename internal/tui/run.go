package tui

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"runtime"
	"runtime/debug"
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"
	uv "github.com/charmbracelet/ultraviolet"
	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/term"

	"ramai/client"
	"ramai/internal/exitcode"
	"ramai/wire"
)

// Config is the chat and the terminal of a screen. Client, Server, Room, In, Out, Zone and Now are required.
type Config struct {
	Client *client.Client                                                             // connected; the screen does not close it
	Search func(ctx context.Context, s client.Search) (*client.SearchResponse, error) // searches the server; nil: there is no search
	Server *url.URL                                                                   // for the addresses of rooms

	// Reachable looks up the address by which other machines can reach the server now; nil: unknown. It is set if Server
	// works on this machine only.
	Reachable   func(ctx context.Context) *url.URL
	ServerRooms func(ctx context.Context, after string) (*wire.RoomsResponse, error) // a page of the server's rooms; nil: they cannot be listed

	Room       string                     // the room that the client has joined
	AnyRoom    bool                       // Room was not requested: the room of the last run is shown
	JumpTo     uint64                     // the message of Room to show; 0: the newest
	Last       int                        // number of old messages that Room starts with
	Name       string                     // the name that was requested
	Notice     string                     // shown at the start; may be empty
	Rooms      []string                   // more rooms to join
	State      State                      // of the last run, if there is no StateStore
	Device     string                     // what another device of the user calls this one; empty: a terminal
	StateStore StateStore                 // stores the state; nil: it is not stored
	OnName     func(name, session string) // called with each name that is granted; may be nil

	Theme   Theme
	Keys    []string // key bindings such as "who=alt+w"; see CheckKeys
	Bell    bool     // ring at a mention
	Suspend bool     // Ctrl-Z stops this process

	Mouse       bool   // use the wheel and clicks; selecting text then needs Shift
	Title       bool   // show the room and the unread count in the title of the window
	Notify      Notify // at a mention while the terminal has no focus
	Clipboard   bool   // /copy writes to the clipboard of the terminal
	KeepHistory bool   // store the messages that Up and Ctrl-R go through

	In            io.Reader // if it is not a real terminal, it must be an io.Closer, and Run closes it
	Out           io.Writer
	Environ       []string // of the terminal: TERM, COLORTERM, NO_COLOR …
	Width, Height int      // the initial size, if Out is not a real terminal; 0: 80 by 24
	Sizes         <-chan Size
	Zone          *time.Location
	Now           func() time.Time
}

// Size is the size of a terminal in cells.
type Size struct{ Width, Height int }

// ExitStatus is the result of a screen.
type ExitStatus struct {
	Unsaved []string // texts of this run that are not confirmed, or failed
}

// Ended writes the unsaved texts to notes, one line each, and returns the error of Run as one of package exitcode. If ctx,
// the context of Run, has ended, the error is its cause.
func (l ExitStatus) Ended(ctx context.Context, err error, notes io.Writer) error {
	for _, text := range l.Unsaved {
		fmt.Fprintf(notes, "not confirmed: %s\n", client.OneLine(text))
	}
	switch {
	case err != nil && ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.As(err, new(*client.RefusedError)):
		return exitcode.With(exitcode.Refused, err)
	case err != nil || len(l.Unsaved) > 0:
		return exitcode.With(exitcode.Unconfirmed, err)
	}
	return nil
}

// Run shows the screen until the user leaves, or ctx or the client ends. Then it restores the terminal. An error is one of
// the client, of the terminal or of ctx.
func Run(ctx context.Context, config Config) (ExitStatus, error) {
	return run(ctx, config, config.Client)
}

func run(ctx context.Context, config Config, c chat) (ExitStatus, error) {
	outer := ctx
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var k *saver
	if config.StateStore != nil {
		k = &saver{store: config.StateStore}
		config.State = k.load()
	}
	s, err := newScreen(ctx, config, c)
	if err != nil {
		return ExitStatus{}, err
	}
	s.memory.saver = k
	in, err := openInput(&config)
	if err != nil {
		return ExitStatus{}, err
	}
	program := tea.NewProgram(s,
		tea.WithInput(in.reader), tea.WithOutput(config.Out), tea.WithEnvironment(config.Environ), tea.WithWindowSize(s.total, s.height),
		tea.WithColorProfile(s.profile), tea.WithFPS(fps), tea.WithoutSignalHandler())
	s.stop, s.pace = program.Quit, &pace{program: program}
	broken := make(chan error, 1)
	var helpers sync.WaitGroup
	if in.remote {
		listen(ctx, config, program, &helpers, broken)
	}
	helpers.Go(func() { feed(ctx, s.chat, program.Send) })
	helpers.Go(func() { watchSize(ctx, config.Sizes, program) })
	if config.Title {
		_, _ = io.WriteString(config.Out, saveTitle) // if the terminal is gone, the program fails
	}
	_, err = program.Run()
	s.pace.stop()
	if config.Title {
		_, _ = io.WriteString(config.Out, restoreTitle)
	}
	if s.wheel.on {
		_, _ = io.WriteString(config.Out, ansi.SetMode(alternateScroll)) // if the terminal is gone, nothing needs to be restored
	}
	ended := outer.Err()
	cancel()
	in.close()
	helpers.Wait()
	s.stopping.Wait()
	if k != nil {
		k.save(s.snapshot(), true)
	}
	left := ExitStatus{Unsaved: s.rooms.unsaved()}
	switch {
	case len(broken) > 0:
		return left, <-broken
	case ended != nil:
		return left, context.Cause(outer)
	case s.err != nil:
		return left, s.err
	case errors.Is(err, tea.ErrProgramPanic):
		return left, errors.New("the screen crashed; the cause is printed above")
	}
	return left, err
}

// input is the source of keys.
type input struct {
	reader io.Reader // for the program
	remote bool      // the program's own reader is disabled: listen replaces it
	close  func()    // ends all reading
}

// openInput opens the input of a screen, and adapts the output to it.
func openInput(config *Config) (input, error) {
	f, ok := config.In.(file)
	if ok && term.IsTerminal(f.Fd()) {
		if runtime.GOOS == "windows" { // its console delivers events, not bytes
			return input{reader: config.In, close: func() {}}, nil
		}
		return input{reader: &tty{file: f}, close: func() {}}, nil
	}
	closer, ok := config.In.(io.Closer)
	if !ok {
		return input{}, fmt.Errorf("invalid input of type %T (want a terminal, or a reader that can be closed)", config.In)
	}
	config.Out = newlines{config.Out}
	silence, end := io.Pipe()
	return input{reader: silence, remote: true, close: func() {
		_ = closer.Close() // a pipe returns no error here, and nothing else is read any more
		end.Close()
	}}, nil
}

// watchSize passes on the size of the terminal until ctx ends, and then ends the program.
func watchSize(ctx context.Context, sizes <-chan Size, program *tea.Program) {
	for {
		select {
		case <-ctx.Done():
			program.Quit() // does nothing if the program has ended
			return
		case size, ok := <-sizes:
			if !ok {
				sizes = nil
				continue
			}
			program.Send(tea.WindowSizeMsg{Width: size.Width, Height: size.Height})
		}
	}
}

// listen passes input to the program until In ends, and then ends the program. The program's own reader would block in its
// last read if the program ended first, once for each SSH session. A panic of the decoder ends only this screen, and is
// sent to broken.
func listen(ctx context.Context, config Config, program *tea.Program, helpers *sync.WaitGroup, broken chan<- error) {
	events := make(chan uv.Event)
	reader := uv.NewTerminalReader(&inputFilter{in: config.In}, uv.Environ(config.Environ).Getenv("TERM"))
	helpers.Go(func() {
		defer close(events)
		defer func() {
			if fault := recover(); fault != nil {
				broken <- fmt.Errorf("reading the input failed: %v\n%s", fault, debug.Stack())
			}
		}()
		_ = reader.StreamEvents(ctx, events) // the error does not matter: nothing more can be typed
	})
	helpers.Go(func() {
		for e := range events {
			program.Send(e)
		}
		program.Quit()
	})
}

// newlines writes a carriage return before each newline, as the system does for a real terminal. The renderer depends on
// it.
type newlines struct{ io.Writer }

func (w newlines) Write(b []byte) (int, error) {
	if _, err := w.Writer.Write(bytes.ReplaceAll(b, []byte("\n"), []byte("\r\n"))); err != nil {
		return 0, err
	}
	return len(b), nil
}
