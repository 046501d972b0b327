package tui

import (
	"reflect"
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"
)

const (
	idleInterval = time.Second       // between two frames while nothing happens
	idleAfter    = 4 * frameInterval // without a message
)

// pace slows the renderer down while nothing happens. bubbletea's renderer wakes at every frame, 30 times a second, to
// find that nothing has changed: that costs 0.6 % of a core for each idle screen, of which a server with SSH has many.
//
// bubbletea (v2.1.1) has no option for this. WithFPS sets one rate for the whole run: a low one delays every key. The interface
// of renderers is private, and WithoutRenderer would leave drawing, cursor and keyboard modes to this package. ReleaseTerminal
// stops the renderer, but leaves the screen. So pace resets the program's ticker, a private field, found by reflection.
// Where a later version has no such field, the renderer keeps its speed, and TestIdleRenderer fails.
//
// The idle renderer still runs once a second, so a frame is late at most, never lost.
type pace struct {
	program *tea.Program

	mu     sync.Mutex
	ticker *time.Ticker // guarded by mu: the program's; nil: not known yet
	quiet  *time.Timer  // guarded by mu: runs when nothing has happened for idleAfter
	idle   bool         // guarded by mu: the ticker is slow
}

// wake restores the speed of the renderer. The program's goroutine calls it for each message.
func (p *pace) wake() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ticker == nil {
		if p.ticker = tickerOf(p.program); p.ticker == nil {
			return
		}
		p.quiet = time.AfterFunc(idleAfter, p.slowDown)
	}
	if p.idle {
		p.idle = false
		p.ticker.Reset(frameInterval)
	}
	p.quiet.Reset(idleAfter)
}

func (p *pace) slowDown() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ticker != nil && !p.idle {
		p.idle = true
		p.ticker.Reset(idleInterval)
	}
}

// stop ends the timer. The program stops its ticker itself.
func (p *pace) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.quiet != nil {
		p.quiet.Stop()
	}
	p.ticker, p.program = nil, nil
}

// tickerOf returns the ticker of a program's renderer, which bubbletea does not export; nil: there is none.
func tickerOf(program *tea.Program) *time.Ticker {
	if program == nil {
		return nil
	}
	field := reflect.ValueOf(program).Elem().FieldByName("ticker")
	if !field.IsValid() || field.Type() != reflect.TypeFor[*time.Ticker]() {
		return nil
	}
	return *(**time.Ticker)(field.Addr().UnsafePointer())
}
