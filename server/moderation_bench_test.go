package server_test

import (
	"crypto/rand"
	"flag"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"ramai/internal/eventlog"
	"ramai/internal/store/sqlite"
	"ramai/server"
	"ramai/wire"
)

var erasedMessages = flag.Int("erased", 100_000, "number of messages that BenchmarkSayBesideErasure erases")

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
