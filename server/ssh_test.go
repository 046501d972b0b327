package server_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"ramai/server"
	"ramai/wire"
)

// overSSH is a server with SSH.
type overSSH struct {
	*serving
	t       *testing.T
	address string
	host    string // fingerprint of the host key
}

// otherHost is a listener whose connections appear to come from another machine.
type otherHost struct {
	net.Listener
	from string // its address
}

func (e otherHost) Accept() (net.Conn, error) {
	nc, err := e.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return remote{nc, &net.TCPAddr{IP: net.ParseIP(e.from), Port: 40000}}, nil
}

type remote struct {
	net.Conn
	addr net.Addr
}

func (r remote) RemoteAddr() net.Addr { return r.addr }

func serveSSH(t *testing.T, change func(*server.Config), made ...func(*server.Server)) *overSSH {
	t.Helper()
	return serveSSHTo(t, "", change, made...)
}

// serveSSHTo is serveSSH for clients from an address; empty: from this machine.
func serveSSHTo(t *testing.T, from string, change func(*server.Config), made ...func(*server.Server)) *overSSH {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if from != "" {
		ln = otherHost{ln, from}
	}
	o := &overSSH{t: t, address: ln.Addr().String()}
	o.serving = serveAll(t, server.Listeners{server.SSH: ln}, func(c *server.Config) {
		c.SSH = true
		if change != nil {
			change(c)
		}
	}, append(made, func(s *server.Server) { o.host = s.SSHFingerprint() })...)
	return o
}

