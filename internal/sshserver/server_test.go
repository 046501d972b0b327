package sshserver

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/time/rate"

	"ramai/internal/chat"
	"ramai/internal/connlimit"
	"ramai/internal/store/memory"
	"ramai/internal/tui"
	"ramai/wire"
)

func newTestServer(t *testing.T, folder string) *Server {
	t.Helper()
	store, err := memory.New(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	srv, err := New(Config{Chat: chat.New(chat.Config{Store: store}), Random: rand.Reader, Logger: slog.New(slog.DiscardHandler), Folder: folder, AcquireConn: func(net.Conn) error { return nil }, ReleaseConn: func(net.Conn) {}})
	if err != nil {
		t.Fatal(err)
	}
	return srv
}

// A client that does not complete the handshake is closed, whether or not it reads the server's version.
func TestHandshakeTimeout(t *testing.T) {
	for _, reads := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			srv := newTestServer(t, "")
			ours, theirs := net.Pipe()
			begin := time.Now()
			closed := make(chan struct{})
			go func() {
				srv.handle(theirs)
				close(closed)
			}()
			if reads {
				go io.Copy(io.Discard, ours)
			}
			<-closed
			if took := time.Since(begin); took != handshakeTimeout {
				t.Errorf("it was closed after %v; reads: %t", took, reads)
			}
			if len(srv.conns) != 0 || srv.connSlots.InUse() != 0 {
				t.Errorf("%d connections, and %d places taken", len(srv.conns), srv.connSlots.InUse())
			}
			srv.Close(endedContext())
			ours.Close()
		})
	}
}

// A connection whose peer is gone is closed, and no other.
func TestDeadPeers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newTestServer(t, "")
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		served := make(chan error, 1)
		ln.Close() // connections are added below
		go func() { served <- srv.Serve(ln) }()
		<-served
		begin := time.Now()
		var conns []*conn
		for _, gone := range []bool{false, true} {
			_, theirs := net.Pipe()
			c := &conn{Conn: theirs, server: srv, isDead: func(patience time.Duration) bool { return gone && time.Since(begin) >= patience }}
			if srv.acquireConn(c) != nil {
				t.Fatal("there is no place")
			}
			conns = append(conns, c)
		}
		time.Sleep(deadAfter + deadAfter/4)
		if left := srv.all(); len(left) != 1 || left[0] != conns[0] {
			t.Errorf("left are %v", left)
		}
		srv.Close(endedContext())
	})
}

// Refused connections are logged once a minute.
func TestRefusedConnectionsAreLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		srv := newTestServer(t, "")
		srv.cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))
		srv.connSlots = limited(1)
		if srv.acquireConn(&conn{server: srv}) != nil {
			t.Fatal("there is no place")
		}
		ours, theirs := net.Pipe()
		go func() {
			lines := bufio.NewScanner(ours)
			for lines.Scan() {
				if !strings.HasPrefix(lines.Text(), connlimit.ErrFull.Error()) {
					t.Errorf("a connection too many is told %q", lines.Text())
				}
			}
		}()
		defer ours.Close()
		for range 100 {
			if srv.admit(theirs) != nil {
				t.Fatal("it was let in")
			}
			time.Sleep(time.Second)
		}
		if n := strings.Count(log.String(), "\n"); n != 2 || !strings.Contains(log.String(), "level=INFO") || !strings.Contains(log.String(), " connections=60 ") {
			t.Errorf("the log has %d lines: %s", n, &log)
		}
	})
}

// silentConn is the client's side of a connection in memory. Once muted, the client sends nothing more.
type silentConn struct {
	net.Conn
	muted atomic.Bool
	queue chan []byte
}

func newSilentConn(nc net.Conn) *silentConn {
	m := &silentConn{Conn: nc, queue: make(chan []byte, 100)}
	go func() { // both sides of a handshake begin with writing
		for b := range m.queue {
			if _, err := nc.Write(b); err != nil {
				return
			}
		}
	}()
	return m
}

func (m *silentConn) Write(b []byte) (int, error) {
	if !m.muted.Load() {
		m.queue <- bytes.Clone(b)
	}
	return len(b), nil
}

