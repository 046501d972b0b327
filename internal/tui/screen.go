package tui

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"
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
	noticeFor = 6 * time.Second
	warnedFor = 30 * time.Second      // one who has been warned may do it all the same
	readFor   = 80 * time.Millisecond // a character of a long notice
	maxOutbox = 256                   // messages said in a room and not confirmed, before no more are
)

// screen is the state of everything that is shown. It is the model of bubbletea, and belongs to its goroutine.
type screen struct {
	// Set once.
	Config
	chat     chat
	ctx      context.Context // ends with the screen; for what is asked of the server
	stop     func()          // ends the screen from without
	stopping sync.WaitGroup  // calls of stop
	bindings map[string]string

	// What is known of the chat.
	by, session, name string
	renaming          bool // another name was asked for here
	limits            wire.Limits
	rooms             []*room
	current           int
	greeted           bool // there was a welcome
	live              bool // there is a connection
	again             time.Time
	asks              []tea.Cmd // of the server, because of what has come
	err               error     // why the client ended

	// The terminal.
	width, height int
	dark          bool
	profile       colorprofile.Profile
	method        ansi.Method
	numbers       bool
	blurred       bool // nobody looks
	stopped       bool // nobody can, from Ctrl-Z on
	missed        bool // nor has anybody said something in the room since then
	rang          time.Time
	wheel         wheel
	brush         *style

	// What stands over the room.
	panel     *panel
	question  *question
	completed *completion
	chosen    int    // in the palette
	notice    string // already clean
	wrong     bool   // the notice is of something that failed
	until     time.Time
	lost      []string // said, and it is not known here what became of it
	leaving   bool     // the next key that leaves does so, whatever is not saved
	ticking   bool

	keeper  *keeper // nil: nothing is remembered
	keeping bool    // it is to store what there is in a while
}

func newScreen(ctx context.Context, config Config, c chat) (*screen, error) {
	bindings, err := bind(config.Keys)
	if err != nil {
		return nil, err
	}
	s := &screen{Config: config, chat: c, ctx: ctx, bindings: bindings, dark: config.Theme != Light,
		profile: profileOf(config.Environ), method: ansi.WcWidth, width: max(config.Width, 1), height: max(config.Height, 1)}
	if s.width == 1 {
		s.width, s.height = 80, 24
	}
	s.enterRooms()
	s.repaint()
	if config.Notice != "" {
		s.complain("%s", oneLine(config.Notice, s.method))
	}
	return s, nil
}

// enterRooms makes the rooms there are to be: the one asked for, those of the settings, those of the last time.
func (s *screen) enterRooms() {
	s.add(s.Room).last = s.Last
	if s.chat.Plain() {
		s.recall()
		return
	}
	for _, name := range s.Rooms {
		s.add(name)
	}
	for _, p := range s.Memory.Rooms {
		s.add(p.Name)
	}
	s.recall()
	if s.Goal > 0 {
		s.rooms[0].jumpTargetAt, s.rooms[0].pendingJump = s.Goal, true
	}
	if s.AnyRoom && s.Memory.Room != "" {
		if i := s.indexOf(s.Memory.Room); i >= 0 {
			s.current = i
		}
	}
}

// add makes a room, unless it is there or its name cannot be one.
func (s *screen) add(name string) *room {
	if i := s.indexOf(name); i >= 0 {
		return s.rooms[i]
	}
	if wire.CheckRoom(name) != nil {
		return nil
	}
	r := newRoom(name)
	r.rows, r.plain = s.height, s.chat.Plain()
	s.rooms = append(s.rooms, r)
	return r
}

func (s *screen) indexOf(name string) int {
	return slices.IndexFunc(s.rooms, func(r *room) bool { return r.name == name })
}

func (s *screen) room() *room { return s.rooms[s.current] }

// repaint makes everything be drawn anew.
func (s *screen) repaint() {
	before := s.brush
	s.brush = &style{palette: paletteFor(s.dark, s.profile), method: s.method, width: s.width, numbers: s.numbers, me: s.name, zone: s.Zone}
	for _, r := range s.rooms {
		r.reflow(before, s.brush)
	}
}

// Init implements tea.Model.
func (s *screen) Init() tea.Cmd {
	if s.Theme == Auto {
		return tea.RequestBackgroundColor
	}
	return nil
}

// broke ends the screen after a panic, so that the terminal is given back before anybody reads of it. It is deferred.
func (s *screen) broke() {
	if fault := recover(); fault != nil && s.err == nil {
		s.err = fmt.Errorf("the screen broke: %v\n%s", fault, debug.Stack())
		s.stopping.Go(s.stop) // which waits until this step is over
	}
}

