package browser_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	goruntime "runtime"
	"slices"
	"strconv"
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
	"go.uber.org/goleak"

	"ramai/internal/proxytest"
	"ramai/server"
)

// timeout is how long a test waits for something to appear. On a busy machine, the first page is slow.
const timeout = time.Minute

// screenshotDir is where screenshots are saved, for people to look at; empty: none are taken.
var screenshotDir = os.Getenv("RAMAI_SCREENS")

// chromium is the one browser process. Each page has a profile of its own in it.
var chromium context.Context

// browsers are the programs that the tests can use, the preferred one first. The headless shell has the same engine without the
// windows of a browser around it, and needs half of the processor time.
var browsers = []string{"chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"}

func TestMain(m *testing.M) {
	flag.Parse()
	if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue { // pages wait for the network, timers, and animations
		flag.Set("test.parallel", strconv.Itoa(2*goruntime.GOMAXPROCS(0)))
	}
	code := runTests(m)
	http.DefaultClient.CloseIdleConnections()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// runTests runs the tests in a browser, and stops it.
func runTests(m *testing.M) int {
	path := ""
	for _, name := range browsers {
		if p, err := exec.LookPath(name); err == nil {
			path = p
			break
		}
	}
	if path == "" {
		if os.Getenv("CI") != "" {
			fmt.Fprintln(os.Stderr, "no browser found (apt-get install chromium-headless-shell)")
			return 1
		}
		fmt.Fprintln(os.Stderr, "skipping all tests: no browser found (apt-get install chromium-headless-shell)")
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
		fmt.Fprintln(os.Stderr, "cannot start the browser:", err)
		return 1
	}
	return m.Run()
}

// testServer is a server that can be stopped, and started again with the same address and data.
type testServer struct {
	t       *testing.T
	address string
	data    string
	change  func(*server.Config)
	stop    func()

	operator http.Handler // the requests of the operator
}

func startServer(t *testing.T, change func(*server.Config)) *testServer {
	t.Helper()
	srv := &testServer{t: t, address: "127.0.0.1:0", data: t.TempDir(), change: change}
	srv.start()
	t.Cleanup(func() { srv.stop() })
	return srv
}

func (srv *testServer) start() {
	srv.t.Helper()
	cfg := server.Defaults()
	cfg.Data, cfg.Rate, cfg.Quiet, cfg.Logger = srv.data, 0, true, slog.New(slog.DiscardHandler)
	if srv.change != nil {
		srv.change(&cfg)
	}
	s, err := server.New(cfg)
	if err != nil {
		srv.t.Fatal(err)
	}
	srv.operator = s.Operator()
	listener, err := net.Listen("tcp", srv.address)
	if err != nil {
		srv.t.Fatal(err)
	}
	srv.address = listener.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, server.Listeners{server.HTTP: listener}) }()
	srv.stop = func() {
		cancel()
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
			srv.t.Errorf("Serve: %v", err)
		}
		srv.stop = func() {}
	}
}

func (srv *testServer) url(path string) string { return "http://" + srv.address + path }

// post posts a text.
func (srv *testServer) post(room, text string) {
	srv.t.Helper()
	resp, err := http.Post(srv.url("/api/v1/rooms/"+room+"/messages"), "text/plain", strings.NewReader(text))
	if err != nil {
		srv.t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusCreated {
		srv.t.Fatalf("posting %.40q: %s", text, resp.Status)
	}
}

// getJSON decodes an answer of the API.
func (srv *testServer) getJSON(path string, answer any) {
	srv.t.Helper()
	resp, err := http.Get(srv.url(path))
	if err != nil {
		srv.t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(answer); err != nil {
		srv.t.Fatal(err)
	}
}

// tab is a page in the browser. Errors on its console fail the test.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu       sync.Mutex
	errors   []string
	expected []string // parts of errors that the test causes on purpose
}

type action = chromedp.Action[chromedp.Void]

func openPage(t *testing.T, url string, actions ...action) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(chromium, chromedp.WithNewBrowserContext())
	return attach(t, ctx, cancel, url, actions...)
}

