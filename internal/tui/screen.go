package tui

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"ramai/client"
	"ramai/wire"
)

// chat is what the screen needs of a client.
type chat interface {
	Plain() bool
	Next(ctx context.Context) (client.Event, error)
	Say(room, text string) (id string, err error)
	Join(room string, last int) error
	Leave(room string) error
	SetName(name string) error
	Typing(room string)
	History(ctx context.Context, h wire.History) (wire.Page, error)
	Who(ctx context.Context, room string) (wire.Who, error)
}

const (
	noticeTime  = 6 * time.Second
	warningTime = 30 * time.Second      // one who has been warned may do it all the same
	readingTime = 80 * time.Millisecond // a character of a long notice
	maxOutbox   = 256                   // messages said in a room and not confirmed, before no more are
)

// screen is the model of bubbletea. It composes the models of its parts and passes keys and events on to them. It belongs to
// the goroutine of bubbletea.
type screen struct {
	Config
	*display
	chat     chat
	ctx      context.Context // ends with the screen
	stop     func()          // ends the program from outside of Update
	stopping sync.WaitGroup  // calls of stop
	pace     *pace           // nil: there is no renderer
	bindings bindings

	self      self
	rooms     roomList
	composer  composer
	panel     *panel // covers the messages; nil: none is open
	status    status
	attention attention
	wheel     wheel
	memory    memory

	requests []tea.Cmd // to be made because of events
	err      error     // why the screen ends
}

// self is what this client is to the server.
type self struct {
	senderID, session, name string
	renaming                bool // /name was used, and is not answered yet
	limits                  wire.Limits
}

// attention is whether anybody can see the screen.
type attention struct {
	blurred   bool
	suspended bool      // since Ctrl-Z
	resumed   bool      // and nothing by others has come since then
	bellAt    time.Time // when the bell last rang
}

func newScreen(ctx context.Context, config Config, c chat) (*screen, error) {
	keys, err := bind(config.Keys)
	if err != nil {
		return nil, err
	}
	s := &screen{Config: config, display: newDisplay(config), chat: c, ctx: ctx, bindings: keys}
	s.rooms.display = s.display
	s.status = status{display: s.display, now: config.Now, plain: c.Plain()}
	s.composer = composer{display: s.display, now: config.Now, bindings: keys, rooms: &s.rooms, self: &s.self, status: &s.status, host: s}
	s.enterRooms()
	s.restyle()
	if config.Notice != "" {
		s.status.warn("%s", oneLine(config.Notice, s.method))
	}
	return s, nil
}

// enterRooms adds the rooms to show: the one asked for, those of the settings, and those of the last run.
func (s *screen) enterRooms() {
	s.add(s.Room).last = s.Last
	if s.chat.Plain() {
		s.restore()
		return
	}
	for _, name := range s.Rooms {
		s.add(name)
	}
	for _, p := range s.State.Rooms {
		s.add(p.Name)
	}
	s.restore()
	if s.JumpTo > 0 {
		s.rooms.all[0].jumpTargetAt, s.rooms.all[0].pendingJump = s.JumpTo, true
	}
	if s.AnyRoom && s.State.Room != "" {
		if i := s.rooms.index(s.State.Room); i >= 0 {
			s.rooms.current = i
		}
	}
}

// add adds a room, unless it is there or the name is invalid.
func (s *screen) add(name string) *room {
	if i := s.rooms.index(name); i >= 0 {
		return s.rooms.all[i]
	}
	if wire.CheckRoom(name) != nil {
		return nil
	}
	r := newRoom(name)
	r.rows, r.plain = s.height, s.chat.Plain()
	s.rooms.all = append(s.rooms.all, r)
	return r
}

func (s *screen) room() *room { return s.rooms.shown() }

// restyle renders everything again.
func (s *screen) restyle() {
	before := s.style
	s.style = s.newStyle(s.self.name)
	for _, r := range s.rooms.all {
		r.reflow(before, s.style)
	}
}

// Init implements tea.Model.
func (s *screen) Init() tea.Cmd {
	if s.Theme == Auto {
		return tea.RequestBackgroundColor
	}
	return nil
}

// recoverPanic ends the screen after a panic, so that the terminal is restored before the error is printed. It is
// deferred.
func (s *screen) recoverPanic() {
	if fault := recover(); fault != nil && s.err == nil {
		s.err = fmt.Errorf("the screen broke: %v\n%s", fault, debug.Stack())
		s.stopping.Go(s.stop) // which waits until this step is over
	}
}

