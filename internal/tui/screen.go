package tui

import (
	"context"
	"fmt"
	"net/url"
	"runtime/debug"
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"ramai/client"
	"ramai/internal/commands"
	"ramai/wire"
)

// chat is the part of a client that the screen uses.
type chat interface {
	Plain() bool
	Next(ctx context.Context) (client.Event, error)
	Post(m wire.Say) (id string, err error)
	Change(change client.Change) (id string, err error)
	Set(s wire.Set) (id string, err error)
	Mark(m wire.Mark) error
	Moderate(m wire.Moderate) (id string, err error)
	Preview(ctx context.Context, room string, selection wire.Selection) (wire.Preview, error)
	PendingIn(room string) client.Pending
	Join(room string, last int) error
	Leave(room string) error
	SetName(name string) error
	Typing(room string)
	History(ctx context.Context, h wire.History) (wire.Page, error)
	Who(ctx context.Context, ask wire.Who) (wire.Who, error)
	Settings(ctx context.Context, ask wire.StateRequest) (wire.Settings, error)
	Invite(ctx context.Context, ask wire.Invite) (wire.Invited, error)
	Redeem(ctx context.Context, ask wire.Redeem) (wire.OwnRole, error)
	LinkCode(ctx context.Context, device string) (wire.LinkCode, error)
	LinkDevice(ctx context.Context, code string, confirm bool) (wire.Linking, error)
	SignOut(ctx context.Context, all bool) error
	Report(ctx context.Context, r wire.Report) error
	Settle(ctx context.Context, room string, n uint64) error
	UndoBy(ctx context.Context, room string, actions wire.ActionsOf, to uint64) (wire.Undone, error)
	Retry()
	Check()
}

const (
	noticeTime  = 6 * time.Second
	warningTime = 30 * time.Second      // a warned command runs if it is repeated within this time
	readingTime = 80 * time.Millisecond // per character of a long notice
	maxOutbox   = 256                   // unconfirmed messages of a room; beyond that no more are accepted
)

// screen is the root of the models, and the model of bubbletea. It passes keys, events and messages on to the models that
// they are for. It belongs to the goroutine of bubbletea.
type screen struct {
	Config
	*shared
	stop     func()         // ends the program from outside of Update
	stopping sync.WaitGroup // calls of stop
	pace     *pace          // nil: there is no renderer
	bindings bindings

	reachable *url.URL // the server's address for other machines, if Config.Reachable knows one
	rooms     roomList
	composer  composer
	panel     *panel // covers the messages; nil: none is open
	status    status
	attention attention
	wheel     wheel
	memory    memory

	err error // why the screen ends
}

func newScreen(ctx context.Context, config Config, c chat) (*screen, error) {
	keys, err := bind(config.Keys)
	if err != nil {
		return nil, err
	}
	h := &shared{display: newDisplay(config), chat: c, ctx: ctx, now: config.Now, sleep: sleep}
	h.self.asked, h.self.onName = config.Name, config.OnName
	h.moreKey = keys.keyOf("more")
	h.restyle()
	s := &screen{Config: config, shared: h, bindings: keys, rooms: roomList{shared: h, first: config.Room}, status: status{shared: h, plain: c.Plain()}, attention: attention{shared: h, bell: config.Bell, notify: config.Notify}}
	s.composer = composer{shared: h, bindings: keys, shown: s.rooms.shown, roomNames: s.rooms.names,
		host: func() commands.Host { return &host{screen: s, r: s.room()} }}
	s.enterRooms()
	if config.Notice != "" {
		s.status.update(notice{text: oneLine(config.Notice, s.method), isError: true})
	}
	return s, nil
}

// enterRooms adds the rooms to show: those of the last run, in their order, the requested one, and those of the settings.
func (s *screen) enterRooms() {
	if !s.chat.Plain() {
		for _, p := range s.State.Rooms {
			s.rooms.add(p.Name)
		}
	}
	asked := s.rooms.add(s.Room)
	asked.last = s.Last
	if !s.chat.Plain() {
		for _, name := range s.Rooms {
			s.rooms.add(name)
		}
	}
	s.rooms.restore(s.State)
	if s.JumpTo > 0 && !s.chat.Plain() {
		asked.timeline.jumpTargetAt, asked.timeline.pendingJump = s.JumpTo, true
	}
	first := s.Room
	if s.AnyRoom && s.rooms.index(s.State.Room) >= 0 {
		first = s.State.Room
	}
	s.rooms.switchTo(s.rooms.index(first))
}

func (s *screen) room() *room { return s.rooms.shown() }

// Init implements tea.Model.
func (s *screen) Init() tea.Cmd {
	address := s.findAddress(nil)
	if s.Theme == Auto {
		return tea.Batch(address, tea.RequestBackgroundColor)
	}
	return address
}

