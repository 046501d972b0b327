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

// client echoes what servers send to it.
type client struct {
	reactor reactor.Reactor
	agent   string
	deflate bool
	out     io.Writer // gets a line for each connection
}

// run is one connection to an address with a path, and a whole suite without.
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

// suite runs all cases of a server that speaks as Autobahn's fuzzingserver does. That a case ends with an error means
// nothing: many of them are made to. What the server thinks of it is in its report.
func (c *client) suite(ctx context.Context, u *url.URL) error {
	var answer string
	err := c.connect(ctx, at(u, "/getCaseCount", nil), func(b []byte) { answer = string(b) })
	count, bad := strconv.Atoi(answer)
	if bad != nil {
		return fmt.Errorf("the number of cases is not to be had: %q: %w", answer, err)
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

// at is another page of the server of u.
func at(u *url.URL, path string, query url.Values) *url.URL {
	return &url.URL{Scheme: u.Scheme, Host: u.Host, Path: path, RawQuery: query.Encode()}
}

// connect is one connection, echoed or heard until it ends. It returns why it did: closed, if all was in order.
func (c *client) connect(ctx context.Context, u *url.URL, onMessage func([]byte)) error {
	dialer := ws.Dialer{Timeout: handshakeTimeout}
	if c.deflate {
		dialer.Extensions = []httphead.Option{wsflate.Parameters{
			ServerNoContextTakeover: true, ClientNoContextTakeover: true, ClientMaxWindowBits: 1, // any: without a value
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
	if buffered != nil { // what came right behind the handshake
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
	case <-ctx.Done(): // who owns the reactor closes it
		return ctx.Err()
	}
}

// accepted says what a server's answer to the offer of permessage-deflate makes of the connection (RFC 7692, section 5.1).
func accepted(answers []httphead.Option) (*frame.Config, frame.Bits, error) {
	if len(answers) == 0 {
		return clientFrames, 0, nil
	}
	var p wsflate.Parameters
	switch err := p.Parse(answers[0]); {
	case err != nil:
		return nil, 0, err
	case len(answers) > 1:
		return nil, 0, errors.New("permessage-deflate is accepted twice")
	case !p.ServerNoContextTakeover:
		return nil, 0, errors.New("permessage-deflate is accepted with context takeover of the server, which was not offered")
	case p.ClientMaxWindowBits == 0:
		return clientDeflated, frame.MostBits, nil
	case p.ClientMaxWindowBits == 1:
		return nil, 0, errors.New("permessage-deflate is accepted with a client_max_window_bits without a value")
	}
	return clientDeflated, frame.Bits(p.ClientMaxWindowBits), nil
}
