package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/pflag"

	"ramai/client"
	"ramai/internal/atomicfile"
	"ramai/internal/tui"
	"ramai/wire"
)

// screenOptions are the settings of join that only the screen uses.
type screenOptions struct {
	theme     string
	bell      bool
	rooms     []string
	keys      []string
	mouse     bool
	title     bool
	notify    string
	clipboard bool
	recall    bool
	lastGiven bool // --last was set, on the command line or in the settings
}

func (o *screenOptions) flags(f *pflag.FlagSet) {
	f.StringVar(&o.theme, "theme", string(tui.Auto), "theme of the screen: auto, dark or light")
	f.BoolVar(&o.bell, "bell", true, "ring the bell when your name is mentioned")
	f.StringSliceVar(&o.rooms, "rooms", nil, "more rooms to join (screen only)")
	f.StringSliceVar(&o.keys, "keys", nil, "key bindings of the screen, for example who=alt+q,next=ctrl+o; /help (F1) lists them")
	f.BoolVar(&o.mouse, "mouse", false, "use the mouse on the screen: the wheel scrolls, a click goes to a room; selecting text then needs Shift")
	f.BoolVar(&o.title, "title", true, "show the room and the number of unread messages in the title of the window")
	f.StringVar(&o.notify, "notify", string(tui.NoNotification), "desktop notification of a mention while the terminal has no focus: none, osc9 (iTerm2, kitty, Windows Terminal) or osc777 (foot, urxvt)")
	f.BoolVar(&o.clipboard, "clipboard", true, "let /copy write to the clipboard of the terminal (OSC 52)")
	f.BoolVar(&o.recall, "recall", true, "store the messages that Up and Ctrl-R go through, for the next run (screen only)")
}

func (o *screenOptions) check() error {
	if _, err := tui.CheckTheme(o.theme); err != nil {
		return fmt.Errorf("--theme: %w", err)
	}
	if _, err := tui.CheckNotify(o.notify); err != nil {
		return fmt.Errorf("--notify: %w", err)
	}
	if err := tui.CheckKeys(o.keys); err != nil {
		return fmt.Errorf("--keys: %w", err)
	}
	for _, room := range o.rooms {
		if err := checkRoom(room); err != nil {
			return fmt.Errorf("--rooms: %w", err)
		}
	}
	return nil
}

// isScreen reports whether stdin and stdout can show a full screen.
func isScreen(stdin io.Reader, stdout io.Writer) bool {
	term, ok := os.LookupEnv("TERM")
	if term == "dumb" || !ok && runtime.GOOS != "windows" {
		return false
	}
	return isTerminal(stdin) && isTerminal(stdout)
}

// onScreen runs the chat on a screen until the user leaves.
func (o *joinOptions) onScreen(ctx context.Context, c *client.Client, who *identity, config client.Config, stdin io.Reader, stdout, stderr io.Writer) error {
	server, err := url.Parse(o.server)
	if err != nil {
		return exit(exitUsage, err)
	}
	room, err := client.Room(o.server)
	if err != nil {
		return exit(exitUsage, err)
	}
	var jumpTo uint64
	if number, ok := strings.CutPrefix(server.Fragment, "n"); ok {
		if jumpTo, err = strconv.ParseUint(number, 10, 64); err != nil {
			return exit(exitUsage, fmt.Errorf("%s: the message number is too large", o.server))
		}
	}
	ctx, stop := untilHangup(ctx)
	defer stop()
	var notes strings.Builder // printed after the screen
	who.notes = &notes
	state := &stateFile{file: stateFilePath(o.server, o.name)}
	remaining, err := tui.Run(ctx, tui.Config{
		Client: c, Server: server, Room: room, AnyRoom: room == wire.Lobby && o.room == "" && server.Fragment == "", JumpTo: jumpTo, Last: o.last, Name: o.name, Rooms: o.rooms, StateStore: state,
		Search: func(ctx context.Context, s client.Search) (*client.SearchResponse, error) {
			return client.Find(ctx, who.config(config), s)
		},
		Reachable: reachable(server),
		ServerRooms: func(ctx context.Context, after string) (*wire.RoomsResponse, error) {
			return client.Rooms(ctx, who.config(config), after, 0)
		},
		OnName: func(name, session string) { o.held(who, name, session) },
		Device: deviceName(),
		Theme:  tui.Theme(o.theme), Keys: o.keys, Bell: o.bell, Suspend: runtime.GOOS != "windows",
		Mouse: o.mouse, Title: o.title, Notify: tui.Notify(o.notify), Clipboard: o.clipboard, KeepHistory: o.recall,
		In: stdin, Out: stdout, Environ: os.Environ(), Zone: time.Local, Now: time.Now,
	})
	if state.err != nil {
		fmt.Fprintln(&notes, state.err)
	}
	err = remaining.Ended(ctx, err, &notes)
	fmt.Fprint(stderr, notes.String())
	return err
}

// deviceName is what another device of the user calls this one.
func deviceName() string {
	host, err := os.Hostname()
	if err != nil {
		return ""
	}
	return "a terminal on " + client.Shortened(host)
}

// held stores the session that holds a name, which may differ from --name.
func (o *joinOptions) held(who *identity, name, session string) {
	if name != who.name {
		who = newIdentity(o.server, name, who.notes)
	}
	who.held(session)
}

// untilHangup returns a context that ends when the terminal is closed. Some shells send SIGHUP twice: the second one must
// not interrupt storing the state.
func untilHangup(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGHUP)
	var watching sync.WaitGroup
	watching.Go(func() {
		select {
		case <-signals:
			cancel(exit(128+int(syscall.SIGHUP), nil))
		case <-ctx.Done():
		}
	})
	return ctx, func() {
		cancel(nil)
		watching.Wait()
		signal.Stop(signals)
	}
}

// The state of a screen is stored beside the sessions, in a file for each server and name.

// stateFilePath returns the path of that file; empty: there is no folder for it.
func stateFilePath(server, name string) string {
	folder, err := stateFolder("screens")
	if err != nil {
		return ""
	}
	return sessionFile(folder, server, name) + ".json"
}

// stateFile is a tui.StateStore in a file; without a name it stores nothing.
type stateFile struct {
	file string
	err  error // the last error
}

// Load implements tui.StateStore.
func (s *stateFile) Load() (m tui.State) {
	b, err := os.ReadFile(s.file)
	if s.file == "" || errors.Is(err, fs.ErrNotExist) {
		return m
	}
	if err == nil {
		err = json.Unmarshal(b, &m)
	}
	if err != nil {
		s.err = fmt.Errorf("cannot read the stored state of the screen: %s: %w", filepath.Base(s.file), err)
		return tui.State{}
	}
	return m
}

// Store implements tui.StateStore.
func (s *stateFile) Store(m tui.State) {
	if s.file == "" {
		return
	}
	b, err := json.Marshal(m)
	if err == nil {
		err = atomicfile.Write(s.file, append(b, '\n'))
	}
	if err != nil {
		s.err = fmt.Errorf("cannot store the state of the screen: %w", err)
	}
}
