package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"ramai/client"
	"ramai/wire"
)

// limit is how long a script waits for anything before it fails.
const limit = 60 * time.Second

// TestScripts runs the scripts in testdata/script: real servers and real clients, used as from a shell. In addition to
// testscript's own commands there are
//
//	serve NAME [FLAG...]       start ramai serve in $WORK/NAME, or start it again; $NAME is its URL
//	original NAME              start a server like the original chat: plain, without history; $NAME is its URL
//	cut NAME                   break all connections of an original
//	certify NAME HOURS [HOST]  write NAME.pem and NAME.key, a certificate for this machine or for HOST
//	authority                  start an ACME server that resolves all names to this machine; sets $DIRECTORY, $ROOTS (the
//	                           URL of its roots), and $PORT, which it connects to for validation
//	crowd URL N                wait until N connections are in the room of URL
//	start NAME ARG...          start ramai ARG... in the background
//	type NAME TEXT             type a line
//	typelines NAME TEXT A B    type the lines TEXT A to TEXT B, in the background
//	hears NAME LINE            wait until its stdout contains LINE
//	tells NAME TEXT            wait until its stderr contains TEXT
//	hangup NAME                close its stdin
//	signal NAME SIGNAL         INT, TERM, HUP or KILL
//	unread NAME                stop reading its stdout: close the pipe
//	ends NAME CODE             wait until it has ended, with CODE
//	output NAME FILE           write its stdout to FILE
//	once NAME TEXT A B         check that its stdout has the messages TEXT A to TEXT B in this order, each once
//	same NAME NAME...          check that they have the same stdout
//	logged NAME VAR REGEXP     wait until the stderr of NAME matches, and store the first group in $VAR
//	capture VAR REGEXP         store the first group of the match in the stdout of the last exec in $VAR
//	found N WORD               wait until ramai search WORD prints N lines
//	terminal NAME SIZE         open a terminal (tmux) of a size such as 80x24, with a shell
//	keys NAME KEY...           press keys there, by their names in tmux; any other text is typed
//	paste NAME FILE            paste FILE there
//	resize NAME SIZE           change its size
//	sees NAME TEXT             wait until TEXT is on it; ! sees: until it is not
//	shut NAME                  close it, which hangs up its programs
func TestScripts(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the scripts need signals")
	}
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "script"),
		Setup: func(env *testscript.Env) error {
			s := &scriptEnv{programs: map[string]*program{}, originals: map[string]*original{}, tmux: filepath.Join(env.WorkDir, "tmux")}
			env.Values[scriptEnvKey{}] = s
			env.Defer(s.end)
			env.Setenv("XDG_STATE_HOME", filepath.Join(env.WorkDir, "state"))
			env.Setenv("XDG_DATA_HOME", filepath.Join(env.WorkDir, "data"))
			env.Setenv("TZ", "UTC")
			readme, err := filepath.Abs("../../README.md")
			env.Setenv("README", readme)
			env.Setenv("GORACE", os.Getenv("GORACE"))
			return err
		},
		Condition: func(name string) (bool, error) {
			if name != "root" {
				return false, fmt.Errorf("no condition %q is known", name)
			}
			return os.Geteuid() == 0, nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"serve": serve, "original": startOriginal, "cut": cut, "crowd": crowd, "start": start, "type": typeLine,
			"typelines": typeLines, "hears": hears, "tells": tells, "hangup": hangup, "signal": sendSignal, "unread": unread,
			"ends": ends, "certify": certify, "authority": authority, "output": output, "once": once, "same": same, "found": found,
			"logged": logged, "capture": capture,
			"terminal": terminal, "keys": keys, "paste": paste, "resize": resize, "sees": sees, "shut": closed,
		},
	})
}

type scriptEnvKey struct{}

// scriptEnv is everything that one script has started.
type scriptEnv struct {
	programs  map[string]*program
	originals map[string]*original
	tmux      string // the socket of its terminals
}

func on(ts *testscript.TestScript) *scriptEnv { return ts.Value(scriptEnvKey{}).(*scriptEnv) }

