package server

import (
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"

	"ramai/internal/sshdoor"
)

// sshFolder is where the keys of SSH are kept, in the data folder.
const sshFolder = "ssh"

// sshConns is how many connections of SSH there can be where there are can descriptors for connections. A session over SSH
// takes none, and one of SSH may be without a session.
func sshConns(can int) int { return min(sshdoor.MaxConns, can/4) }

// address is where a browser finds this server, as far as it can know, for who came to an address of this machine.
func (c *Config) address(came netip.Addr) *url.URL {
	if len(c.TLS.Domains) > 0 { // which is reached on port 443
		return &url.URL{Scheme: "https", Host: c.TLS.Domains[0]}
	}
	host := came.String()
	if len(c.Hosts) > 0 {
		host = c.Hosts[0]
	}
	if len(c.Hosts) > 0 && len(c.TrustProxies) > 0 { // the proxy has that name
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

func (s *Server) openSSH() (*sshdoor.Door, error) {
	folder := ""
	if !s.cfg.Memory {
		folder = filepath.Join(s.cfg.Data, sshFolder)
	}
	return sshdoor.New(sshdoor.Config{
		Env: s.env, Serve: s.serve, TakePlace: s.takePlace, GivePlace: s.givePlace, TakeConn: s.takeConn, GiveConn: s.giveConn, Search: s.index.Search, Address: s.cfg.address,
		MaxConns: sshConns(descriptors() - spareDescriptors), Folder: folder, KeysOnly: s.cfg.SSHKeysOnly, Stall: s.cfg.Stall,
	})
}

// ServeSSH serves SSH on ln until Close, if Config.SSH says that there is a door for it. It closes ln.
func (s *Server) ServeSSH(ln net.Listener) error { return s.ssh.Serve(ln) }

// SSHFingerprint is that of the host key, as ssh shows it.
func (s *Server) SSHFingerprint() string { return s.ssh.Fingerprint() }
