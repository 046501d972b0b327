package jetstream

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// A member that has no data gets a copy of another member's: its database, and the secrets beside it. It asks for one chunk after
// the other, so that neither has to hold more than a chunk.
const (
	snapshotChunk = 256 << 10
	// snapshotTimeout is how long making a snapshot may take.
	snapshotTimeout = 30 * time.Minute
	// snapshotLife is when a snapshot that nobody has asked for is deleted.
	snapshotLife = 10 * time.Minute
	chunkTimeout = 10 * time.Second

	snapshotPattern = "snapshot-"
)

// snapshotSubject returns the subject for requests to a member.
func snapshotSubject(member string) string { return "ramai.snapshot." + member }

type snapshotRequest struct {
	ID     string `json:"id"` // empty: make one
	Offset int64  `json:"offset"`
}

// snapshotInfo is the answer to a request for a new snapshot.
type snapshotInfo struct {
	ID      string            `json:"id"`
	Size    int64             `json:"size"`
	SHA256  string            `json:"sha256"`
	Secrets map[string][]byte `json:"secrets"` // content by the name of the file
	Error   string            `json:"error,omitempty"`
}

// A snapshots serves snapshots of a member's data.
type snapshots struct {
	node   *Node
	folder string
	take   func(ctx context.Context, file string) (secrets map[string][]byte, err error)

	making sync.Mutex // held while a snapshot is made
	mu     sync.Mutex
	files  map[string]*time.Timer // guarded by mu: what deletes each snapshot, by id
}

// ServeSnapshots serves members that have no data. take writes the database to a file that does not exist yet, in folder, and
// returns the secrets that all members share.
func (n *Node) ServeSnapshots(folder string, take func(ctx context.Context, file string) (map[string][]byte, error)) error {
	old, err := filepath.Glob(filepath.Join(folder, snapshotPattern+"*"))
	if err != nil {
		return err
	}
	for _, file := range old { // of an earlier process
		if err := os.Remove(file); err != nil {
			return fmt.Errorf("delete an old snapshot: %w", err)
		}
	}
	s := &snapshots{node: n, folder: folder, take: take, files: make(map[string]*time.Timer)}
	if err = n.subscribe(snapshotSubject(n.opt.Name), func(m *nats.Msg) { n.background.Go(func() { s.answer(m) }) }); err != nil {
		return fmt.Errorf("serve snapshots: %w", err)
	}
	return nil
}

func (s *snapshots) answer(m *nats.Msg) {
	var r snapshotRequest
	err := json.Unmarshal(m.Data, &r)
	var answer []byte
	switch {
	case err != nil:
	case r.ID == "":
		info, failed := s.create()
		if failed != nil {
			s.node.opt.Logger.Error("cannot make a snapshot for another member", "err", failed)
			info = &snapshotInfo{Error: failed.Error()}
		}
		answer, err = json.Marshal(info)
	default:
		answer, err = s.read(r)
	}
	if err == nil {
		err = m.Respond(answer)
	}
	if err != nil { // the other member asks again
		s.node.opt.Logger.Warn("a request for a snapshot is not answered", "err", err)
	}
}

func (s *snapshots) file(id string) string { return filepath.Join(s.folder, snapshotPattern+id) }

// create makes a snapshot.
func (s *snapshots) create() (*snapshotInfo, error) {
	s.making.Lock()
	defer s.making.Unlock()
	var canceller sync.WaitGroup
	defer canceller.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), snapshotTimeout)
	defer cancel()
	canceller.Go(func() {
		select {
		case <-s.node.quit:
			cancel()
		case <-ctx.Done():
		}
	})
	info := &snapshotInfo{ID: rand.Text()}
	file := s.file(info.ID)
	var err error
	if info.Secrets, err = s.take(ctx, file); err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.files[info.ID] = time.AfterFunc(snapshotLife, func() { s.remove(info.ID) })
	s.mu.Unlock()
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	hash := sha256.New()
	if info.Size, err = io.Copy(hash, f); err != nil {
		return nil, err
	}
	info.SHA256 = hex.EncodeToString(hash.Sum(nil))
	return info, nil
}

// read returns a chunk. The request for the end deletes the snapshot.
func (s *snapshots) read(r snapshotRequest) ([]byte, error) {
	s.mu.Lock()
	life := s.files[r.ID]
	s.mu.Unlock()
	if life == nil || r.Offset < 0 {
		return nil, nil // the other member finds that it is too short
	}
	life.Reset(snapshotLife)
	f, err := os.Open(s.file(r.ID))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	chunk := make([]byte, snapshotChunk)
	read, err := f.ReadAt(chunk, r.Offset)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if read == 0 {
		s.remove(r.ID)
	}
	return chunk[:read], nil
}

func (s *snapshots) remove(id string) {
	s.mu.Lock()
	delete(s.files, id)
	s.mu.Unlock()
	if err := os.Remove(s.file(id)); err != nil {
		s.node.opt.Logger.Warn("cannot delete a snapshot", "err", err)
	}
}

// FetchSnapshot writes the database of another member to a file, and returns the secrets beside it.
func (n *Node) FetchSnapshot(ctx context.Context, member string, file *os.File) (map[string][]byte, error) {
	request := func(r snapshotRequest, timeout time.Duration) ([]byte, error) {
		ctx, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		b, err := json.Marshal(r)
		if err != nil {
			return nil, err
		}
		m, err := n.conn.RequestWithContext(ctx, snapshotSubject(member), b)
		if err != nil {
			return nil, fmt.Errorf("ask the member %s for a snapshot: %w", member, err)
		}
		return m.Data, nil
	}
	b, err := request(snapshotRequest{}, snapshotTimeout)
	if err != nil {
		return nil, err
	}
	var info snapshotInfo
	if err := json.Unmarshal(b, &info); err != nil {
		return nil, fmt.Errorf("the answer of the member %s: %w", member, err)
	}
	if info.Error != "" {
		return nil, fmt.Errorf("the member %s cannot make a snapshot: %s", member, info.Error)
	}
	hash, at := sha256.New(), int64(0)
	for {
		chunk, err := request(snapshotRequest{ID: info.ID, Offset: at}, chunkTimeout)
		if err != nil {
			return nil, err
		}
		if len(chunk) == 0 {
			break
		}
		if _, err := io.MultiWriter(file, hash).Write(chunk); err != nil {
			return nil, err
		}
		at += int64(len(chunk))
	}
	if sum := hex.EncodeToString(hash.Sum(nil)); at != info.Size || sum != info.SHA256 {
		return nil, fmt.Errorf("the snapshot of the member %s is incomplete: %d of %d bytes", member, at, info.Size)
	}
	return info.Secrets, file.Sync()
}
