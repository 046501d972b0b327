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
	d, err := New(Config{Chat: chat.New(chat.Config{Store: store}), Random: rand.Reader, Logger: slog.New(slog.DiscardHandler), Folder: folder, AcquireConn: func(net.Conn) error { return nil }, ReleaseConn: func(net.Conn) {}})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// A client that does not complete the handshake is closed, whether or not it reads the server's version.
func TestHandshakeTakes(t *testing.T) {
	for _, reads := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			d := newTestServer(t, "")
			ours, theirs := net.Pipe()
			begin := time.Now()
			closed := make(chan struct{})
			go func() {
				d.handle(theirs)
				close(closed)
			}()
			if reads {
				go io.Copy(io.Discard, ours)
			}
			<-closed
			if took := time.Since(begin); took != handshakeTimeout {
				t.Errorf("it was closed after %v; reads: %t", took, reads)
			}
			if len(d.conns) != 0 || d.connSlots.InUse() != 0 {
				t.Errorf("%d connections, and %d places taken", len(d.conns), d.connSlots.InUse())
			}
			d.Close(endedContext())
			ours.Close()
		})
	}
}

// A connection whose peer is gone is closed, and no other.
func TestPeersThatAreGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newTestServer(t, "")
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		served := make(chan error, 1)
		ln.Close() // connections are added below
		go func() { served <- d.Serve(ln) }()
		<-served
		begin := time.Now()
		var conns []*conn
		for _, gone := range []bool{false, true} {
			_, theirs := net.Pipe()
			c := &conn{Conn: theirs, server: d, gone: func(patience time.Duration) bool { return gone && time.Since(begin) >= patience }}
			if d.acquireConn(c) != nil {
				t.Fatal("there is no place")
			}
			conns = append(conns, c)
		}
		time.Sleep(deadAfter + deadAfter/4)
		if left := d.all(); len(left) != 1 || left[0] != conns[0] {
			t.Errorf("left are %v", left)
		}
		d.Close(endedContext())
	})
}

// Refused connections are logged once a minute.
func TestRefusedConnectionsAreLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		d := newTestServer(t, "")
		d.cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))
		d.connSlots = limited(1)
		if d.acquireConn(&conn{server: d}) != nil {
			t.Fatal("there is no place")
		}
		ours, theirs := net.Pipe()
		go func() {
			told := bufio.NewScanner(ours)
			for told.Scan() {
				if !strings.HasPrefix(told.Text(), connlimit.ErrFull.Error()) {
					t.Errorf("a connection too many is told %q", told.Text())
				}
			}
		}()
		defer ours.Close()
		for range 100 {
			if d.admit(theirs) != nil {
				t.Fatal("it was let in")
			}
			time.Sleep(time.Second)
		}
		if n := strings.Count(log.String(), "\n"); n != 2 || !strings.Contains(log.String(), "level=INFO") || !strings.Contains(log.String(), " connections=60 ") {
			t.Errorf("the log has %d lines: %s", n, &log)
		}
	})
}

// mute is the client's side of a connection in memory. Once muted, the client sends nothing more.
type mute struct {
	net.Conn
	muted atomic.Bool
	queue chan []byte
}

func newMute(nc net.Conn) *mute {
	m := &mute{Conn: nc, queue: make(chan []byte, 100)}
	go func() { // both sides of a handshake begin with writing
		for b := range m.queue {
			if _, err := nc.Write(b); err != nil {
				return
			}
		}
	}()
	return m
}