// A client that does not confirm the end of a channel, which the server therefore has to store, loses its connection.
func TestUnconfirmedEnd(t *testing.T) {
	for name, begin := range map[string]func(ssh.Channel) error{
		"a session": func(ch ssh.Channel) error {
			_, err := ch.SendRequest("exec", true, ssh.Marshal(struct{ S string }{"--nothing"}))
			return err
		},
		"a channel that wanted nothing": func(ssh.Channel) error {
			time.Sleep(requestTimeout - 1)
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := newTestServer(t, "")
				defer srv.Close(endedContext())
				ours, theirs := net.Pipe()
				go srv.handle(theirs)
				m := newSilentConn(ours)
				defer close(m.queue)
				c, channels, requests, err := ssh.NewClientConn(m, "", &ssh.ClientConfig{
					User: "x", HostKeyCallback: ssh.InsecureIgnoreHostKey(),
					Auth: []ssh.AuthMethod{ssh.KeyboardInteractive(func(string, string, []string, []bool) ([]string, error) { return nil, nil })},
				})
				if err != nil {
					t.Fatal(err)
				}
				go ssh.DiscardRequests(requests)
				go func() {
					for range channels {
					}
				}()
				ch, requests, err := c.OpenChannel("session", nil)
				if err != nil {
					t.Fatal(err)
				}
				go ssh.DiscardRequests(requests)
				if _, err := ch.SendRequest("window-change", true, ssh.Marshal(struct{ Columns, Rows, Width, Height uint32 }{500, 200, 0, 0})); err != nil {
					t.Fatal(err)
				}
				cells := func() int {
					srv.mu.Lock()
					defer srv.mu.Unlock()
					return srv.allCells
				}
				if cells() == 0 {
					t.Error("a large screen is not counted")
				}
				if err := begin(ch); err != nil {
					t.Fatal(err)
				}
				m.muted.Store(true)
				ended := time.Now()
				c.Wait()
				if took := time.Since(ended).Round(time.Second); took != requestTimeout {
					t.Errorf("the connection was closed after %v", took)
				}
				synctest.Wait()
				if left := cells(); left != 0 {
					t.Errorf("%d cells are still counted", left)
				}
			})
		})
	}
}

// unreadChannel is a channel with input that nobody reads.
type unreadChannel struct {
	ssh.Channel
	stdin, stderr *bytes.Buffer
}

func (s unreadChannel) Close() error               { return nil }
func (s unreadChannel) Read(b []byte) (int, error) { return s.stdin.Read(b) }
func (s unreadChannel) Stderr() io.ReadWriter      { return s.stderr }

// Input on a channel that has ended is not stored until the client closes it.
func TestInputDiscardedAfterEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ch := unreadChannel{stdin: bytes.NewBuffer(make([]byte, 1<<20)), stderr: bytes.NewBuffer(make([]byte, 1<<20))}
		g := &channel{inputLimit: rate.NewLimiter(typedRate, inputBurst)}
		g.ctx, g.closed = context.WithCancelCause(t.Context())
		if err := newSessionChannel(ch, g).Close(); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if ch.stdin.Len()+ch.stderr.Len() > 0 {
			t.Errorf("%d and %d bytes are kept", ch.stdin.Len(), ch.stderr.Len())
		}
		g.closed(nil)
		time.Sleep(2 * requestTimeout) // an idle connection would be closed after this time
	})
}

// Input is read no faster than the limit, and completely.
func TestInputRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &channel{ctx: t.Context(), inputLimit: rate.NewLimiter(typedRate, inputBurst)}
		began := time.Now()
		in := newSessionChannel(unreadChannel{stdin: bytes.NewBuffer(make([]byte, inputBurst+10*typedRate)), stderr: new(bytes.Buffer)}, g)
		if n, err := io.CopyN(io.Discard, in, inputBurst); err != nil || time.Since(began) > time.Millisecond {
			t.Errorf("what may come at once: %d bytes after %v: %v", n, time.Since(began), err)
		}
		if n, err := io.Copy(io.Discard, in); n != 10*typedRate || err != nil {
			t.Errorf("%d more, %v", n, err)
		}
		if took := time.Since(began).Round(time.Millisecond); took != 10*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