// openTab opens another page in the profile of b.
func (b *tab) openTab(url string, actions ...action) *tab {
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
			b.report(what)
		case *log.EventEntryAdded:
			if e.Entry.Level == log.EntryLevelError {
				b.report(e.Entry.Text + " " + e.Entry.URL)
			}
		case *runtime.EventConsoleAPICalled:
			if e.Type == runtime.ConsoleAPICalledTypeError {
				b.report("console: " + e.Args[0].Description + string(e.Args[0].Value))
			}
		case *page.EventJavascriptDialogOpening: // the page warns about unsent messages when it is left
			go chromedp.Call(ctx, page.HandleJavaScriptDialog, page.HandleJavaScriptDialogParams{Accept: true})
		}
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			b.screenshot("failed-" + strings.ReplaceAll(t.Name(), "/", "-"))
		}
		cancel()
		b.mu.Lock()
		defer b.mu.Unlock()
	wrong:
		for _, w := range b.errors {
			for _, s := range b.expected {
				if strings.Contains(w, s) {
					continue wrong
				}
			}
			t.Errorf("error on the page: %s", w)
		}
	})
	command(b, log.Enable, cdp.Empty{})
	command(b, runtime.Enable, cdp.Empty{})
	command(b, page.Enable, page.EnableParams{})
	command(b, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true})
	b.run(append(actions, chromedp.Navigate(url))...)
	return b
}

func (b *tab) report(what string) {
	b.mu.Lock()
	b.errors = append(b.errors, what)
	b.mu.Unlock()
}

// expectErrors allows errors that contain one of the texts.
func (b *tab) expectErrors(text ...string) {
	b.mu.Lock()
	b.expected = append(b.expected, text...)
	b.mu.Unlock()
}

func (b *tab) run(actions ...action) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, timeout)
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

// eval returns the value of a JavaScript expression, or of the promise that it returns.
func eval[T any](b *tab, expression string) T {
	b.t.Helper()
	value, err := tryEval[T](b, expression)
	if err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
	return value
}

func tryEval[T any](b *tab, expression string) (T, error) {
	ctx, cancel := context.WithTimeout(b.ctx, timeout)
	defer cancel()
	return chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
}

// isLeaving reports whether an evaluation failed because the page was being replaced by another.
func isLeaving(err error) bool {
	return err != nil && (strings.Contains(err.Error(), "navigated or closed") || strings.Contains(err.Error(), "context was destroyed") || strings.Contains(err.Error(), "Cannot find context"))
}

// waitFor waits until an expression is true. While a page is replaced by another, nothing is.
func (b *tab) waitFor(expression string) {
	b.t.Helper()
	waitForValue(b, "Boolean("+expression+")", func(holds bool) bool { return holds })
}

// waitForValue waits until the value of an expression is right, and returns it.
func waitForValue[T any](b *tab, expression string, right func(T) bool) T {
	b.t.Helper()
	for end := time.Now().Add(timeout); ; time.Sleep(20 * time.Millisecond) {
		switch value, err := tryEval[T](b, expression); {
		case err == nil && right(value):
			return value
		case err != nil && !isLeaving(err):
			b.t.Fatalf("%s: %v", expression, err)
		}
		if time.Now().After(end) {
			b.t.Fatalf("timeout waiting for %s\ntext of the page: %s", expression, eval[string](b, "document.body.innerText.slice(-1500)"))
		}
	}
}

// waitForText waits until an element that matches a selector contains a text.
func (b *tab) waitForText(selector, text string) {
	b.t.Helper()
	b.waitFor(fmt.Sprintf("[...document.querySelectorAll(%s)].some((e) => e.textContent.includes(%s))", quote(selector), quote(text)))
}

// ready waits until the page has joined the room.
func (b *tab) ready() *tab {
	b.t.Helper()
	b.waitFor("document.querySelector('.status.live')")
	return b
}

