package browser_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"ramai/internal/proxytest"
	"ramai/server"
)

// patience is for what is to appear; a busy machine takes long for the first page.
const patience = 30 * time.Second

// screens is where pictures go, for people to look at; empty: nowhere.
var screens = os.Getenv("RAMAI_SCREENS")

var chromium context.Context

func TestMain(m *testing.M) {
	os.Exit(func() int {
		path := ""
		for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
			if p, err := exec.LookPath(name); err == nil {
				path = p
				break
			}
		}
		if path == "" {
			if os.Getenv("CI") != "" {
				fmt.Fprintln(os.Stderr, "no browser: apt-get install chromium")
				return 1
			}
			fmt.Fprintln(os.Stderr, "no browser is installed, so the page is not tested: apt-get install chromium")
			return 0
		}
		profile, err := os.MkdirTemp("", "ramai-browser-")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(profile)
		flags := append(chromedp.DefaultExecAllocatorOptions[:],
			chromedp.ExecPath(path), chromedp.UserDataDir(profile), chromedp.NoSandbox, chromedp.DisableGPU,
			chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-dev-shm-usage", true), chromedp.Flag("lang", "en-US"),
			chromedp.Flag("ignore-certificate-errors", true), chromedp.Flag("host-resolver-rules", "MAP "+proxytest.Host+" 127.0.0.1"),
		)
		ctx, end := chromedp.NewExecAllocator(context.Background(), flags...)
		defer end()
		var stop func()
		chromium, stop = chromedp.NewContext(ctx)
		defer stop()
		if err := chromedp.Do(chromium, chromedp.Navigate("about:blank")); err != nil {
			fmt.Fprintln(os.Stderr, "the browser does not start:", err)
			return 1
		}
		return m.Run()
	}())
}

// house is a server that can be stopped and started again under the same address, on the same data.
type house struct {
	t       *testing.T
	address string
	data    string
	change  func(*server.Config)
	stop    func()
}

func serve(t *testing.T, change func(*server.Config)) *house {
	t.Helper()
	h := &house{t: t, address: "127.0.0.1:0", data: t.TempDir(), change: change}
	h.start()
	t.Cleanup(func() { h.stop() })
	return h
}

func (h *house) start() {
	h.t.Helper()
	cfg := server.Defaults()
	cfg.Data, cfg.Rate, cfg.Quiet, cfg.Logger = h.data, 0, true, slog.New(slog.DiscardHandler)
	if h.change != nil {
		h.change(&cfg)
	}
	s, err := server.New(cfg)
	if err != nil {
		h.t.Fatal(err)
	}
	listener, err := net.Listen("tcp", h.address)
	if err != nil {
		h.t.Fatal(err)
	}
	h.address = listener.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, listener) }()
	h.stop = func() {
		cancel()
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
			h.t.Errorf("serving ended with %v", err)
		}
		h.stop = func() {}
	}
}

func (h *house) url(path string) string { return "http://" + h.address + path }

// say posts a text.
func (h *house) say(room, text string) {
	h.t.Helper()
	resp, err := http.Post(h.url("/api/v1/rooms/"+room+"/messages"), "text/plain", strings.NewReader(text))
	if err != nil {
		h.t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusCreated {
		h.t.Fatalf("saying %.40q: %s", text, resp.Status)
	}
}

// get asks the API.
func (h *house) get(path string, answer any) {
	h.t.Helper()
	resp, err := http.Get(h.url(path))
	if err != nil {
		h.t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(answer); err != nil {
		h.t.Fatal(err)
	}
}

// tab is a page in a browser profile of its own. Errors on its console fail the test.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu    sync.Mutex
	wrong []string
	spare []string // errors that have to do with what the test does on purpose
}

type action = chromedp.Action[chromedp.Void]

func open(t *testing.T, url string, actions ...action) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(chromium, chromedp.WithNewBrowserContext())
	return attach(t, ctx, cancel, url, actions...)
}

// another is one more page in the profile of b.
func (b *tab) another(url string, actions ...action) *tab {
	b.t.Helper()
	ctx, cancel := chromedp.NewContext(b.ctx)
	return attach(b.t, ctx, cancel, url, actions...)
}

