package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"

	"github.com/gobwas/httphead"
	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsflate"

	"ramai/internal/frame"
	"ramai/internal/reactor"
)

// client echoes what servers send.
type client struct {
	reactor reactor.Reactor
	agent   string
	deflate bool
	out     io.Writer // gets a line for each connection
}

// run makes one connection to an address with a path, or runs a whole suite for an address without.
func (c *client) run(ctx context.Context, address string) error {
	u, err := url.Parse(address)
	if err != nil {
		return err
	}
	if u.Path != "" && u.Path != "/" {
		err := c.connect(ctx, u, nil)
		if ended := (closed{}); errors.As(err, &ended) {
			fmt.Fprintln(c.out, ended)
			return nil
		}
		return err
	}
	return c.suite(ctx, u)
}

// suite runs all cases of an Autobahn fuzzingserver. A case that ends with an error is not a failure, because many cases
// require one; the server's report has the results.
func (c *client) suite(ctx context.Context, u *url.URL) error {
	var answer string
	err := c.connect(ctx, at(u, "/getCaseCount", nil), func(b []byte) { answer = string(b) })
	count, bad := strconv.Atoi(answer)
	if bad != nil {
		return fmt.Errorf("invalid number of cases %q from the server: %w", answer, err)
	}
	agent := url.Values{"agent": {c.agent}}
	for i := 1; i <= count; i++ {
		query := url.Values{"case": {strconv.Itoa(i)}, "agent": {c.agent}}
		err := c.connect(ctx, at(u, "/runCase", query), nil)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		fmt.Fprintf(c.out, "case %d of %d: %v\n", i, count, err)
	}
	err = c.connect(ctx, at(u, "/updateReports", agent), nil)
	if errors.As(err, new(closed)) {
		return nil
	}
	return err
}

// at returns the URL of another page of the same server.
func at(u *url.URL, path string, query url.Values) *url.URL {
	return &url.URL{Scheme: u.Scheme, Host: u.Host, Path: path, RawQuery: query.Encode()}
}

// connect makes one connection, and echoes messages or passes them to onMessage until it ends. It returns the reason,
// which is closed after a normal end.
func (c *client) connect(ctx context.Context, u *url.URL, onMessage func([]byte)) error {
	dialer := ws.Dialer{Timeout: handshakeTimeout}
	if c.deflate {
		dialer.Extensions = []httphead.Option{wsflate.Parameters{
			ServerNoContextTakeover: true, ClientNoContextTakeover: true, ClientMaxWindowBits: 1, // 1: without a value
		}.Option()}
	}
	nc, buffered, hs, err := dialer.Dial(ctx, u.String())
	if err != nil {
		return fmt.Errorf("dial %s: %w", u, err)
	}
	frames, window, err := accepted(hs.Extensions)
	if err != nil {
		nc.Close()
		return fmt.Errorf("dial %s: %w", u, err)
	}
	var early []byte
	if buffered != nil { // received together with the handshake
		early = make([]byte, buffered.Buffered())
		buffered.Read(early)
		ws.PutReader(buffered)
	}
	e := newEcho(frames, window)
	e.onMessage = onMessage
	c.reactor.Add(nc, early, func(reactor.Conn) reactor.Source { return e })
	select {
	case err := <-e.ended:
		return err
	case <-ctx.Done(): // the owner of the reactor closes the connection
		return ctx.Err()
	}
}

// accepted returns the frame configuration for a server's answer to the offer of permessage-deflate (RFC 7692, section
// 5.1).
func accepted(answers []httphead.Option) (*frame.Config, frame.Bits, error) {
	if len(answers) == 0 {
		return clientFrames, 0, nil
	}
	var p wsflate.Parameters
	switch err := p.Parse(answers[0]); {
	case err != nil:
		return nil, 0, err
	case len(answers) > 1:
		return nil, 0, errors.New("the server accepts permessage-deflate twice")
	case !p.ServerNoContextTakeover:
		return nil, 0, errors.New("the server accepts permessage-deflate with server context takeover, which was not offered")
	case p.ClientMaxWindowBits == 0:
		return clientDeflated, frame.MostBits, nil
	case p.ClientMaxWindowBits == 1:
		return nil, 0, errors.New("the server accepts permessage-deflate with client_max_window_bits without a value")
	}
	return clientDeflated, frame.Bits(p.ClientMaxWindowBits), nil
}