// middle returns where the middle of an element is, once the element stands still and nothing covers it. A gesture that is made
// while the page moves something hits another element.
func (b *tab) middle(selector string) (x, y float64) {
	b.t.Helper()
	expression := `(() => {
		const e = [...document.querySelectorAll(` + quote(selector) + `)].find((e) => e.checkVisibility());
		if (!e) return [];
		let { x, y, width, height } = e.getBoundingClientRect();
		[x, y] = [x + width / 2, y + height / 2];
		const hit = document.elementFromPoint(x, y);
		if (!hit) e.scrollIntoView({ block: "center" });
		return hit && (e.contains(hit) || hit.contains(e)) ? [x, y] : [];
	})()`
	var before []float64
	at := waitForValue(b, expression, func(now []float64) bool {
		same := len(now) > 0 && slices.Equal(now, before)
		before = now
		return same
	})
	return at[0], at[1]
}

func (b *tab) click(selector string) {
	b.t.Helper()
	x, y := b.middle(selector)
	p := input.DispatchMouseEventParams{Type: "mouseMoved", X: x, Y: y}
	command(b, input.DispatchMouseEvent, p)
	p.Type, p.Button, p.ClickCount = "mousePressed", "left", 1
	command(b, input.DispatchMouseEvent, p)
	p.Type = "mouseReleased"
	command(b, input.DispatchMouseEvent, p)
}

// keys that tests press.
var keys = map[string]struct {
	code int64
	text string
}{"Enter": {13, "\r"}, "ArrowUp": {38, ""}, "ArrowDown": {40, ""}, "Escape": {27, ""}, "Tab": {9, ""}, "PageUp": {33, ""}, "End": {35, ""}, "k": {75, ""}}

const shift, ctrl, alt = 8, 2, 1

// press presses a key.
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

// insert focuses an element and inserts a text.
func (b *tab) insert(selector, text string) {
	b.t.Helper()
	b.run(chromedp.Focus(chromedp.CSS(selector)))
	command(b, input.InsertText, input.InsertTextParams{Text: text})
}

// submit inserts a text and presses Enter.
func (b *tab) submit(selector, text string) {
	b.t.Helper()
	b.insert(selector, text)
	b.press("Enter", 0)
}

const box = ".composer textarea"

// typeText inserts a text into the composer.
func (b *tab) typeText(text string) { b.t.Helper(); b.insert(box, text) }

// send inserts a text into the composer and sends it.
func (b *tab) send(text string) { b.t.Helper(); b.submit(box, text) }

// messages returns the texts in the log.
func (b *tab) messages() []string {
	b.t.Helper()
	return eval[[]string](b, "[...document.querySelectorAll('.log ol:first-of-type .m .text')].map((e) => e.textContent)")
}

// screenshot saves a picture of the page once its animations have ended.
func (b *tab) screenshot(name string) {
	if screenshotDir == "" {
		return
	}
	ctx, cancel := context.WithTimeout(b.ctx, timeout)
	defer cancel()
	chromedp.Run(ctx, chromedp.Evaluate[bool](animationsEnded, chromedp.EvalAwaitPromise)) // a page that is gone has no picture either
	png, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err != nil {
		b.t.Logf("no screenshot: %v", err)
		return
	}
	os.MkdirAll(screenshotDir, 0o755)
	os.WriteFile(filepath.Join(screenshotDir, name+".png"), png, 0o644)
}

// animationsEnded is a promise that resolves once nothing on the page moves.
const animationsEnded = `Promise.allSettled(document.getAnimations().map((a) => a.finished)).then(() => true)`

// waitForAnimations waits until nothing on the page moves.
func (b *tab) waitForAnimations() {
	b.t.Helper()
	eval[bool](b, animationsEnded)
}

// frames waits until a page has drawn some frames.
func (b *tab) frames(n int) {
	b.t.Helper()
	eval[bool](b, fmt.Sprintf("(async () => { for (let i = 0; i < %d; i++) await new Promise(requestAnimationFrame); return true; })()", n))
}

// quote returns v as a JavaScript literal.
func quote(v any) string {
	b, _ := json.Marshal(v)
	return string(b)
}
