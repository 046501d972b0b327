package tui

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"ramai/client"
	"ramai/wire"
)

// hostile are texts that would do something to a terminal if they reached it unchanged.
var hostile = []string{
	"\x1b]0;owned\a", "\x1b]2;owned\x1b\\", "\x1b]52;c;b3duZWQ=\a", "\x1b[6n", "\x1b[c", "\x1b[>c", "\x1b[21t", "\x1b[2J\x1b[H", "\x1b[5;5Hhere", "\x1bc", "\x1b[?1049l",
	"\x1b[?25l", "\x1b[3g\t", "\x1bP$q\"p\x1b\\", "\x1b_Gi=31;\x1b\\", "\x1b^pm\x1b\\", "\x1bXsos\x1b\\", "\a\a\a", "\b\b\b\b", "\r\rover", "\x0e\x0f", "\v\f", "\x7f\x7f",
	"\u009b31m", "\u009d0;owned\u009c", "\u0090q\u009c", "\u0085\u0084", "\x9b31m", "\xc2", "\xff\xfe", "a\x1b", "]0;owned\a", "[6n",
	"\u202eevil\u202c", "\u2066x\u2069", "\u200b\u200d\ufeff", "e" + strings.Repeat("\u0301", 500), strings.Repeat("\u200d", 300),
	"\x1b]8;;javascript:alert(1)\x1b\\click\x1b]8;;\x1b\\", "javascript:alert(1)", "http://a.test/\x1b]0;owned\a", "http://a.test/\u202e\u009d", "https://é.test/ü?q=\u0301;x",
	"HTTP://A.TEST/x;y;z", "http://a.test/`x`", "file:///etc/passwd http://[::", "@anna \x1b]0;x\a", "`\x1b[31m`", "```\n\x1b[2J\n```", "\u2028\u2029", "\U000e0041\U000e007f",
	"👩\u200d👩\u200d👧\u200d\u200d\u200d", "🇩🇪🇩", "❤\ufe0f\ufe0f\ufe0f", "今\u0301日", "क्षि\u200dक्", "שלום \u05d0\u05b8", "\u1160\u115f\u3164", "\ufdfa", "\x00\x01\x02", "",
	strings.Repeat("界", 300), strings.Repeat("x", 1000), "\n\n\n", "\t\t|", "%s%d%n", "  lead",
}

// show uses texts in every place where others can choose one, and calls see with each screen. part selects what happens
// after the conversation, a third of everything each, so that a fuzzer makes progress; the value parts selects all.
func show(t testing.TB, width, height int, method ansi.Method, part int, a, b, c string, see func(*harness)) {
	st := newHarness(t, width, height, func(config *Config, _ *fakeChat) {
		config.State = State{Rooms: []RoomState{{Name: a, Draft: b}, {Name: "team", HistoryID: c, Draft: a}}}
		config.Search = func(context.Context, client.Search) (*client.SearchResponse, error) {
			return &client.SearchResponse{SearchResponse: wire.SearchResponse{Hits: []wire.Hit{{Room: a, N: 1, SenderID: b, DisplayName: c, Snippet: a + b + c, Marks: [][2]int{{0, 2}, {1, 900}, {-1, 0}}}}}}, nil
		}
	})
	if method == ansi.GraphemeWidth {
		st.send(tea.ModeReportMsg{Mode: ansi.ModeUnicodeCore, Value: ansi.ModeReset})
	}
	st.fillHistory(wire.Lobby, 3)
	for i := range st.chat.history[wire.Lobby] {
		m := &st.chat.history[wire.Lobby][i]
		m.DisplayName, m.Text, m.SenderID, m.ID = a, b+c, c, b
	}
	st.receive(wire.Welcome{SenderID: "me", Name: a, Text: b, Limits: wire.Limits{Text: 4000}},
		wire.Joined{Room: wire.Lobby, HistoryID: "log", N: 8, First: 3, Count: 3},
		wire.Presence{Room: wire.Lobby, Count: 2, Names: []string{a, b, c}},
		wire.Gap{Room: wire.Lobby, From: 3, To: 3},
		wire.Message{Room: wire.Lobby, N: 4, SenderID: a, DisplayName: b, ID: c, Text: a},
		wire.Message{Room: wire.Lobby, N: 5, SenderID: b, DisplayName: c, Text: a + b},
		wire.Message{Room: wire.Lobby, N: 6, SenderID: "me", DisplayName: c, Text: b + "\n" + c},
		wire.Message{Room: wire.Lobby, N: 7, SenderID: c, DisplayName: a, Text: "@" + a + " " + c})
	see(st)
	for i, do := range [parts]func(*harness, func(*harness), string, string, string){writes, looks, waits} {
		if part == parts || part == i {
			do(st, see, a, b, c)
		}
	}
}