// Update implements tea.Model.
func (s *screen) Update(msg tea.Msg) (model tea.Model, cmd tea.Cmd) {
	model = s
	s.pace.wake()
	defer s.recoverPanic()
	if s.err != nil {
		return s, nil
	}
	switch msg := msg.(type) {
	case batch:
		cmd = s.handleBatch(msg)
	case page:
		cmd = s.loaded(msg)
	case answer:
		cmd = msg(s)
	case tea.WindowSizeMsg:
		s.width, s.height = max(msg.Width, 1), max(msg.Height, 1)
		s.restyle()
		for _, r := range s.rooms.all {
			r.rows = s.height
			r.resize(s.messageRows(), s.style)
		}
		cmd = s.fill()
	case tea.ColorProfileMsg:
		s.profile = msg.Profile
		s.restyle()
	case tea.BackgroundColorMsg:
		if s.Theme == Auto {
			s.dark = msg.IsDark()
			s.restyle()
		}
	case tea.ModeReportMsg:
		cmd = s.wheel.reported(msg)
		if msg.Mode == ansi.ModeUnicodeCore && (msg.Value == ansi.ModeReset || msg.Value == ansi.ModeSet || msg.Value == ansi.ModePermanentlySet) {
			s.method = ansi.GraphemeWidth // the renderer goes by the same answer
			s.restyle()
		}
	case tea.ResumeMsg:
		cmd = s.resume()
	case tea.FocusMsg:
		s.attention.blurred = false
	case tea.BlurMsg:
		s.attention.blurred = true
	case tea.PasteMsg:
		if s.composer.paste(msg.Content) {
			s.panel = nil
		}
	case tea.KeyPressMsg:
		s.attention.suspended = false // it could not be
		cmd = s.key(msg)
	case tick:
		s.status.ticking = false
	case saveTick:
		cmd = s.saveNow()
	}
	s.room().settleEnd(s.messageRows(), s.style) // there may be more room than before
	if s.isWatched() {
		s.room().markRead()
	}
	return s, tea.Batch(cmd, s.tick(), s.scheduleSave())
}

// isWatched reports whether somebody sees new messages.
func (s *screen) isWatched() bool {
	return !s.attention.blurred && !s.attention.suspended && s.panel == nil
}

type tick struct{}

// tick wakes the screen when the status changes with time alone.
func (s *screen) tick() tea.Cmd {
	next := s.status.nextChange()
	if next <= 0 || s.status.ticking {
		return nil
	}
	s.status.ticking, next = true, min(next, time.Second) // what begins meanwhile is not to wait for what has begun
	return func() tea.Msg {
		timer := time.NewTimer(next)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-s.ctx.Done():
		}
		return tick{}
	}
}

// answer is the result of a request that was made in the background.
type answer func(*screen) tea.Cmd

// ask calls what in the background, and then the answer it returns.
func (s *screen) ask(what func(ctx context.Context) answer) tea.Cmd {
	ctx := s.ctx
	return func() tea.Msg { return what(ctx) }
}

// show switches to another room.
func (s *screen) show(i int) tea.Cmd {
	if i < 0 || i >= len(s.rooms.all) || i == s.rooms.current {
		return nil
	}
	if r := s.room(); r.allRead() {
		r.unreadDivider = false // it is new no more
	}
	s.room().jumpTarget = 0
	s.rooms.current = i
	s.panel, s.composer.completion = nil, nil
	return s.fill()
}

// post posts a message in the room, and reports whether that was possible.
func (s *screen) post(text string) bool {
	r := s.room()
	if limit := s.self.limits.Text; limit > 0 {
		if err := wire.CheckText(text, limit); err != nil {
			s.status.warn("%s", err.Reason)
			return false
		}
	}
	switch n := r.sending(); {
	case n >= maxOutbox:
		s.status.warn("%s not saved yet; wait a moment", plural(n, "message is", "messages are"))
		return false
	case len(r.outbox) >= 2*maxOutbox:
		s.status.warn("%s not confirmed; Esc removes them", plural(len(r.outbox)-n, "message is", "messages are"))
		return false
	}
	id, err := s.chat.Say(r.name, text)
	if err != nil {
		s.status.warn("not sent: %s", s.reason(err))
		return false
	}
	r.editor.remember(text)
	r.unreadDivider = false
	r.outbox = append(r.outbox, &item{at: s.Now(), senderID: s.self.senderID, displayName: s.self.name, text: text, id: id, own: true})
	return true
}

// leave ends the screen. If messages are not saved, it warns first.
func (s *screen) leave() tea.Cmd {
	if n := s.rooms.sending(); n > 0 && !s.status.leaving {
		s.status.leaving = true
		s.status.warn("%s not saved yet; press again to leave anyway", plural(n, "message is", "messages are"))
		return nil
	}
	return tea.Quit
}

// plural is a number with its noun.
func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return thousands(uint64(n)) + " " + many
}

// thousands formats a number with commas.
func thousands(n uint64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
