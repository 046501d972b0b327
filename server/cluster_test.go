package server

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"ramai/internal/eventlog"
	"ramai/internal/sequencer/jetstream"
	"ramai/internal/store/sqlite"
)

// TestClusterSettings: settings of a cluster that cannot work are refused, with the value and what would be right.
func TestClusterSettings(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	valid := func() Config {
		cfg := Defaults()
		cfg.Data, cfg.Cluster = t.TempDir(), Cluster{Members: []string{"a:1", "b:1", "c:1"}, SecretFile: secret}
		return cfg
	}
	ok := valid()
	if err := ok.complete(); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(c *Config)
		want   []string
	}{
		"two members":      {func(c *Config) { c.Cluster.Members = c.Cluster.Members[:2] }, []string{"a:1,b:1", "3 or 5"}},
		"an address twice": {func(c *Config) { c.Cluster.Members[2] = "a:1" }, []string{"a:1,b:1,a:1", "once"}},
		"no port":          {func(c *Config) { c.Cluster.Members[2] = "c" }, []string{`"c"`, "HOST:PORT"}},
		"no secret":        {func(c *Config) { c.Cluster.SecretFile = "" }, []string{"--cluster-secret-file", "head -c 32"}},
		"in memory":        {func(c *Config) { c.InMemory = true }, []string{"--in-memory"}},
		"normal":           {func(c *Config) { c.Durability = Normal }, []string{"--durability normal"}},
		"secret alone":     {func(c *Config) { c.Cluster.Members = nil }, []string{"need --cluster"}},
	} {
		cfg := valid()
		c.change(&cfg)
		err := cfg.complete()
		for _, part := range c.want {
			if err == nil || !strings.Contains(err.Error(), part) {
				t.Errorf("%s: the error %v does not say %q", name, err, part)
			}
		}
	}
	for name, c := range map[string]struct {
		cluster Cluster
		want    string
	}{
		"several own addresses": {Cluster{Members: []string{"127.0.0.1:1", "127.0.0.1:2", "203.0.113.1:1"}}, "127.0.0.1:1 and 127.0.0.1:2"},
		"none":                  {Cluster{Members: []string{"203.0.113.1:1", "203.0.113.2:1", "203.0.113.3:1"}}, "none of the addresses"},
	} {
		if _, _, err := c.cluster.own(); err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "--cluster-listen") {
			t.Errorf("%s: %v", name, err)
		}
	}
	nat := Cluster{Members: []string{"203.0.113.1:1", "127.0.0.1:2", "203.0.113.3:1"}, Listen: "0.0.0.0:7"}
	if own, listen, err := nat.own(); own != "127.0.0.1:2" || listen != "0.0.0.0:7" || err != nil {
		t.Errorf("behind NAT: %s, %s, %v", own, listen, err)
	}
	cfg := valid()
	for _, want := range []string{"no such file", "has 5 bytes"} {
		if _, err := Join(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "--cluster-secret-file") {
			t.Errorf("a secret that cannot be used: %v, want %q", err, want)
		}
		if err := os.WriteFile(secret, []byte("short"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if left, err := os.ReadDir(cfg.Data); err != nil || len(left) > 0 {
		t.Errorf("a refused start has left %v, %v", left, err)
	}
}

// TestMemberFolder: the folder of a member is refused by everything that would change it without the others, and not touched.
func TestMemberFolder(t *testing.T) {
	cfg := Defaults()
	cfg.Data, cfg.Logger, cfg.Quiet = t.TempDir(), slog.New(slog.DiscardHandler), true
	s, err := New(cfg)
	if err == nil {
		err = s.Close()
	}
	backup := filepath.Join(t.TempDir(), "backup")
	if err == nil {
		_, err = sqlite.Backup(t.Context(), cfg.Data, backup, false)
	}
	if err == nil {
		err = os.Mkdir(filepath.Join(cfg.Data, sqlite.ClusterFolder), 0o700)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(cfg.Data, sqlite.ClusterFolder, sqlite.MemberFile), []byte("log\n"), 0o600)
	}
	before, readErr := os.ReadFile(filepath.Join(cfg.Data, sqlite.FileName))
	if err := errors.Join(err, readErr); err != nil {
		t.Fatal(err)
	}
	for name, use := range map[string]func() error{
		"serve alone": func() error { _, err := New(cfg); return err },
		"offline tools": func() error {
			_, err := sqlite.Open(cfg.Data, sqlite.Options{Random: rand.Reader, Logger: cfg.Logger})
			return err
		},
		"import": func() error {
			_, err := sqlite.Import(cfg.Data, "den", rand.Reader, cfg.Logger, func() (*sqlite.Imported, error) { return nil, errors.New("not reached") })
			return err
		},
		"restore": func() error {
			from, err := sqlite.OpenCopy(backup)
			if err != nil {
				return err
			}
			defer from.Close()
			_, _, err = sqlite.Restore(t.Context(), cfg.Data, from, true, rand.Reader, time.Now())
			return err
		},
	} {
		if err := use(); !errors.Is(err, sqlite.ErrMember) || !strings.Contains(err.Error(), "restore a backup") {
			t.Errorf("%s: %v, want ErrMember", name, err)
		}
	}
	if after, err := os.ReadFile(filepath.Join(cfg.Data, sqlite.FileName)); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the database has changed: %v", err)
	}
}

