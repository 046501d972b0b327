package server_test

import (
	"context"
	"crypto/rand"
	"flag"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/gobwas/ws"

	"ramai/internal/eventlog"
	"ramai/internal/store/sqlite"
	"ramai/server"
	"ramai/wire"
)

var erasedMessages = flag.Int("erased", 100_000, "number of messages that BenchmarkSayBesideErasure erases")

// BenchmarkRaid measures how long honest clients wait for their own echo at the default limits, while 200 fresh senders from 20
// addresses flood their room of 500: the median and the 99th percentile, beside those of a calm period before, and how many times as
// long the latter is. Everybody in the room receives everything, in both periods. More than 1.5 times as long is a fault on an idle
// machine.
//
//	go test ./server -run XXX -bench Raid -benchtime 1x
func BenchmarkRaid(b *testing.B) {
	for b.Loop() {
		var calm, raided [][]time.Duration
		posted := 0
		for range periods {
			url, stop := defaults(b, server.Auto)
			leave := fillLobby(b, url, 500)
			calm = append(calm, honest(b, url, nil))
			raided = append(raided, honest(b, url, func(ctx context.Context) { posted += raidFlood(ctx, url, 200, 20) }))
			leave()
			stop()
		}
		for _, p := range []int{50, 99} {
			b.ReportMetric(percentile(calm, p), fmt.Sprintf("calm-p%d-ms", p))
			b.ReportMetric(percentile(raided, p), fmt.Sprintf("p%d-ms", p))
		}
		b.ReportMetric(percentile(raided, 99)/percentile(calm, 99), "p99/calm")
		b.ReportMetric(float64(posted)/periods, "raid-messages")
	}
	b.ReportMetric(0, "ns/op")
}

// fillLobby connects clients that read everything, and returns a function that disconnects them.
func fillLobby(b *testing.B, url string, count int) (leave func()) {
	b.Helper()
	var all sync.WaitGroup
	var ends []func() error
	for k := range count {
		d := ws.Dialer{Protocols: []string{wire.Protocol}, Header: ws.HandshakeHeaderHTTP{"X-Forwarded-For": {fmt.Sprintf("203.0.113.%d", k%250)}}}
		c, early, _, err := d.Dial(b.Context(), url)
		if err != nil {
			b.Fatal(err)
		}
		if early != nil {
			ws.PutReader(early) // the welcome
		}
		if _, err := c.Write(said(`{"type":"join","room":"lobby","last":0}`)); err != nil {
			b.Fatal(err)
		}
		ends = append(ends, c.Close)
		all.Go(func() { io.Copy(io.Discard, c) })
	}
	return func() {
		for _, end := range ends {
			end()
		}
		all.Wait()
	}
}

// raidFlood lets fresh senders post in the lobby, twice a second each, until ctx ends. It returns how many messages they have sent.
func raidFlood(ctx context.Context, url string, senders, addresses int) (sent int) {
	var all sync.WaitGroup
	var mu sync.Mutex
	for k := range senders {
		all.Go(func() {
			c, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{HTTPHeader: http.Header{"X-Forwarded-For": {fmt.Sprintf("192.0.2.%d", k%addresses)}}})
			if err != nil {
				return
			}
			defer c.CloseNow()
			all.Go(func() {
				for err == nil {
					var r io.Reader
					if _, r, err = c.Reader(ctx); err == nil {
						_, err = io.Copy(io.Discard, r)
					}
				}
			})
			for i := 0; c.Write(ctx, websocket.MessageText, fmt.Appendf(nil, "raid %d of %d", i, k)) == nil; i++ {
				mu.Lock()
				sent++
				mu.Unlock()
				select {
				case <-ctx.Done():
				case <-time.After(500 * time.Millisecond):
				}
			}
		})
	}
	all.Wait()
	return sent
}

