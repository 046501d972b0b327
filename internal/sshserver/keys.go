package sshserver

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"

	"ramai/internal/atomicfile"
	"ramai/internal/tui"
	"ramai/wire"
)

// keys are what the door keeps in a folder: its own key, a secret, and what screens remember of those who have keys.
type keys struct {
	host   ssh.Signer
	folder string // empty: nothing is kept
	secret []byte
	fresh  bool // the secret was made now

	most   int64        // screens that are remembered; the oldest go
	writes atomic.Int64 // of screens
}

const (
	hostKeyFile  = "host_ed25519"
	secretFile   = "secret"
	memoryFolder = "screens"
	secretSize   = 32
	maxMemories  = 10000
	maxDraft     = 16000 // bytes of a draft that is remembered, and of all that is not confirmed in a room

	// What is remembered of who owns no name counts as so much older: keys cost nothing, and names do.
	anonymousClient = 365 * 24 * time.Hour
)

// openKeys reads what is in a folder, and makes what is missing.
func openKeys(folder string, random io.Reader) (*keys, error) {
	k := &keys{folder: folder, most: maxMemories}
	newHost := func() ([]byte, error) {
		_, private, err := ed25519.GenerateKey(random)
		if err != nil {
			return nil, err
		}
		block, err := ssh.MarshalPrivateKey(private, "ramai")
		if err != nil {
			return nil, err
		}
		return pem.EncodeToMemory(block), nil
	}
	newSecret := func() ([]byte, error) {
		k.fresh = true
		secret := make([]byte, secretSize)
		_, err := io.ReadFull(random, secret)
		return []byte(base64.RawURLEncoding.EncodeToString(secret) + "\n"), err
	}
	host, err := k.kept(hostKeyFile, newHost)
	if err != nil {
		return nil, err
	}
	if k.host, err = ssh.ParsePrivateKey(host); err != nil {
		return nil, fmt.Errorf("the host key of SSH, %s, is damaged (%w); bring it back from a backup, or delete it: then clients are told that the host has another key", filepath.Join(folder, hostKeyFile), err)
	}
	secret, err := k.kept(secretFile, newSecret)
	if err != nil {
		return nil, err
	}
	if k.secret, err = base64.RawURLEncoding.DecodeString(strings.TrimSpace(string(secret))); err != nil || len(k.secret) != secretSize {
		return nil, fmt.Errorf("the secret of SSH, %s, is damaged; bring it back from a backup, or delete it: then every key is another sender than before", filepath.Join(folder, secretFile))
	}
	return k, k.forget()
}

// kept reads a file that only this user may read, and makes it if it is not there. Without a folder it makes it each time.
func (k *keys) kept(name string, fresh func() ([]byte, error)) ([]byte, error) {
	if k.folder == "" {
		return fresh()
	}
	path := filepath.Join(k.folder, name)
	b, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if b, err = fresh(); err == nil {
			err = atomicfile.Write(path, b)
		}
	case err == nil:
		err = os.Chmod(path, 0o600)
	}
	if err != nil {
		return nil, fmt.Errorf("the keys of SSH: %w", err)
	}
	return b, nil
}

// session is what a public key stands for: 128 bits that nobody can know who does not have the secret.
func (k *keys) session(key ssh.PublicKey) string {
	if c, ok := key.(*ssh.Certificate); ok { // which is renewed, and the key in it stays
		key = c.Key
	}
	mac := hmac.New(sha256.New, k.secret)
	mac.Write(key.Marshal())
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:16])
}

// memory returns what is remembered of a session's last screen.
func (k *keys) memory(session string) tui.State {
	var m tui.State
	if k.folder == "" {
		return m
	}
	if b, err := os.ReadFile(k.memoryFile(session)); err == nil {
		if json.Unmarshal(b, &m) != nil {
			return tui.State{}
		}
	}
	return m
}

// remember keeps what a screen was, of who owns a name or of who does not, if there is anything to know of it.
func (k *keys) remember(session string, m tui.State, owner bool) error {
	if k.folder == "" || !slices.ContainsFunc(m.Rooms, func(p tui.RoomState) bool { return p.HistoryID != "" || p.Draft != "" || len(p.Unsaved) > 0 }) {
		return nil
	}
	for i := range m.Rooms {
		if len(m.Rooms[i].Draft) > maxDraft {
			m.Rooms[i].Draft = ""
		}
		unsaved := m.Rooms[i].Unsaved
		size := 0
		for j, text := range slices.Backward(unsaved) {
			if size += len(text); size > maxDraft {
				unsaved = unsaved[j+1:]
				break
			}
		}
		m.Rooms[i].Unsaved = unsaved
	}
	b, err := json.Marshal(m)
	if err != nil {
		return err
	}
	path := k.memoryFile(session)
	if err := atomicfile.Write(path, append(b, '\n')); err != nil {
		return err
	}
	if !owner {
		at := time.Now().Add(-anonymousClient)
		if err := os.Chtimes(path, at, at); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if k.writes.Add(1)%(k.most/10) != 0 { // to look at all of them takes a while
		return nil
	}
	return k.forget()
}

// memoryFile is named after the sender, which is no secret.
func (k *keys) memoryFile(session string) string {
	return filepath.Join(k.folder, memoryFolder, wire.SenderIDOf(session)+".json")
}

// forget removes the oldest memories, if there are more than there may be, and some more.
func (k *keys) forget() error {
	if k.folder == "" {
		return nil
	}
	folder := filepath.Join(k.folder, memoryFolder)
	files, err := os.ReadDir(folder)
	switch {
	case errors.Is(err, fs.ErrNotExist) || err == nil && len(files) <= int(k.most):
		return nil
	case err != nil:
		return err
	}
	age := map[string]time.Time{} // the zero time: gone meanwhile
	for _, f := range files {
		if info, err := f.Info(); err == nil {
			age[f.Name()] = info.ModTime()
		}
	}
	slices.SortFunc(files, func(a, b fs.DirEntry) int { return age[a.Name()].Compare(age[b.Name()]) })
	for _, f := range files[:len(files)-int(k.most-k.most/10)] {
		if err := os.Remove(filepath.Join(folder, f.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
