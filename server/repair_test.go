package server

import (
	"crypto/rand"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ramai/internal/store/sqlite"
)

// TestRepairCluster: the folder of a member becomes that of a server alone, under a new log. Other folders, and those in use, are
// refused. A batch that was applied cannot be skipped.
func TestRepairCluster(t *testing.T) {
	cfg := Defaults()
	cfg.Data, cfg.Logger, cfg.Quiet = t.TempDir(), slog.New(slog.DiscardHandler), true
	serve := func() string {
		t.Helper()
		s, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		log := s.store.HistoryID()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		return log
	}
	before := serve()
	if _, err := RepairCluster(cfg.Data, rand.Reader); err == nil || !strings.Contains(err.Error(), "not the data folder of a member") {
		t.Errorf("the folder of a server alone: %v", err)
	}
	folder := filepath.Join(cfg.Data, sqlite.ClusterFolder)
	if err := errors.Join(os.Mkdir(folder, 0o700), os.WriteFile(filepath.Join(folder, sqlite.MemberFile), []byte(before+"\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := SkipBatch(cfg.Data, 1, rand.Reader); err == nil || !strings.Contains(err.Error(), "has applied the batch 1 already") {
		t.Errorf("a batch that was applied is skipped: %v", err)
	}
	for _, position := range []uint64{1000, 1002} {
		if err := SkipBatch(cfg.Data, position, rand.Reader); err != nil {
			t.Error(err)
		}
	}
	if skip, err := readSkipped(folder); err != nil || len(skip) != 2 || !skip[1000] || !skip[1002] {
		t.Errorf("the batches to skip are %v, %v", skip, err)
	}
	unlock, err := lockStopped(cfg.Data)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := RepairCluster(cfg.Data, rand.Reader); !errors.Is(err, sqlite.ErrInUse) {
		t.Errorf("the folder of a member that runs: %v", err)
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	log, err := RepairCluster(cfg.Data, rand.Reader)
	if err != nil || log == before {
		t.Fatalf("repaired: the log is %s, and was %s, %v", log, before, err)
	}
	if after := serve(); after != log {
		t.Errorf("the server alone has the log %s, want %s", after, log)
	}
}
