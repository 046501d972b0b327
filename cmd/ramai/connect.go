package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/pflag"

	"ramai/client"
	"ramai/wire"
)

// target is the server that a command connects to, and how it is authenticated.
type target struct {
	server   string
	ca       string // a file of certificates; empty: only those of the system
	insecure bool   // skip the verification of certificates
	wait     time.Duration
}

// defaultServer is the server of clients that name none.
const defaultServer = "http://127.0.0.1:2000"

// serverURL is a flag for the URL of a server. The scheme may be missing.
type serverURL string

// String implements pflag.Value.
func (u *serverURL) String() string { return string(*u) }

// Set implements pflag.Value. The URL is validated when it is used, because a room may be added to it.
func (u *serverURL) Set(s string) error {
	*u = serverURL(withScheme(s))
	return nil
}

// Type implements pflag.Value.
func (u *serverURL) Type() string { return "url" }

// withScheme returns an address with http:// in front if it has no scheme, as in localhost:2000.
func withScheme(address string) string {
	if strings.Contains(address, "://") {
		return address
	}
	return "http://" + address
}

// httpScheme returns http for ws, and https for wss; others stay.
func httpScheme(scheme string) string { return strings.Replace(scheme, "ws", "http", 1) }

// flags adds the flags that all client commands share.
func (t *target) flags(f *pflag.FlagSet) {
	t.server = defaultServer
	f.Var((*serverURL)(&t.server), "server", "address of the server: HOST:PORT, or a URL with http://, https://, ws:// or wss://")
	f.Var((*path)(&t.ca), "ca", "PEM file with additional CA certificates to trust")
	f.BoolVar(&t.insecure, "insecure", false, "skip certificate verification (insecure)")
	f.DurationVar(&t.wait, "wait", 0, "wait this long for a server that cannot be reached, for example 10s")
}

// config returns the client configuration for the target.
func (t *target) config(notes io.Writer) (client.Config, error) {
	config := client.Config{URL: t.server}
	if t.insecure {
		fmt.Fprintln(notes, "warning: --insecure skips certificate verification; others on the network path can read and change everything")
		config.TLS = &tls.Config{InsecureSkipVerify: true}
		return config, nil
	}
	if t.ca == "" {
		return config, nil
	}
	pem, err := os.ReadFile(t.ca)
	if err != nil {
		return config, exit(exitUsage, fmt.Errorf("--ca: %w", err))
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return config, exit(exitUsage, fmt.Errorf("--ca: no certificates in %s (want a PEM file)", t.ca))
	}
	config.TLS = &tls.Config{RootCAs: pool}
	return config, nil
}

// ask connects to the server without joining a room; who may be nil. It fails if the server speaks only the plain protocol,
// which cannot do what is wanted.
func (t *target) ask(ctx context.Context, who *identity, want string, notes io.Writer) (*client.Client, error) {
	config, err := t.config(notes)
	if err != nil {
		return nil, err
	}
	config.Last = client.NoJoin
	if who != nil {
		config = who.config(config)
	}
	c, err := t.connect(ctx, config)
	if err != nil {
		return nil, err
	}
	if c.Plain() {
		c.Close()
		return nil, needsV1(want)
	}
	return c, nil
}

// hint suggests what to do about a connection error.
func hint(err error) string {
	var unknown x509.UnknownAuthorityError
	var hostname x509.HostnameError
	var invalid x509.CertificateInvalidError
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &unknown):
		return "for a private certificate, name its CA with --ca FILE"
	case errors.As(err, &hostname):
		return "use a host name that the certificate is valid for"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "the certificate has expired, or the clock of this machine is wrong"
	case errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		return "this port does not use TLS; try http:// instead"
	}
	return startHint
}

// startHint is the hint for a server that cannot be reached.
const startHint = "to start a server, run ramai serve"

// checkServer validates the URL of a server.
func checkServer(address string) error {
	if _, err := client.Room(address); err != nil {
		return exit(exitUsage, err)
	}
	return nil
}

// checkRoom validates the name of a room.
func checkRoom(room string) error {
	if err := wire.CheckRoom(room); err != nil {
		return exit(exitUsage, fmt.Errorf("invalid room %q: %s", room, err.Reason))
	}
	return nil
}

// inRoom returns the URL of a room on the server at address.
func inRoom(address, room string) (string, error) {
	if err := checkRoom(room); err != nil {
		return "", err
	}
	u, err := url.Parse(address)
	if err != nil {
		return "", exit(exitUsage, err)
	}
	if named, ok := strings.CutPrefix(strings.TrimSuffix(u.Path, "/"), "/r/"); ok && named != room {
		return "", exit(exitUsage, fmt.Errorf("the URL %s names the room %s, but --room is %s", address, named, room))
	}
	u.Path, u.Fragment = "/r/"+room, ""
	return u.String(), nil
}

// retryPause is the time between attempts to connect.
const retryPause = 100 * time.Millisecond

// connect dials the server. A server that cannot be reached is dialled again for as long as --wait says. The error has an exit
// code: one for a server that cannot be reached, another for one that rejects the client.
func (t *target) connect(ctx context.Context, config client.Config) (*client.Client, error) {
	deadline := time.Now().Add(t.wait)
	c, err := client.Dial(ctx, config)
	for err != nil && mayStart(err) && time.Now().Add(retryPause).Before(deadline) {
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(retryPause):
		}
		c, err = client.Dial(ctx, config)
	}
	switch {
	case err == nil:
		return c, nil
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	}
	if refused := (*client.RefusedError)(nil); errors.As(err, &refused) {
		return nil, exit(exitRefused, err)
	}
	return nil, exit(exitNoServer, fmt.Errorf("%w; %s", err, hint(err)))
}

// mayStart reports whether the error of a connection is one that passes when the server starts. A proxy answers 502 to 504
// until then.
func mayStart(err error) bool {
	var refused *client.RefusedError
	if errors.As(err, &refused) {
		return refused.Status >= http.StatusBadGateway && refused.Status <= http.StatusGatewayTimeout
	}
	return hint(err) == startHint
}

// needsV1 is the error for a server that speaks only the plain protocol.
func needsV1(what string) error {
	return exit(exitRefused, fmt.Errorf("this server speaks only the plain protocol, which cannot %s; use ramai join", what))
}

// unwritten returns the error for a failed write to stdout. A closed pipe, as with head, is not an error.
func unwritten(err error) error {
	if errors.Is(err, syscall.EPIPE) {
		return exit(0, nil)
	}
	return exit(exitUnconfirmed, fmt.Errorf("write to stdout: %w", err))
}

// untilSignal returns a context that ends at SIGINT or SIGTERM, with the exit code as its cause. A second signal ends the
// process. Until the returned function is called, a closed pipe is a write error instead of the end of the process.
func untilSignal(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	signals, pipes := make(chan os.Signal, 1), make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	signal.Notify(pipes, syscall.SIGPIPE)
	var watcher sync.WaitGroup
	watcher.Go(func() {
		select {
		case s := <-signals:
			cancel(exit(128+int(s.(syscall.Signal)), nil))
		case <-ctx.Done():
		}
		signal.Stop(signals)
	})
	return ctx, func() {
		cancel(nil)
		watcher.Wait()
		signal.Stop(pipes)
	}
}
