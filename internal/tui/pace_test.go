package tui

import (
	"io"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
)

// paced is a model that shows its test when the renderer of its program has become slow.
type paced struct {
	pace *pace
}

func (m *paced) Init() tea.Cmd { return nil }

func (m *paced) Update(tea.Msg) (tea.Model, tea.Cmd) {
	m.pace.wake()
	return m, nil
}

func (m *paced) View() tea.View { return tea.NewView("") }

// TestIdleRenderer: the renderer of an idle program slows down, and the next message speeds it up.
func TestIdleRenderer(t *testing.T) {
	in, keys := io.Pipe()
	defer keys.Close()
	m := &paced{pace: new(pace)}
	program := tea.NewProgram(m, tea.WithInput(in), tea.WithOutput(io.Discard), tea.WithFPS(fps), tea.WithoutSignalHandler())
	m.pace.program = program
	ended := make(chan error, 1)
	go func() {
		_, err := program.Run()
		m.pace.stop()
		ended <- err
	}()
	idle := func() bool {
		m.pace.mu.Lock()
		defer m.pace.mu.Unlock()
		return m.pace.ticker != nil && m.pace.idle
	}
	for !idle() {
		time.Sleep(frameInterval)
	}
	program.Send(tea.FocusMsg{})
	for idle() {
		time.Sleep(time.Millisecond)
		program.Send(tea.FocusMsg{})
	}
	program.Quit()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
}