func (s *scriptEnv) end() {
	if _, err := os.Stat(s.tmux); err == nil {
		exec.Command("tmux", "-S", s.tmux, "kill-server").Run() // it may have ended with its last terminal
	}
	for _, p := range s.programs {
		p.cmd.Process.Kill()
		p.stdin.Close()
		<-p.ended
	}
	for _, o := range s.originals {
		o.Close()
	}
}

// program is a running ramai.
type program struct {
	cmd            *exec.Cmd
	stdin          io.WriteCloser
	stdout, stderr *transcript
	pipe           *os.File      // our end of its stdout
	ended          chan struct{} // closed when it and its output have ended
	typing         sync.WaitGroup
}

// transcript collects output, and wakes those who wait for it.
type transcript struct {
	mu   sync.Mutex
	text []byte
	more chan struct{} // closed at the next change
}

func (t *transcript) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, b...)
	close(t.more)
	t.more = make(chan struct{})
	return len(b), nil
}

func (t *transcript) get() (string, <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.text), t.more
}

func (t *transcript) String() string {
	text, _ := t.get()
	return text
}

// await waits until ok holds for the output, and reports whether it did.
func (t *transcript) await(ended <-chan struct{}, ok func(string) bool) bool {
	timeout := time.After(limit)
	for {
		text, more := t.get()
		if ok(text) {
			return true
		}
		select {
		case <-more:
		case <-ended:
			return ok(t.String())
		case <-timeout:
			return false
		}
	}
}

func find(ts *testscript.TestScript, args []string, want int) *program {
	if len(args) != want {
		ts.Fatalf("%d arguments, not %d", len(args), want)
	}
	p := on(ts).programs[args[0]]
	if p == nil {
		ts.Fatalf("nothing named %s was started", args[0])
	}
	return p
}

// capture stores a part of the stdout of the last exec in a variable.
func capture(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: capture VAR REGEXP")
	}
	out := ts.ReadFile("stdout")
	match := regexp.MustCompile(args[1]).FindStringSubmatch(out)
	if len(match) < 2 {
		ts.Fatalf("%s does not match\n%s", args[1], out)
	}
	ts.Setenv(args[0], match[1])
}

func logged(ts *testscript.TestScript, _ bool, args []string) {
	p, pattern := find(ts, args, 3), regexp.MustCompile(args[2])
	if !p.stderr.await(p.ended, pattern.MatchString) {
		ts.Fatalf("%s does not log %s:\n%s", args[0], pattern, p.stderr)
	}
	ts.Setenv(args[1], pattern.FindStringSubmatch(p.stderr.String())[1])
}

func start(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(on(ts).start(ts, args[0], args[1:]...))
}

func (s *scriptEnv) start(ts *testscript.TestScript, name string, args ...string) error {
	if old := s.programs[name]; old != nil {
		<-old.ended // a name may be reused after the first program has ended
	}
	p := &program{cmd: exec.Command("ramai", args...), ended: make(chan struct{}),
		stdout: &transcript{more: make(chan struct{})}, stderr: &transcript{more: make(chan struct{})}}
	p.cmd.Dir = ts.Getenv("WORK")
	for _, name := range []string{"PATH", "HOME", "XDG_STATE_HOME", "XDG_DATA_HOME", "TZ", "GORACE", "SSL_CERT_FILE", "RAMAI_SERVER", "RAMAI_NAME"} {
		if value := ts.Getenv(name); value != "" {
			p.cmd.Env = append(p.cmd.Env, name+"="+value)
		}
	}
	var theirs *os.File
	var err error
	if p.pipe, theirs, err = os.Pipe(); err != nil {
		return err
	}
	defer theirs.Close()
	p.cmd.Stdout, p.cmd.Stderr = theirs, p.stderr
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return err
	}
	if err := p.cmd.Start(); err != nil {
		return err
	}
	go func() {
		io.Copy(p.stdout, p.pipe)
		p.cmd.Wait()
		p.typing.Wait()
		p.pipe.Close()
		close(p.ended)
	}()
	s.programs[name] = p
	return nil
}

