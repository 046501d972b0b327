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

// keys manages the files in a folder: the host key, a secret, and the states of the screens of clients with keys.
type keys struct {
	host      ssh.Signer
	folder    string // empty: nothing is stored
	secret    []byte
	newSecret bool // the secret was created by this process

	maxStates   int64        // the limit of stored screen states; the oldest are deleted first
	stateWrites atomic.Int64 // of screen states
}

const (
	hostKeyFile = "host_ed25519"
	secretFile  = "secret"
	stateFolder = "screens"
	secretSize  = 32
	maxStates   = 10000
	maxDraft    = 16000 // bytes of a stored draft, and of all unconfirmed messages of a room

	// The state of a sender that owns no name counts as this much older: keys cost nothing, names do.
	unnamedAge = 365 * 24 * time.Hour
)

// openKeys reads the files of a folder, and creates what is missing.
func openKeys(folder string, random io.Reader) (*keys, error) {
	k := &keys{folder: folder, maxStates: maxStates}
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
		k.newSecret = true
		secret := make([]byte, secretSize)
		_, err := io.ReadFull(random, secret)
		return []byte(base64.RawURLEncoding.EncodeToString(secret) + "\n"), err
	}
	host, err := k.readOrCreate(hostKeyFile, newHost)
	if err != nil {
		return nil, err
	}
	if k.host, err = ssh.ParsePrivateKey(host); err != nil {
		return nil, fmt.Errorf("the SSH host key %s is damaged (%w); restore it from a backup, or delete it: clients will then warn that the host key has changed", filepath.Join(folder, hostKeyFile), err)
	}
	secret, err := k.readOrCreate(secretFile, newSecret)
	if err != nil {
		return nil, err
	}
	if k.secret, err = base64.RawURLEncoding.DecodeString(strings.TrimSpace(string(secret))); err != nil || len(k.secret) != secretSize {
		return nil, fmt.Errorf("the SSH secret %s is damaged; restore it from a backup, or delete it: every key will then have a new sender id", filepath.Join(folder, secretFile))
	}
	return k, k.prune()
}

// readOrCreate reads a file that only this user may read, and creates it if it is missing. Without a folder it generates new
// content each time.
func (k *keys) readOrCreate(name string, create func() ([]byte, error)) ([]byte, error) {
	if k.folder == "" {
		return create()
	}
	path := filepath.Join(k.folder, name)
	b, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if b, err = create(); err == nil {
			err = atomicfile.Write(path, b)
		}
	case err == nil:
		err = os.Chmod(path, 0o600)
	}
	if err != nil {
		return nil, fmt.Errorf("SSH keys: %w", err)
	}
	return b, nil
}

// session derives a session secret from a public key: 128 bits that cannot be computed without the server's secret.
func (k *keys) session(key ssh.PublicKey) string {
	if c, ok := key.(*ssh.Certificate); ok { // a certificate is renewed, but its key stays
		key = c.Key
	}
	mac := hmac.New(sha256.New, k.secret)
	mac.Write(key.Marshal())
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:16])
}

// loadState returns the stored state of a session's last screen.
func (k *keys) loadState(session string) tui.State {
	var m tui.State
	if k.folder == "" {
		return m
	}
	if b, err := os.ReadFile(k.stateFile(session)); err == nil {
		if json.Unmarshal(b, &m) != nil {
			return tui.State{}
		}
	}
	return m
}

// storeState stores the state of a screen, if it has anything worth storing. owner says whether the sender owns a name.
func (k *keys) storeState(session string, m tui.State, owner bool) error {
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
	path := k.stateFile(session)
	if err := atomicfile.Write(path, append(b, '\n')); err != nil {
		return err
	}
	if !owner {
		at := time.Now().Add(-unnamedAge)
		if err := os.Chtimes(path, at, at); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if k.stateWrites.Add(1)%(k.maxStates/10) != 0 { // reading the folder is slow
		return nil
	}
	return k.prune()
}

// stateFile is named after the sender id, which is not secret.
func (k *keys) stateFile(session string) string {
	return filepath.Join(k.folder, stateFolder, wire.SenderIDOf(session)+".json")
}

// prune removes the oldest states if there are more than the limit, and a tenth more.
func (k *keys) prune() error {
	if k.folder == "" {
		return nil
	}
	folder := filepath.Join(k.folder, stateFolder)
	files, err := os.ReadDir(folder)
	switch {
	case errors.Is(err, fs.ErrNotExist) || err == nil && len(files) <= int(k.maxStates):
		return nil
	case err != nil:
		return err
	}
	age := map[string]time.Time{} // the zero time: deleted meanwhile
	for _, f := range files {
		if info, err := f.Info(); err == nil {
			age[f.Name()] = info.ModTime()
		}
	}
	slices.SortFunc(files, func(a, b fs.DirEntry) int { return age[a.Name()].Compare(age[b.Name()]) })
	for _, f := range files[:len(files)-int(k.maxStates-k.maxStates/10)] {
		if err := os.Remove(filepath.Join(folder, f.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// fingerprintOf returns the fingerprint of a client's key, as ssh prints it. That of a certificate is its key's.
func fingerprintOf(key ssh.PublicKey) string {
	if c, ok := key.(*ssh.Certificate); ok {
		key = c.Key
	}
	return ssh.FingerprintSHA256(key)
}

// CreateSecrets creates the secrets in a folder that are missing: all servers of a cluster must have the same ones.
func CreateSecrets(folder string, random io.Reader) error {
	_, err := openKeys(folder, random)
	return err
}

// ReadSecrets returns the content of the files that CreateSecrets creates, by name.
func ReadSecrets(folder string) (map[string][]byte, error) {
	secrets := make(map[string][]byte)
	for _, name := range []string{hostKeyFile, secretFile} {
		b, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			return nil, err
		}
		secrets[name] = b
	}
	return secrets, nil
}