// A channel occupies its slot until the client has closed it.
func TestUnclosedChannels(t *testing.T) {
	c := &conn{}
	for range maxOpen {
		if err := c.channelOpened(); err != nil {
			t.Fatal(err)
		}
		c.channelStarted()
	}
	if err := c.channelOpened(); err == nil || !strings.Contains(err.Error(), "32 open channels") {
		t.Errorf("one more: %v", err)
	}
	c.channelClosed()
	if err := c.channelOpened(); err != nil {
		t.Errorf("after one was closed: %v", err)
	}
}

func TestConnectionSlots(t *testing.T) {
	srv := newTestServer(t, "")
	var outer error
	srv.cfg.AcquireConn = func(net.Conn) error { return outer }
	from := func(s string) *conn {
		addr := netip.MustParseAddr(s)
		return &conn{server: srv, addr: addr, network: chat.Network(addr), local: addr.IsLoopback()}
	}
	first := from("2001:db8::1")
	for i := range MaxConns / 4 {
		c := first
		if i > 0 {
			c = from("2001:db8::1")
		}
		if err := srv.acquireConn(c); err != nil {
			t.Fatal(err)
		}
	}
	if err := srv.acquireConn(from("2001:db8::2")); !errors.Is(err, connlimit.ErrShare) {
		t.Errorf("an address of the same /64 has a place of its own: %v", err)
	}
	for i := range MaxConns * 3 / 4 {
		if err := srv.acquireConn(from([]string{"2001:db8:0:1::1", "127.0.0.1"}[min(i, 1)])); err != nil {
			t.Fatal(err)
		}
	}
	if err := srv.acquireConn(from("192.0.2.1")); !errors.Is(err, connlimit.ErrFull) {
		t.Errorf("there are more than there may be: %v", err)
	}
	srv.releaseConn(first)
	if err := srv.acquireConn(from("2001:db8::3")); err != nil {
		t.Errorf("a place that was given back is not there: %v", err)
	}
	outer = errors.New("no place in the server")
	srv.releaseConn(first)
	if err := srv.acquireConn(first); !errors.Is(err, outer) || srv.connSlots.InUse() != MaxConns-1 {
		t.Errorf("the server's own bound: %v, and %d places are taken", err, srv.connSlots.InUse())
	}
	outer = nil

	for range maxSessions / 4 {
		if err := srv.acquireSession(first); err != nil {
			t.Fatal(err)
		}
	}
	if err := srv.acquireSession(first); err == nil || !strings.Contains(err.Error(), "your address has the maximum number of SSH sessions") {
		t.Errorf("more sessions from one network than the limit: %v", err)
	}
	for range maxSessions / 4 {
		srv.releaseSession(first)
	}
	srv.mu.Lock()
	clear(srv.conns) // these have no underlying connection to close
	srv.mu.Unlock()
	srv.Close(endedContext())
	if !errors.Is(srv.acquireConn(from("192.0.2.1")), errStopped) || !errors.Is(srv.acquireSession(first), errStopped) {
		t.Error("a closed server accepts a session")
	}
}

