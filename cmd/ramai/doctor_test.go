package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"testing"
	"time"

	"ramai/internal/doctor"
	"ramai/server"
)

// examined runs a server and returns the address of a proxy in front of it, which change makes misbehave.
func examined(t *testing.T, change func(*httputil.ReverseProxy, *server.Config) func(http.Handler) http.Handler) string {
	t.Helper()
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{FlushInterval: -1, Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(&url.URL{Scheme: "http", Host: ln.Addr().String()})
		r.SetXForwarded()
	}}
	cfg := server.Defaults()
	cfg.Data, cfg.Logger = t.TempDir(), slog.New(slog.DiscardHandler)
	cfg.TrustProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	wrap := change(proxy, &cfg)
	s, err := server.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, server.Listeners{server.HTTP: ln}) }()
	front := httptest.NewServer(wrap(proxy))
	t.Cleanup(func() {
		front.CloseClientConnections()
		front.Close()
		stop()
		<-done
	})
	return front.URL
}

// TestDoctor: each thing that a proxy does wrong is found, and nothing else.
func TestDoctor(t *testing.T) {
	as := func(h http.Handler) http.Handler { return h }
	rewrite := func(p *httputil.ReverseProxy, change func(*httputil.ProxyRequest)) {
		before := p.Rewrite
		p.Rewrite = func(r *httputil.ProxyRequest) { before(r); change(r) }
	}
	header := func(name, value string) func(*httputil.ReverseProxy, *server.Config) func(http.Handler) http.Handler {
		return func(p *httputil.ReverseProxy, _ *server.Config) func(http.Handler) http.Handler {
			p.ModifyResponse = func(r *http.Response) error { r.Header.Set(name, value); return nil }
			return as
		}
	}
	for name, c := range map[string]struct {
		change func(*httputil.ReverseProxy, *server.Config) func(http.Handler) http.Handler
		wrong  []string // the names of the checks that find a problem
	}{
		"good": {func(*httputil.ReverseProxy, *server.Config) func(http.Handler) http.Handler { return as }, nil},
		"no upgrade": {func(p *httputil.ReverseProxy, _ *server.Config) func(http.Handler) http.Handler {
			return func(h http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { r.Header.Del("Upgrade"); h.ServeHTTP(w, r) })
			}
		}, []string{"websocket"}},
		"buffers": {func(p *httputil.ReverseProxy, _ *server.Config) func(http.Handler) http.Handler {
			p.ModifyResponse = func(r *http.Response) error {
				if r.Header.Get("Content-Length") == "" && r.StatusCode == http.StatusOK {
					r.Body = untilEnd{r.Body}
				}
				return nil
			}
			return as
		}, []string{"stream"}},
		"ignored": {func(_ *httputil.ReverseProxy, c *server.Config) func(http.Handler) http.Handler {
			c.TrustProxies = nil
			return as
		}, []string{"address"}},
		"hidden": {func(p *httputil.ReverseProxy, _ *server.Config) func(http.Handler) http.Handler {
			rewrite(p, func(r *httputil.ProxyRequest) { r.Out.Header.Set("X-Forwarded-For", "127.0.0.9") })
			p.ModifyResponse = func(r *http.Response) error { return hideForwarding(r) }
			return as
		}, []string{"address"}},
		"clock":      {header("Date", "Mon, 02 Jan 2006 15:04:05 GMT"), []string{"clock"}},
		"caches":     {header("Age", "10"), []string{"caching"}},
		"compresses": {header("Content-Encoding", "gzip"), []string{"compression"}},
		"cuts":       {cutting, []string{"idle", "idle"}},
		"unknownhost": {func(p *httputil.ReverseProxy, _ *server.Config) func(http.Handler) http.Handler {
			rewrite(p, func(r *httputil.ProxyRequest) { r.Out.Host = "chat.example.org" })
			return as
		}, []string{"server"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u, err := url.Parse(examined(t, c.change))
			if err != nil {
				t.Fatal(err)
			}
			patience, wait := time.Minute, time.Millisecond
			switch name {
			case "buffers":
				patience = 6 * time.Second // must pass
			case "cuts":
				wait = time.Minute // does not pass
			}
			report, err := doctor.Run(t.Context(), doctor.Config{URL: u, Room: "lobby", Patience: patience, Wait: wait})
			if err != nil {
				t.Fatal(err)
			}
			var wrong []string
			for _, check := range report.Checks {
				if check.Result == doctor.Problem {
					wrong = append(wrong, check.Name)
					if check.Fix == "" {
						t.Errorf("%s: nothing to change", check.Name)
					}
				}
			}
			if fmt.Sprint(wrong) != fmt.Sprint(c.wrong) {
				t.Errorf("problems %v, want %v: %+v", wrong, c.wrong, report)
			}
		})
	}
}

