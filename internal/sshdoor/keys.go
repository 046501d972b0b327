package sshdoor

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"charm.land/ssh"
	"charm.land/wish/v2"
	gossh "golang.org/x/crypto/ssh"

	"ramai/internal/tui"
	"ramai/wire"
)

// keys are what the door keeps in a folder: its own key, a secret, and what screens remember of those who have keys.
type keys struct {
	host   ssh.Option
	folder string // empty: nothing is kept
	secret []byte
}

const (
	hostKeyFile  = "host_ed25519"
	secretFile   = "secret"
	memoryFolder = "screens"
	secretSize   = 32
	maxMemories  = 10000 // screens that are remembered; the oldest go
)

// openKeys reads what is in a folder, and makes what is missing.
func openKeys(folder string, random io.Reader) (*keys, error) {
	k := &keys{folder: folder, secret: make([]byte, secretSize)}
	if folder == "" {
		_, private, err := ed25519.GenerateKey(random)
		if err != nil {
			return nil, err
		}
		signer, err := gossh.NewSignerFromKey(private)
		if err != nil {
			return nil, err
		}
		k.host = func(s *ssh.Server) error { s.AddHostKey(signer); return nil }
		_, err = io.ReadFull(random, k.secret)
		return k, err
	}
	if err := os.MkdirAll(filepath.Join(folder, memoryFolder), 0o700); err != nil {
		return nil, fmt.Errorf("the folder of SSH: %w", err)
	}
	k.host = wish.WithHostKeyPath(filepath.Join(folder, hostKeyFile))
	path := filepath.Join(folder, secretFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := io.ReadFull(random, k.secret); err != nil {
			return nil, err
		}
		return k, replace(path, []byte(base64.RawURLEncoding.EncodeToString(k.secret)+"\n"))
	}
	if err != nil {
		return nil, fmt.Errorf("the secret of SSH: %w", err)
	}
	if k.secret, err = base64.RawURLEncoding.DecodeString(strings.TrimSpace(string(text))); err != nil || len(k.secret) != secretSize {
		return nil, fmt.Errorf("%s is damaged; bring it back from a backup, or delete it: then every key is another sender than before", path)
	}
	return k, nil
}

// session is what a public key stands for: 128 bits that nobody can know who does not have the secret.
func (k *keys) session(key ssh.PublicKey) string {
	mac := hmac.New(sha256.New, k.secret)
	mac.Write(key.Marshal())
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:16])
}

// memory returns what is remembered of a session's last screen.
func (k *keys) memory(session string) tui.Memory {
	var m tui.Memory
	if b, err := os.ReadFile(k.memoryFile(session)); err == nil {
		if json.Unmarshal(b, &m) != nil {
			return tui.Memory{}
		}
	}
	return m
}

// remember keeps what a screen was when it was left.
func (k *keys) remember(session string, m tui.Memory) error {
	if k.folder == "" {
		return nil
	}
	b, err := json.Marshal(m)
	if err != nil {
		return err
	}
	if err := replace(k.memoryFile(session), append(b, '\n')); err != nil {
		return err
	}
	return k.forget(maxMemories)
}

// memoryFile is named after the sender, which is no secret.
func (k *keys) memoryFile(session string) string {
	return filepath.Join(k.folder, memoryFolder, wire.By(session)+".json")
}

// forget removes the oldest memory, if there are more than most.
func (k *keys) forget(most int) error {
	files, err := os.ReadDir(filepath.Join(k.folder, memoryFolder))
	if err != nil || len(files) <= most {
		return err
	}
	age := func(f fs.DirEntry) int64 {
		info, err := f.Info()
		if err != nil {
			return 0
		}
		return info.ModTime().UnixNano()
	}
	oldest := slices.MinFunc(files, func(a, b fs.DirEntry) int { return int(max(-1, min(1, age(a)-age(b)))) })
	return os.Remove(filepath.Join(k.folder, memoryFolder, oldest.Name()))
}

// replace writes a file that nobody else may read, whole or not at all.
func replace(path string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".*")
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return os.Rename(f.Name(), path)
}
