package server

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"
)

// TLS says how connections are encrypted: with a certificate from files, or with those that are got for domains by ACME
// (RFC 8555), or, if it is the zero value, not at all.
type TLS struct {
	Cert, Key string // files in PEM; both or none. They are read again when they have changed

	Domains   []string // to get certificates for; ports of this server must be reachable as 443 under these names
	Directory string   // of the ACME server; empty: Let's Encrypt
	Email     string   // that the ACME server may write to; may be empty
}

// acmeFolder is where certificates are kept, in the data folder.
const acmeFolder = "acme"

// encryption makes a configuration, and tells the names that the certificates are for. Both are nil without encryption.
func (c *Config) encryption() (*tls.Config, []string, error) {
	t := &c.TLS
	switch {
	case (t.Cert == "") != (t.Key == ""):
		return nil, nil, errors.New("a certificate and its key are both needed: --tls-cert and --tls-key")
	case t.Cert != "" && len(t.Domains) > 0:
		return nil, nil, errors.New("certificates come from files or from ACME, not from both: leave out --tls-cert or --acme")
	case t.Cert != "":
		pair := &pair{cert: t.Cert, key: t.Key, now: c.Now, logger: c.Logger}
		leaf, err := pair.load()
		if err != nil {
			return nil, nil, err
		}
		return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: pair.get}, plainNames(leaf), nil
	case len(t.Domains) > 0 && c.InMemory:
		return nil, nil, errors.New("--acme keeps certificates in the data folder, and with --in-memory there is none")
	case len(t.Domains) > 0:
		m := &autocert.Manager{
			Prompt: autocert.AcceptTOS, Cache: autocert.DirCache(filepath.Join(c.Data, acmeFolder)),
			HostPolicy: autocert.HostWhitelist(t.Domains...), Email: t.Email,
		}
		if t.Directory != "" {
			m.Client = &acme.Client{DirectoryURL: t.Directory}
		}
		config := m.TLSConfig() // with the protocol of the challenge (RFC 8737)
		config.MinVersion = tls.VersionTLS12
		return config, t.Domains, nil
	}
	return nil, nil, nil
}

// plainNames are the names of a certificate that are no patterns.
func plainNames(leaf *x509.Certificate) (names []string) {
	for _, name := range leaf.DNSNames {
		if !strings.Contains(name, "*") {
			names = append(names, strings.ToLower(name))
		}
	}
	return names
}

// lookEvery is how often it is looked, at most, whether the files of a certificate have changed.
const lookEvery = time.Second

// pair is a certificate and its key, from files that somebody renews.
type pair struct {
	cert, key string
	now       func() time.Time
	logger    *slog.Logger

	mu      sync.Mutex
	loaded  *tls.Certificate // guarded by mu
	stamp   string           // guarded by mu: of the files as they were loaded
	failed  string           // guarded by mu: why they cannot be loaded now, as it was told
	looking time.Time        // guarded by mu: when it was looked last
}

// load reads the files for the first time.
func (p *pair) load() (*x509.Certificate, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	stamp, err := p.changed()
	if err != nil {
		return nil, err
	}
	loaded, err := tls.LoadX509KeyPair(p.cert, p.key)
	if err != nil {
		return nil, fmt.Errorf("the certificate %s and its key %s cannot be used: %w", p.cert, p.key, err)
	}
	if info, err := os.Stat(p.key); err == nil && info.Mode().Perm()&0o077 != 0 && runtime.GOOS != "windows" {
		p.logger.Warn("others than the owner can read or change the key of the certificate: chmod 600", "file", p.key)
	}
	p.loaded, p.stamp, p.looking = &loaded, stamp, p.now()
	return loaded.Leaf, nil
}

// changed describes the files: something else if they have changed.
func (p *pair) changed() (string, error) {
	var stamp string
	for _, path := range []string{p.cert, p.key} {
		info, err := os.Stat(path)
		if errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("there is no file %s for TLS", path)
		}
		if err != nil {
			return "", err
		}
		stamp += fmt.Sprintf("%d %d;", info.ModTime().UnixNano(), info.Size())
	}
	return stamp, nil
}

// get is for tls.Config.GetCertificate. What cannot be used does not take the place of what could.
func (p *pair) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	if now.Sub(p.looking) < lookEvery {
		return p.loaded, nil
	}
	p.looking = now
	stamp, err := p.changed()
	if err == nil && stamp == p.stamp {
		return p.loaded, nil
	}
	var renewed tls.Certificate
	if err == nil {
		renewed, err = tls.LoadX509KeyPair(p.cert, p.key)
	}
	switch {
	case err == nil:
		p.loaded, p.stamp, p.failed = &renewed, stamp, ""
		p.logger.Info("the certificate was renewed", "file", p.cert, "until", renewed.Leaf.NotAfter)
	case err.Error() != p.failed: // once; it is tried again all the same, for the reason may go away and leave no mark on the files
		p.failed = err.Error()
		p.logger.Error("the new certificate cannot be used; the old one stays", "err", err)
	}
	return p.loaded, nil
}
