// Command echo sends back every WebSocket message that it gets, as a server and as a client, over either path of the
// reactor. It is what public WebSocket suites are run against:
//
//	go run ./internal/reactor/echo --listen 127.0.0.1:9001 [--portable] [--deflate]
//	go run ./internal/reactor/echo --dial ws://127.0.0.1:9001 [--portable] [--deflate] [--agent NAME]
//
// With --deflate it takes, or makes, an offer of permessage-deflate, always without context takeover.
//
// A server goes on until it gets SIGINT or SIGTERM. A client with a path, such as /runCase?case=1&agent=ramai, is one
// connection, and ends with it; without a path it asks a server of Autobahn's kind how many cases there are, runs all
// of them, and has the reports written.
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

// run is the program, which ends with ctx at the latest.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("echo", flag.ContinueOnError)
	flags.SetOutput(stderr)
	listen := flags.String("listen", "", "be a server on this `address`")
	dial := flags.String("dial", "", "be a client of this `URL`")
	agent := flags.String("agent", "ramai", "the `name` of the client in the reports of a suite")
	portable := flags.Bool("portable", false, "use the reactor's portable path, also where there is a better one")
	deflate := flags.Bool("deflate", false, "negotiate permessage-deflate")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 || (*listen == "") == (*dial == "") {
		return errors.New("give either --listen or --dial, and nothing else but flags")
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

// serve has r echo whatever connects to ln, compressed if deflate and the client say so, until ctx ends.
func serve(ctx context.Context, ln net.Listener, r reactor.Reactor, deflate bool) error {
	s := &http.Server{ReadHeaderTimeout: handshakeTimeout, Handler: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		var window frame.Bits
		upgrader := ws.HTTPUpgrader{Timeout: handshakeTimeout}
		if deflate {
			upgrader.Negotiate = func(offer httphead.Option) (answer httphead.Option, _ error) {
				if window == 0 { // the first offer that will do is taken
					answer, window, _ = frame.AnswerDeflate(offer, frame.LeastBits)
				}
				return answer, nil
			}
		}
		nc, rw, _, err := upgrader.Upgrade(req, w)
		if err != nil { // the upgrader has answered
			if nc != nil {
				nc.Close()
			}
			return
		}
		nc.SetDeadline(time.Time{})
		early := make([]byte, rw.Reader.Buffered())
		rw.Reader.Read(early) // what came right behind the handshake
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
