package server

import (
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"

	"ramai/internal/sshserver"
)

// sshFolder is the folder for SSH keys in the data folder.
const sshFolder = "ssh"

// sshConns returns the maximum number of SSH connections, of the available descriptors. They count separately from sessions: a
// session over SSH needs no descriptor, and an SSH connection may be without a session.
func sshConns(available int) int { return min(sshserver.MaxConns, available/4) }

// address returns the likely URL of this server for browsers. local is the address of this machine that an SSH client has
// connected to.
func (c *Config) address(local netip.Addr) *url.URL {
	if len(c.TLS.Domains) > 0 { // reached on port 443
		return &url.URL{Scheme: "https", Host: c.TLS.Domains[0]}
	}
	host := local.String()
	if len(c.AllowHosts) > 0 {
		host = c.AllowHosts[0]
	}
	if len(c.AllowHosts) > 0 && len(c.TrustProxies) > 0 { // it is the name of the proxy
		return &url.URL{Scheme: "https", Host: host}
	}
	if local.IsLoopback() && len(c.AllowHosts) == 0 && c.Origin != nil { // others cannot use that address
		if u, err := url.Parse(c.Origin()); err == nil && u.Host != "" {
			return u
		}
	}
	u := &url.URL{Scheme: "http", Host: net.JoinHostPort(host, strconv.Itoa(c.Port))}
	defaultPort := 80
	if c.TLS.Cert != "" {
		u.Scheme, defaultPort = "https", 443
	}
	if c.Port == 0 || c.Port == defaultPort {
		u.Host = strings.TrimSuffix(u.Host, ":"+strconv.Itoa(c.Port))
	}
	return u
}

func (s *Server) openSSH() (*sshserver.Server, error) {
	folder := ""
	if !s.cfg.InMemory {
		folder = filepath.Join(s.cfg.Data, sshFolder)
	}
	return sshserver.New(sshserver.Config{
		Chat: s.chat, Clients: s.env.Clients, Now: s.cfg.Now, Random: s.cfg.Random, Logger: s.cfg.Logger,
		Serve: s.startSession, AcquireSlot: s.acquireSlot, ReleaseSlot: s.releaseSlot, AcquireConn: s.acquireConn, ReleaseConn: s.releaseConn, Address: s.cfg.address,
		MaxConns: sshConns(descriptors() - spareDescriptors), Folder: folder, KeysOnly: s.cfg.SSHKeysOnly, SlowClientTimeout: s.cfg.SlowClientTimeout,
	})
}

// SSHFingerprint returns the fingerprint of the host key, as ssh prints it.
func (s *Server) SSHFingerprint() string { return s.ssh.Fingerprint() }
