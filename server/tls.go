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

// TLS configures encryption: with a certificate from files, or with certificates for domains from an ACME server (RFC 8555).
// The zero value means no encryption.
type TLS struct {
	Cert, Key string // PEM files; both or none. They are reloaded when they change

	Domains   []string // request certificates for these; this server must be reachable there on port 443
	Directory string   // directory URL of the ACME server; empty: Let's Encrypt
	Email     string   // contact address for the ACME server; may be empty
}

// acmeFolder is the folder for certificates in the data folder.
const acmeFolder = "acme"

// encryption returns the TLS configuration, and the names that the certificates are for. Both are nil without encryption.
func (c *Config) encryption() (*tls.Config, []string, error) {
	t := &c.TLS
	switch {
	case (t.Cert == "") != (t.Key == ""):
		return nil, nil, errors.New("--tls-cert and --tls-key must be set together")
	case t.Cert != "" && len(t.Domains) > 0:
		return nil, nil, errors.New("--tls-cert and --acme exclude each other")
	case t.Cert != "":
		pair := &certificate{cert: t.Cert, key: t.Key, now: c.Now, logger: c.Logger}
		leaf, err := pair.load()
		if err != nil {
			return nil, nil, err
		}
		return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: pair.get}, plainNames(leaf), nil
	case len(t.Domains) > 0 && c.InMemory:
		return nil, nil, errors.New("--acme stores certificates in the data folder, so it cannot be used with --in-memory")
	case len(t.Domains) > 0:
		m := &autocert.Manager{
			Prompt: autocert.AcceptTOS, Cache: autocert.DirCache(filepath.Join(c.Data, acmeFolder)),
			HostPolicy: autocert.HostWhitelist(t.Domains...), Email: t.Email,
		}
		if t.Directory != "" {
			m.Client = &acme.Client{DirectoryURL: t.Directory}
		}
		config := m.TLSConfig() // includes the challenge protocol (RFC 8737)
		config.MinVersion = tls.VersionTLS12
		return config, t.Domains, nil
	}
	return nil, nil, nil
}

// plainNames returns the names in a certificate that are not wildcards.
func plainNames(leaf *x509.Certificate) (names []string) {
	for _, name := range leaf.DNSNames {
		if !strings.Contains(name, "*") {
			names = append(names, strings.ToLower(name))
		}
	}
	return names
}

// checkInterval is the minimum time between checks whether the files of a certificate have changed.
const checkInterval = time.Second

// certificate is a certificate and its key, reloaded from their files when these change.
type certificate struct {
	cert, key string
	now       func() time.Time
	logger    *slog.Logger

	mu      sync.Mutex
	loaded  *tls.Certificate // guarded by mu
	version string           // guarded by mu: of the loaded files, see fileVersion
	failure string           // guarded by mu: the logged reason why the files cannot be loaded
	checked time.Time        // guarded by mu: time of the last check
}

// load reads the files for the first time.
func (c *certificate) load() (*x509.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	version, err := c.fileVersion()
	if err != nil {
		return nil, err
	}
	loaded, err := tls.LoadX509KeyPair(c.cert, c.key)
	if err != nil {
		return nil, fmt.Errorf("cannot use the certificate %s with the key %s: %w", c.cert, c.key, err)
	}
	if info, err := os.Stat(c.key); err == nil && info.Mode().Perm()&0o077 != 0 && runtime.GOOS != "windows" {
		c.logger.Warn("other users can read or change the private key of the certificate; run chmod 600", "file", c.key)
	}
	c.loaded, c.version, c.checked = &loaded, version, c.now()
	return loaded.Leaf, nil
}

// fileVersion returns a string that differs if the files have changed.
func (c *certificate) fileVersion() (string, error) {
	var version string
	for _, path := range []string{c.cert, c.key} {
		info, err := os.Stat(path)
		if errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("no such file: %s (a certificate and its key are needed for TLS)", path)
		}
		if err != nil {
			return "", err
		}
		version += fmt.Sprintf("%d %d;", info.ModTime().UnixNano(), info.Size())
	}
	return version, nil
}

// get implements tls.Config.GetCertificate. Files that cannot be loaded do not replace a certificate that works.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	if now.Sub(c.checked) < checkInterval {
		return c.loaded, nil
	}
	c.checked = now
	version, err := c.fileVersion()
	if err == nil && version == c.version {
		return c.loaded, nil
	}
	var renewed tls.Certificate
	if err == nil {
		renewed, err = tls.LoadX509KeyPair(c.cert, c.key)
	}
	switch {
	case err == nil:
		c.loaded, c.version, c.failure = &renewed, version, ""
		c.logger.Info("the certificate was renewed", "file", c.cert, "valid_until", renewed.Leaf.NotAfter)
	case err.Error() != c.failure: // logged once, but tried again: the cause may disappear without a change of the files
		c.failure = err.Error()
		c.logger.Error("the new certificate cannot be used; the old one stays in use", "err", err)
	}
	return c.loaded, nil
}