// hideForwarding makes an answer look like one to a proxy that forwards no addresses.
func hideForwarding(r *http.Response) error {
	if r.Request.URL.Path != "/api/v1/connection" {
		return nil
	}
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	r.Body = io.NopCloser(bytes.NewReader(bytes.Replace(b, []byte(`"used"`), []byte(`"no"`), 1)))
	r.ContentLength = -1
	r.Header.Del("Content-Length")
	return nil
}

// untilEnd is a body that a proxy keeps until it is complete.
type untilEnd struct{ io.ReadCloser }

func (u untilEnd) Read(p []byte) (int, error) {
	_, err := io.Copy(io.Discard, u.ReadCloser)
	if err == nil {
		err = io.EOF
	}
	return 0, err
}

// cutting cuts streams and WebSockets 2 s after they have begun to be idle.
func cutting(p *httputil.ReverseProxy, _ *server.Config) func(http.Handler) http.Handler {
	p.Transport = &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := (&net.Dialer{}).DialContext(ctx, network, address)
		return &cutConn{c}, err
	}}
	return func(h http.Handler) http.Handler { return h }
}

type cutConn struct{ net.Conn }

func (c *cutConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.Conn.SetReadDeadline(time.Now().Add(2 * time.Second))
	}
	return n, err
}

// TestDoctorCommand: what is printed, and the exit codes.
func TestDoctorCommand(t *testing.T) {
	good := examined(t, func(*httputil.ReverseProxy, *server.Config) func(http.Handler) http.Handler {
		return func(h http.Handler) http.Handler { return h }
	})
	bad := examined(t, func(_ *httputil.ReverseProxy, c *server.Config) func(http.Handler) http.Handler {
		c.TrustProxies = nil
		return func(h http.Handler) http.Handler { return h }
	})
	for _, c := range []struct {
		url   string
		code  int
		print string
	}{
		{good, 0, "Nothing stands between"},
		{bad, exitUnconfirmed, "--trust-proxy 127.0.0.1"},
		{"http://127.0.0.1:1", exitNoServer, ""},
		{"ftp://127.0.0.1", exitUsage, ""},
	} {
		var out, errs bytes.Buffer
		if code := run(t.Context(), []string{"doctor", "--wait", "0", c.url}, nil, &out, &errs); code != c.code || !bytes.Contains(out.Bytes(), []byte(c.print)) {
			t.Errorf("%s: exit code %d, want %d:\n%s%s", c.url, code, c.code, &out, &errs)
		}
	}
	var out bytes.Buffer
	var report doctor.Report
	if code := run(t.Context(), []string{"doctor", "--wait", "0", "--json", bad}, nil, &out, io.Discard); code != exitUnconfirmed {
		t.Errorf("--json: exit code %d", code)
	}
	if err := json.Unmarshal(out.Bytes(), &report); err != nil || report.Good() || len(report.Checks) < 7 {
		t.Errorf("--json: %v: %s", err, &out)
	}
}