func serve(ts *testscript.TestScript, _ bool, args []string) {
	name, flags := args[0], args[1:]
	_, address, _ := strings.Cut(ts.Getenv(name), "://")
	if address == "" {
		l, err := net.Listen("tcp", "127.0.0.1:0") // a port that is free now, and kept across restarts
		ts.Check(err)
		address = l.Addr().String()
		l.Close()
		ts.Setenv(name, "http://"+address)
	}
	flags = append([]string{"serve", "--listen", address, "--data", filepath.Join(ts.Getenv("WORK"), name)}, flags...)
	ts.Check(on(ts).start(ts, name, flags...))
	p := on(ts).programs[name]
	if !p.stdout.await(p.ended, func(s string) bool { return strings.Contains(s, "/r/ROOM)") }) {
		ts.Fatalf("the server does not start:\n%s", p.stderr)
	}
	if p.stdout.await(p.ended, func(s string) bool { return strings.Contains(s, "://") }) && strings.Contains(p.stdout.String(), "https://") {
		ts.Setenv(name, "https://"+address)
	}
}

// certify writes NAME.pem and NAME.key: a self-signed certificate for this machine.
func certify(ts *testscript.TestScript, _ bool, args []string) {
	hours, err := strconv.Atoi(args[1])
	ts.Check(err)
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ts.Check(err)
	end := time.Now().Add(time.Duration(hours) * time.Hour)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: args[0]}, NotBefore: end.Add(-1000 * time.Hour), NotAfter: end,
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	if len(args) > 2 {
		template.DNSNames, template.IPAddresses = []string{args[2]}, nil
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	ts.Check(err)
	key, err := x509.MarshalPKCS8PrivateKey(private)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]+".pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	ts.Check(os.WriteFile(ts.MkAbs(args[0]+".key"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}), 0o600))
}

func crowd(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[1])
	ts.Check(err)
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	c, err := client.Dial(ctx, client.Config{URL: args[0]})
	ts.Check(err)
	defer c.Close()
	for count := -1; count != want+1; { // including this one
		e, err := c.Next(ctx)
		if err != nil {
			ts.Fatalf("%d connections, not %d: %v", count-1, want, err)
		}
		switch f := e.Frame.(type) {
		case wire.Joined:
			count = f.Count
		case wire.Presence:
			count = f.Count
		}
	}
}

func typeLine(ts *testscript.TestScript, _ bool, args []string) {
	_, err := io.WriteString(find(ts, args, 2).stdin, args[1]+"\n")
	ts.Check(err)
}

func typeLines(ts *testscript.TestScript, _ bool, args []string) {
	p := find(ts, args, 4)
	lines := numbered(ts, args[1:])
	p.typing.Go(func() {
		for _, line := range lines {
			if _, err := io.WriteString(p.stdin, line+"\n"); err != nil {
				return // the end of the program is noticed elsewhere
			}
		}
	})
}

// numbered returns the texts TEXT A to TEXT B.
func numbered(ts *testscript.TestScript, args []string) (lines []string) {
	from, err := strconv.Atoi(args[1])
	ts.Check(err)
	to, err := strconv.Atoi(args[2])
	ts.Check(err)
	for i := from; i <= to; i++ {
		lines = append(lines, args[0]+" "+strconv.Itoa(i))
	}
	return lines
}

func hears(ts *testscript.TestScript, neg bool, args []string) {
	p := find(ts, args, 2)
	has := func(s string) bool { return strings.Contains("\n"+s, "\n"+args[1]+"\n") }
	if neg {
		if has(p.stdout.String()) {
			ts.Fatalf("%s has printed %q", args[0], args[1])
		}
		return
	}
	if !p.stdout.await(p.ended, has) {
		ts.Fatalf("%s does not print %q, but\n%s\n%s", args[0], args[1], p.stdout, p.stderr)
	}
}

