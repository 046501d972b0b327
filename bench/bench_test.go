package main

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"

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
	for _, args := range []string{"nosuchcase", "--rounds=0 fanout", "--duration=x", "--nosuchflag"} {
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
