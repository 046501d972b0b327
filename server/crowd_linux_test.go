package server_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"

	"ramai/wire"
)

// BenchmarkRaid measures how long honest clients wait for their own echo at the default limits, while 200 fresh senders from 20
// addresses flood their room of 500: the median and the 99th percentile, beside those of a calm period before, and how many times as
// long the latter is. Everybody in the room receives everything, in both periods. More than 1.5 times as long is a fault on an idle
// machine.
//
//	go test ./server -run XXX -bench Raid -benchtime 1x
func BenchmarkRaid(b *testing.B) {
	for b.Loop() {
		var calm, raided [][]time.Duration
		var calmCPU, raidCPU time.Duration
		sent := 0
		for range raidPeriods {
			s := startServer(b, inMemory)
			crowd := startChild(b, crowdURL, s.url)
			crowd.answer()
			before := s.cpu()
			calm = append(calm, honest(b, s.url, nil))
			calmCPU += s.cpu() - before
			crowd.tell("raid 200 20")
			crowd.answer()
			before = s.cpu()
			raided = append(raided, honest(b, s.url, nil))
			raidCPU += s.cpu() - before
			crowd.tell("end")
			n, err := strconv.Atoi(crowd.answer())
			if err != nil {
				b.Fatal(err)
			}
			sent += n
			crowd.end()
			s.end()
		}
		for _, p := range []int{50, 99} {
			b.ReportMetric(pooled(calm, p), fmt.Sprintf("calm-p%d-ms", p))
			b.ReportMetric(pooled(raided, p), fmt.Sprintf("p%d-ms", p))
		}
		b.ReportMetric(pooled(raided, 99)/pooled(calm, 99), "p99/calm")
		b.ReportMetric(raidCPU.Seconds()/calmCPU.Seconds(), "cpu/calm")
		b.ReportMetric(raidCPU.Seconds()*1e3/raidPeriods, "cpu-ms")
		b.ReportMetric(float64(sent)/raidPeriods, "raid-messages")
	}
	b.ReportMetric(0, "ns/op")
}

// raidPeriods is how often each case is measured. All periods count together: there are 1,296 times of each case, and the 99th
// percentile is the 13th longest.
const raidPeriods = 9

// pooled returns the p-th percentile of all periods together, in milliseconds.
func pooled(periods [][]time.Duration, p int) float64 {
	all := slices.Concat(periods...)
	slices.Sort(all)
	return all[len(all)*p/100].Seconds() * 1e3
}

// The benchmark runs the server and the crowd in processes of their own: the test binary, started again. The crowd yields
// to the others, as if it ran on other machines, and reads with one thread, which costs less than a goroutine for each connection.

// crowdURL is the variable of the environment that makes the test binary a crowd in the lobby of the server there. It prints a
// line when its listeners are in. For a line "raid SENDERS ADDRESSES" senders arrive, it prints a line, and each posts twice a
// second; for the next line they leave, and it prints how many messages they have sent.
const crowdURL = "RAMAI_TEST_CROWD"

// crowdListeners is how many members the crowd has outside of raids.
const crowdListeners = 500

func init() {
	url := os.Getenv(crowdURL)
	if url == "" {
		return
	}
	if err := runCrowd(url); err != nil {
		fmt.Fprintln(os.Stderr, "crowd:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func runCrowd(url string) error {
	if err := unix.Setpriority(unix.PRIO_PROCESS, 0, 19); err != nil {
		return err
	}
	events, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return err
	}
	go discardAll(events)
	for k := range crowdListeners {
		fd, err := dialRaw(events, url, wire.Protocol, fmt.Sprintf("203.0.113.%d", k%250))
		if err != nil {
			return err
		}
		if _, err := unix.Write(fd, said(`{"type":"join","room":"lobby","last":0}`)); err != nil {
			return err
		}
	}
	fmt.Println("in")
	sent := make(chan int)
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		var senders, addresses int
		if _, err := fmt.Sscanf(in.Text(), "raid %d %d", &senders, &addresses); err != nil {
			return err
		}
		fds := arrive(events, url, senders, addresses)
		fmt.Println("in")
		ctx, end := context.WithCancel(context.Background())
		go func() { sent <- raidFlood(ctx, fds) }()
		in.Scan()
		end()
		fmt.Println(<-sent)
	}
	return nil
}

// dialRaw opens a WebSocket as from an address, whose input is discarded. Its file descriptor is unknown to the runtime's poller.
func dialRaw(events int, url, protocol, address string) (fd int, err error) {
	d := ws.Dialer{Header: ws.HandshakeHeaderHTTP{"X-Forwarded-For": {address}}}
	if protocol != "" {
		d.Protocols = []string{protocol}
	}
	c, early, _, err := d.Dial(context.Background(), url)
	if err != nil {
		return -1, err
	}
	if early != nil {
		ws.PutReader(early) // the welcome
	}
	defer c.Close()
	f, err := c.(*net.TCPConn).File()
	if err != nil {
		return -1, err
	}
	defer f.Close()
	if fd, err = unix.Dup(int(f.Fd())); err != nil {
		return -1, err
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		return -1, err
	}
	return fd, unix.EpollCtl(events, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)})
}

// discardAll reads whatever arrives. It runs until the process ends.
func discardAll(events int) {
	ready, buf := make([]unix.EpollEvent, 256), make([]byte, 64<<10)
	for {
		n, err := unix.EpollWait(events, ready, -1)
		if err != nil && !errors.Is(err, unix.EINTR) {
			panic(err)
		}
		for _, e := range ready[:max(n, 0)] {
			if n, err := unix.Read(int(e.Fd), buf); n == 0 || err != nil && !errors.Is(err, unix.EAGAIN) {
				_ = unix.EpollCtl(events, unix.EPOLL_CTL_DEL, int(e.Fd), nil)
			}
		}
	}
}

// arrive connects fresh senders from some addresses.
func arrive(events int, url string, senders, addresses int) (fds []int) {
	for k := range senders {
		fd, err := dialRaw(events, url, "", fmt.Sprintf("192.0.2.%d", k%addresses))
		if err == nil {
			fds = append(fds, fd)
		}
	}
	return fds
}

// raidFlood lets senders post twice a second each, until ctx ends. It returns how many messages they have sent.
func raidFlood(ctx context.Context, fds []int) (sent int) {
	const together = 10
	pause := time.NewTicker(500 * time.Millisecond * together / time.Duration(max(len(fds), 1)))
	defer pause.Stop()
	for i := 0; ctx.Err() == nil && len(fds) > 0; i++ {
		for k, fd := range fds {
			if _, err := unix.Write(fd, said(fmt.Sprintf("raid %d of %d", i, k))); err == nil {
				sent++
			}
			if k%together == together-1 {
				<-pause.C
			}
		}
	}
	for _, fd := range fds {
		unix.Close(fd)
	}
	return sent
}
