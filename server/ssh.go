package server

import (
	"net"
	"path/filepath"

	"ramai/internal/sshdoor"
)

// sshFolder is where the keys of SSH are kept, in the data folder.
const sshFolder = "ssh"

// sshConns is how many connections of SSH there can be where there are can descriptors for connections. A session over SSH
// takes none, and one of SSH may be without a session.
func sshConns(can int) int { return min(sshdoor.MaxConns, can/4) }

func (s *Server) openSSH() (*sshdoor.Door, error) {
	folder := ""
	if !s.cfg.Memory {
		folder = filepath.Join(s.cfg.Data, sshFolder)
	}
	return sshdoor.New(sshdoor.Config{
		Env: s.env, Serve: s.serve, TakePlace: s.takePlace, GivePlace: s.givePlace, Search: s.index.Search,
		MaxConns: sshConns(descriptors() - spareDescriptors), Folder: folder, KeysOnly: s.cfg.SSHKeysOnly, Stall: s.cfg.Stall,
	})
}

// ServeSSH serves SSH on ln until Close, if Config.SSH says that there is a door for it. It closes ln.
func (s *Server) ServeSSH(ln net.Listener) error { return s.ssh.Serve(ln) }

// SSHFingerprint is that of the host key, as ssh shows it.
func (s *Server) SSHFingerprint() string { return s.ssh.Fingerprint() }
