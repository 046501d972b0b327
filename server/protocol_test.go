package server_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"ramai/server"
	"ramai/wire"
)

// start runs a server in memory and returns its address.
func start(t *testing.T, change func(*server.Config)) *httptest.Server {
	t.Helper()
	cfg := server.Defaults()
	cfg.InMemory = true
	cfg.Logger = discard
	if change != nil {
		change(&cfg)
	}
	s, err := server.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(s.Handler())
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("closing the server: %v", err)
		}
		web.Close()
	})
	return web
}

// TestProtocolDocument runs the examples of docs/PROTOCOL.md, each block against its own server.
func TestProtocolDocument(t *testing.T) {
	text, err := os.ReadFile("../docs/PROTOCOL.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := 0
	for i, part := range strings.Split(string(text), "```chat\n")[1:] {
		block, _, _ := strings.Cut(part, "```")
		blocks++
		t.Run(fmt.Sprint(i+1), func(t *testing.T) {
			t.Parallel()
			runExample(t, block)
		})
	}
	if blocks < 10 {
		t.Errorf("only %d examples were found", blocks)
	}
}

func runExample(t *testing.T, block string) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	web := start(t, nil)
	conns := make(map[string]*websocket.Conn)
	historyID, epoch := "", ""
	for line := range strings.Lines(block) {
		line = strings.TrimSuffix(line, "\n")
		who, rest, _ := strings.Cut(line, " ")
		switch {
		case strings.HasPrefix(rest, "connects to "):
			path, v1 := strings.CutSuffix(strings.TrimPrefix(rest, "connects to "), " as ramai.v1")
			opt := &websocket.DialOptions{}
			if v1 {
				opt.Subprotocols = []string{wire.Protocol}
			}
			c, _, err := websocket.Dial(ctx, web.URL+path, opt)
			if err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			defer c.CloseNow()
			conns[who] = c
		case strings.HasPrefix(rest, "> "):
			text := strings.NewReplacer("$log", historyID, "$epoch", epoch).Replace(rest[2:])
			if !strings.HasPrefix(text, "{") && strings.Contains(text, `\`) {
				text, _ = strconv.Unquote(`"` + text + `"`)
			}
			if err := conns[who].Write(ctx, websocket.MessageText, []byte(text)); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
		case strings.HasPrefix(rest, "< "):
			got := receive(t, ctx, conns[who], rest[2:])
			if !matches(rest[2:], got) {
				t.Fatalf("the example says\n%s\nbut the frame is\n%s < %s", line, who, got)
			}
			var joined wire.Joined
			if json.Unmarshal([]byte(got), &joined); joined.HistoryID != "" {
				historyID, epoch = joined.HistoryID, joined.Epoch
			}
		default:
			t.Fatalf("invalid line: %s", line)
		}
	}
}

// receive returns the next frame. Presence is skipped unless it is wanted.
func receive(t *testing.T, ctx context.Context, c *websocket.Conn, want string) string {
	t.Helper()
	for {
		_, b, err := c.Read(ctx)
		if err != nil {
			t.Fatalf("waiting for %s: %v", want, err)
		}
		if !strings.HasPrefix(string(b), `{"type":"presence"`) || strings.Contains(want, `"presence"`) {
			return string(b)
		}
	}
}

// matches compares a frame with an example, in which … matches anything.
func matches(want, got string) bool {
	var w, g any
	if json.Unmarshal([]byte(want), &w) != nil {
		return want == got
	}
	return json.Unmarshal([]byte(got), &g) == nil && like(w, g)
}

func like(want, got any) bool {
	switch w := want.(type) {
	case string:
		return w == "…" || w == got
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			return false
		}
		_, more := w["…"]
		for k, v := range w {
			if k != "…" && !like(v, g[k]) {
				return false
			}
		}
		return more || len(w) == len(g)
	case []any:
		g, ok := got.([]any)
		if !ok || len(w) != len(g) {
			return false
		}
		for i := range w {
			if !like(w[i], g[i]) {
				return false
			}
		}
		return true
	}
	return reflect.DeepEqual(want, got)
}

// TestRenamedOnOtherConnection: a client with several connections is told about a new name on each of them; on the
// requesting one, once.
func TestRenamedOnOtherConnection(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	a, b := dial(t, s.url, wire.Protocol), dial(t, s.url, wire.Protocol)
	secret := frame[wire.Welcome](a).Session
	frame[wire.Welcome](b)
	b.say(`{"type":"hello","session":"` + secret + `"}`)
	if got := frame[wire.Welcome](b).Session; got != secret {
		t.Fatalf("the session is %q", got)
	}
	for _, name := range []string{"Anna", "Berta", ""} {
		a.say(`{"type":"name","name":"` + name + `"}`)
		for _, p := range []*peer{a, b} {
			if got := frame[wire.Name](p).Name; got != name {
				t.Errorf("the name is %q, want %q", got, name)
			}
		}
	}
	a.say(`{"type":"ping","id":"x"}`)
	a.expect(`{"type":"pong","id":"x"}`)
}