// The size of each screen is limited, as is the total of one address and of all; the default size is always available.
func TestSizes(t *testing.T) {
	srv := newTestServer(t, "")
	open := func(from string) *channel {
		addr := netip.MustParseAddr(from)
		return &channel{conn: &conn{server: srv, network: chat.Network(addr), local: addr.IsLoopback()}}
	}
	window := func(width, height int) tui.Size { return tui.Size{Width: width, Height: height} }
	here := open("127.0.0.1")
	for _, test := range []struct{ window, want tui.Size }{
		{window(0, 0), defaultScreen}, {window(-1, 5), defaultScreen}, {window(1, 1), window(1, 1)}, {window(80, 24), defaultScreen}, {window(200, 60), window(200, 60)},
		{window(10000, 10000), window(500, 40)}, {window(100, 10000), window(100, 200)}, {window(101, 10000), window(101, 198)},
	} {
		if got := srv.allocateScreen(here, test.window); got != test.want {
			t.Errorf("in %v a screen has %v, want %v", test.window, got, test.want)
		}
	}
	srv.freeScreen(here)
	large := window(500, 40)
	var all []*channel
	fill := func(from func(i int) string, most int) {
		t.Helper()
		for i := 0; ; i++ {
			g := open(from(i))
			all = append(all, g)
			got := srv.allocateScreen(g, large)
			if got == defaultScreen {
				break
			}
			if got != large || i > most {
				t.Fatalf("%v is given to the %d.", got, i)
			}
			srv.allocateScreen(g, defaultScreen) // the charge stays, so that it can change back at once
		}
	}
	fill(func(int) string { return "192.0.2.1" }, maxCellsByNetwork/(maxCells-80*24))
	narrow := open("192.0.2.1")
	if got := srv.allocateScreen(narrow, window(20, 200)); got != window(20, 200) {
		t.Errorf("what is left of an address is %v", got)
	}
	srv.freeScreen(narrow)
	if got := srv.allocateScreen(all[0], large); got != large {
		t.Errorf("who has paid has %v", got)
	}
	fill(func(i int) string { return netip.AddrFrom4([4]byte{198, 51, 100, byte(i)}).String() }, maxAllCells/(maxCells-80*24))
	if got := srv.allocateScreen(open("127.0.0.1"), large); got != defaultScreen {
		t.Errorf("beyond all there is %v", got)
	}
	for _, g := range all {
		srv.freeScreen(g)
	}
	if len(srv.cells) != 0 || srv.allCells != 0 {
		t.Errorf("%d cells are still paid for, by %v", srv.allCells, srv.cells)
	}
}

// Keys are stored, are readable only by the server's user, and are not replaced if damaged.
func TestKeysPersist(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "ssh")
	first, second := newTestServer(t, folder), newTestServer(t, folder)
	key := first.keys.host.PublicKey()
	if first.Fingerprint() != second.Fingerprint() || first.keys.session(key) != second.keys.session(key) {
		t.Error("after a start the keys are others")
	}
	if other := newTestServer(t, ""); other.keys.session(key) == first.keys.session(key) || other.Fingerprint() == first.Fingerprint() {
		t.Error("another server has the same keys")
	}
	if err := wire.CheckSession(first.keys.session(key)); err != nil {
		t.Errorf("a key stands for no session: %v", err)
	}
	for _, name := range []string{hostKeyFile, secretFile} {
		info, err := os.Stat(filepath.Join(folder, name))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
	if err := os.WriteFile(filepath.Join(folder, secretFile), []byte("AAAA\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := New(first.cfg); err == nil {
		t.Error("a damaged secret is taken")
	}
}

// A certificate identifies the same sender as its key, however often it is renewed.
func TestCertificate(t *testing.T) {
	k := newTestServer(t, "").keys
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	key := signer.PublicKey()
	for serial := range uint64(2) {
		if k.session(&ssh.Certificate{Key: key, Serial: serial}) != k.session(key) {
			t.Error("it is another sender")
		}
	}
}

// The error about a file truncated by a crash names the file and what to do.
func TestHostKeyCutShort(t *testing.T) {
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, hostKeyFile), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := New(Config{Random: rand.Reader, Logger: slog.New(slog.DiscardHandler), Folder: folder})
	if err == nil || !strings.Contains(err.Error(), filepath.Join(folder, hostKeyFile)) {
		t.Errorf("%v", err)
	}
}

// lingering is a connection whose reader notices the end late.
type lingering struct {
	net.Conn
	closed chan struct{}
	once   sync.Once
	ended  *atomic.Bool
}

func (l *lingering) Read([]byte) (int, error) {
	<-l.closed
	time.Sleep(time.Minute)
	l.ended.Store(true)
	return 0, net.ErrClosed
}

func (l *lingering) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Conn.Close()
}

// Close returns when all goroutines of the server have ended.
func TestCloseWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newTestServer(t, "")
		ours, theirs := net.Pipe()
		go io.Copy(io.Discard, ours)
		var over atomic.Bool
		srv.running.Go(func() { srv.handle(&lingering{Conn: theirs, closed: make(chan struct{}), ended: &over}) })
		synctest.Wait()
		srv.Close(endedContext())
		if !over.Load() {
			t.Error("a connection is still read from")
		}
	})
}

// A closed server does not accept connections.
func TestServeAfterClose(t *testing.T) {
	srv := newTestServer(t, "")
	srv.Close(endedContext())
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := srv.Serve(ln); err != nil {
		t.Error(err)
	}
	if _, err := ln.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("its listener is open: %v", err)
	}
}