// Update implements tea.Model.
func (s *screen) Update(msg tea.Msg) (model tea.Model, cmd tea.Cmd) {
	model = s
	defer s.broke()
	if s.err != nil {
		return s, nil
	}
	switch msg := msg.(type) {
	case batch:
		cmd = s.heard(msg)
	case page:
		cmd = s.loaded(msg)
	case answer:
		cmd = msg(s)
	case tea.WindowSizeMsg:
		s.width, s.height = max(msg.Width, 1), max(msg.Height, 1)
		s.repaint()
		for _, r := range s.rooms {
			r.rows = s.height
			r.resize(s.messageRows(), s.brush)
		}
		cmd = s.fill()
	case tea.ColorProfileMsg:
		s.profile = msg.Profile
		s.repaint()
	case tea.BackgroundColorMsg:
		if s.Theme == Auto {
			s.dark = msg.IsDark()
			s.repaint()
		}
	case tea.ModeReportMsg:
		cmd = s.wheel.reported(msg)
		if msg.Mode == ansi.ModeUnicodeCore && (msg.Value == ansi.ModeReset || msg.Value == ansi.ModeSet || msg.Value == ansi.ModePermanentlySet) {
			s.method = ansi.GraphemeWidth // the renderer goes by the same answer
			s.repaint()
		}
	case tea.ResumeMsg:
		cmd = s.resume()
	case tea.FocusMsg:
		s.blurred = false
	case tea.BlurMsg:
		s.blurred = true
	case tea.PasteMsg:
		cmd = s.paste(msg.Content)
	case tea.KeyPressMsg:
		s.stopped = false // it could not be
		cmd = s.key(msg)
	case tick:
		s.ticking = false
	case keep:
		cmd = s.keepNow()
	}
	s.room().settleEnd(s.messageRows(), s.brush) // there may be more room than before
	if s.looking() {
		s.room().look()
	}
	return s, tea.Batch(cmd, s.tick(), s.keepLater())
}

// looking tells whether somebody sees the messages that come.
func (s *screen) looking() bool { return !s.blurred && !s.stopped && s.panel == nil }

type tick struct{}

// tick wakes the screen when something on it changes with time alone.
func (s *screen) tick() tea.Cmd {
	now := s.Now()
	var next time.Duration
	if s.notice != "" {
		if next = s.until.Sub(now); next <= 0 {
			s.notice, s.leaving = "", false
		}
	}
	if wait := s.again.Sub(now); !s.live && wait > 0 {
		whole := wait%time.Second + time.Millisecond // the next second that is shown
		if next <= 0 || whole < next {
			next = whole
		}
	}
	if next <= 0 || s.ticking {
		return nil
	}
	s.ticking, next = true, min(next, time.Second) // what begins meanwhile is not to wait for what has begun
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

// tell shows a sentence for a while. What others wrote in it has to be clean.
func (s *screen) tell(format string, args ...any) {
	s.notice, s.wrong = fmt.Sprintf(format, args...), false
	s.until = s.Now().Add(max(noticeFor, time.Duration(len(s.notice))*readFor))
}

// complain is tell for what failed.
func (s *screen) complain(format string, args ...any) {
	s.tell(format, args...)
	s.wrong = true
}

// answer is what came of something that was asked in the background.
type answer func(*screen) tea.Cmd

// ask does something that takes a while, and then what it returns.
func (s *screen) ask(what func(ctx context.Context) answer) tea.Cmd {
	ctx := s.ctx
	return func() tea.Msg { return what(ctx) }
}

// show goes to another room.
func (s *screen) show(i int) tea.Cmd {
	if i < 0 || i >= len(s.rooms) || i == s.current {
		return nil
	}
	if r := s.room(); r.seen() {
		r.unreadDivider = false // it is new no more
	}
	s.room().jumpTarget = 0
	s.current = i
	s.panel, s.completed = nil, nil
	return s.fill()
}

// enter says what is in the composer, or does the command that it is.
func (s *screen) enter() tea.Cmd {
	c := &s.room().composer
	text := strings.TrimRight(c.String(), "\n")
	if strings.TrimSpace(text) == "" {
		return nil
	}
	if s.commanding() {
		return s.command(text)
	}
	if !s.say(strings.TrimPrefix(text, "/")) { // two are one that is said
		return nil
	}
	c.take()
	c.comeBack()
	return s.end()
}

// say says a text in the room, and tells whether it could be. The view is to go to the end then.
func (s *screen) say(text string) bool {
	r := s.room()
	if limit := s.limits.Text; limit > 0 {
		if err := wire.CheckText(text, limit); err != nil {
			s.complain("%s", err.Reason)
			return false
		}
	}
	switch n := r.sending(); {
	case n >= maxOutbox:
		s.complain("%s not saved yet; wait a moment", plural(n, "message is", "messages are"))
		return false
	case len(r.outbox) >= 2*maxOutbox:
		s.complain("%s not confirmed; Esc takes them away", plural(len(r.outbox)-n, "message is", "messages are"))
		return false
	}
	id, err := s.chat.Say(r.name, text)
	if err != nil {
		s.complain("not said: %s", s.reason(err))
		return false
	}
	r.composer.remember(text)
	r.unreadDivider = false
	r.outbox = append(r.outbox, &item{at: s.Now(), by: s.by, from: s.name, text: text, id: id, own: true})
	return true
}

// unsaved are the texts that were said this time and are not confirmed, or refused.
func (s *screen) unsaved() []string {
	texts := slices.Clone(s.lost)
	for _, r := range s.rooms {
		texts = append(texts, r.unsaved(false)...)
	}
	return texts
}

// sending is how many texts are on their way.
func (s *screen) sending() (n int) {
	for _, r := range s.rooms {
		n += r.sending()
	}
	return n
}

// leave ends the screen, and asks again if something is not saved.
func (s *screen) leave() tea.Cmd {
	if n := s.sending(); n > 0 && !s.leaving {
		s.leaving = true
		s.complain("%s not saved yet; once more leaves all the same", plural(n, "message is", "messages are"))
		return nil
	}
	return tea.Quit
}

// plural is a number with the word that belongs to it.
func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return thousands(uint64(n)) + " " + many
}

// thousands is a number as people read it.
func thousands(n uint64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