// testCluster returns the configurations of the members of a cluster on this machine.
func testCluster(t *testing.T) (configs []Config) {
	t.Helper()
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("a secret of at least thirty-two bytes"), 0o600); err != nil {
		t.Fatal(err)
	}
	var addresses []string
	for range 3 {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		addresses = append(addresses, ln.Addr().String())
	}
	for _, a := range addresses {
		cfg := Defaults()
		cfg.Data, cfg.Logger, cfg.Quiet = t.TempDir(), slog.New(slog.DiscardHandler), true
		cfg.Cluster = Cluster{Members: addresses, Listen: a, SecretFile: secret}
		configs = append(configs, cfg)
	}
	return configs
}

// TestTwoHistories: if two folders have messages of servers that ran alone, no cluster begins, and both folders stay what they
// were.
func TestTwoHistories(t *testing.T) {
	configs := testCluster(t)
	for _, cfg := range configs[:2] {
		cfg.Cluster = Cluster{}
		s, err := New(cfg)
		if err == nil {
			err = s.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	errs := make(chan error, 3)
	for _, cfg := range configs {
		go func() {
			_, err := Join(ctx, cfg)
			errs <- err
		}()
	}
	err := <-errs
	if !errors.Is(err, jetstream.ErrForeign) || !strings.Contains(err.Error(), "start the others with empty folders") {
		t.Errorf("the first member that ends: %v", err)
	}
	cancel() // the others wait for it, or end for the same reason
	for range 2 {
		if err := <-errs; err == nil {
			t.Error("a member has joined")
		}
	}
	for i, cfg := range configs[:2] {
		s, err := sqlite.Open(cfg.Data, sqlite.Options{Random: rand.Reader, Logger: cfg.Logger})
		if err == nil {
			err = s.Close()
		}
		if err != nil {
			t.Errorf("folder %d: %v", i, err)
		}
	}
}

// A runningMember serves until it is stopped.
type runningMember struct {
	server *Server
	stop   func()
	done   chan error // what Serve returns
}

// startMembers makes members join at the same time, and serves.
func startMembers(t *testing.T, configs ...Config) []*runningMember {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	running, errs := make([]*runningMember, len(configs)), make([]error, len(configs))
	var all sync.WaitGroup
	for i, cfg := range configs {
		all.Go(func() {
			if cfg, errs[i] = Join(ctx, cfg); errs[i] != nil {
				return
			}
			var s *Server
			if s, errs[i] = New(cfg); errs[i] != nil {
				return
			}
			serving, stop := context.WithCancel(context.Background())
			m := &runningMember{server: s, stop: stop, done: make(chan error, 1)}
			running[i] = m
			go func() { m.done <- s.Serve(serving, nil) }()
			t.Cleanup(func() { stop(); s.Close() })
		})
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	return running
}

// say posts a message, and returns its number.
func (m *runningMember) say(t *testing.T, id string) uint64 {
	t.Helper()
	for begun := time.Now(); time.Since(begun) < time.Minute; time.Sleep(20 * time.Millisecond) {
		to, done := eventlog.ReplyOnce()
		if err := m.server.submit(eventlog.Submission{Command: eventlog.Command{Kind: eventlog.Say, SenderID: "anna", Room: "lobby", ID: id, Text: "x"}, ReplyTo: to}, nil); err != nil {
			t.Fatal(err)
		}
		if o, known := <-done; known && o.Status != eventlog.Refused {
			return o.N
		}
	}
	t.Fatalf("%s was not saved within a minute", id)
	return 0
}

// TestMajorityLost: a member without a majority stops serving readers after a while. Together with another member it continues,
// and batches of its former process do nothing.
func TestMajorityLost(t *testing.T) {
	configs := testCluster(t)
	for i := range configs {
		configs[i].patience = 2 * time.Second // more than a pause of a machine under load
	}
	members := startMembers(t, configs...)
	names := map[string]bool{}
	for i, m := range members {
		if n := m.say(t, fmt.Sprint("m", i)); n != uint64(i+1) {
			t.Errorf("message %d has the number %d", i, n)
		}
		names[m.server.cfg.member.name] = true
		if own := m.server.store.Incarnation(m.server.cfg.member.name); own == 0 || m.server.store.HistoryID() != members[0].server.store.HistoryID() {
			t.Errorf("member %d is in incarnation %d of the log %s", i, own, m.server.store.HistoryID())
		}
		if m.server.store.Level() != eventlog.Current.Level() {
			t.Errorf("member %d is at level %d", i, m.server.store.Level())
		}
	}
	if len(names) != 3 {
		t.Errorf("the members have the names %v", names)
	}
	last := members[2]
	before := last.server.store.Incarnation(last.server.cfg.member.name)
	for _, m := range members[:2] {
		m.stop()
		if err := <-m.done; err != nil {
			t.Errorf("an orderly stop: %v", err)
		}
	}
	if err := <-last.done; !errors.Is(err, ErrNoMajority) {
		t.Fatalf("a member alone: %v, want ErrNoMajority", err)
	}
	members = startMembers(t, configs[1], configs[2])
	if n := members[1].say(t, "m1"); n != 2 {
		t.Errorf("a repetition at another member has the number %d, want 2", n)
	}
	if n := members[0].say(t, "m3"); n != 4 {
		t.Errorf("the next message has the number %d, want 4", n)
	}
	name := members[1].server.cfg.member.name
	if after := members[1].server.store.Incarnation(name); !names[name] || after <= before {
		t.Errorf("the member %s is in incarnation %d, and was in %d", name, after, before)
	}
}