// BenchmarkSayBesideErasure measures how long a post takes while an owner erases many messages of one sender, which happens in
// steps between the posts: the median, the 99th percentile and the longest, beside those before, and how many times as long the
// 99th percentile is. More than twice as long is a fault on an idle machine.
//
//	go test ./server -run XXX -bench SayBesideErasure -benchtime 1x
func BenchmarkSayBesideErasure(b *testing.B) {
	messages := *erasedMessages
	for b.Loop() {
		owner, raider := sessionOf("owner"), wire.SenderIDOf(sessionOf("raider"))
		cfg := server.Defaults()
		cfg.Data, cfg.Logger, cfg.Quiet, cfg.Rate = b.TempDir(), discard, true, 0
		fillRoom(b, cfg.Data, wire.SenderIDOf(owner), raider, messages)
		url, stop := serveConfig(b, cfg)
		r := &raid{tb: b, base: "http" + strings.TrimSuffix(strings.TrimPrefix(url, "ws"), "/"), room: raidRoom}
		for indexed := ""; !strings.Contains(indexed, fmt.Sprintf(`"n":%d,`, messages+1)); { // the index has everything
			indexed = second(r.do(http.MethodGet, "/api/v1/search?q=raidtext&room="+raidRoom, "", owner, moderatorAddr))
			time.Sleep(100 * time.Millisecond)
		}
		said := 0
		say := func() (n uint64, took time.Duration) {
			said++
			began := time.Now()
			if n = r.say(fmt.Sprint("honest ", said), owner, moderatorAddr); n == 0 {
				b.Fatal("a message is refused")
			}
			return n, time.Since(began)
		}
		var calm, beside []time.Duration
		for range 500 {
			_, took := say()
			calm = append(calm, took)
		}
		before, _ := say()
		erased := make(chan wire.PostResponse, 1)
		began := time.Now()
		go func() {
			var answer wire.PostResponse
			r.moderate(fmt.Sprintf(`{"erase":{"by":%q},"to":%d,"id":"erase"}`, raider, before), owner, &answer)
			erased <- answer
		}()
		from := said
		for last := before; last-before < uint64(said-from+1+messages/eventlog.EraseStepSize); { // each step has a number, and the erasure
			n, took := say()
			last, beside = n, append(beside, took)
		}
		<-erased
		b.ReportMetric(time.Since(began).Seconds(), "erasure-s")
		slices.Sort(calm)
		slices.Sort(beside)
		for name, times := range map[string][]time.Duration{"calm-": calm, "": beside} {
			b.ReportMetric(percentile([][]time.Duration{times}, 50), name+"p50-ms")
			b.ReportMetric(percentile([][]time.Duration{times}, 99), name+"p99-ms")
			b.ReportMetric(times[len(times)-1].Seconds()*1e3, name+"max-ms")
		}
		b.ReportMetric(percentile([][]time.Duration{beside}, 99)/percentile([][]time.Duration{calm}, 99), "p99/calm")
		b.ReportMetric(float64(len(beside)), "posts")
		stop()
	}
	b.ReportMetric(0, "ns/op")
}

// fillRoom creates a data folder in which an owner has made a room, and somebody else has posted in it.
func fillRoom(b *testing.B, dir, owner, sender string, messages int) {
	b.Helper()
	store, err := sqlite.Open(dir, sqlite.Options{Random: rand.Reader, Logger: discard})
	if err != nil {
		b.Fatal(err)
	}
	at := wire.TimeOf(time.Now())
	apply := func(commands ...eventlog.Command) {
		b.Helper()
		if _, err := store.Apply(&eventlog.Batch{At: at, Node: eventlog.LocalNode, Commands: commands}, store.Position()+1); err != nil {
			b.Fatal(err)
		}
	}
	apply(eventlog.Command{Kind: eventlog.Level, Body: eventlog.LevelBody{Level: eventlog.Current.Level()}})
	apply(eventlog.Command{Kind: eventlog.Say, SenderID: owner, Room: raidRoom, ID: "first", Text: "welcome"})
	for n := 0; n < messages; {
		var batch []eventlog.Command
		for ; len(batch) < 1000 && n < messages; n++ {
			batch = append(batch, eventlog.Command{Kind: eventlog.Say, SenderID: sender, Room: raidRoom, ID: fmt.Sprint("raid", n), Text: fmt.Sprintf("raidtext number %d of many, which is as long as most", n)})
		}
		apply(batch...)
	}
	if err := store.Close(); err != nil {
		b.Fatal(err)
	}
}