// The states of screens are stored up to a limit, and damaged ones are ignored.
func TestScreenStates(t *testing.T) {
	k := newTestServer(t, t.TempDir()).keys
	k.maxStates = 20
	session := func(i byte) string { return "AAAAAAAAAAAAAAAAAAAA" + string([]byte{'A' + i, 'A'}) }
	store := func(i byte, owner bool) {
		t.Helper()
		if err := k.storeState(session(i), tui.State{Room: string(rune('a' + i)), Rooms: []tui.RoomState{{HistoryID: "L"}}}, owner); err != nil {
			t.Fatal(err)
		}
	}
	for i := range byte(3) {
		store(i, true)
	}
	if m := k.loadState(session(1)); m.Room != "b" {
		t.Errorf("remembered is %+v", m)
	}
	if err := os.WriteFile(k.stateFile(session(1)), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if m := k.loadState(session(1)); m.Room != "" {
		t.Errorf("of a damaged file there is %+v", m)
	}
	if err := k.storeState(session(3), tui.State{Room: "d", Rooms: []tui.RoomState{{Name: "d"}}}, true); err != nil {
		t.Fatal(err)
	}
	if m := k.loadState(session(3)); m.Room != "" {
		t.Errorf("of who has seen nothing there is %+v", m)
	}
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(k.stateFile(session(2)), old, old); err != nil {
		t.Fatal(err)
	}
	count := func() int {
		files, err := os.ReadDir(filepath.Join(k.folder, stateFolder))
		if err != nil {
			t.Fatal(err)
		}
		return len(files)
	}
	for i := byte(3); i < 23; i++ { // senders without names
		store(i, false)
		if i == 20 && count() != 21 {
			t.Errorf("the folder was looked at when there were %d", count())
		}
	}
	if n := count(); n > 20 || n < 18 {
		t.Errorf("%d are remembered", n)
	}
	for _, i := range []byte{0, 2} {
		if m := k.loadState(session(i)); m.Room != string(rune('a'+i)) {
			t.Errorf("who owns a name is forgotten for senders without names: %+v", m)
		}
	}
	for i := byte(30); i < 52; i++ { // now too many of them own one
		store(i, true)
	}
	for i, want := range map[byte]string{2: "", 22: "", 51: string(rune('a' + 51))} {
		if m := k.loadState(session(i)); m.Room != want {
			t.Errorf("of %d there is %+v, want %q", i, m, want)
		}
	}
}

// However often a window changes its size, the screen receives a few sizes a second, and finally the newest. After its
// end it is not charged.
func TestResizesRateLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newTestServer(t, "")
		g := &channel{conn: &conn{server: srv}, sizes: make(chan tui.Size, 1)}
		change := func(width int) {
			if !g.resize(ssh.Marshal(struct{ Columns, Rows, Width, Height uint32 }{uint32(width), 30, 0, 0})) {
				t.Fatal("a size is not understood")
			}
		}
		time.Sleep(time.Second)
		const changes, every = 1000, time.Millisecond
		var sizes []int
		receive := func() {
			select {
			case size := <-g.sizes:
				sizes = append(sizes, size.Width)
			default:
			}
		}
		for i := range changes {
			change(100 + i%300)
			synctest.Wait()
			receive()
			time.Sleep(every)
		}
		time.Sleep(resizeEvery)
		synctest.Wait()
		receive()
		if most := int(changes*every/resizeEvery) + 1; len(sizes) < 2 || len(sizes) > most || sizes[0] != 100 || sizes[len(sizes)-1] != 100+(changes-1)%300 {
			t.Errorf("the screen hears of %v, want at most %d, the first and the newest among them", sizes, most)
		}
		change(400)
		change(450)
		g.freeScreen()
		time.Sleep(time.Second)
		synctest.Wait()
		if srv.allCells != 0 || g.cells != 0 {
			t.Errorf("after the end %d cells are paid for", srv.allCells)
		}
	})
}

// endedContext returns a context that has ended: Close ends the sessions at once.
func endedContext() context.Context {
	ctx, end := context.WithCancel(context.Background())
	end()
	return ctx
}
