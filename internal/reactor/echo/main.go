// Command echo sends back every WebSocket message that it receives, as a server or as a client, over either path of the
// reactor. Public WebSocket test suites run against it:
//
// \tgo run ./internal/reactor/echo --listen 127.0.0.1:9001 [--portable] [--deflate]
// \tgo run ./internal/reactor/echo --dial ws://127.0.0.1:9001 [--portable] [--deflate] [--agent NAME]
//
// With --deflate it accepts or offers permessage-deflate, always without context takeover.
//
// A server runs until SIGINT or SIGTERM. A client whose URL has a path, such as /runCase?case=1&agent=ramai, makes one
// connection and ends with it. Without a path it asks an Autobahn fuzzingserver for the number of cases, runs all of
// them, and has the reports written.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/gobwas/httphead"
	"github.com/gobwas/ws"

	"ramai/internal/frame"
	"ramai/internal/reactor"
)

// handshakeTimeout is how long an upgrade may take.
const handshakeTimeout = 5 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "echo:", err)
		os.Exit(1)
	}
}

// run runs the program until ctx ends or earlier.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("echo", flag.ContinueOnError)
	flags.SetOutput(stderr)
	listen := flags.String("listen", "", "listen on this `address`")
	dial := flags.String("dial", "", "connect to this `URL`")
	agent := flags.String("agent", "ramai", "client `name` in the reports of a test suite")
	portable := flags.Bool("portable", false, "use the portable reactor even where epoll is available")
	deflate := flags.Bool("deflate", false, "negotiate permessage-deflate")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 || (*listen == "") == (*dial == "") {
		return errors.New("want either --listen or --dial, and no arguments")
	}
	r, err := newReactor(*portable)
	if err != nil {
		return err
	}
	defer r.Close()
	if *dial != "" {
		c := client{reactor: r, agent: *agent, out: stdout, deflate: *deflate}
		return c.run(ctx, *dial)
	}
	ln, err := net.Listen("tcp", *listen)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "echoing on ws://%s over %T\n", ln.Addr(), r)
	return serve(ctx, ln, r, *deflate)
}

func newReactor(portable bool) (reactor.Reactor, error) {
	if portable {
		return reactor.NewPortable(reactor.Options{}), nil
	}
	return reactor.New(reactor.Options{})
}

// serve echoes messages on all connections to ln until ctx ends, compressed if deflate is set and the client offers it.
func serve(ctx context.Context, ln net.Listener, r reactor.Reactor, deflate bool) error {
	s := &http.Server{ReadHeaderTimeout: handshakeTimeout, Handler: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		var window frame.Bits
		upgrader := ws.HTTPUpgrader{Timeout: handshakeTimeout}
		if deflate {
			upgrader.Negotiate = func(offer httphead.Option) (answer httphead.Option, _ error) {
				if window == 0 { // accept the first suitable offer
					answer, window, _ = frame.AnswerDeflate(offer, frame.LeastBits)
				}
				return answer, nil
			}
		}
		nc, rw, _, err := upgrader.Upgrade(req, w)
		if err != nil { // the upgrader has sent the response
			if nc != nil {
				nc.Close()
			}
			return
		}
		nc.SetDeadline(time.Time{})
		early := make([]byte, rw.Reader.Buffered())
		rw.Reader.Read(early) // received together with the handshake
		frames := serverFrames
		if window != 0 {
			frames = serverDeflated
		}
		r.Add(nc, early, func(reactor.Conn) reactor.Source { return newEcho(frames, window) })
	})}
	stop := context.AfterFunc(ctx, func() { s.Close() })
	defer stop()
	if err := s.Serve(ln); ctx.Err() == nil {
		return err
	}
	return nil
}
