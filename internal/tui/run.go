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

// Config is the chat and the terminal of a screen. Client, Server, Room, In, Out, Zone and Now have to be set.
type Config struct {
	Client *client.Client                                                             // connected; the screen does not close it
	Search func(ctx context.Context, s client.Search) (*client.SearchResponse, error) // searches the server; nil: there is no search
	Server *url.URL                                                                   // for the addresses of rooms

	// Reachable looks up the address by which other machines reach the server now; nil: none is known. It is set if Server
	// works on this machine only.
	Reachable   func(ctx context.Context) *url.URL
	ServerRooms func(ctx context.Context, after string) (*wire.RoomsResponse, error) // a page of the server's rooms; nil: they cannot be listed

	Room       string                     // that the client has joined
	AnyRoom    bool                       // Room was not asked for: the room of the last run is shown
	JumpTo     uint64                     // the message of Room to show; 0: the newest
	Last       int                        // old messages that Room begins with
	Name       string                     // the name that was asked for
	Notice     string                     // shown at the start; may be empty
	Rooms      []string                   // to join as well
	State      State                      // of the last run, if there is no StateStore
	StateStore StateStore                 // stores the state; nil: it is not stored
	OnName     func(name, session string) // called with each name that is held; may be nil

	Theme   Theme
	Keys    []string // key bindings such as "who=alt+w"; see CheckKeys
	Bell    bool     // rings at a mention
	Suspend bool     // Ctrl-Z stops this process

	Mouse       bool   // take the wheel and clicks; selecting text then needs Shift
	Title       bool   // show the room and what is unread in the title of the window
	Notify      Notify // at a mention while the terminal has no focus
	Clipboard   bool   // /copy writes to the clipboard of the terminal
	KeepHistory bool   // store the messages that Up and Ctrl-R go through

	In            io.Reader // if it is no terminal of this system, it is an io.Closer, and Run closes it
	Out           io.Writer
	Environ       []string // of the terminal: TERM, COLORTERM, NO_COLOR …
	Width, Height int      // at first, where Out is no terminal of this system; 0: 80 by 24
	Sizes         <-chan Size
	Zone          *time.Location
	Now           func() time.Time
}

// Size is the size of a terminal in cells.
type Size struct{ Width, Height int }

// ExitStatus is what a screen leaves behind.
type ExitStatus struct {
	Unsaved []string // texts of this run that are not confirmed, or failed
}

// Ended writes what is not confirmed to notes, a line each, and returns the error of Run as one of package exitcode. If
// ctx, which is Run's, has ended, the error is its cause.
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

// Run shows the screen until the user leaves, or ctx or the client ends. Then it restores the terminal. An error is
// that of the client, of the terminal or of ctx.
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
		_, _ = io.WriteString(config.Out, saveTitle) // a terminal that is gone makes the program fail
	}
	_, err = program.Run()
	s.pace.stop()
	if config.Title {
		_, _ = io.WriteString(config.Out, restoreTitle)
	}
	if s.wheel.on {
		_, _ = io.WriteString(config.Out, ansi.SetMode(alternateScroll)) // a terminal that is gone needs nothing back
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

// input is where keys come from.
type input struct {
	reader io.Reader // for the program
	remote bool      // the program's reader is silent: listen reads in its place
	close  func()    // ends all reading
}

// openInput opens the input of a screen, and adapts the output to it.
func openInput(config *Config) (input, error) {
	f, ok := config.In.(file)
	if ok && term.IsTerminal(f.Fd()) {
		if runtime.GOOS == "windows" { // whose console gives events, not bytes
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
		_ = closer.Close() // a pipe has no error here, and nothing else is read any more
		end.Close()
	}}, nil
}

// watchSize passes on the size of the terminal until ctx ends, and then ends the program.
func watchSize(ctx context.Context, sizes <-chan Size, program *tea.Program) {
	for {
		select {
		case <-ctx.Done():
			program.Quit() // does nothing if it has ended
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

// listen passes input to the program until In ends, and then ends the program. The program's own reader would block on
// its last read if the program ended first, once for each session of SSH. A panic of the decoder ends only this screen,
// and is sent to broken.
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
		_ = reader.StreamEvents(ctx, events) // why it ended is of no interest: nothing more can be typed
	})
	helpers.Go(func() {
		for e := range events {
			program.Send(e)
		}
		program.Quit()
	})
}

// newlines writes a carriage return before each newline, as the system does for a terminal of its own. The renderer depends
// on it.
type newlines struct{ io.Writer }

func (w newlines) Write(b []byte) (int, error) {
	if _, err := w.Writer.Write(bytes.ReplaceAll(b, []byte("\n"), []byte("\r\n"))); err != nil {
		return 0, err
	}
	return len(b), nil
}
