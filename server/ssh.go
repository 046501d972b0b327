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

// sshFolder is where the keys of SSH are kept, in the data folder.
const sshFolder = "ssh"

// sshConns is how many connections of SSH there can be where there are can descriptors for connections. A session over SSH
// takes none, and one of SSH may be without a session.
func sshConns(can int) int { return min(sshserver.MaxConns, can/4) }

// address is where a browser finds this server, as far as it can know, for who came to an address of this machine.
func (c *Config) address(came netip.Addr) *url.URL {
	if len(c.TLS.Domains) > 0 { // which is reached on port 443
		return &url.URL{Scheme: "https", Host: c.TLS.Domains[0]}
	}
	host := came.String()
	if len(c.AllowHosts) > 0 {
		host = c.AllowHosts[0]
	}
	if len(c.AllowHosts) > 0 && len(c.TrustProxies) > 0 { // the proxy has that name
		return &url.URL{Scheme: "https", Host: host}
	}
	u := &url.URL{Scheme: "http", Host: net.JoinHostPort(host, strconv.Itoa(c.Port))}
	usual := 80
	if c.TLS.Cert != "" {
		u.Scheme, usual = "https", 443
	}
	if c.Port == 0 || c.Port == usual {
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
		Env: s.env, Serve: s.serve, AcquireSlot: s.acquireSlot, ReleaseSlot: s.releaseSlot, AcquireConn: s.acquireConn, ReleaseConn: s.releaseConn, Search: s.index.Search, Address: s.cfg.address,
		MaxConns: sshConns(descriptors() - spareDescriptors), Folder: folder, KeysOnly: s.cfg.SSHKeysOnly, Stall: s.cfg.SlowClientTimeout,
	})
}

// ServeSSH serves SSH on ln until Close, if Config.SSH says that there is a door for it. It closes ln.
func (s *Server) ServeSSH(ln net.Listener) error { return s.ssh.Serve(ln) }

// SSHFingerprint is that of the host key, as ssh shows it.
func (s *Server) SSHFingerprint() string { return s.ssh.Fingerprint() }
