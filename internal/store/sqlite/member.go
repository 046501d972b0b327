package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"ramai/internal/eventlog"
)

// ClusterFolder is the name of the folder, in the data folder of a member of a cluster, with what belongs to the cluster.
// MemberFile in it exists while the data folder belongs to a cluster.
const (
	ClusterFolder = "cluster"
	MemberFile    = "log"
)

// ErrMember means that a data folder belongs to a member of a cluster.
var ErrMember = errors.New("this data folder belongs to a member of a cluster")

// checkMember returns an ErrMember for the folder of a member. Whatever is written there without the other members would be
// a second history under the same id.
func checkMember(dir string) error {
	_, err := os.Lstat(filepath.Join(dir, ClusterFolder, MemberFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return unusable(dir, err)
	}
	return fmt.Errorf("%s: %w, and only ramai serve --cluster may change it; to continue without the cluster, restore a backup of it into another folder", dir, ErrMember)
}

// HistoryIDOf returns the history id of the database in a folder; empty: there is none. It changes nothing.
func HistoryIDOf(dir string) (string, error) {
	path, err := filepath.Abs(filepath.Join(dir, FileName))
	if err != nil {
		return "", err
	}
	found, err := checkFile(path)
	if err != nil || !found {
		return "", err
	}
	if err := checkWAL(path); err != nil {
		return "", err
	}
	c, err := openAsLeft(path)
	if err != nil {
		return "", err
	}
	row, _, err := metaOf(c)
	if err := errors.Join(err, c.Close()); err != nil {
		return "", fmt.Errorf("read %s: %w", path, err)
	}
	return row.historyID, nil
}

// Install makes the snapshot of another member the database of a folder. fetch writes it into a file. It keeps its history id. With
// replace it takes the place of a database, of which nothing is left. After an error, nothing has changed.
func Install(ctx context.Context, dir string, replace bool, fetch func(to *os.File) error) (*Summary, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if err := makeFolder(dir); err != nil {
		return nil, unusable(dir, err)
	}
	lock, err := lockFolder(dir)
	if err != nil {
		return nil, err
	}
	defer lock.Unlock()
	path := filepath.Join(dir, FileName)
	if !replace && exists(path) {
		return nil, fmt.Errorf("%s has a database already, or a part of one; choose an empty folder", dir)
	}
	f, err := freshFile(path)
	if err != nil {
		return nil, unusable(dir, err)
	}
	unfinished := f.Name()
	defer discard(unfinished)
	if err := errors.Join(fetch(f), f.Close()); err != nil {
		return nil, err
	}
	if err := validate(ctx, unfinished); err != nil {
		return nil, fmt.Errorf("the snapshot cannot be used: %w", err)
	}
	summary, err := examine(unfinished)
	if err != nil {
		return nil, fmt.Errorf("the snapshot cannot be used: %w", err)
	}
	if err := finishCopy(unfinished); err != nil {
		return nil, fmt.Errorf("finish the snapshot: %w", err)
	}
	for _, suffix := range suffixes {
		if suffix == "" {
			break
		}
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	return summary, moveIntoPlace(unfinished, path)
}

// NewLog gives the database of a member that is stopped a new history id, which it returns: it belongs to the cluster no longer.
func NewLog(dir string, random io.Reader) (historyID string, err error) {
	if dir, err = filepath.Abs(dir); err != nil {
		return "", err
	}
	lock, err := lockFolder(dir)
	if err != nil {
		return "", err
	}
	defer lock.Unlock()
	path := filepath.Join(dir, FileName)
	if err := checkpointFile(path); err != nil { // SQLite would ignore a damaged end of the log
		return "", err
	}
	if historyID, err = eventlog.NewHistoryID(random); err != nil {
		return "", err
	}
	c, err := connect(path, synchronous("FULL"))
	if err != nil {
		return "", err
	}
	return historyID, errors.Join(c.exec("UPDATE meta SET log = ?", historyID), c.Close())
}
