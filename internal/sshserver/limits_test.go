package sshserver

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/time/rate"

	"ramai/internal/chat"
	"ramai/internal/connlimit"
	"ramai/internal/tui"
)

// TestInputDiscardedAfterEnd: input on a channel that has ended is discarded until the client closes it.
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
			t.Errorf("%d and %d bytes are held", ch.stdin.Len(), ch.stderr.Len())
		}
		g.closed(nil)
		time.Sleep(2 * requestTimeout) // an idle connection would be closed after this time
	})
}

// TestInputRate: input is read no faster than the limit, and completely.
func TestInputRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &channel{ctx: t.Context(), inputLimit: rate.NewLimiter(typedRate, inputBurst)}
		began := time.Now()
		in := newSessionChannel(unreadChannel{stdin: bytes.NewBuffer(make([]byte, inputBurst+10*typedRate)), stderr: new(bytes.Buffer)}, g)
		if n, err := io.CopyN(io.Discard, in, inputBurst); err != nil || time.Since(began) > time.Millisecond {
			t.Errorf("the burst: %d bytes after %v: %v", n, time.Since(began), err)
		}
		if n, err := io.Copy(io.Discard, in); n != 10*typedRate || err != nil {
			t.Errorf("%d more, %v", n, err)
		}
		if took := time.Since(began).Round(time.Millisecond); took != 10*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

// TestUnclosedChannels: a channel occupies its slot until the client has closed it.
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
		t.Errorf("an address of the same /64 has its own slot: %v", err)
	}
	for i := range MaxConns * 3 / 4 {
		if err := srv.acquireConn(from([]string{"2001:db8:0:1::1", "127.0.0.1"}[min(i, 1)])); err != nil {
			t.Fatal(err)
		}
	}
	if err := srv.acquireConn(from("192.0.2.1")); !errors.Is(err, connlimit.ErrFull) {
		t.Errorf("the limit is exceeded: %v", err)
	}
	srv.releaseConn(first)
	if err := srv.acquireConn(from("2001:db8::3")); err != nil {
		t.Errorf("a released slot is not available: %v", err)
	}
	outer = errors.New("no slot in the server")
	srv.releaseConn(first)
	if err := srv.acquireConn(first); !errors.Is(err, outer) || srv.connSlots.InUse() != MaxConns-1 {
		t.Errorf("the server's own limit: %v, and %d slots are in use", err, srv.connSlots.InUse())
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

// TestSizes: the size of each screen is limited, as is the total of one address and of all; the default size is always
// available.
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
				t.Fatalf("screen %[2]d has the size %[1]v", got, i)
			}
			srv.allocateScreen(g, defaultScreen) // the charge stays, so that it can change back at once
		}
	}
	fill(func(int) string { return "192.0.2.1" }, maxCellsByNetwork/(maxCells-80*24))
	narrow := open("192.0.2.1")
	if got := srv.allocateScreen(narrow, window(20, 200)); got != window(20, 200) {
		t.Errorf("the rest for an address is %v", got)
	}
	srv.freeScreen(narrow)
	if got := srv.allocateScreen(all[0], large); got != large {
		t.Errorf("a channel that was charged has %v", got)
	}
	fill(func(i int) string { return netip.AddrFrom4([4]byte{198, 51, 100, byte(i)}).String() }, maxAllCells/(maxCells-80*24))
	if got := srv.allocateScreen(open("127.0.0.1"), large); got != defaultScreen {
		t.Errorf("beyond the total, the size is %v", got)
	}
	for _, g := range all {
		srv.freeScreen(g)
	}
	if len(srv.cells) != 0 || srv.allCells != 0 {
		t.Errorf("%d cells are still charged, to %v", srv.allCells, srv.cells)
	}
}

// TestResizesRateLimited: however often a window changes its size, the screen receives a few sizes a second, and finally
// the newest. After its end it is not charged.
func TestResizesRateLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newTestServer(t, "")
		g := &channel{conn: &conn{server: srv}, sizes: make(chan tui.Size, 1)}
		change := func(width int) {
			if !g.resize(ssh.Marshal(struct{ Columns, Rows, Width, Height uint32 }{uint32(width), 30, 0, 0})) {
				t.Fatal("a size is rejected")
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
			t.Errorf("the screen receives %v, want at most %d, including the first and the newest", sizes, most)
		}
		change(400)
		change(450)
		g.freeScreen()
		time.Sleep(time.Second)
		synctest.Wait()
		if srv.allCells != 0 || g.cells != 0 {
			t.Errorf("after the end %d cells are charged", srv.allCells)
		}
	})
}
