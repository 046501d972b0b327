package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"ramai/internal/atomicfile"
	"ramai/internal/eventlog"
	"ramai/internal/sequencer/jetstream"
	"ramai/internal/sequencer/local"
	"ramai/internal/sshserver"
	"ramai/internal/store/search"
	"ramai/internal/store/sqlite"
)

// readOrCreateName returns the name of the member. An empty folder is a new member with a new name, because the members would
// rely on votes that the former one has given and this one has forgotten.
func (m *member) readOrCreateName() (string, error) {
	file := filepath.Join(m.folder, nameFile)
	b, err := os.ReadFile(file)
	if err == nil {
		_, err = os.Stat(filepath.Join(m.folder, replicaFolder))
	}
	if errors.Is(err, fs.ErrNotExist) {
		id, err := eventlog.NewHistoryID(m.cfg.Random)
		if err != nil {
			return "", err
		}
		name := "m-" + id
		return name, atomicfile.Write(file, []byte(name+"\n"))
	}
	return strings.TrimSpace(string(b)), err
}

// readStarts returns how often the replica in the folder was started.
func (m *member) readStarts() (uint64, error) {
	b, err := os.ReadFile(filepath.Join(m.folder, startsFile))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	starts, err := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s is damaged: %w; remove this member (ramai cluster remove on another one), and start it with an empty folder", filepath.Join(m.folder, startsFile), err)
	}
	return starts, nil
}

func (m *member) writeStarts() error {
	return atomicfile.Write(filepath.Join(m.folder, startsFile), []byte(strconv.FormatUint(m.starts, 10)+"\n"))
}

func (m *member) readLog() (log string, isFounding bool, err error) {
	b, err := os.ReadFile(filepath.Join(m.folder, sqlite.MemberFile))
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	log, isFounding = strings.CutPrefix(strings.TrimSpace(string(b)), founding)
	return log, isFounding, err
}

func (m *member) writeLog(content string) error {
	return atomicfile.Write(filepath.Join(m.folder, sqlite.MemberFile), []byte(content+"\n"))
}

// found prepares the data that a new cluster begins with, and returns its history and position. It creates what all members
// share.
func (m *member) found(ctx context.Context) (historyID string, position uint64, err error) {
	if _, isFounding, err := m.readLog(); err != nil {
		return "", 0, err
	} else if isFounding { // by an earlier try, so the folder is a member's already
		store, err := sqlite.Open(m.cfg.Data, sqlite.Options{Random: m.cfg.Random, Logger: m.cfg.Logger, Member: true})
		if err != nil {
			return "", 0, err
		}
		return store.HistoryID(), store.Position(), store.Close()
	}
	store, err := sqlite.Open(m.cfg.Data, sqlite.Options{Random: m.cfg.Random, Logger: m.cfg.Logger})
	if err != nil {
		return "", 0, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	// A server that runs alone raises the level of its data to that of the program.
	log := eventlog.NewLog(store, local.New(), eventlog.Options{
		Feed: func([]eventlog.Outcome, []eventlog.Submission) {}, Now: m.cfg.Now, Logger: m.cfg.Logger,
		Start: func(after uint64) (eventlog.Submission, error) {
			nonce, err := eventlog.NewNonce(m.cfg.Random)
			return eventlog.Submission{Command: eventlog.Command{Kind: eventlog.Start, Body: eventlog.StartBody{Node: eventlog.LocalNode, After: after, Nonce: nonce}}}, err
		},
	})
	members, err := eventlog.MembersOf(store) // of a cluster that it was copied from
	if err != nil {
		return "", 0, err
	}
	for _, old := range members {
		gone := eventlog.Command{Kind: eventlog.Member, Body: eventlog.MemberBody{Name: old.Name, Gone: true}}
		if err := log.Submit(eventlog.Submission{Command: gone}, nil); err != nil {
			return "", 0, err
		}
	}
	log.Close()
	if err := log.Run(ctx); err != nil {
		return "", 0, err
	}
	if err := sshserver.CreateSecrets(filepath.Join(m.cfg.Data, sshFolder), m.cfg.Random); err != nil {
		return "", 0, err
	}
	return store.HistoryID(), store.Position(), m.writeLog(founding + store.HistoryID())
}

// copyFrom gets the data of another member, in place of this member's if it has any.
func (m *member) copyFrom(ctx context.Context, peer jetstream.Peer) error {
	m.cfg.Logger.Info("copying the data of another member", "member", peer.Address)
	begun := time.Now()
	var secrets map[string][]byte
	for _, suffix := range []string{"", "-wal", "-shm"} { // the index has texts that may be deleted, and is rebuilt
		if err := os.Remove(filepath.Join(m.cfg.Data, search.FileName+suffix)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	summary, err := sqlite.Install(ctx, m.cfg.Data, true, func(f *os.File) (err error) {
		secrets, err = m.node.FetchSnapshot(ctx, peer.Name, f)
		if err != nil {
			return err
		}
		for name, content := range secrets { // before the database, whose presence means that all of it is there
			if err := atomicfile.Write(filepath.Join(m.cfg.Data, sshFolder, filepath.Base(name)), content); err != nil {
				return err
			}
		}
		return m.writeLog(peer.Log)
	})
	if err != nil {
		return fmt.Errorf("copy the data of the member %s: %w", peer.Address, err)
	}
	m.cfg.Logger.Info("copied the data of another member", "member", peer.Address, "messages", summary.Messages, "bytes", summary.Bytes, "duration", time.Since(begun).Round(time.Millisecond))
	return nil
}

// snapshot writes a snapshot for a new member.
func (m *member) snapshot(ctx context.Context, file string) (map[string][]byte, error) {
	if _, err := sqlite.Backup(ctx, m.cfg.Data, file, false); err != nil {
		return nil, err
	}
	return sshserver.ReadSecrets(filepath.Join(m.cfg.Data, sshFolder))
}