func (m *mute) Write(b []byte) (int, error) {
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
				d := newTestServer(t, "")
				defer d.Close(endedContext())
				ours, theirs := net.Pipe()
				go d.handle(theirs)
				m := newMute(ours)
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
					d.mu.Lock()
					defer d.mu.Unlock()
					return d.allCells
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

// sent is a channel with input that nobody reads.
type sent struct {
	ssh.Channel
	stdin, stderr *bytes.Buffer
}

func (s sent) Close() error               { return nil }
func (s sent) Read(b []byte) (int, error) { return s.stdin.Read(b) }
func (s sent) Stderr() io.ReadWriter      { return s.stderr }

// Input on a channel that has ended is not stored until the client closes it.
func TestNothingIsKeptAfterTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ch := sent{stdin: bytes.NewBuffer(make([]byte, 1<<20)), stderr: bytes.NewBuffer(make([]byte, 1<<20))}
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
func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &channel{ctx: t.Context(), inputLimit: rate.NewLimiter(typedRate, inputBurst)}
		began := time.Now()
		in := newSessionChannel(sent{stdin: bytes.NewBuffer(make([]byte, inputBurst+10*typedRate)), stderr: new(bytes.Buffer)}, g)
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
func TestChannelsThatAreNotClosed(t *testing.T) {
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

func TestPlaces(t *testing.T) {
	d := newTestServer(t, "")
	var outer error
	d.cfg.AcquireConn = func(net.Conn) error { return outer }
	from := func(s string) *conn {
		addr := netip.MustParseAddr(s)
		return &conn{server: d, addr: addr, network: chat.Network(addr), local: addr.IsLoopback()}
	}
	first := from("2001:db8::1")
	for i := range MaxConns / 4 {
		c := first
		if i > 0 {
			c = from("2001:db8::1")
		}
		if err := d.acquireConn(c); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.acquireConn(from("2001:db8::2")); !errors.Is(err, connlimit.ErrShare) {
		t.Errorf("an address of the same /64 has a place of its own: %v", err)
	}
	for i := range MaxConns * 3 / 4 {
		if err := d.acquireConn(from([]string{"2001:db8:0:1::1", "127.0.0.1"}[min(i, 1)])); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.acquireConn(from("192.0.2.1")); !errors.Is(err, connlimit.ErrFull) {
		t.Errorf("there are more than there may be: %v", err)
	}
	d.releaseConn(first)
	if err := d.acquireConn(from("2001:db8::3")); err != nil {
		t.Errorf("a place that was given back is not there: %v", err)
	}
	outer = errors.New("no place in the server")
	d.releaseConn(first)
	if err := d.acquireConn(first); !errors.Is(err, outer) || d.connSlots.InUse() != MaxConns-1 {
		t.Errorf("the server's own bound: %v, and %d places are taken", err, d.connSlots.InUse())
	}
	outer = nil

	for range maxSessions / 4 {
		if err := d.acquireSession(first); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.acquireSession(first); err == nil || !strings.Contains(err.Error(), "your address has the maximum number of SSH sessions") {
		t.Errorf("more sessions from one network than the limit: %v", err)
	}
	for range maxSessions / 4 {
		d.releaseSession(first)
	}
	d.mu.Lock()
	clear(d.conns) // these have no underlying connection to close
	d.mu.Unlock()
	d.Close(endedContext())
	if !errors.Is(d.acquireConn(from("192.0.2.1")), errStopped) || !errors.Is(d.acquireSession(first), errStopped) {
		t.Error("a closed server accepts a session")
	}
}

// The size of each screen is limited, as is the total of one address and of all; the default size is always available.
func TestSizes(t *testing.T) {
	d := newTestServer(t, "")
	open := func(from string) *channel {
		addr := netip.MustParseAddr(from)
		return &channel{conn: &conn{server: d, network: chat.Network(addr), local: addr.IsLoopback()}}
	}
	window := func(width, height int) tui.Size { return tui.Size{Width: width, Height: height} }
	here := open("127.0.0.1")
	for _, test := range []struct{ window, want tui.Size }{
		{window(0, 0), defaultScreen}, {window(-1, 5), defaultScreen}, {window(1, 1), window(1, 1)}, {window(80, 24), defaultScreen}, {window(200, 60), window(200, 60)},
		{window(10000, 10000), window(500, 40)}, {window(100, 10000), window(100, 200)}, {window(101, 10000), window(101, 198)},
	} {
		if got := d.allocateScreen(here, test.window); got != test.want {
			t.Errorf("in %v a screen has %v, want %v", test.window, got, test.want)
		}
	}
	d.freeScreen(here)
	large := window(500, 40)
	var all []*channel
	fill := func(from func(i int) string, most int) {
		t.Helper()
		for i := 0; ; i++ {
			g := open(from(i))
			all = append(all, g)
			got := d.allocateScreen(g, large)
			if got == defaultScreen {
				break
			}
			if got != large || i > most {
				t.Fatalf("%v is given to the %d.", got, i)
			}
			d.allocateScreen(g, defaultScreen) // the charge stays, so that it can change back at once
		}
	}
	fill(func(int) string { return "192.0.2.1" }, maxCellsByNetwork/(maxCells-80*24))
	narrow := open("192.0.2.1")
	if got := d.allocateScreen(narrow, window(20, 200)); got != window(20, 200) {
		t.Errorf("what is left of an address is %v", got)
	}
	d.freeScreen(narrow)
	if got := d.allocateScreen(all[0], large); got != large {
		t.Errorf("who has paid has %v", got)
	}
	fill(func(i int) string { return netip.AddrFrom4([4]byte{198, 51, 100, byte(i)}).String() }, maxAllCells/(maxCells-80*24))
	if got := d.allocateScreen(open("127.0.0.1"), large); got != defaultScreen {
		t.Errorf("beyond all there is %v", got)
	}
	for _, g := range all {
		d.freeScreen(g)
	}
	if len(d.cells) != 0 || d.allCells != 0 {
		t.Errorf("%d cells are still paid for, by %v", d.allCells, d.cells)
	}
}

// Keys are stored, are readable only by the server's user, and are not replaced if damaged.
func TestKeysAreKept(t *testing.T) {
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
	over   *atomic.Bool
}

func (l *lingering) Read([]byte) (int, error) {
	<-l.closed
	time.Sleep(time.Minute)
	l.over.Store(true)
	return 0, net.ErrClosed
}

func (l *lingering) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Conn.Close()
}

// Close returns when all goroutines of the server have ended.
func TestCloseWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newTestServer(t, "")
		ours, theirs := net.Pipe()
		go io.Copy(io.Discard, ours)
		var over atomic.Bool
		d.running.Go(func() { d.handle(&lingering{Conn: theirs, closed: make(chan struct{}), over: &over}) })
		synctest.Wait()
		d.Close(endedContext())
		if !over.Load() {
			t.Error("a connection is still read from")
		}
	})
}

// A closed server does not accept connections.
func TestServeAfterClose(t *testing.T) {
	d := newTestServer(t, "")
	d.Close(endedContext())
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Serve(ln); err != nil {
		t.Error(err)
	}
	if _, err := ln.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("its listener is open: %v", err)
	}
}

