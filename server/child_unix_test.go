//go:build unix

package server_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"ramai/internal/timerslack"
	"ramai/server"
)

// childData is the variable of the environment that makes the test binary a server with data in that folder and without limits of
// rates, or with inMemory, a server with the default limits that trusts any X-Forwarded-For. It prints its address, and its
// processor time in nanoseconds for each line that it reads.
const childData = "RAMAI_TEST_SERVER"

const inMemory = "memory"

func init() {
	data := os.Getenv(childData)
	if data == "" {
		return
	}
	timerslack.Apply() // as serve does
	cfg := server.Defaults()
	cfg.Logger, cfg.Quiet = discard, true
	if data == inMemory {
		cfg.InMemory, cfg.TrustProxies = true, []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	} else {
		cfg.Data, cfg.Rate, cfg.MaxConnsPerAddress = data, 0, 0
	}
	s, err := server.New(cfg)
	if err != nil {
		panic(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, server.Listeners{server.HTTP: ln}) }()
	fmt.Println(ln.Addr())
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			panic(err)
		}
		fmt.Println(u.Utime.Nano() + u.Stime.Nano())
	}
	cancel()
	<-ended
	os.Exit(0)
}

// A childServer is a server in a process of its own.
type childServer struct {
	*child
	url string
}

// startServer starts a server with a folder, or inMemory.
func startServer(b *testing.B, data string) *childServer {
	b.Helper()
	c := startChild(b, childData, data)
	return &childServer{c, "ws://" + c.answer() + "/"}
}

// cpu returns the processor time of the server.
func (s *childServer) cpu() time.Duration {
	s.b.Helper()
	s.tell("")
	used, err := strconv.ParseInt(s.answer(), 10, 64)
	if err != nil {
		s.b.Fatal(err)
	}
	return time.Duration(used)
}

// A child is the test binary in another process, which answers lines with lines.
type child struct {
	b   *testing.B
	in  io.WriteCloser
	out *bufio.Reader
	cmd *exec.Cmd
}

// startChild starts the test binary with a variable of the environment.
func startChild(b *testing.B, variable, value string) *child {
	b.Helper()
	c := &child{b: b, cmd: exec.Command(os.Args[0], "-test.run=^$")}
	c.cmd.Env, c.cmd.Stderr = append(os.Environ(), variable+"="+value), os.Stderr
	out, err := c.cmd.StdoutPipe()
	if err == nil {
		c.in, err = c.cmd.StdinPipe()
	}
	if err == nil {
		err = c.cmd.Start()
	}
	if err != nil {
		b.Fatal(err)
	}
	c.out = bufio.NewReader(out)
	return c
}

func (c *child) tell(line string) {
	c.b.Helper()
	if _, err := io.WriteString(c.in, line+"\n"); err != nil {
		c.b.Fatal(err)
	}
}

func (c *child) answer() string {
	c.b.Helper()
	line, err := c.out.ReadString('\n')
	if err != nil {
		c.b.Fatal(err)
	}
	return strings.TrimSpace(line)
}

func (c *child) end() {
	c.b.Helper()
	c.in.Close()
	if err := c.cmd.Wait(); err != nil {
		c.b.Error(err)
	}
}