// recoverPanic ends the screen after a panic, so that the terminal is restored before the error is printed. It is
// deferred.
func (s *screen) recoverPanic() {
	if fault := recover(); fault != nil && s.err == nil {
		s.err = fmt.Errorf("the screen failed: %v\n%s", fault, debug.Stack())
		s.stopping.Go(s.stop) // it blocks until this step is over
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
	var cmds []tea.Cmd
	for ; msg != nil; msg = s.next() {
		cmds = append(cmds, s.route(msg))
	}
	watched := s.attention.present() && s.panel == nil
	for i, r := range s.rooms.all {
		r.watched = watched && i == s.rooms.current
	}
	s.room().timeline.setRows(s.messageRows()) // there may be more space than before
	if s.room().watched {
		s.room().markRead()
	}
	if s.status.awaits(s.rooms.sendingSince()) {
		s.chat.Check()
	}
	for _, r := range s.rooms.all {
		cmds = append(cmds, r.loadOriginals())
	}
	return s, tea.Batch(append(cmds, s.tick(), s.scheduleSave())...)
}

// route passes a message on to the model that it is for.
func (s *screen) route(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case batch:
		return s.handleBatch(msg)
	case page:
		return s.toRoom(msg.room, msg)
	case proof:
		return s.toRoom(msg.room, msg)
	case settingsPage:
		return s.toRoom(msg.ask.Room, msg)
	case settingsRetry:
		return s.toRoom(msg.ask.Room, msg)
	case submit, submitLines:
		return s.room().update(msg)
	case notice, clearNotice, tick:
		s.status.update(msg)
	case called:
		return s.attention.called(msg)
	case tea.FocusMsg, tea.BlurMsg:
		s.attention.update(msg)
	case commandLine:
		return s.command(msg.line)
	case showPanel:
		s.openPanel(msg)
	case whoAnswer:
		s.openPanel(showPanel{s.whoPanel(msg.who), true})
	case foundAnswer:
		s.openPanel(showPanel{s.foundPanel(msg.words, msg.found), true})
	case questionsAnswer:
		s.showQuestions(msg)
	case roomsAnswer:
		s.openPanel(showPanel{s.roomsPanel(msg), true})
	case reachable:
		if s.reachable = msg.server; msg.show != nil {
			s.send(msg.show)
		}
	case showLink:
		s.openPanel(showPanel{s.linkPanel(msg), s.Reachable != nil})
	case goTo:
		return s.goTo(msg)
	case continuation:
		return s.withHost(msg.room, msg.line, msg.do)
	case commandAnswer:
		return s.showAnswer(msg)
	case tea.KeyPressMsg:
		s.attention.update(msg)
		return s.key(msg)
	case tea.PasteMsg:
		if s.composer.paste(msg.Content) {
			s.panel, s.room().timeline.selected = nil, 0
		}
	case tea.MouseWheelMsg:
		return s.wheelTurned(msg)
	case tea.MouseClickMsg:
		return s.clicked(msg)
	case tea.ResumeMsg:
		return s.resume()
	case saveTick:
		return s.saveNow()
	default:
		return s.routeTerminal(msg)
	}
	return nil
}

// routeTerminal handles what the terminal reports about itself.
func (s *screen) routeTerminal(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		s.setSize(msg.Width, msg.Height)
		s.rooms.restyle()
		for _, r := range s.rooms.all {
			r.timeline.resize(s.messageRows())
		}
		return s.room().timeline.fill()
	case tea.ColorProfileMsg:
		s.profile = msg.Profile
		s.rooms.restyle()
	case tea.BackgroundColorMsg:
		if s.Theme == Auto {
			s.dark = msg.IsDark()
			s.rooms.restyle()
		}
	case tea.ModeReportMsg:
		if msg.Mode == ansi.ModeUnicodeCore && (msg.Value == ansi.ModeReset || msg.Value == ansi.ModeSet || msg.Value == ansi.ModePermanentlySet) {
			s.method = ansi.GraphemeWidth // the renderer uses the same answer
			s.rooms.restyle()
		}
		return s.wheel.reported(msg)
	}
	return nil
}

// toRoom passes a message on to a room, if it is on the screen.
func (s *screen) toRoom(name string, msg any) tea.Cmd {
	if r := s.rooms.find(name); r != nil {
		return r.update(msg)
	}
	return nil
}

type tick struct{}

// tick wakes the screen when the status changes with time alone.
func (s *screen) tick() tea.Cmd {
	next := s.status.nextChange()
	if end := s.room().nextEnd(); end > 0 && (next <= 0 || end < next) {
		next = end
	}
	if next <= 0 || s.status.ticking {
		return nil
	}
	s.status.ticking, next = true, min(next, time.Second) // a shorter wait may become necessary meanwhile
	ctx := s.ctx
	return func() tea.Msg {
		sleep(ctx, next)
		return tick{}
	}
}

// show switches to another room.
func (s *screen) show(i int) tea.Cmd {
	if i < 0 || i >= len(s.rooms.all) || i == s.rooms.current {
		return nil
	}
	r := s.room()
	if r.allRead() {
		r.timeline.unreadDivider = false // its messages are no longer new
	}
	r.timeline.jumpTarget, r.timeline.selected = 0, 0
	s.rooms.switchTo(i)
	s.panel, s.composer.completion = nil, nil
	s.room().timeline.setRows(s.messageRows())
	return s.room().timeline.fill()
}

// goTo shows a message of a room, which is joined if necessary.
func (s *screen) goTo(to goTo) tea.Cmd {
	i := s.rooms.index(to.room)
	if i < 0 {
		return s.join(to.room, to.n)
	}
	if to.n == 0 {
		return s.show(i)
	}
	return tea.Batch(s.show(i), s.rooms.all[i].timeline.jump(to.n, marked))
}

// leave ends the screen. If messages are not saved, it warns first.
func (s *screen) leave() tea.Cmd {
	if n := s.rooms.sending(); n > 0 && !s.status.leaving {
		s.status.leaving = true
		s.warn("%s not saved yet; press again to leave anyway", plural(n, "message is", "messages are"))
		return nil
	}
	return tea.Quit
}

// plural returns a number with its noun.
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