const parts = 3

// writes pastes, posts, gets refusals, and completes.
func writes(st *harness, see func(*harness), a, b, c string) {
	st.send(tea.PasteMsg{Content: a + b})
	see(st)
	st.press("l", "o", "c")
	st.types("x")
	st.press("enter")
	for _, it := range slices.Clone(st.room().timeline.outbox) {
		st.receive(client.Sent{Room: wire.Lobby, ID: it.id, Code: wire.Internal, Reason: c, State: client.Failed})
	}
	see(st)
	st.press("ctrl+u", "esc")
	for _, word := range []string{"@", ":smi", "/j"} {
		st.types(word)
		st.press("tab", "tab")
		see(st)
		st.press("ctrl+u", "esc")
	}
	st.press("ctrl+r")
	see(st)
	st.press("esc")
}

// looks scrolls back, opens panels, and searches.
func looks(st *harness, see func(*harness), _, _, _ string) {
	st.press("ctrl+u", "alt+w")
	see(st)
	st.press("esc")
	st.types("/search x")
	st.press("enter")
	see(st)
	st.press("esc", "pgup", "alt+i")
	see(st)
	st.press("f1")
	see(st)
	st.press("esc")
}

// waits receives errors and notices from the server.
func waits(st *harness, see func(*harness), a, b, c string) {
	st.receive(wire.Typing{Room: wire.Lobby, By: []wire.Sender{{SenderID: a, DisplayName: b}, {SenderID: c}}}, wire.Name{Name: b})
	st.now = st.now.Add(time.Hour)
	see(st)
	st.receive(client.RequestFailed{Request: wire.Name{Name: a}, Error: wire.Error{Reason: b}})
	see(st)
	st.receive(client.Disconnected{Err: errors.New(a + c), Wait: time.Second})
	see(st)
}

// FuzzScreen checks the screen, whatever others write: a frame has as many rows as the screen and none that is too wide,
// and neither the frame nor the renderer's output contains a sequence that is not the renderer's own.
func FuzzScreen(f *testing.F) {
	for i, a := range hostile {
		f.Add(a, hostile[(i+7)%len(hostile)], hostile[(i+19)%len(hostile)], uint8(i))
	}
	sizes := [][2]int{{80, 24}, {20, 6}, {57, 9}, {1, 1}, {5, 3}}
	f.Fuzz(func(t *testing.T, a, b, c string, kind uint8) {
		size := sizes[int(kind/2)%len(sizes)]
		part := int(kind) / (2 * len(sizes)) % parts
		method := ansi.Method(kind % 2)
		out := newTerminal(size[0], size[1])
		show(t, size[0], size[1], method, part, a, b, c, func(st *harness) {
			v := st.View()
			rows := strings.Split(v.Content, "\n")
			if len(rows) != st.height {
				t.Fatalf("%d rows, not %d:\n%q", len(rows), st.height, v.Content)
			}
			for _, r := range rows {
				if w := method.StringWidth(r); w > st.width {
					t.Fatalf("a row has %d cells, want at most %d: %q", w, st.width, r)
				}
			}
			if v.Cursor != nil && (v.Cursor.X < 0 || v.Cursor.X >= st.width || v.Cursor.Y < 0 || v.Cursor.Y >= st.height) {
				t.Fatalf("the cursor is at %v", v.Cursor.Position)
			}
			if v.WindowTitle != "" {
				t.Fatal("a title was set")
			}
			harmless(t, v.Content, false)
			out.draw(t, v, method)
		})
		harmless(t, out.out.String(), true)
	})
}

var (
	styleSequence = regexp.MustCompile(`^\x1b\[[0-9;:]*m`)
	linked        = regexp.MustCompile(`^\x1b\]8;[^;\x1b\a]*;(https?://[\x21-\x7e]+)?(\x1b\\|\a)`)
	moved         = regexp.MustCompile(`^\x1b(\[[0-9;]*[ABCDEFGHJKLMPSTXdbrfIZ@` + "`" + `]|\[\?7[hl]|M)`)
)

