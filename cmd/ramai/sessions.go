package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"ramai/internal/atomicfile"
	"ramai/internal/origin"
	"ramai/wire"
)

// A name belongs to a session. So that it stays its user's own from one run to the next, the session is kept in a file
// for each server and name. It is a secret: 0600 in a folder with 0700.

// sessionFile returns where the session of a name at a server is kept: in one file, however the server is spelled.
func sessionFile(folder, server, name string) string { return fileFor(folder, originOf(server), name) }

// sessionFiles returns where the session of a name at a server may be: its own file, and if the server is reached over TLS,
// the one from before it was. There is no way back: without TLS nobody knows who answers.
func sessionFiles(folder, server, name string) []string {
	at := originOf(server)
	files := []string{fileFor(folder, at, name)}
	if before := (origin.Origin{Scheme: "http", Host: at.Host}); at.Upgrades(before) {
		files = append(files, fileFor(folder, before, name))
	}
	return files
}

func fileFor(folder string, at origin.Origin, name string) string {
	sum := sha256.Sum256([]byte(at.String() + "\n" + name))
	return filepath.Join(folder, hex.EncodeToString(sum[:16]))
}

// originOf is a server in its one spelling. What names this machine alone is one host: on a port of it there is one server.
func originOf(server string) origin.Origin {
	u, err := url.Parse(server)
	if err != nil { // checked before, by checkServer
		return origin.Origin{Host: server}
	}
	host := u.Host
	switch origin.Hostname(host) {
	case "localhost", "::1":
		host = "127.0.0.1"
		if port := u.Port(); port != "" {
			host += ":" + port
		}
	}
	return origin.Of(u.Scheme, host)
}

// stateFolder is $XDG_STATE_HOME/ramai/PART, or what the system has in its place.
func stateFolder(part string) (string, error) {
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "ramai", part), nil
	}
	if runtime.GOOS == "windows" || runtime.GOOS == "darwin" {
		dir, err := os.UserConfigDir()
		return filepath.Join(dir, "ramai", part), err
	}
	home, err := os.UserHomeDir()
	return filepath.Join(home, ".local", "state", "ramai", part), err
}

// sessionFolder is where sessions are kept.
func sessionFolder() (string, error) { return stateFolder("sessions") }

// loadSession returns the session kept in file, or an empty one if there is none that is of use.
func loadSession(file string) (string, error) {
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	session := strings.TrimSpace(string(b))
	if err != nil || wire.CheckSession(session) != nil {
		return "", err
	}
	return session, nil
}

// saveSession keeps a session.
func saveSession(file, session string) error { return atomicfile.Write(file, []byte(session+"\n")) }