func attach(t *testing.T, ctx context.Context, cancel func(), url string, actions ...action) *tab {
	t.Helper()
	b := &tab{t: t, ctx: ctx}
	if err := chromedp.Listen(ctx, func(event any) {
		switch e := event.(type) {
		case *runtime.EventExceptionThrown:
			what := e.ExceptionDetails.Text
			if e.ExceptionDetails.Exception != nil {
				what += " " + e.ExceptionDetails.Exception.Description
			}
			b.complain(what)
		case *log.EventEntryAdded:
			if e.Entry.Level == log.EntryLevelError {
				b.complain(e.Entry.Text + " " + e.Entry.URL)
			}
		case *runtime.EventConsoleAPICalled:
			if e.Type == runtime.ConsoleAPICalledTypeError {
				b.complain("console: " + e.Args[0].Description + string(e.Args[0].Value))
			}
		case *page.EventJavascriptDialogOpening: // there is something unsent: it is to go on all the same
			go chromedp.Call(ctx, page.HandleJavaScriptDialog, page.HandleJavaScriptDialogParams{Accept: true})
		}
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			b.picture("failed-" + strings.ReplaceAll(t.Name(), "/", "-"))
		}
		cancel()
		b.mu.Lock()
		defer b.mu.Unlock()
	wrong:
		for _, w := range b.wrong {
			for _, s := range b.spare {
				if strings.Contains(w, s) {
					continue wrong
				}
			}
			t.Errorf("the page complains: %s", w)
		}
	})
	command(b, log.Enable, cdp.Empty{})
	command(b, runtime.Enable, cdp.Empty{})
	command(b, page.Enable, page.EnableParams{})
	command(b, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true})
	b.run(append(actions, chromedp.Navigate(url))...)
	return b
}

func (b *tab) complain(what string) {
	b.mu.Lock()
	b.wrong = append(b.wrong, what)
	b.mu.Unlock()
}

// expect says that complaints with a text in them are what the test makes happen.
func (b *tab) expect(text ...string) {
	b.mu.Lock()
	b.spare = append(b.spare, text...)
	b.mu.Unlock()
}

func (b *tab) run(actions ...action) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		b.t.Fatal(err)
	}
}

// command calls one of the protocol's commands.
func command[P, R any](b *tab, c cdp.Command[P, R], params P) R {
	b.t.Helper()
	result, err := chromedp.Call(b.ctx, c, params)
	if err != nil {
		b.t.Fatalf("%s: %v", c.Method, err)
	}
	return result
}

// eval returns the value of an expression; a promise is awaited.
func eval[T any](b *tab, expression string) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
	return value
}

// until waits for an expression to be true.
func (b *tab) until(expression string) {
	b.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		if eval[bool](b, "Boolean("+expression+")") {
			return
		}
		if time.Now().After(end) {
			b.t.Fatalf("never: %s\nthe page says: %s", expression, eval[string](b, "document.body.innerText.slice(-1500)"))
		}
	}
}

// sees waits for a text on the page, or somewhere in it.
func (b *tab) sees(selector, text string) {
	b.t.Helper()
	b.until(fmt.Sprintf("[...document.querySelectorAll(%s)].some((e) => e.textContent.includes(%s))", js(selector), js(text)))
}

// ready waits until the room is there and live.
func (b *tab) ready() *tab {
	b.t.Helper()
	b.until("document.querySelector('.status.live')")
	return b
}

func (b *tab) click(selector string) {
	b.t.Helper()
	b.run(chromedp.Click(selector))
}

// The keys that tests press, and the modifiers of them.
var keys = map[string]struct {
	code int64
	text string
}{"Enter": {13, "\r"}, "ArrowUp": {38, ""}, "ArrowDown": {40, ""}, "Escape": {27, ""}, "Tab": {9, ""}, "PageUp": {33, ""}, "End": {35, ""}, "k": {75, ""}}

const shift, ctrl, alt = 8, 2, 1

// press presses a key where the focus is.
func (b *tab) press(key string, modifiers int64) {
	b.t.Helper()
	k := keys[key]
	p := input.DispatchKeyEventParams{Type: "keyDown", Key: key, Code: key, WindowsVirtualKeyCode: k.code, Text: k.text, Modifiers: modifiers}
	if k.text == "" {
		p.Type = "rawKeyDown"
	}
	command(b, input.DispatchKeyEvent, p)
	p.Type, p.Text = "keyUp", ""
	command(b, input.DispatchKeyEvent, p)
}

// into writes a text where a selector says.
func (b *tab) into(selector, text string) {
	b.t.Helper()
	b.run(chromedp.Focus(selector))
	command(b, input.InsertText, input.InsertTextParams{Text: text})
}

// enter is into, and Enter.
func (b *tab) enter(selector, text string) {
	b.t.Helper()
	b.into(selector, text)
	b.press("Enter", 0)
}

const box = ".composer textarea"

// types writes a text into the box.
func (b *tab) types(text string) { b.t.Helper(); b.into(box, text) }

// write types a text into the box and sends it.
func (b *tab) write(text string) { b.t.Helper(); b.enter(box, text) }

// texts are the messages that stand in the log.
func (b *tab) texts() []string {
	b.t.Helper()
	return eval[[]string](b, "[...document.querySelectorAll('.log ol:first-of-type .m .text')].map((e) => e.textContent)")
}

// picture keeps what the page looks like.
func (b *tab) picture(name string) {
	if screens == "" {
		return
	}
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	png, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err != nil {
		b.t.Logf("no picture: %v", err)
		return
	}
	os.MkdirAll(screens, 0o755)
	os.WriteFile(filepath.Join(screens, name+".png"), png, 0o644)
}

func js(v any) string {
	b, _ := json.Marshal(v)
	return string(b)
}