// harmless fails if s contains a control character, or a sequence that is neither a style nor a link. Output that was
// written may also move the cursor and erase.
func harmless(t testing.TB, s string, written bool) {
	t.Helper()
	for rest := s; rest != ""; {
		if rest[0] >= ' ' && rest[0] < 0x7f {
			rest = rest[1:]
			continue
		}
		m := styleSequence.FindString(rest) + linked.FindString(rest)
		if m == "" && written {
			m = moved.FindString(rest)
		}
		if m == "" {
			r := []rune(rest[:min(len(rest), 4)])[0]
			if r < ' ' && r != '\n' && !(written && (r == '\r' || r == '\b' || r == '\t')) || r >= 0x7f && r < 0xa0 || client.Printable(string(r)) == "" && r != '\r' && r != '\b' {
				t.Fatalf("the output contains %q, at %q", r, rest[:min(len(rest), 60)])
			}
			m = string(r)
			if r == '\ufffd' && !strings.HasPrefix(rest, m) {
				t.Fatalf("the output is not UTF-8 at %q", rest[:min(len(rest), 20)])
			}
		}
		rest = rest[len(m):]
	}
}

// seen is a report of the judge: a real terminal emulator.
type seen struct {
	Screen    []string
	Cursor    [2]int
	Alternate bool
	Effects   []string
	Links     []string
	Replies   int
}

// judge sends cases to the judge, one after the other.
type judge struct {
	t   testing.TB
	in  *json.Encoder
	out *json.Decoder
}

func newJudge(t testing.TB) *judge {
	t.Helper()
	if *judged == "" {
		t.Skip("make terminal runs this with a terminal emulator")
	}
	cmd := exec.Command("node", *judged)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	})
	return &judge{t: t, in: json.NewEncoder(in), out: json.NewDecoder(out)}
}

// looks returns what a terminal of that size shows after b was written to it in pieces.
func (j *judge) looks(width, height int, b []byte, pieces []int, newlines bool) (s seen) {
	j.t.Helper()
	if pieces == nil {
		pieces = []int{}
	}
	err := j.in.Encode(map[string]any{"cols": width, "rows": height, "bytes": b, "pieces": pieces, "newlines": newlines})
	if err := errors.Join(err, j.out.Decode(&s)); err != nil {
		j.t.Fatal(err)
	}
	return s
}

// TestJudge shows hostile texts on a real terminal, however the output is split: nothing but cells may change, and where
// the terminal and the screen agree on widths, the cells are correct.
func TestJudge(t *testing.T) {
	j := newJudge(t)
	random := rand.New(rand.NewPCG(1, 2))
	pick := func() string {
		s := hostile[random.IntN(len(hostile))]
		if random.IntN(3) == 0 {
			s = "ab " + s + hostile[random.IntN(len(hostile))] + " cd"
		}
		return s
	}
	for i := range 120 {
		width, height := 80, 24
		if i%3 == 1 {
			width, height = 20, 6
		}
		a, b, c := pick(), pick(), pick()
		out := newTerminal(width, height)
		var last *harness
		show(t, width, height, ansi.WcWidth, parts, a, b, c, func(st *harness) {
			out.draw(t, st.View(), st.method)
			last = st
		})
		var pieces []int
		for range random.IntN(20) {
			pieces = append(pieces, 1+random.IntN(200))
		}
		s := j.looks(width, height, out.out.Bytes(), pieces, false)
		about := fmt.Sprintf("texts %q, %q, %q", a, b, c)
		if len(s.Effects) > 0 || s.Replies > 0 {
			t.Fatalf("%s did more than change cells: %q, %d replies", about, s.Effects, s.Replies)
		}
		for _, l := range s.Links {
			if !strings.HasPrefix(l, "http://") && !strings.HasPrefix(l, "https://") {
				t.Fatalf("%s: a link to %q", about, l)
			}
		}
		for i, row := range s.Screen {
			s.Screen[i] = strings.TrimRight(row, " ")
		}
		if got, want := strings.Join(s.Screen, "\n")+"\n", last.shown(); got != want {
			t.Fatalf("%s: the terminal shows\n%s\nwant\n%s", about, got, want)
		}
	}
}

// TestJudgeRun shows the terminal everything that a screen writes from start to end: hostile texts have the same effects as
// harmless ones.
func TestJudgeRun(t *testing.T) {
	j := newJudge(t)
	quiet := j.looks(80, 24, written(t, []string{"hello", "how are you?"}), nil, false)
	if len(quiet.Effects) > 0 || quiet.Replies == 0 || quiet.Alternate {
		t.Fatalf("harmless texts do %+v", quiet)
	}
	bad := j.looks(80, 24, written(t, hostile), []int{7, 100, 3, 500, 1, 1, 1, 1000}, false)
	if len(bad.Effects) > 0 || bad.Replies != quiet.Replies || bad.Alternate {
		t.Fatalf("hostile texts do %+v, and harmless ones %+v", bad, quiet)
	}
}