// The states of screens are stored up to a limit, and damaged ones are ignored.
func TestMemories(t *testing.T) {
	k := newTestServer(t, t.TempDir()).keys
	k.most = 20
	session := func(i byte) string { return "AAAAAAAAAAAAAAAAAAAA" + string([]byte{'A' + i, 'A'}) }
	remember := func(i byte, owner bool) {
		t.Helper()
		if err := k.remember(session(i), tui.State{Room: string(rune('a' + i)), Rooms: []tui.RoomState{{HistoryID: "L"}}}, owner); err != nil {
			t.Fatal(err)
		}
	}
	for i := range byte(3) {
		remember(i, true)
	}
	if m := k.memory(session(1)); m.Room != "b" {
		t.Errorf("remembered is %+v", m)
	}
	if err := os.WriteFile(k.memoryFile(session(1)), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if m := k.memory(session(1)); m.Room != "" {
		t.Errorf("of a damaged file there is %+v", m)
	}
	if err := k.remember(session(3), tui.State{Room: "d", Rooms: []tui.RoomState{{Name: "d"}}}, true); err != nil {
		t.Fatal(err)
	}
	if m := k.memory(session(3)); m.Room != "" {
		t.Errorf("of who has seen nothing there is %+v", m)
	}
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(k.memoryFile(session(2)), old, old); err != nil {
		t.Fatal(err)
	}
	kept := func() int {
		files, err := os.ReadDir(filepath.Join(k.folder, memoryFolder))
		if err != nil {
			t.Fatal(err)
		}
		return len(files)
	}
	for i := byte(3); i < 23; i++ { // senders without names
		remember(i, false)
		if i == 20 && kept() != 21 {
			t.Errorf("the folder was looked at when there were %d", kept())
		}
	}
	if n := kept(); n > 20 || n < 18 {
		t.Errorf("%d are remembered", n)
	}
	for _, i := range []byte{0, 2} {
		if m := k.memory(session(i)); m.Room != string(rune('a'+i)) {
			t.Errorf("who owns a name is forgotten for senders without names: %+v", m)
		}
	}
	for i := byte(30); i < 52; i++ { // now too many of them own one
		remember(i, true)
	}
	for i, want := range map[byte]string{2: "", 22: "", 51: string(rune('a' + 51))} {
		if m := k.memory(session(i)); m.Room != want {
			t.Errorf("of %d there is %+v, want %q", i, m, want)
		}
	}
}

// However often a window changes its size, the screen receives a few sizes a second, and finally the newest. After its
// end it is not charged.
func TestWindowChangesArePaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newTestServer(t, "")
		g := &channel{conn: &conn{server: d}, sizes: make(chan tui.Size, 1)}
		change := func(width int) {
			if !g.resize(ssh.Marshal(struct{ Columns, Rows, Width, Height uint32 }{uint32(width), 30, 0, 0})) {
				t.Fatal("a size is not understood")
			}
		}
		time.Sleep(time.Second)
		const changes, every = 1000, time.Millisecond
		var heard []int
		take := func() {
			select {
			case size := <-g.sizes:
				heard = append(heard, size.Width)
			default:
			}
		}
		for i := range changes {
			change(100 + i%300)
			synctest.Wait()
			take()
			time.Sleep(every)
		}
		time.Sleep(resizeEvery)
		synctest.Wait()
		take()
		if most := int(changes*every/resizeEvery) + 1; len(heard) < 2 || len(heard) > most || heard[0] != 100 || heard[len(heard)-1] != 100+(changes-1)%300 {
			t.Errorf("the screen hears of %v, want at most %d, the first and the newest among them", heard, most)
		}
		change(400)
		change(450)
		g.freeScreen()
		time.Sleep(time.Second)
		synctest.Wait()
		if d.allCells != 0 || g.cells != 0 {
			t.Errorf("after the end %d cells are paid for", d.allCells)
		}
	})
}

// endedContext returns a context that has ended: Close ends the sessions at once.
func endedContext() context.Context {
	ctx, end := context.WithCancel(context.Background())
	end()
	return ctx
}
