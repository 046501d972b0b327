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

	"github.com/spf13/pflag"

	"ramai/client"
	"ramai/wire"
)

// target is the server that a command talks to, and whom it believes that it is that.
type target struct {
	server   string
	ca       string // a file of certificates; empty: those of the system
	insecure bool   // believe anybody
}

// flags adds the flags that every command of a client has.
func (t *target) flags(f *pflag.FlagSet) {
	f.StringVar(&t.server, "server", "http://127.0.0.1:2000", "the server: http://, https://, ws:// or wss://")
	f.Var((*path)(&t.ca), "ca", "file of certificates (PEM) to believe, beside the system's, that sign the server's")
	f.BoolVar(&t.insecure, "insecure", false, "believe any certificate, and so whoever is in between")
}

// config begins the configuration of a client.
func (t *target) config(notes io.Writer) (client.Config, error) {
	config := client.Config{URL: t.server}
	if t.insecure {
		fmt.Fprintln(notes, "--insecure: nobody knows whether this is the server, and who is in between can read and change everything")
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
		return config, exit(exitUsage, fmt.Errorf("--ca: there is no certificate in %s; it is to be a PEM file", t.ca))
	}
	config.TLS = &tls.Config{RootCAs: pool}
	return config, nil
}

// ask connects to a server that is asked for something, as who (nil: as nobody), and in no room. A server that speaks only
// the plain protocol cannot do what is wanted.
func (t *target) ask(ctx context.Context, who *identity, want string, notes io.Writer) (*client.Client, error) {
	config, err := t.config(notes)
	if err != nil {
		return nil, err
	}
	config.Last = client.NoJoin
	if who != nil {
		config = who.config(config)
	}
	c, err := connect(ctx, config)
	if err != nil {
		return nil, err
	}
	if c.Plain() {
		c.Close()
		return nil, needsV1(want)
	}
	return c, nil
}

// hint says what may help against an error of connecting.
func hint(err error) string {
	var unknown x509.UnknownAuthorityError
	var hostname x509.HostnameError
	var invalid x509.CertificateInvalidError
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &unknown):
		return "if the certificate is one of your own, name who signed it with --ca FILE"
	case errors.As(err, &hostname):
		return "connect by a name that the certificate is for"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "the server's operator has to renew the certificate; or the clock of this machine is wrong"
	case errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		return "there is no TLS on this port; the address may have to begin with http://"
	}
	return "ramai serve starts a server"
}

// checkServer finds out early what is wrong with an address: an error of usage.
func checkServer(address string) error {
	if _, err := client.Room(address); err != nil {
		return exit(exitUsage, err)
	}
	return nil
}

// checkRoom does the same for the name of a room.
func checkRoom(room string) error {
	if err := wire.CheckRoom(room); err != nil {
		return exit(exitUsage, fmt.Errorf("%q is no room: %s", room, err.Reason))
	}
	return nil
}

// inRoom returns the address of room at the server that address stands for.
func inRoom(address, room string) (string, error) {
	if err := checkRoom(room); err != nil {
		return "", err
	}
	u, err := url.Parse(address)
	if err != nil {
		return "", exit(exitUsage, err)
	}
	if named, ok := strings.CutPrefix(strings.TrimSuffix(u.Path, "/"), "/r/"); ok && named != room {
		return "", exit(exitUsage, fmt.Errorf("%s is the room %s, and --room says %s", address, named, room))
	}
	u.Path, u.Fragment = "/r/"+room, ""
	return u.String(), nil
}

// connect dials. The exit code of its error tells a server that is not there from one that refuses.
func connect(ctx context.Context, config client.Config) (*client.Client, error) {
	c, err := client.Dial(ctx, config)
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

// needsV1 is the error for a server that speaks only the plain protocol.
func needsV1(what string) error {
	return exit(exitRefused, fmt.Errorf("this server speaks only the plain protocol, which cannot %s; ramai join can talk to it", what))
}

// unwritten is the error for what could not be written to stdout. A reader that has had enough, such as head, is none.
func unwritten(err error) error {
	if errors.Is(err, syscall.EPIPE) {
		return exit(0, nil)
	}
	return exit(exitUnconfirmed, fmt.Errorf("writing to stdout: %w", err))
}

// untilSignal returns a context that SIGINT or SIGTERM ends, with the exit code as its cause. A second signal ends the
// process. Meanwhile a pipe that nobody reads is an error of writing, and not the end of the process.
func untilSignal(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	signals, pipes := make(chan os.Signal, 1), make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	signal.Notify(pipes, syscall.SIGPIPE)
	var watching sync.WaitGroup
	watching.Go(func() {
		select {
		case s := <-signals:
			cancel(exit(128+int(s.(syscall.Signal)), nil))
		case <-ctx.Done():
		}
		signal.Stop(signals)
	})
	return ctx, func() {
		cancel(nil)
		watching.Wait()
		signal.Stop(pipes)
	}
}
