package server

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/gofrs/flock"

	"ramai/internal/atomicfile"
	"ramai/internal/store/sqlite"
)

// skipFile is the file in the cluster folder with the positions of batches that do nothing, one a line.
const skipFile = "skip"

// RepairCluster makes the folder of a member that is stopped the folder of a server alone, under a new log, which it returns: another
// cluster can begin with it. It is for a cluster whose majority is lost for good.
func RepairCluster(data string, random io.Reader) (log string, err error) {
	unlock, err := lockStopped(data)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	if log, err = sqlite.NewLog(data, random); err != nil {
		return "", err
	}
	return log, os.RemoveAll(filepath.Join(data, sqlite.ClusterFolder))
}

// SkipBatch makes a member that is stopped ignore the batch at a position. All members have to, or they differ.
func SkipBatch(data string, position uint64, random io.Reader) (err error) {
	unlock, err := lockStopped(data)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	store, err := sqlite.Open(data, sqlite.Options{Random: random, Logger: slog.New(slog.DiscardHandler), Member: true})
	if err != nil {
		return err
	}
	if err := store.Close(); err != nil {
		return err
	}
	if at := store.Position(); position <= at {
		return fmt.Errorf("this member has applied the batch %d already: it is at position %d; only a batch that no member can apply can be skipped", position, at)
	}
	folder := filepath.Join(data, sqlite.ClusterFolder)
	skip, err := readSkipped(folder)
	if err != nil || skip[position] {
		return err
	}
	skip[position] = true
	var lines strings.Builder
	for p := range skip {
		fmt.Fprintln(&lines, p)
	}
	return atomicfile.Write(filepath.Join(folder, skipFile), []byte(lines.String()))
}

// readSkipped returns the positions of batches that do nothing.
func readSkipped(folder string) (map[uint64]bool, error) {
	skip := make(map[uint64]bool)
	b, err := os.ReadFile(filepath.Join(folder, skipFile))
	if errors.Is(err, os.ErrNotExist) {
		return skip, nil
	}
	if err != nil {
		return nil, err
	}
	for _, line := range strings.Fields(string(b)) {
		position, err := strconv.ParseUint(line, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("the file %s in %s has the line %.40q, want the position of a batch", skipFile, folder, line)
		}
		skip[position] = true
	}
	return skip, nil
}

// lockStopped locks the folder of a member that is stopped.
func lockStopped(data string) (unlock func() error, err error) {
	folder := filepath.Join(data, sqlite.ClusterFolder)
	if _, err := os.Stat(filepath.Join(folder, sqlite.MemberFile)); err != nil {
		return nil, fmt.Errorf("%s is not the data folder of a member of a cluster; choose it with --data", data)
	}
	lock := flock.New(filepath.Join(folder, clusterLock))
	if locked, err := lock.TryLock(); err != nil || !locked {
		return nil, errors.Join(fmt.Errorf("%s: %w; stop it first", data, sqlite.ErrInUse), err)
	}
	return lock.Unlock, nil
}