// written returns what a screen writes when texts are posted, each under a hostile name too.
func written(t *testing.T, texts []string) []byte {
	t.Helper()
	in, keys := io.Pipe()
	out := &watchedBuffer{words: "that is all", seen: make(chan struct{})}
	c := &fakeChat{events: make(chan client.Event, 2*len(texts)+10)}
	tell := func(f wire.Frame) { c.events <- client.Event{Frame: f} }
	tell(wire.Welcome{SenderID: "me", Name: "anna"})
	tell(wire.Joined{Room: wire.Lobby, HistoryID: "log", N: 1, First: 1, Count: 1})
	for i, text := range texts {
		tell(wire.Message{Room: wire.Lobby, N: uint64(i) + 1, SenderID: text, DisplayName: texts[len(texts)-1-i], Text: text})
	}
	tell(wire.Message{Room: wire.Lobby, N: uint64(len(texts)) + 1, SenderID: "x", Text: out.words})
	done := make(chan error, 1)
	go func() {
		_, err := run(t.Context(), Config{Server: new(url.URL), Room: wire.Lobby, Last: 50, Theme: Auto, In: in, Out: out,
			Environ: []string{"TERM=xterm-256color"}, Zone: time.UTC, Now: func() time.Time { return start }}, c)
		done <- err
	}()
	<-out.seen
	keys.Write([]byte("\x04"))
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	keys.Close()
	return out.Bytes()
}

// slowCloser is an input whose reader notices the end with a delay.
type slowCloser struct {
	*io.PipeReader
	over atomic.Bool
}

func (s *slowCloser) Read(b []byte) (int, error) {
	n, err := s.PipeReader.Read(b)
	if err != nil {
		time.Sleep(50 * time.Millisecond)
		s.over.Store(true)
	}
	return n, err
}

// TestRunWaitsForItsReader: Run closes its input, and returns only after the last read has ended.
func TestRunWaitsForItsReader(t *testing.T) {
	in, keys := io.Pipe()
	slow := &slowCloser{PipeReader: in}
	c := &fakeChat{events: make(chan client.Event, 2)}
	c.events <- client.Event{Frame: wire.Welcome{SenderID: "me", Name: "anna"}}
	c.events <- client.Event{Frame: wire.Joined{Room: wire.Lobby, HistoryID: "log"}}
	config, _ := terminalConfig(t)
	config.In = slow
	go keys.Write([]byte("\x04"))
	if _, err := run(t.Context(), config, c); err != nil {
		t.Fatal(err)
	}
	if !slow.over.Load() {
		t.Error("the input is still read from")
	}
}

// watchedBuffer closes seen once words were written to it.
type watchedBuffer struct {
	bytes.Buffer
	words string
	seen  chan struct{}
}

func (b *watchedBuffer) Write(p []byte) (int, error) {
	before := bytes.Contains(b.Bytes(), []byte(b.words))
	n, err := b.Buffer.Write(p)
	if !before && bytes.Contains(b.Bytes(), []byte(b.words)) {
		close(b.seen)
	}
	return n, err
}

// TestJudgeSees checks that the judge would notice violations.
func TestJudgeSees(t *testing.T) {
	j := newJudge(t)
	for _, text := range []string{"\a", "\x1b]0;t\a", "\x1b]52;c;eA==\a", "\x1b[6n", "\x1b[c", "\x1bP$qm\x1b\\"} {
		if s := j.looks(20, 3, []byte(text), nil, false); len(s.Effects) == 0 && s.Replies == 0 {
			t.Errorf("the judge does not notice %q", text)
		}
	}
	if s := j.looks(20, 3, []byte("\x1b]8;;javascript:x\x1b\\a\x1b]8;;\x1b\\"), []int{4}, false); !slices.Equal(s.Links, []string{"javascript:x"}) {
		t.Errorf("the judge sees the links %q", s.Links)
	}
	if s := j.looks(5, 2, bytes.Repeat([]byte("x"), 7), nil, false); s.Screen[0] != "xxxxx" || s.Screen[1] != "xx" || s.Cursor != [2]int{2, 1} {
		t.Errorf("the judge sees %q and the cursor at %v", s.Screen, s.Cursor)
	}
}
