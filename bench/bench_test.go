package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestSummary: ratios are computed within a round, and failed measurements are left out.
func TestSummary(t *testing.T) {
	r := &result{Case: "c", metrics: []metric{{"m", "s"}}, Servers: []*series{
		{"ramai", []figures{{"m": 1}, {"m": 10}, {"m": 30}, {"m": 7}}},
		{"peer", []figures{{"m": 2}, {"m": 20}, {"m": 10}, nil}},
		{"dead", []figures{nil, nil, nil, nil}},
	}}
	want := []summary{{"m", "s", "ramai", 8.5, 0, 4}, {"m", "s", "peer", 10, 0.5, 3}, {"m", "s", "dead", 0, 0, 0}}
	got := r.summary()
	if len(got) != len(want) {
		t.Fatalf("got %+v", got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("got %+v, want %+v", got[i], want[i])
		}
	}
	text, err := json.Marshal([]*result{r})
	if err != nil || !strings.Contains(string(text), `"ratio":0.5`) || !strings.Contains(string(text), `"rounds":[{"m":1}`) {
		t.Errorf("%s, %v", text, err)
	}
	var table bytes.Buffer
	r.print(&table)
	if !strings.Contains(table.String(), "failed") {
		t.Error(table.String())
	}
}

// TestUsage: invalid arguments are reported before anything is built.
func TestUsage(t *testing.T) {
	for _, args := range []string{"nosuchcase", "--rounds=0 fanout", "--duration=x", "--nosuchflag", "--rig storm"} {
		var out, errs bytes.Buffer
		if err := run(context.Background(), strings.Fields(args), &out, &errs); err == nil {
			t.Errorf("%s: no error", args)
		}
	}
	if _, err := findPeers(context.Background(), []string{"nosuchpeer"}, t.TempDir()); err == nil {
		t.Error("a peer that there is not was found")
	}
}

func TestAfter(t *testing.T) {
	const status = "VmPeak:\t  100 kB\nVmRSS:\t   42 kB\n"
	if n := numberAfter(status, "VmRSS:"); n != 42 {
		t.Errorf("got %g", n)
	}
	if n := numberAfter(status, "VmSwap:"); n != 0 {
		t.Errorf("got %g", n)
	}
}

// TestLoad: a load becomes the same one for rehearse.
func TestLoad(t *testing.T) {
	got := strings.Join(load{clients: 10000, publishers: 4, rate: 0.5, size: 128}.flags(), " ")
	if got != "--rate 0.5 --source-addresses 50 --plain --clients 10000 --publishers 4 --size 128" {
		t.Error(got)
	}
	got = strings.Join(load{clients: 32, publishers: 8, inFlight: 2, size: 32}.flags(), " ")
	if got != "--in-flight 2 --plain --clients 32 --publishers 8 --size 32" {
		t.Error(got)
	}
}

// TestRigFindsNothingWrong: the load generator in C gets every message of the bare loop once.
func TestRigFindsNothingWrong(t *testing.T) {
	t.Chdir("..")
	b := &bench{work: t.TempDir(), rigPath: filepath.Join(t.TempDir(), "rig")}
	if _, err := exec.LookPath("gcc"); err != nil {
		t.Skip(err)
	}
	if err := buildC(t.Context(), "rig", b.rigPath); err != nil {
		t.Fatal(err)
	}
	peers, err := findPeers(t.Context(), []string{"floor"}, b.work)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range []load{{clients: 50, publishers: 5, inFlight: 4, size: 200}, {clients: 50, publishers: 5, rate: 200, size: 32}} {
		f, err := b.runRig(t.Context(), peers[0], l, 200*time.Millisecond)
		if err != nil || f[deliveries.name] == 0 || f[p50.name] == 0 {
			t.Errorf("%+v: %v, %v", l, f, err)
		}
	}
}