func tells(ts *testscript.TestScript, neg bool, args []string) {
	p := find(ts, args, 2)
	has := func(s string) bool { return strings.Contains(s, args[1]) }
	if neg {
		if has(p.stderr.String()) {
			ts.Fatalf("%s has printed %q on stderr", args[0], args[1])
		}
		return
	}
	if !p.stderr.await(p.ended, has) {
		ts.Fatalf("%s does not print %q on stderr, but\n%s", args[0], args[1], p.stderr)
	}
}

func hangup(ts *testscript.TestScript, _ bool, args []string) {
	p := find(ts, args, 1)
	p.typing.Wait()
	ts.Check(p.stdin.Close())
}

func sendSignal(ts *testscript.TestScript, _ bool, args []string) {
	signals := map[string]syscall.Signal{"INT": syscall.SIGINT, "TERM": syscall.SIGTERM, "HUP": syscall.SIGHUP, "KILL": syscall.SIGKILL}
	ts.Check(find(ts, args, 2).cmd.Process.Signal(signals[args[1]]))
}

func unread(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(find(ts, args, 1).pipe.Close())
}

func ends(ts *testscript.TestScript, _ bool, args []string) {
	p := find(ts, args, 2)
	select {
	case <-p.ended:
	case <-time.After(limit):
		_ = p.cmd.Process.Signal(syscall.SIGQUIT) // it prints what its goroutines wait for
		<-p.ended
		for name, other := range on(ts).programs {
			ts.Logf("%s: %s%s", name, other.stdout, other.stderr)
		}
		ts.Fatalf("%s does not end", args[0])
	}
	state := p.cmd.ProcessState
	code := strconv.Itoa(state.ExitCode())
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		code = status.Signal().String()
	}
	if code != args[1] {
		ts.Fatalf("%s ends with %s, not %s:\n%s\n%s", args[0], code, args[1], p.stdout, p.stderr)
	}
}

func output(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(find(ts, args, 2).stdout.String()), 0o600))
}

// heard precedes each message.
const heard = "From server: "

func once(ts *testscript.TestScript, _ bool, args []string) {
	p := find(ts, args, 4)
	var got, want []string
	for _, line := range numbered(ts, args[1:]) {
		want = append(want, heard+line)
	}
	for line := range strings.Lines(p.stdout.String()) {
		if strings.HasPrefix(line, heard+args[1]+" ") {
			got = append(got, strings.TrimSuffix(line, "\n"))
		}
	}
	if !slices.Equal(got, want) {
		ts.Fatalf("%s hears\n%s", args[0], strings.Join(got, "\n"))
	}
}

func same(ts *testscript.TestScript, _ bool, args []string) {
	first := find(ts, args[:1], 1).stdout.String()
	for _, name := range args[1:] {
		if other := find(ts, []string{name}, 1).stdout.String(); other != first {
			ts.Fatalf("%s prints\n%s\nand %s\n%s", args[0], first, name, other)
		}
	}
}

// found waits until the search index has caught up.
func found(ts *testscript.TestScript, _ bool, args []string) {
	lines := ""
	for begin := time.Now(); time.Since(begin) < limit; time.Sleep(20 * time.Millisecond) {
		ts.Check(ts.Exec("ramai", "search", "--limit", "1000", args[1]))
		lines = ts.ReadFile("stdout")
		if strconv.Itoa(strings.Count(lines, "\n")) == args[0] {
			return
		}
	}
	ts.Fatalf("want %s lines, found\n%s", args[0], lines)
}

// TestRunRepeatable runs the program inside this process, twice.
func TestRunRepeatable(t *testing.T) {
	var out, errs strings.Builder
	if code := run(t.Context(), []string{"version"}, strings.NewReader(""), &out, &errs); code != 0 || !strings.HasPrefix(out.String(), "ramai ") {
		t.Errorf("code %d, %q, %q", code, &out, &errs)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(exit(143, errors.New("stopped")))
	if code := run(ctx, []string{"join"}, strings.NewReader(""), &out, &errs); code != 143 {
		t.Errorf("code %d, %q", code, &errs)
	}
}