func newKey(t *testing.T) ssh.Signer {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

// asGuest answers the questions to a client without a key; there are none.
var asGuest = ssh.KeyboardInteractive(func(string, string, []string, []bool) ([]string, error) { return nil, nil })

func (o *overSSH) dial(user string, auth ...ssh.AuthMethod) (*ssh.Client, error) {
	return ssh.Dial("tcp", o.address, &ssh.ClientConfig{
		User: user, Auth: auth, Timeout: 20 * time.Second,
		HostKeyCallback: func(_ string, _ net.Addr, key ssh.PublicKey) error {
			if got := ssh.FingerprintSHA256(key); got != o.host {
				return fmt.Errorf("the host key is %s, but was announced as %s", got, o.host)
			}
			return nil
		},
	})
}

func (o *overSSH) connect(user string, auth ...ssh.AuthMethod) *ssh.Client {
	o.t.Helper()
	c, err := o.dial(user, auth...)
	if err != nil {
		o.t.Fatal(err)
	}
	o.t.Cleanup(func() { c.Close() })
	return c
}

// command runs a command with some input, and returns its output and its exit status.
func command(t *testing.T, c *ssh.Client, line, input string) (stdout, stderr string, status int) {
	t.Helper()
	s, err := c.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var out, notes bytes.Buffer
	s.Stdin, s.Stdout, s.Stderr = strings.NewReader(input), &out, &notes
	if err = s.Run(line); err != nil {
		exit := (*ssh.ExitError)(nil)
		if !errors.As(err, &exit) {
			t.Fatalf("%q: %v", line, err)
		}
		status = exit.ExitStatus()
	}
	return out.String(), notes.String(), status
}

// textsIn returns the messages in JSON output.
func textsIn(t *testing.T, out string) (all []wire.Message) {
	t.Helper()
	for line := range strings.Lines(out) {
		f, err := wire.ParseFrame([]byte(line))
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if m, ok := f.(wire.Message); ok {
			all = append(all, m)
		}
	}
	return all
}

// TestSSHLineByLine: SSH has the same rooms and the same numbers, and a name belongs to a key.
func TestSSHLineByLine(t *testing.T) {
	t.Parallel()
	o := serveSSH(t, nil)
	plain := dial(t, o.url+"/r/den")
	plain.expect(wire.Greeting)
	key := newKey(t)
	anna := o.connect("anna", ssh.PublicKeys(key))
	out, notes, status := command(t, anna, "den", "hello\nworld\n")
	if want := "From server: " + wire.Greeting + "\nFrom server: anna: hello\nFrom server: anna: world\n"; out != want || status != 0 {
		t.Errorf("%q, status %d; want %q", out, status, want)
	}
	if notes != "line by line; for the screen: ssh -t\nyour name is anna\nyour role is now owner\n" { // of a new room
		t.Errorf("on stderr: %q", notes)
	}
	plain.expect("anna: hello", "anna: world")
	plain.say("hi")
	plain.expect("hi")

	// The same key is the same sender, also on another connection, and another key is another sender.
	again := o.connect("Anna Blue", ssh.PublicKeys(key))
	out, _, _ = command(t, again, "den --json --last 10", "once more\n")
	said := textsIn(t, out)
	if len(said) != 4 || said[0].SenderID != said[1].SenderID || said[0].SenderID != said[3].SenderID || said[0].SenderID == said[2].SenderID || said[3].DisplayName != "Anna Blue" {
		t.Errorf("heard %+v", said)
	}
	other := o.connect("anna", ssh.PublicKeys(newKey(t)))
	out, notes, status = command(t, other, "den --json", "me too\n")
	if said := textsIn(t, out); status != 0 || len(said) != 1 || said[0].DisplayName != "" || !strings.Contains(notes+out, "is registered for an SSH key") {
		t.Errorf("another key, with the name of the first: %d %s%s", status, out, notes)
	}

	// The name is taken on every transport, and belongs to the first key that posts under it.
	for _, name := range []string{"anna", "ANNA", "Anna Blue"} {
		v1 := dial(t, o.url, wire.Protocol)
		v1.say(`{"type":"name","name":"` + name + `"}`)
		if got := v1.until(`"name_taken"`); !strings.Contains(got, "ramai name release") {
			t.Errorf("%s: %s", name, got)
		}
	}
	if out, _, _ := command(t, anna, "den --json", "mine\n"); textsIn(t, out)[0].DisplayName != "anna" {
		t.Errorf("the owner has another name: %s", out)
	}
}

// borrowed is a public key without its private key.
type borrowed struct{ ssh.Signer }

func (b borrowed) Sign(random io.Reader, data []byte) (*ssh.Signature, error) {
	signature, err := b.Signer.Sign(random, data)
	if err == nil {
		signature.Blob[5] ^= 1
	}
	return signature, err
}

// TestSSHAlgorithms: algorithms based on SHA-1 are not offered, modern ones are.
func TestSSHAlgorithms(t *testing.T) {
	o := serveSSH(t, nil)
	for name, test := range map[string]struct {
		config ssh.Config
		ok     bool
	}{
		"today's":            {ssh.Config{}, true},
		"the common ones":    {ssh.Config{KeyExchanges: []string{ssh.KeyExchangeCurve25519}, Ciphers: []string{ssh.CipherAES128CTR}, MACs: []string{ssh.HMACSHA256}}, true},
		"a key exchange":     {ssh.Config{KeyExchanges: []string{ssh.InsecureKeyExchangeDH14SHA1}}, false},
		"a MAC":              {ssh.Config{Ciphers: []string{ssh.CipherAES128CTR}, MACs: []string{ssh.HMACSHA1}}, false},
		"a MAC of 96 bits":   {ssh.Config{Ciphers: []string{ssh.CipherAES128CTR}, MACs: []string{ssh.InsecureHMACSHA196}}, false},
		"an obsolete cipher": {ssh.Config{Ciphers: []string{ssh.InsecureCipherTripleDESCBC}}, false},
	} {
		c, err := ssh.Dial("tcp", o.address, &ssh.ClientConfig{Config: test.config, User: "x", Auth: []ssh.AuthMethod{asGuest}, HostKeyCallback: ssh.InsecureIgnoreHostKey()})
		if err == nil {
			c.Close()
		}
		if (err == nil) != test.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestSSHBorrowedKey: a client with a signature by another key is rejected, for any user name.
func TestSSHBorrowedKey(t *testing.T) {
	o := serveSSH(t, nil)
	if c, err := o.dial("x", ssh.PublicKeys(borrowed{newKey(t)}, newKey(t)), asGuest); err == nil {
		c.Close()
		t.Error("the client was accepted")
	}
}

func TestSSHGuests(t *testing.T) {
	t.Parallel()
	o := serveSSH(t, nil)
	if out, _, status := command(t, o.connect("gast", asGuest), "", "hi\n"); status != 0 || !strings.Contains(out, "gast: hi") {
		t.Errorf("a guest: %d %q", status, out)
	}
	// The name is released after the exit status is sent, so the next client may be too early.
	for deadline := time.Now().Add(30 * time.Second); ; {
		out, notes, status := command(t, o.connect("gast", asGuest), "", "again\n")
		if status == 0 && strings.Contains(out, "gast: again") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("a guest's name outlives the session: %d %q %q", status, out, notes)
		}
	}
	closed := serveSSH(t, func(c *server.Config) { c.SSHKeysOnly = true })
	if c, err := closed.dial("x", asGuest); err == nil {
		c.Close()
		t.Error("a guest was accepted although keys are required")
	}
	closed.connect("x", ssh.PublicKeys(newKey(t)))
}

// TestSSHOtherRequestsRefused: SSH gives access to the chat, and to nothing else.
func TestSSHOtherRequestsRefused(t *testing.T) {
	t.Parallel()
	o := serveSSH(t, nil)
	c := o.connect("x", asGuest)
	if nc, err := c.Dial("tcp", strings.TrimPrefix(o.url, "ws://")); err == nil {
		nc.Close()
		t.Error("a port is forwarded")
	}
	if ln, err := c.Listen("tcp", "127.0.0.1:0"); err == nil {
		ln.Close()
		t.Error("a port is forwarded back")
	}
	s, err := c.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	for name, payload := range map[string]string{"auth-agent-req@openssh.com": "", "x11-req": "", "subsystem": ssh4("sftp")} {
		if ok, err := s.SendRequest(name, true, []byte(payload)); ok || err != nil {
			t.Errorf("%s: %v, %v", name, ok, err)
		}
	}
	set := 0
	for i := range 1000 {
		if s.Setenv(fmt.Sprint("V", i), strings.Repeat("x", i)) == nil {
			set++
		}
	}
	if set > 16 {
		t.Errorf("%d variables could be set", set)
	}
	if ok, _ := s.SendRequest("exec", true, []byte(ssh4(strings.Repeat("x", 1<<16)))); ok {
		t.Error("a command of 64 KiB was accepted")
	}
	s.Close()
	for _, line := range []string{"sh -c true", "../x", "den --nothing", "den --last 501", "a b", "--help", strings.Repeat("x", 1000), "'"} {
		if out, notes, status := command(t, c, line, "hi\n"); status != 2 || out != "" || notes == "" {
			t.Errorf("%.20q: %d %q %q", line, status, out, notes)
		}
	}
	waiting := 0
	for range 20 {
		if s, err := c.NewSession(); err == nil {
			defer s.Close()
			waiting++
		}
	}
	if waiting > 2 {
		t.Errorf("%d channels wait for a command at once", waiting)
	}
	other, in, received := o.connect("y", asGuest), 0, 0
	for range 40 { // more than the limit
		s, err := other.NewSession()
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		input, _ := s.StdinPipe()
		defer input.Close()
		output, _ := s.StdoutPipe()
		var notes bytes.Buffer
		s.Stderr = &notes
		if err := s.Start("den"); err != nil {
			t.Fatal(err)
		}
		if _, err := output.Read(make([]byte, 1)); err == nil { // of the welcome
			in++
		} else if s.Wait(); strings.HasPrefix(notes.String(), "this connection has 8 sessions") {
			received++
		}
	}
	if in != 8 || received != 32 {
		t.Errorf("%d sessions at once on a connection, want 8; %d of 32 got the reason", in, received)
	}
}

// TestSSHChannelsDoNotBlock: requests on a channel without a session, or on a refused one, do not block the connection.
func TestSSHChannelsDoNotBlock(t *testing.T) {
	o := serveSSH(t, nil)
	c := o.connect("x", asGuest)
	s, err := c.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.RequestPty("xterm", 24, 80, nil); err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		if err := s.WindowChange(24, 80+i); err != nil {
			t.Fatal(err)
		}
	}
	refused := o.terminal(c, "no/room", 80, 24)
	for i := range 100 {
		refused.WindowChange(24, 80+i)
	}
	refused.Wait()
	if out, _, status := command(t, c, "den", "hi\n"); status != 0 || !strings.Contains(out, "hi") {
		t.Errorf("on the same connection: %d %q", status, out)
	}
}

// muted is a client's side of a connection. Once muted, the client sends nothing more.
type muted struct {
	net.Conn
	on atomic.Bool
}

func (m *muted) Write(b []byte) (int, error) {
	if m.on.Load() {
		return len(b), nil
	}
	return m.Conn.Write(b)
}

// TestSSHUnconfirmedEnd: a session that has ended leaves nothing behind, whether or not the client confirms its end.
func TestSSHUnconfirmedEnd(t *testing.T) {
	t.Parallel()
	o := serveSSH(t, nil)
	nc, err := net.Dial("tcp", o.address)
	if err != nil {
		t.Fatal(err)
	}
	m := &muted{Conn: nc}
	c, channels, requests, err := ssh.NewClientConn(m, "", &ssh.ClientConfig{User: "x", Auth: []ssh.AuthMethod{asGuest}, HostKeyCallback: ssh.InsecureIgnoreHostKey()})
	if err != nil {
		t.Fatal(err)
	}
	client := ssh.NewClient(c, channels, requests)
	defer client.Close()
	running := func() bool {
		stacks := make([]byte, 4<<20)
		return bytes.Contains(stacks[:runtime.Stack(stacks, true)], []byte("ramai/internal/tui.listen"))
	}
	screen := o.terminal(client, "den", 80, 24)
	screen.shows("den")
	if !running() {
		t.Fatal("no screen is running")
	}
	screen.types("\x04") // leaves
	m.on.Store(true)
	screen.Wait()
	closed := make(chan struct{})
	go func() {
		client.Wait()
		close(closed)
	}()
	for end := time.Now().Add(10 * time.Second); running(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the screen is still there")
		}
	}
	select {
	case <-closed:
		t.Error("it ended only with its connection")
	default:
	}
}

func ssh4(s string) string { return string(ssh.Marshal(struct{ S string }{s})) }
